"""A change of a config that another program runs on: make it, and hear what became of it.

A change that the owner refuses is taken back at once: a Moltbot before 2026.3 answers nobody
while its config is invalid, and a later one goes on with the old without a word in chat.
"""

from __future__ import annotations

from bot.access import SERVICE
from bot.commands.context import Context
from bot.commands.picture import HISTORY
from bot.config.commit import Applied, Wish, carry_out
from bot.config.history import undo
from bot.errors import ChangeoverError, ConfigRefusedError
from bot.ports.reloads import Confirmation, Taken
from bot.spans import Command, text


async def carry_out_watched(ctx: Context, wish: Wish) -> tuple[Applied, Confirmation | None]:
    """Make a change and return what the owner of the config made of it; None without an owner.

    Raises:
        ConfigRefusedError: the owner calls it invalid; it was taken back.
        ChangeoverError: whatever `carry_out` refuses with.
    """
    ports = ctx.ports
    reload = await ports.reloads.begin()
    applied = await carry_out(ports.store, ports.journal, wish, ctx.now)
    if reload is None or not applied.changed:
        return applied, None
    confirmation = await reload.confirm()
    if confirmation.taken is Taken.REJECTED:
        await _take_back(ctx, applied, confirmation)
    return applied, confirmation


async def _take_back(ctx: Context, applied: Applied, told: Confirmation) -> None:
    ports, reason = ctx.ports, told.detail or "no reason given"
    refused = f"OpenClaw rejected the changed config: {reason.rstrip('.')}."
    try:
        changes = await ports.journal.changes(ports.store.location, HISTORY)
        made = next(change for change in changes if change.id == applied.change_id)
        wish = Wish(SERVICE, "undo", "rejected by OpenClaw", undo(made))
        await carry_out(ports.store, ports.journal, wish, ctx.now)
    except (ChangeoverError, StopIteration) as error:
        why = error.message if isinstance(error, ChangeoverError) else "it is not in history."
        raise ConfigRefusedError(
            f"{refused} It could not be reverted: {why}",
            text(Command("model undo"), ", then ", Command("model history")),
        ) from error
    raise ConfigRefusedError(
        f"{refused} The change was reverted.",
        text(Command("doctor", program=True), "; if it was invalid before, fix the file first."),
    )
