"""Every command: those of /model, /fallback and /cost, each group with its help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access import Permission
from bot.card import Card
from bot.catalog import Catalog
from bot.commands.cost_table import COST
from bot.commands.fallback_table import FALLBACK
from bot.commands.help import show_help
from bot.commands.model_table import model_commands
from bot.commands.registry import Args, Command, Kind, Param, Registry

if TYPE_CHECKING:
    from bot.commands.context import Context


def registry(catalog: Catalog) -> Registry:
    """Build the registry; the presets' words come from the catalog."""
    groups = ("model", model_commands(catalog)), ("fallback", FALLBACK), ("cost", COST)
    return Registry(tuple(c for name, own in groups for c in (*own, _help(name))))


def _help(group: str) -> Command:
    async def handler(ctx: Context, args: Args) -> Card:
        return await show_help(ctx, args, group)

    return Command(
        group,
        "help",
        f"Show all forms of /{group}",
        Permission.READ,
        handler,
        (Param("name", Kind.NAME, "Only this command's form"),),
        examples=(f"/{group} help",),
        private=True,
    )
