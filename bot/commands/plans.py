"""/model plan: set, list and end recurring switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.card import Card, Caution, Command, text
from bot.commands.approval import config_request, hold
from bot.commands.context import Context
from bot.commands.data import warnings_data
from bot.commands.new_models import new_model_cautions
from bot.commands.plan_views import (
    PlanView,
    line_of,
    plan_data,
    plan_views,
    windows_around,
)
from bot.commands.question import must_ask, question
from bot.commands.registry import Args
from bot.commands.snapshot import StatusSnapshot, load_snapshot, written_price
from bot.config.commit import Plan
from bot.config.naming import Named, Via, alias_of, resolve
from bot.config.plan import plan_primary
from bot.config.schema import ConfigView
from bot.costs.period import zone_name
from bot.errors import (
    ChangeoverError,
    NothingToDoError,
    RefusedError,
    StorageError,
    UsageError,
)
from bot.messages.model import ChangeWords, names_of, value
from bot.messages.plans import plan_off_card, plan_set_card, plans_card, unrun
from bot.models import ModelRef
from bot.ports.plans import SwitchPlan
from bot.ports.reloads import NO_PINS
from bot.windows import AROUND, OFF_PEAK, Window, first_overlap, parse_when

YEAR = timedelta(days=366)
"""Clock hours and a provider's bands shift against each other when clocks change."""

_TRIES = 3
_FORM = Command("model plan MODEL WHEN", form=True)


async def plan(ctx: Context, args: Args) -> Card:
    """Set a plan, list those in force, or end one."""
    word, when = args.text("model"), args.text("when")
    if word is None:
        if when is not None:
            raise UsageError("A plan needs a model.", text("Usage: ", _FORM))
        return await _list(ctx)
    if word.lower() == "off":
        return await _end(ctx, when)
    if when is None:
        raise UsageError(
            "A plan needs hours, such as weekdays 22:00-07:00 or off-peak.",
            text("Usage: ", _FORM),
        )
    return await _set(ctx, word, when, args.text("reason") or "")


async def _list(ctx: Context) -> Card:
    snapshot = await _known(ctx)
    found = await plan_views(ctx, snapshot.view, snapshot.known.changes)
    warnings = unrun(snapshot.known.service_seen_at, ctx.now) if found else ()
    data = {"plans": [plan_data(one) for one in found], "warnings": warnings_data(warnings)}
    return plans_card([line_of(one) for one in found], warnings, data)


async def _known(ctx: Context) -> StatusSnapshot:
    snapshot = await load_snapshot(ctx)
    if snapshot.known.error is not None:
        raise StorageError(snapshot.known.error.said, snapshot.known.error.step)
    return snapshot


async def _set(ctx: Context, word: str, when: str, reason: str) -> Card:
    hours = parse_when(when)
    when = str(hours) if hours else OFF_PEAK
    snapshot = await _known(ctx)
    named = resolve(word, snapshot.view, ctx.catalog)
    _refuse_gone(ctx, named, snapshot)
    store, location = ctx.ports.plans, ctx.ports.store.location
    rules = ctx.approved.rules if ctx.approved else ()
    for _ in range(_TRIES):
        every = await store.plans(location, ended=True)
        others = [one for one in every if one.ended_at is None]
        wish = SwitchPlan(
            location,
            max((one.number for one in every), default=0) + 1,
            str(named.ref) if named.via is Via.MODEL else named.word,
            when,
            reason,
            ctx.actor.name,
            ctx.actor.key,
            ctx.actor.surface,
            ctx.now,
            ref=str(named.ref),
            approved="*" if ctx.actor.owner else ",".join(rules),
        )
        if done := _same_plan(ctx, wish, others):
            # It was approved, and the process that set it died before it could say so.
            return await _was_set(ctx, done, named, snapshot)
        _refuse_overlap(ctx, named, when, snapshot, others)
        question = await _held(ctx, wish, named, snapshot) or await _question(ctx, named, snapshot)
        if question is not None:
            return question
        if await store.add(wish):
            return await _was_set(ctx, wish, named, snapshot)
    raise StorageError("Others set plans at the same moment.", "Run the command again.")


def _same_plan(ctx: Context, wish: SwitchPlan, others: Sequence[SwitchPlan]) -> SwitchPlan | None:
    def key(one: SwitchPlan) -> tuple[str, str, str]:
        return one.model, one.when, one.set_by_key

    if ctx.approved is None:
        return None
    return next((one for one in others if key(one) == key(wish)), None)


async def _held(
    ctx: Context, wish: SwitchPlan, named: Named, snapshot: StatusSnapshot
) -> Card | None:
    """Return the answer to who sets a plan that has to be approved."""
    if ctx.actor.owner or not ctx.settings.approval.any:
        return None
    standing = snapshot.choice.primary
    planned = Plan(plan_primary(snapshot.view, named.ref), standing, str(named.ref))
    asked = config_request(ctx, snapshot.present, planned, "Plan", {})
    facts = {"revision": asked.facts["revision"], "plan": [wish.model, wish.when]}
    asked = replace(asked, facts=facts, new=f"{wish.model}, {wish.when}")
    return await hold(ctx, replace(asked, diff="", reason=wish.reason))


async def _was_set(ctx: Context, wish: SwitchPlan, named: Named, snapshot: StatusSnapshot) -> Card:
    found = await plan_views(ctx, snapshot.view, snapshot.known.changes)
    mine = next(one for one in found if one.plan.number == wish.number)
    primary = snapshot.primary
    now = value(primary.written) if primary else "none"
    warnings = (
        *unrun(snapshot.known.service_seen_at, ctx.now),
        *new_model_cautions(ctx, snapshot, [named.ref]),
        *(_same(named) if primary and primary.ref == named.ref else ()),
    )
    data = {**plan_data(mine), "changed": True, "warnings": warnings_data(warnings)}
    zone = zone_name(ctx.settings.timezone)
    return plan_set_card(line_of(mine), now, zone, warnings, data)


def _same(named: Named) -> tuple[Caution, ...]:
    said = f"The primary is {named.ref} already, so this plan changes nothing until it is not."
    return (Caution("same_model", said, Command("model status")),)


def _refuse_gone(ctx: Context, named: Named, snapshot: StatusSnapshot) -> None:
    """Refuse a model that would fail at night.

    Raises:
        RefusedError: it is retired, or never was an id of its provider.
    """
    facts = ctx.catalog.facts(named.ref)
    if not facts.gone:
        return
    why = f"was retired on {facts.retired_on}" if facts.retired_on else "is not a model's ID"
    current = ctx.catalog.current(named.ref)
    alias = alias_of(named.ref, snapshot.view) or named.word
    step = (
        text("Point it elsewhere: ", Command(f"model preset {alias} {current}"))
        if named.via is Via.ALIAS
        else text("Its successor: ", Command(f"model plan {current} off-peak", form=True))
    )
    if current == named.ref:
        step = text("Choose another: ", Command("model list"))
    raise RefusedError(f"{named.ref} {why}.", step)


def _refuse_overlap(
    ctx: Context, named: Named, when: str, snapshot: StatusSnapshot, others: Sequence[SwitchPlan]
) -> None:
    """Refuse hours in which another plan applies as well.

    Raises:
        UsageError: there are no such hours at all.
        RefusedError: another plan has them.
    """
    bands = OFF_PEAK in (when, *(one.when for one in others))
    span = YEAR if bands else AROUND
    mine = _to_come(ctx, when, named.ref, snapshot.view, span)
    if not mine:
        raise UsageError(
            f"{named.ref} has no off-peak price: it costs the same at all hours, as far as known.",
            text("Give the hours: ", Command(f"model plan {named.word} weekdays 22:00-07:00")),
        )
    for other in others:
        try:
            ref = resolve(other.model, snapshot.view, ctx.catalog).ref
        except ChangeoverError:
            # Its model is gone from the file: it cannot switch, and is no hindrance.
            continue
        both = first_overlap(mine, _to_come(ctx, other.when, ref, snapshot.view, span))
        if both is not None:
            at = both.start.astimezone(ctx.settings.timezone)
            raise RefusedError(
                f"{named.word}, {when} overlaps plan {other.number} ({other.model}, {other.when}): "
                f"both would apply on {at:%Y-%m-%d} from {at:%H:%M}.",
                text("Choose other hours, or end it: ", Command(f"model plan off {other.number}")),
            )


def _to_come(
    ctx: Context, when: str, ref: ModelRef, view: ConfigView, span: timedelta
) -> list[Window]:
    return [one for one in windows_around(ctx, when, ref, view, span) if one.end > ctx.now]


async def _question(ctx: Context, named: Named, snapshot: StatusSnapshot) -> Card | None:
    """Return the question that comes first where the model costs much more than the primary.

    Raises:
        MovedOnError: the primary is not what a question showed.
    """
    standing, new = snapshot.choice.primary, str(named.ref)
    planned = Plan((), standing, new, wants=(named.ref,))
    if not must_ask(ctx, snapshot.present, planned):
        return None
    words = ChangeWords(
        what="Plan",
        old=standing,
        new=new,
        actor=ctx.actor,
        reason="",
        change_id=None,
        new_name=names_of(named.ref, named.word, new),
        old_price=written_price(ctx, standing, snapshot.view),
        new_price=written_price(ctx, new, snapshot.view),
        priced=True,
    )
    return await question(ctx, words, planned, NO_PINS)


async def _end(ctx: Context, which: str | None) -> Card:
    snapshot = await _known(ctx)
    found = await plan_views(ctx, snapshot.view, snapshot.known.changes)
    mine = _chosen(found, which)
    number, location = mine.plan.number, ctx.ports.store.location
    if not await ctx.ports.plans.end(location, number, ctx.actor.name, ctx.now):
        raise NothingToDoError(f"Plan {number} has ended meanwhile.", Command("model plan"))
    pending = snapshot.pending
    back = None
    if pending is not None and pending[1].reason.startswith(f"plan {number}:"):
        back = pending[0].due_at, value(pending[1].old)
    data = {
        **plan_data(mine),
        "changed": True,
        "pending_revert": {"at": back[0], "to": back[1]} if back else None,
    }
    return plan_off_card(line_of(mine), ctx.actor.name, back, data)


def _chosen(found: Sequence[PlanView], which: str | None) -> PlanView:
    numbers = ", ".join(str(one.plan.number) for one in found)
    if not found:
        raise NothingToDoError("There is no plan to end.", text("List: ", Command("model plan")))
    if which is None:
        if len(found) == 1:
            return found[0]
        step = Command(f"model plan off {found[0].plan.number}")
        raise UsageError(f"Several plans are set: {numbers}. Name one.", step)
    mine = next((one for one in found if str(one.plan.number) == which.strip()), None)
    if mine is None:
        raise UsageError(f"There is no plan {which}. In force: {numbers}.", Command("model plan"))
    return mine
