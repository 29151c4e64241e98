"""Timed switches that are due: they are reverted if the value is still theirs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from bot.alerts.notices import revert_notice
from bot.commands.context import Context
from bot.commands.reload import apply_and_confirm
from bot.config.commit import ConfigChange, notice_outside, present_of
from bot.config.history import go_back
from bot.errors import ConfigError, ConfigLockedError, ConfigRefusedError, MovedOnError
from bot.ports import Change, Revert, RevertState
from bot.ports.alerts import Outbox
from bot.ports.reloads import PinResult


async def run_due_reverts(ctx: Context, outbox: Outbox) -> None:
    """Carry out every revert that is due; what to say of it is kept before it is closed.

    A switch whose process died before it could confirm it is recovered first.

    Raises:
        ConfigError, StorageError: it could not be tried; it stays pending.
    """
    journal, location = ctx.ports.journal, ctx.ports.store.location
    await _recover(ctx)
    due = [r for r in await journal.reverts(location) if r.due_at <= ctx.now]
    # The newest first, so that a switch inside a switch unwinds in order.
    for revert in sorted(due, key=lambda r: r.change_id, reverse=True):
        changes = await journal.changes_since(location, revert.change_id)
        change = next((c for c in changes if c.id == revert.change_id), None)
        if change is None:
            await journal.close_revert(revert.id, RevertState.DROPPED)
        else:
            await _one(ctx, outbox, revert, change, changes)


async def _recover(ctx: Context) -> None:
    journal, store = ctx.ports.journal, ctx.ports.store
    with suppress(ConfigError):
        document = await store.read()
        known = await journal.known(store.location)
        if known is None or known.revision != document.fingerprint:
            present = present_of(document, store.location)
            await notice_outside(store.location, journal, present, ctx.now)


async def _one(
    ctx: Context, outbox: Outbox, revert: Revert, change: Change, changes: Sequence[Change]
) -> None:
    journal, place = ctx.ports.journal, ctx.ports.store.location
    reason = f"timed switch (change {change.id}) ended"
    # A process that died after the switch back has left that, and nothing else, undone.
    gone_back = _gone_back(change, changes)
    change_id = gone_back.id if gone_back else None
    reverted, why = gone_back is not None, ""
    pins: tuple[PinResult, ...] = ()
    if gone_back is None:
        try:
            wanted = ConfigChange(ctx.actor, "revert", reason, go_back(change, changes))
            applied, _ = await apply_and_confirm(ctx, wanted)
            # Also where history could not be written meanwhile.
            reverted, change_id, pins = applied.changed, applied.change_id, applied.pins
        except ConfigLockedError:
            # Somebody is writing, maybe this very revert from another process: look again later.
            return
        except (ConfigRefusedError, MovedOnError) as error:
            if _gone_back(change, await journal.changes_since(place, change.id)):
                # Another process has just reverted it; the next look tells what is left to tell.
                return
            why = error.message
    if reverted or why:
        await outbox.put(revert_notice(revert, change, change_id, why, place, ctx.now, pins))
    await journal.close_revert(revert.id, RevertState.DROPPED if why else RevertState.DONE)


def _gone_back(change: Change, changes: Sequence[Change]) -> Change | None:
    """Return the change that ended a timed switch, unless OpenClaw made us take that back."""
    back = (c for c in changes if c.reverts == change.id and c.action == "revert")
    return next((c for c in back if not any(one.reverts == c.id for one in changes)), None)
