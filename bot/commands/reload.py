"""A change of a config that another program runs on: make it, and hear what became of it.

A change that the owner refuses is taken back at once: a Moltbot before 2026.3 answers nobody
while its config is invalid, and a later one goes on with the old without a word in chat.
"""

from __future__ import annotations

from dataclasses import replace

from bot.access import SERVICE
from bot.commands.context import Context
from bot.commands.snapshot import HISTORY
from bot.config.commit import Applied, ConfigChange, Plan, Planner, apply_change
from bot.config.entries import EntryFacts, with_entries
from bot.config.history import undo
from bot.config.present import Present
from bot.errors import ChangeoverError, ConfigRefusedError, RefusedError
from bot.ports.reloads import Confirmation, ReloadOutcome
from bot.routing.chain import ChainContext, SkipReason, lone_hop
from bot.spans import Command, text


async def apply_and_confirm(
    ctx: Context, wanted: ConfigChange
) -> tuple[Applied, Confirmation | None]:
    """Make a change and return what the owner of the config made of it; None without an owner.

    Raises:
        ConfigRefusedError: the owner calls it invalid; it was taken back.
        ChangeoverError: whatever `apply_change` refuses with.
    """
    ports = ctx.ports
    reload = await ports.reloads.begin()
    wanted = replace(wanted, planner=await _callable(ctx, wanted.planner))
    applied = await apply_change(ports.store, ports.journal, wanted, ctx.now)
    confirmation = None
    if reload is not None and applied.revision != applied.revision_before:
        confirmation = await reload.confirm([str(ref) for ref in applied.plan.wants])
        if confirmation.taken in (ReloadOutcome.REJECTED, ReloadOutcome.UNKNOWN_MODEL):
            await _take_back(ctx, applied, confirmation)
    return await with_pins(ctx, applied), confirmation


async def with_pins(ctx: Context, applied: Applied) -> Applied:
    """Change the sessions and cron jobs of a plan in OpenClaw, now that the file is written."""
    pins = applied.plan.pins if applied.changed else ()
    return replace(applied, pins=tuple(await ctx.ports.reloads.repin(pins))) if pins else applied


async def _callable(ctx: Context, planner: Planner) -> Planner:
    """Return a planner that also adds what OpenClaw's release needs to call the new models."""
    neighbour = await ctx.ports.reloads.neighbour()
    location, env = ctx.ports.store.location, ctx.settings.env
    around = ChainContext(ctx.catalog, env, location, neighbour=neighbour)

    def plan(present: Present) -> Plan:
        planned = planner(present)
        if planned.ask or planned.reverts is not None or not around.has_openclaw(present.view):
            return planned
        signed_in = present.view.profiles | neighbour.profiles
        planned = with_entries(planned, present, EntryFacts(ctx.catalog, env, signed_in))
        if present.view.default.front is not None:
            _refuse_uncallable(planned, present, around)
        return planned

    return plan


def _refuse_uncallable(planned: Plan, present: Present, around: ChainContext) -> None:
    """Refuse a primary that our gateway, which answers for OpenClaw, cannot call."""
    for ref in planned.wants[:1]:
        hop = lone_hop(0, ref, present.view, around)
        if str(ref) == planned.new and hop.unasked is SkipReason.OPENCLAW_ONLY:
            raise RefusedError(
                f"Only OpenClaw can call {ref}, and here Changeover's gateway answers for it. "
                "Nothing changed.",
                text("Choose another: ", Command("model list")),
            )


async def _take_back(ctx: Context, applied: Applied, confirmation: Confirmation) -> None:
    ports, reason = ctx.ports, confirmation.detail or "no reason given"
    refused = f"OpenClaw rejected the changed config: {reason.rstrip('.')}."
    step = text(Command("doctor", program=True), "; if it was invalid before, fix the file first.")
    if confirmation.taken is ReloadOutcome.UNKNOWN_MODEL:
        refused = f"OpenClaw answers Unknown model: {reason}."
        step = text("Choose another: ", Command("model list"))
    try:
        changes = await ports.journal.changes(ports.store.location, HISTORY)
        made = next(change for change in changes if change.id == applied.change_id)
        wanted = ConfigChange(SERVICE, "undo", "rejected by OpenClaw", undo(made))
        await apply_change(ports.store, ports.journal, wanted, ctx.now)
    except (ChangeoverError, StopIteration) as error:
        why = error.message if isinstance(error, ChangeoverError) else "it is not in history."
        raise ConfigRefusedError(
            f"{refused} It could not be reverted: {why}",
            text(Command("model undo"), ", then ", Command("model history")),
        ) from error
    raise ConfigRefusedError(f"{refused} The change was reverted.", step)
