"""What is reverted without a command: a timed switch that is due, a model nobody serves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from bot.access import SERVICE, Surface
from bot.alerts.notices import revert_notice, unknown_model_notice
from bot.commands.context import Context
from bot.commands.reload import apply_and_confirm, with_pins
from bot.commands.snapshot import HISTORY
from bot.config.commit import ConfigChange, apply_change
from bot.config.history import go_back, undo
from bot.config.present import notice_outside, present_of
from bot.errors import ConfigError, ConfigLockedError, ConfigRefusedError, MovedOnError
from bot.ports import Change, Revert, RevertState
from bot.ports.alerts import Outbox
from bot.ports.reloads import PinResult

UNKNOWN_WITHIN = timedelta(hours=1)
"""A model that is found unknown so long after the switch to it is taken for a change's fault."""


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


async def take_back_unknown(ctx: Context, model: str, outbox: Outbox) -> None:
    """Revert the change that named a model which OpenClaw has just said it does not know.

    Only one of our own, made lately, whose values still stand.

    Raises:
        ConfigError, StorageError: it could not be tried.
    """
    ports, place = ctx.ports, ctx.ports.store.location
    changes = await ports.journal.changes(place, HISTORY)
    made = next((one for one in changes if _names(one, model)), None)
    if made is None or made.at < ctx.now - UNKNOWN_WITHIN or made.surface == Surface.OUTSIDE:
        return
    ours = made.action == "undo" and made.surface == SERVICE.surface
    if ours or any(one.reverts == made.id for one in changes):
        # Taken back already, or itself what took a change back: that would go on for ever.
        return
    with suppress(MovedOnError):
        wanted = ConfigChange(
            SERVICE, "undo", f"OpenClaw answered Unknown model: {model}", undo(made)
        )
        applied = await apply_change(ports.store, ports.journal, wanted, ctx.now)
        pins = (await with_pins(ctx, applied)).pins
        notice = unknown_model_notice(made, applied.change_id, model, place, ctx.now, pins)
        await outbox.put(notice)


def _names(change: Change, model: str) -> bool:
    """Return whether a change put a model, or a name for it, where none or another one stood."""
    return any(
        (model in str(one.after) or model in one.path) and model not in str(one.before)
        for one in change.touched
    )
