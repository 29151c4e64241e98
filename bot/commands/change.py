"""The common walk of every command that changes the config, from wish to card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from bot.commands.picture import (
    Known,
    Picture,
    picture_of,
    price_of,
    remember,
    surroundings,
)
from bot.commands.reload import carry_out_watched
from bot.config.commit import Applied, Plan, Planner, Present, Wish
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
class Request:
    """What a changing command asks of the common walk.

    `what` is the headline's name, `priced` says that it is a primary, `deadline` the words after
    `for`, `back_at` the same as a time. `notes` are added to the card. `everywhere` returns the
    model that the other places are set to as well, `pins` among them.
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
    notes: Callable[[Present], tuple[Text, ...]] = lambda present: ()
    warn: Callable[[Picture], list[Caution]] = lambda picture: []
    everywhere: Callable[[Present], ModelRef] | None = None
    pins: Pins = NO_PINS


async def change(ctx: Context, request: Request) -> Card:
    """Carry a change out and tell it; ask first when it makes the primary much dearer."""
    back_at = (
        parse_deadline(request.deadline, ctx.now, ctx.settings.timezone)
        if request.deadline
        else request.back_at
    )
    if request.everywhere is not None:
        request = replace(request, pins=await ctx.ports.reloads.pinned())
    seen: list[Present] = []

    def plan(present: Present) -> Plan:
        seen[:] = [present]
        planned = request.planner(present)
        if request.priced and request.asks:
            _ask(ctx, request, present, planned)
        edits = [*planned.edits, *_elsewhere_edits(ctx, request, present)]
        return replace(planned, edits=edits, pins=planned.pins or _repins(ctx, request, present))

    wish = Wish(ctx.actor, request.action, request.reason, plan, back_at)
    try:
        applied, told = await carry_out_watched(ctx, wish)
    except ConfirmationNeededError:
        return await _question(ctx, request, seen[0])
    return await _tell(ctx, request, seen[0], (applied, told), back_at)


def _ask(ctx: Context, request: Request, present: Present, planned: Plan) -> None:
    expected = ctx.action.expected_primary
    also = _elsewhere_edits(ctx, request, present)
    if expected is not None and expected != _shown(planned, also):
        raise MovedOnError(
            f"The primary changed to {value(planned.old)} meanwhile; nothing was changed."
            if not also
            else "The models in the config changed meanwhile; nothing was changed.",
            text("Check ", Command("model status"), ", then run the command again."),
        )
    old, new = _prices(ctx, present.view, planned.old, planned.new)
    more = also or _repins(ctx, request, present)
    if ctx.action.confirmed or (planned.old == planned.new and not more):
        return
    if more or needs_confirmation(old, new, ctx.settings.confirm_ratio):
        raise ConfirmationNeededError("", "")


def _elsewhere_edits(ctx: Context, request: Request, present: Present) -> list[Edit]:
    if request.everywhere is None:
        return []
    ref = request.everywhere(present)
    hop = lone_hop(0, ref, present.view, surroundings(ctx, Known()))
    sees = bool(hop.facts and hop.facts.vision)
    wanted = set_everywhere(present.parsed, present.view, ref, sees_images=sees)
    return together(present.document, request.planner(present).edits, wanted)


def _marked(request: Request, present: Present, set_: set[Path]) -> list[Elsewhere]:
    """Return all other places; those that `everywhere` wants to set and cannot are marked."""
    places = other_places(present)
    if request.everywhere is None or not present.document.included:
        return places
    ref = request.everywhere(present)
    return [
        replace(one, apart=one.path not in set_ and one.ref != ref and not one.for_images)
        for one in places
    ]


def _repins(ctx: Context, request: Request, present: Present) -> tuple[PinChange, ...]:
    """Plan for the sessions and cron jobs that a question showed, or for all of them."""
    if request.everywhere is None or request.pins.trouble is not None:
        return ()
    model = str(request.everywhere(present))
    return repin_all(request.pins.found, model, ctx.action.shown)


def _shown(planned: Plan, also: Sequence[Edit]) -> str:
    """Name what a question showed, so that a click finds out whether it still stands."""
    primary = str(planned.old or "")
    return " ".join([primary, *(dotted(edit.path) for edit in also)]) if also else primary


async def _question(ctx: Context, request: Request, present: Present) -> Card:
    planned = request.planner(present)
    also = _elsewhere_edits(ctx, request, present)
    repins = {(one.kind, one.key) for one in _repins(ctx, request, present)}
    pins = [pin for pin in request.pins.found if (pin.kind, pin.key) in repins]
    words = _words(ctx, request, present.view, present.view, planned)
    action = Action(
        ctx.action.words,
        confirmed=True,
        expected_primary=_shown(planned, also),
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
    places = _marked(request, present, {edit.path for edit in also})
    places = [one for one in places if one.apart or one.path in {edit.path for edit in also}]
    costs = await costs_of_week(ctx, places, pins)
    data["elsewhere"], data["pins"] = elsewhere_data(places, costs), pins_data(pins, costs)
    lines = (*elsewhere_lines(places, pins, costs), *unreached_line(request.pins))
    card = confirm_card(words, action, CONFIRM_FOR, ctx.action.words, data, lines)
    why = f"{words.new_name or words.new} costs much more than "
    error = ConfirmationNeededError(
        f"{counted(len(also) + len(pins), 'other place')} would change as well. "
        "Nothing has changed yet."
        if also or pins
        else f"{why}{words.old_name or value(words.old)}. Nothing has changed yet.",
        text("Confirm with ", Command(f"{ctx.action.words} --yes", program=True)),
    )
    return replace(card, error=error.info, exit_code=error.exit_code)


async def _tell(
    ctx: Context,
    request: Request,
    before: Present,
    outcome: tuple[Applied, Confirmation | None],
    back_at: datetime | None,
) -> Card:
    applied, told = outcome
    planned = applied.plan
    words = _words(ctx, request, applied.before, applied.after, planned)
    back, dropped = await _time(ctx, request, applied, back_at)
    known = await remember(ctx)
    after = replace(before, view=applied.after)
    picture = picture_of(ctx, after, known, request.agent)
    warnings = [
        *cautions.unrecorded(applied.unrecorded),
        *cautions.reload(told),
        *request.warn(picture),
        *(cautions.overdue(back[0], known.service_seen_at, ctx.now) if back else []),
        *repinned_cautions(applied.pins),
        *await _staying(ctx, request, before, picture),
    ]
    words = replace(
        words,
        change_id=applied.change_id,
        back=back,
        notes=(
            *request.notes(before),
            *_also(ctx, request, before),
            *repinned_notes(applied.pins),
            *_entries(applied),
            *edited_in(applied.file),
            *dropped,
            *in_force(told),
        ),
        warnings=tuple(warnings),
    )
    data = _data(ctx, request, words, applied) | {"reload": told.taken if told else None}
    return change_card(words, data) if applied.changed else unchanged_card(words, data)


def _also(ctx: Context, request: Request, before: Present) -> tuple[Text, ...]:
    edits = {edit.path for edit in _elsewhere_edits(ctx, request, before)}
    return also_set([one.name for one in other_places(before) if one.path in edits])


async def _staying(
    ctx: Context, request: Request, before: Present, picture: Picture
) -> list[Caution]:
    """Name what keeps another model than the new primary."""
    if not request.priced or picture.primary is None:
        return []
    changed = {edit.path for edit in _elsewhere_edits(ctx, request, before)}
    found = [one for one in _marked(request, before, changed) if one.path not in changed]
    pins = await ctx.ports.reloads.pinned()
    if request.agent is not None:
        found, pins = (
            [],
            replace(pins, found=tuple(p for p in pins.found if p.agent == request.agent)),
        )
    return await elsewhere_cautions(ctx, found, picture.primary.ref, pins)


def _entries(applied: Applied) -> tuple[Text, ...]:
    added = applied.after.providers.keys() - applied.before.providers.keys()
    return entries_added(sorted(added), applied.after.version)


def _words(
    ctx: Context, request: Request, before: ConfigView, after: ConfigView, planned: Plan
) -> ChangeWords:
    old_price, new_price = (None, None)
    if request.priced:
        old_price, new_price = _prices(ctx, before, planned.old, planned.new)
    return ChangeWords(
        what=request.what,
        old=planned.old,
        new=planned.new,
        actor=ctx.actor,
        reason=request.reason,
        change_id=None,
        old_name=_name(ctx, planned.old, before) if request.priced else None,
        new_name=_name(ctx, planned.new, after) if request.priced else None,
        old_price=old_price,
        new_price=new_price,
        priced=request.priced,
        place=ctx.ports.store.location,
        now=ctx.now,
    )


def _data(ctx: Context, request: Request, words: ChangeWords, applied: Applied) -> dict[str, Any]:
    return {
        "changed": applied.changed,
        "old": words.old,
        "new": words.new,
        "actor": ctx.actor.name,
        "reason": request.reason or None,
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
    ctx: Context, request: Request, applied: Applied, back_at: datetime | None
) -> tuple[tuple[datetime, str] | None, tuple[Text, ...]]:
    """Say when it goes back; where the value stood so already, put that off or call it off."""
    if not request.priced:
        return None, ()
    if applied.changed and applied.plan.old != applied.plan.new:
        return (None if back_at is None else (back_at, value(applied.plan.old))), ()
    unarmed = (cannot_revert(value(applied.plan.new)),) if back_at is not None else ()
    if applied.changed:
        return None, unarmed
    try:
        known = await remember(ctx)
        back, notes = await _retime(ctx, request, applied, known, back_at)
    except StorageError:
        return None, unarmed
    return back, notes if back or notes else unarmed


async def _retime(
    ctx: Context, request: Request, applied: Applied, known: Known, back_at: datetime | None
) -> tuple[tuple[datetime, str] | None, tuple[Text, ...]]:
    mine = owner(known.changes, choice_for(applied.after, request.agent).path)
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


def judge(ctx: Context, picture: Picture, refs: list[ModelRef]) -> list[Caution]:
    """Warn about models just chosen: no key, unknown, retired; and about a leaky local primary."""
    view, found = picture.view, []
    for ref in dict.fromkeys(refs):
        place = next((h.position for h in picture.hops if h.ref == ref), 1)
        hop = lone_hop(place, ref, view, surroundings(ctx, picture.known))
        found += [
            c
            for c in cautions.of_hop(hop, (hop,), allow_rule(view, ctx.ports.store.location))
            if c.code not in ("not_allowed", "retired", "misspelt")
        ]
        found += cautions.retired_target(ref, hop)
        before = view_of(picture.present.document)
        known = is_mapped(ref, before) or is_listed(ref)
        known = known or hop.unasked is SkipReason.OPENCLAW_ONLY
        if hop.facts and not hop.facts.gone and not known:
            found += _unheard(ctx, ref, before)
    found += cautions.unaccepted_formats(picture.hops)
    return [*found, *cautions.local_only_in_name(picture.hops)]


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
