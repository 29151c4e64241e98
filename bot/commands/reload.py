"""A change of a config that another program runs on: make it, and hear what became of it.

A change that the owner refuses is taken back at once: a Moltbot before 2026.3 answers nobody
while its config is invalid, and a later one goes on with the old without a word in chat.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from bot.access import SERVICE, Surface
from bot.alerts.notices import unknown_model_notice
from bot.commands.context import Context
from bot.commands.snapshot import HISTORY
from bot.config.commit import Applied, ConfigChange, Plan, Planner, Present, apply_change
from bot.config.entries import EntryFacts, with_entries
from bot.config.history import undo
from bot.errors import ChangeoverError, ConfigRefusedError, MovedOnError, RefusedError
from bot.ports import Change
from bot.ports.alerts import Outbox
from bot.ports.reloads import Confirmation, ReloadOutcome
from bot.routing.chain import ChainContext, SkipReason, lone_hop
from bot.spans import Command, text

UNKNOWN_WITHIN = timedelta(hours=1)
"""A model that is found unknown so long after the switch to it is taken for a change's fault."""


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
    return await _with_pins(ctx, applied), confirmation


async def _with_pins(ctx: Context, applied: Applied) -> Applied:
    """Change the sessions and cron jobs of a plan in OpenClaw, now that the file is written."""
    pins = applied.plan.pins if applied.changed else ()
    return replace(applied, pins=tuple(await ctx.ports.reloads.repin(pins))) if pins else applied


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
        pins = (await _with_pins(ctx, applied)).pins
        notice = unknown_model_notice(made, applied.change_id, model, place, ctx.now, pins)
        await outbox.put(notice)


def _names(change: Change, model: str) -> bool:
    """Return whether a change put a model, or a name for it, where none or another one stood."""
    return any(
        (model in str(one.after) or model in one.path) and model not in str(one.before)
        for one in change.touched
    )


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
