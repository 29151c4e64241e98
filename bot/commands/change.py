"""The one way of every command that changes the config: from its plan to the card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bot.access import Surface
from bot.card import Card, Caution, Code, Text, text
from bot.commands.context import Context
from bot.commands.data import price_data, ratio_data, warnings_data
from bot.commands.elsewhere import (
    elsewhere_cautions,
    other_places,
    pin_results_data,
)
from bot.commands.new_models import new_model_cautions
from bot.commands.plan_views import paused_notes
from bot.commands.question import must_ask, question
from bot.commands.reload import apply_and_confirm
from bot.commands.snapshot import (
    Known,
    StatusSnapshot,
    load_known,
    snapshot_of,
    surroundings,
    written_price,
)
from bot.config.commit import Applied, ConfigChange, Plan, Planner
from bot.config.edit import together
from bot.config.naming import alias_of, written
from bot.config.notes import owner
from bot.config.pins import repin_all
from bot.config.places import set_everywhere
from bot.config.plan import choice_for
from bot.config.present import Present
from bot.config.schema import ConfigView
from bot.costs.pricing import price_ratio
from bot.durations import parse_deadline
from bot.errors import StorageError
from bot.messages import cautions
from bot.messages.elsewhere import repinned_cautions, repinned_notes
from bot.messages.model import (
    ChangeWords,
    also_set,
    change_card,
    edited_in,
    entries_added,
    in_force,
    names_of,
    unchanged_card,
    value,
)
from bot.messages.reverts import cannot_revert
from bot.ports import Json, RevertState
from bot.ports.reloads import NO_PINS, Confirmation, Pins
from bot.routing.chain import lone_hop

if TYPE_CHECKING:
    from bot.commands.approval import Asked


@dataclass(frozen=True, slots=True)
class ChangeSpec:
    """What a command changes, and how.

    `what` is the headline's name, `priced` says that it is a primary, `deadline` the words after
    `for`, `back_at` the same as a time. `asks` lets a primary that costs much more wait for a
    confirmation, `warns` checks the models that the plan wants. `everywhere` sets the other
    places and the pins to the first of these as well.
    """

    what: str
    action: str
    planner: Planner
    reason: str = ""
    priced: bool = False
    agent: str | None = None
    deadline: str | None = None
    back_at: datetime | None = None
    asks: bool = True
    warns: bool = True
    everywhere: bool = False


async def change(ctx: Context, spec: ChangeSpec) -> Card:
    """Plan, ask first where the primary costs much more, write, and return the card.

    `bot/config/commit.py` reads the config, calls the planner, proves the edit and writes it.
    """
    back_at = spec.back_at
    if spec.deadline:
        back_at = parse_deadline(spec.deadline, ctx.now, ctx.settings.timezone)
    pins = await ctx.ports.reloads.pinned() if spec.everywhere else NO_PINS
    wanted = ConfigChange(
        ctx.actor,
        spec.action,
        spec.reason,
        planner=lambda present: _planned(ctx, spec, pins, back_at, present),
        back_at=back_at,
    )
    applied, confirmation = await apply_and_confirm(ctx, wanted)
    if applied.plan.ask:
        held = await _held(ctx, spec, applied, back_at)
        if held is not None:
            return held
        return await question(ctx, _words(ctx, spec, applied), applied.plan, pins)
    return await _result(ctx, spec, applied, confirmation, back_at)


def _planned(
    ctx: Context, spec: ChangeSpec, pins: Pins, back_at: datetime | None, present: Present
) -> Plan:
    """Return the command's plan; of a primary with what follows it, and whether to ask first."""
    planned = spec.planner(present)
    if spec.priced:
        planned = replace(planned, places=tuple(other_places(present)))
        if spec.everywhere:
            planned = _with_other_places(ctx, planned, present, pins)
    if not spec.asks:
        return planned
    asks = spec.priced and must_ask(ctx, present, planned)
    if _may_wait(ctx):
        from bot.commands.approval import check_same

        asked = _request(ctx, spec, back_at, present, planned)
        if ctx.approved is not None:
            check_same(ctx.approved, asked)
        asks = asks or (bool(asked.rules) and ctx.approved is None)
    return replace(planned, ask=asks)


def _may_wait(ctx: Context) -> bool:
    """Return whether somebody else may have to approve what this actor changes."""
    return ctx.settings.approval.any and not ctx.actor.owner


def _request(
    ctx: Context, spec: ChangeSpec, back_at: datetime | None, present: Present, planned: Plan
) -> Asked:
    """Return the change as a second operator would have to approve it."""
    from bot.commands.approval import config_request

    # "until 18:00" means another day an hour later; "for 2h" begins when it is approved.
    until = back_at if (spec.deadline or "").lower().startswith("until") else None
    facts = {"until": until and until.isoformat()}
    asked = config_request(ctx, present, planned, spec.what, facts)
    return replace(asked, reason=spec.reason)


async def _held(
    ctx: Context, spec: ChangeSpec, applied: Applied, back_at: datetime | None
) -> Card | None:
    if not _may_wait(ctx):
        return None
    from bot.commands.approval import hold

    return await hold(ctx, _request(ctx, spec, back_at, applied.present, applied.plan))


def _with_other_places(ctx: Context, planned: Plan, present: Present, pins: Pins) -> Plan:
    """Add to a switch the other places and pins of OpenClaw that can follow it."""
    ref = planned.wants[0]
    hop = lone_hop(0, ref, present.view, surroundings(ctx, Known()))
    sees_images = bool(hop.facts and hop.facts.vision)
    wanted = set_everywhere(present.parsed, present.view, ref, sees_images=sees_images)
    also = together(present.document, planned.edits, wanted)
    # The sessions and cron jobs that a question showed, or all of them.
    repins = () if pins.unreachable else repin_all(pins.found, str(ref), ctx.action.shown)
    follow = tuple(edit.path for edit in also)
    places = planned.places
    if present.document.included:
        places = tuple(
            replace(one, apart=one.path not in follow and one.ref != ref and not one.for_images)
            for one in places
        )
    return replace(
        planned,
        edits=[*planned.edits, *also],
        pins=planned.pins or repins,
        places=places,
        follow=follow,
    )


async def _result(
    ctx: Context,
    spec: ChangeSpec,
    applied: Applied,
    confirmation: Confirmation | None,
    back_at: datetime | None,
) -> Card:
    """Return the card of a change that was made, or had nothing to do."""
    planned = applied.plan
    back, unset = await _revert_of(ctx, spec, applied, back_at)
    known = await load_known(ctx)
    by_hand = ctx.actor.surface is not Surface.SERVICE and spec.priced and spec.agent is None
    paused = await paused_notes(ctx, applied.after, back and back[0]) if by_hand else ()
    snapshot = snapshot_of(ctx, replace(applied.present, view=applied.after), known, spec.agent)
    warnings = (
        *cautions.unrecorded(applied.unrecorded),
        *cautions.reload(confirmation),
        *(new_model_cautions(ctx, snapshot, planned.wants) if spec.warns else ()),
        *(cautions.overdue(back[0], known.service_seen_at, ctx.now) if back else ()),
        *repinned_cautions(applied.pins),
        *(await _staying(ctx, spec, planned, snapshot) if spec.priced else ()),
    )
    words = replace(
        _words(ctx, spec, applied),
        change_id=applied.change_id,
        back=back,
        notes=(
            *planned.notes,
            *also_set([one.name for one in planned.places if one.path in planned.follow]),
            *repinned_notes(applied.pins),
            *_entries(applied),
            *edited_in(applied.file),
            *unset,
            *paused,
            *in_force(confirmation),
        ),
        warnings=warnings,
    )
    reload = confirmation.taken if confirmation else None
    data = _data(ctx, spec, words, applied) | {"reload": reload}
    return change_card(words, data) if applied.changed else unchanged_card(words, data)


async def _staying(
    ctx: Context, spec: ChangeSpec, planned: Plan, snapshot: StatusSnapshot
) -> list[Caution]:
    """Name what keeps another model than the new primary."""
    if snapshot.primary is None:
        return []
    found = [one for one in planned.places if one.path not in planned.follow]
    pins = await ctx.ports.reloads.pinned()
    if spec.agent is not None:
        own = tuple(p for p in pins.found if p.agent == spec.agent)
        found, pins = [], replace(pins, found=own)
    return await elsewhere_cautions(ctx, found, snapshot.primary.ref, pins)


def _entries(applied: Applied) -> tuple[Text, ...]:
    added = applied.after.providers.keys() - applied.present.view.providers.keys()
    return entries_added(sorted(added), applied.after.version)


def _words(ctx: Context, spec: ChangeSpec, applied: Applied) -> ChangeWords:
    planned, before, after = applied.plan, applied.present.view, applied.after
    return ChangeWords(
        what=spec.what,
        old=planned.old,
        new=planned.new,
        actor=ctx.actor,
        reason=spec.reason,
        change_id=None,
        old_name=_name(ctx, planned.old, before) if spec.priced else None,
        new_name=_name(ctx, planned.new, after) if spec.priced else None,
        old_price=written_price(ctx, planned.old, before) if spec.priced else None,
        new_price=written_price(ctx, planned.new, before) if spec.priced else None,
        priced=spec.priced,
        place=ctx.ports.store.location,
        now=ctx.now,
    )


def _data(ctx: Context, spec: ChangeSpec, words: ChangeWords, applied: Applied) -> dict[str, Any]:
    return {
        "changed": applied.changed,
        "old": words.old,
        "new": words.new,
        "actor": ctx.actor.name,
        "reason": spec.reason or None,
        "revision_before": applied.revision_before,
        "revision": applied.revision,
        "price_ratio": ratio_data(price_ratio(words.old_price, words.new_price)),
        "old_price": price_data(words.old_price),
        "new_price": price_data(words.new_price),
        "revert_at": words.back[0] if words.back else None,
        "diff": applied.diff,
        "change_id": applied.change_id,
        "config_path": ctx.ports.store.location,
        "pins": pin_results_data(applied.pins),
        "warnings": warnings_data(words.warnings),
    }


async def _revert_of(
    ctx: Context, spec: ChangeSpec, applied: Applied, back_at: datetime | None
) -> tuple[tuple[datetime, str] | None, tuple[Text, ...]]:
    """Return when the switch reverts and to what, and what to note of a revert that is not set.

    Where the value was so already, an earlier timed switch is moved, or cancelled.
    """
    if not spec.priced:
        return None, ()
    if applied.changed and applied.plan.old != applied.plan.new:
        return (None if back_at is None else (back_at, value(applied.plan.old))), ()
    unarmed = (cannot_revert(value(applied.plan.new)),) if back_at is not None else ()
    if applied.changed:
        return None, unarmed
    try:
        known = await load_known(ctx)
        back, notes = await _retime(ctx, spec, applied, known, back_at)
    except StorageError:
        return None, unarmed
    return back, notes if back or notes else unarmed


async def _retime(
    ctx: Context, spec: ChangeSpec, applied: Applied, known: Known, back_at: datetime | None
) -> tuple[tuple[datetime, str] | None, tuple[Text, ...]]:
    mine = owner(known.changes, choice_for(applied.after, spec.agent).path)
    revert = next((r for r in known.reverts if mine and r.change_id == mine.id), None)
    if revert is None or mine is None:
        return None, ()
    journal = ctx.ports.journal
    if back_at is not None:
        await journal.move_revert(revert.id, back_at)
        return (back_at, value(mine.old)), ()
    await journal.close_revert(revert.id, RevertState.DROPPED)
    return None, (text("The timed revert to ", Code(value(mine.old)), " is cancelled."),)


def _name(ctx: Context, json_value: Json, view: ConfigView) -> str | None:
    if not isinstance(json_value, str):
        return None
    ref = written(json_value, view)
    preset = (alias_of(ref, view) or ctx.catalog.preset_of(ref)) if ref else None
    return names_of(ref, preset, json_value)
