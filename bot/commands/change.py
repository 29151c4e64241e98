"""The common walk of every command that changes the config, from wish to card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.card import Action, Card, Caution, Code, Command, Text, text
from bot.commands.context import Context
from bot.commands.data import price_data, ratio_data, warnings_data
from bot.commands.elsewhere import (
    costs_of_week,
    elsewhere_cautions,
    elsewhere_data,
    other_places,
    pin_results_data,
    pins_data,
)
from bot.commands.reload import carry_out_watched
from bot.commands.snapshot import (
    Known,
    StatusSnapshot,
    load_known,
    price_of,
    snapshot_of,
    surroundings,
)
from bot.config.commit import Applied, ConfigChange, Plan, Planner, Present
from bot.config.edit import Edit
from bot.config.history import owner
from bot.config.naming import alias_of, near, written
from bot.config.pins import repin_all, shown
from bot.config.places import Elsewhere, set_everywhere, together
from bot.config.plan import choice_for
from bot.config.schema import ConfigView, view_of
from bot.config.served import is_listed, is_mapped
from bot.config.values import dotted
from bot.costs.pricing import needs_confirmation, price_ratio
from bot.durations import parse_deadline
from bot.errors import ConfirmationNeededError, MovedOnError, StorageError
from bot.messages import cautions
from bot.messages.elsewhere import (
    elsewhere_lines,
    repinned_cautions,
    repinned_notes,
    unreached_line,
)
from bot.messages.model import (
    ChangeWords,
    also_set,
    change_card,
    confirm_card,
    edited_in,
    entries_added,
    in_force,
    names_of,
    unchanged_card,
    value,
)
from bot.messages.reverts import cannot_revert
from bot.messages.words import counted
from bot.models import ModelRef, Price
from bot.ports import Json, Path, RevertState
from bot.ports.reloads import NO_PINS, Confirmation, PinChange, Pins
from bot.routing.chain import SkipReason, allow_rule, lone_hop

CONFIRM_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ChangeSpec:
    """What a changing command asks of the common walk.

    `what` is the headline's name, `priced` says that it is a primary, `deadline` the words after
    `for`, `back_at` the same as a time. `asks` lets a dear primary wait for approval, `judged`
    warns about the models the plan wants. `everywhere` sets the other places and the pins to the
    first of these as well.
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
    judged: bool = True
    everywhere: bool = False


async def change(ctx: Context, spec: ChangeSpec) -> Card:
    """Carry a change out and return its card; ask first when the primary costs much more."""
    back_at = (
        parse_deadline(spec.deadline, ctx.now, ctx.settings.timezone)
        if spec.deadline
        else spec.back_at
    )
    pins = await ctx.ports.reloads.pinned() if spec.everywhere else NO_PINS

    def plan(present: Present) -> Plan:
        planned = spec.planner(present)
        return _priced(ctx, spec, pins, present, planned) if spec.priced else planned

    wish = ConfigChange(ctx.actor, spec.action, spec.reason, plan, back_at)
    applied, told = await carry_out_watched(ctx, wish)
    if applied.plan.ask:
        return await _question(ctx, spec, applied, pins)
    return await _done(ctx, spec, applied, told, back_at)


def _priced(ctx: Context, spec: ChangeSpec, pins: Pins, present: Present, planned: Plan) -> Plan:
    """Add to a switch of the primary what follows it, and whether it has to be approved."""
    places = other_places(present)
    also: list[Edit] = []
    repins: tuple[PinChange, ...] = ()
    if spec.everywhere:
        ref = planned.wants[0]
        hop = lone_hop(0, ref, present.view, surroundings(ctx, Known()))
        sees = bool(hop.facts and hop.facts.vision)
        wanted = set_everywhere(present.parsed, present.view, ref, sees_images=sees)
        also = together(present.document, planned.edits, wanted)
        if pins.trouble is None:
            # The sessions and cron jobs that a question showed, or all of them.
            repins = repin_all(pins.found, str(ref), ctx.action.shown)
        if present.document.included:
            places = _marked(places, {edit.path for edit in also}, ref)
    follow = tuple(edit.path for edit in also)
    return replace(
        planned,
        edits=[*planned.edits, *also],
        pins=planned.pins or repins,
        ask=spec.asks and _must_ask(ctx, present.view, planned, follow, bool(also or repins)),
        places=tuple(places),
        follow=follow,
    )


def _must_ask(
    ctx: Context, view: ConfigView, planned: Plan, follow: Sequence[Path], more: bool
) -> bool:
    """Return whether to ask first; `more` than the primary would change, and what follows it.

    Raises:
        MovedOnError: what a question showed is so no more.
    """
    expected = ctx.action.expected_primary
    if expected is not None and expected != _shown(planned, follow):
        raise MovedOnError(
            "The models in the config changed meanwhile; nothing was changed."
            if follow
            else f"The primary changed to {value(planned.old)} meanwhile; nothing was changed.",
            text("Check ", Command("model status"), ", then run the command again."),
        )
    if ctx.action.confirmed or (planned.old == planned.new and not more):
        return False
    old, new = _prices(ctx, view, planned.old, planned.new)
    return more or needs_confirmation(old, new, ctx.settings.confirm_ratio)


def _marked(places: Sequence[Elsewhere], follow: set[Path], ref: ModelRef) -> list[Elsewhere]:
    """Mark the places that `everywhere` wants to set and cannot."""
    return [
        replace(one, apart=one.path not in follow and one.ref != ref and not one.for_images)
        for one in places
    ]


def _shown(planned: Plan, follow: Sequence[Path]) -> str:
    """Name what a question showed, so that a click finds out whether it still stands."""
    primary = str(planned.old or "")
    return " ".join([primary, *map(dotted, follow)]) if follow else primary


async def _question(ctx: Context, spec: ChangeSpec, applied: Applied, pinned: Pins) -> Card:
    planned = applied.plan
    repins = {(one.kind, one.key) for one in planned.pins}
    pins = [pin for pin in pinned.found if (pin.kind, pin.key) in repins]
    words = _words(ctx, spec, applied)
    action = Action(
        ctx.action.words,
        confirmed=True,
        expected_primary=_shown(planned, planned.follow),
        shown=tuple(map(shown, pins)),
        only=ctx.actor.key,
        expires_at=ctx.now + CONFIRM_FOR,
        once=True,
    )
    ratio = price_ratio(words.old_price, words.new_price)
    data = {
        "changed": False,
        "old": planned.old,
        "new": planned.new,
        "price_ratio": ratio_data(ratio),
        "old_price": price_data(words.old_price),
        "new_price": price_data(words.new_price),
        "expires_at": action.expires_at,
    }
    places = [one for one in planned.places if one.apart or one.path in planned.follow]
    costs = await costs_of_week(ctx, places, pins)
    data["elsewhere"], data["pins"] = elsewhere_data(places, costs), pins_data(pins, costs)
    lines = (*elsewhere_lines(places, pins, costs), *unreached_line(pinned))
    card = confirm_card(words, action, CONFIRM_FOR, ctx.action.words, data, lines)
    why = f"{words.new_name or words.new} costs much more than "
    error = ConfirmationNeededError(
        f"{counted(len(planned.follow) + len(pins), 'other place')} would change as well. "
        "Nothing has changed yet."
        if planned.follow or pins
        else f"{why}{words.old_name or value(words.old)}. Nothing has changed yet.",
        text("Confirm with ", Command(f"{ctx.action.words} --yes", program=True)),
    )
    return replace(card, error=error.info, exit_code=error.exit_code)


async def _done(
    ctx: Context,
    spec: ChangeSpec,
    applied: Applied,
    told: Confirmation | None,
    back_at: datetime | None,
) -> Card:
    planned = applied.plan
    back, dropped = await _time(ctx, spec, applied, back_at)
    known = await load_known(ctx)
    snapshot = snapshot_of(ctx, replace(applied.present, view=applied.after), known, spec.agent)
    warnings = (
        *cautions.unrecorded(applied.unrecorded),
        *cautions.reload(told),
        *(judge(ctx, snapshot, planned.wants) if spec.judged else ()),
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
            *dropped,
            *in_force(told),
        ),
        warnings=warnings,
    )
    data = _data(ctx, spec, words, applied) | {"reload": told.taken if told else None}
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
    old_price, new_price = (None, None)
    if spec.priced:
        old_price, new_price = _prices(ctx, before, planned.old, planned.new)
    return ChangeWords(
        what=spec.what,
        old=planned.old,
        new=planned.new,
        actor=ctx.actor,
        reason=spec.reason,
        change_id=None,
        old_name=_name(ctx, planned.old, before) if spec.priced else None,
        new_name=_name(ctx, planned.new, after) if spec.priced else None,
        old_price=old_price,
        new_price=new_price,
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


async def _time(
    ctx: Context, spec: ChangeSpec, applied: Applied, back_at: datetime | None
) -> tuple[tuple[datetime, str] | None, tuple[Text, ...]]:
    """Say when it goes back; where the value stood so already, put that off or call it off."""
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


def _prices(
    ctx: Context, view: ConfigView, old: Json, new: Json
) -> tuple[Price | None, Price | None]:
    def price(json_value: Json) -> Price | None:
        ref = written(json_value, view) if isinstance(json_value, str) else None
        return price_of(ctx, ref, view) if ref else None

    return price(old), price(new)


def judge(ctx: Context, snapshot: StatusSnapshot, refs: Sequence[ModelRef]) -> list[Caution]:
    """Warn about models just chosen: no key, unknown, retired; and about a leaky local primary."""
    view, found = snapshot.view, []
    for ref in dict.fromkeys(refs):
        place = next((h.position for h in snapshot.hops if h.ref == ref), 1)
        hop = lone_hop(place, ref, view, surroundings(ctx, snapshot.known))
        found += [
            c
            for c in cautions.of_hop(hop, (hop,), allow_rule(view, ctx.ports.store.location))
            if c.code not in ("not_allowed", "retired", "misspelt")
        ]
        found += cautions.retired_target(ref, hop)
        before = view_of(snapshot.present.document)
        known = is_mapped(ref, before) or is_listed(ref)
        known = known or hop.unasked is SkipReason.OPENCLAW_ONLY
        if hop.facts and not hop.facts.gone and not known:
            found += _unheard(ctx, ref, before)
    found += cautions.unaccepted_formats(snapshot.hops)
    return [*found, *cautions.local_only_in_name(snapshot.hops)]


def _unheard(ctx: Context, ref: ModelRef, view: ConfigView) -> list[Caution]:
    own = {
        f"{id_.lower()}/{row.get('id')}"
        for id_, table in view.providers.items()
        for row in table.get("models") or ()
        if isinstance(row, dict)
    }
    provider = ctx.catalog.provider(ref.provider)
    listed = ModelRef(provider.id, ref.name) if provider else ref
    if str(ref) in own or (provider and provider.self_hosted) or listed in ctx.catalog.models:
        return []
    if ref.provider in {p.lower() for p in view.providers} and not own:
        return []
    if ctx.ports.prices.knows(listed):
        return []
    pool = [*own, *(str(r) for r, f in ctx.catalog.models.items() if not f.gone)]
    same = [name for name in pool if name.startswith(f"{ref.provider}/")]
    return [cautions.unknown_name(ref, near(str(ref), same))]
