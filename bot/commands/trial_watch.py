"""The watch over the trial under way: its card kept up to date, and its end where it is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.access import SERVICE, Actor, Surface
from bot.alerts.trial_notices import card_key, trial_notice
from bot.commands.context import Context
from bot.commands.snapshot import Known, surroundings
from bot.config.naming import written
from bot.config.present import Present, read_config
from bot.errors import ConfigError
from bot.messages.chain import REASONS, unasked_words
from bot.messages.trials import SELF_STOPPED, TrialWords
from bot.models import ModelRef
from bot.ports.alerts import Notice, Outbox
from bot.ports.trials import Trial, TrialEnd, TrialSlot
from bot.routing.chain import Hop, lone_hop
from bot.trials.compare import P95, clumps_of, compare
from bot.trials.decide import LOOSE, Clumps, Surroundings, decide, slot_s, totals
from bot.trials.evidence import quantile

LOOK_EVERY, LOOK_SELDOM = timedelta(seconds=10), timedelta(minutes=2)
LOOK_SHARE = 0.01
"""How often the figures are added up: the longer a trial runs, the more there are."""

TOLD_APART = SELF_STOPPED | {TrialEnd.TIME, TrialEnd.PRIMARY_CHANGED}
"""The ends that get a message of their own: no person has asked for them here."""


async def watch_trial(ctx: Context, outbox: Outbox) -> None:
    """End the trial where that is due, and bring its card up to date.

    Each step is kept before the next, and may be done again by any process.

    Raises:
        StorageError: the database could not be asked; the next look does what is left.
    """
    trials, place = ctx.ports.trials, ctx.ports.store.location
    present = await trials.running(place)
    if present is not None:
        shown = await outbox.find(card_key(present))
        due = shown is None or _is_due(present, shown, ctx.now)
        slots = await trials.slots(present, slot_s(present)) if due else ()
        end, detail = await _judged(ctx, present, slots)
        if end is not None:
            actor = await _who(ctx) if end is TrialEnd.PROMOTED else SERVICE
            await trials.finish(present, end, actor, ctx.now, detail)
        elif due:
            await _show(outbox, TrialWords(present, compare(*totals(slots))), shown, ctx.now)
    for over in await trials.untold(place):
        words = await words_of_trial(ctx, over)
        card = trial_notice(words, ctx.now)
        if not await outbox.put(card):
            await outbox.amend(card)
        if over.end in TOLD_APART:
            await outbox.put(trial_notice(words, ctx.now, stopped=True))
        await trials.set_told(over)


async def words_of_trial(ctx: Context, present: Trial) -> TrialWords:
    """Return what the card of a trial shows now."""
    slots = await ctx.ports.trials.slots(present, slot_s(present))
    gone_to = await ctx.ports.trials.affected(present)
    return TrialWords(present, compare(*totals(slots)), gone_to)


async def _judged(
    ctx: Context, present: Trial, slots: Sequence[TrialSlot]
) -> tuple[TrialEnd | None, str]:
    """Return why the trial ends, with what to say of it; None when it goes on."""
    try:
        config = await read_config(ctx.ports.store, ctx.ports.journal, ctx.now)
    except ConfigError:
        # The gateways keep to the last good config, and so does the trial.
        return None, ""
    known = Known(cooldowns=await ctx.ports.log.cooldowns(ctx.now))
    hop = _candidate(ctx, present, config, known)
    choice = config.view.default
    primary = written(choice.primary, config.view) if choice.primary else None
    around = Surroundings(
        str(primary) if primary else None,
        hop.cooldown,
        unasked_words(hop),
    )
    end = decide(present, slots, around, ctx.now, await _clumps(ctx, present, slots))
    if end is TrialEnd.COOLING and hop.cooldown:
        return end, f"{present.candidate}: {REASONS[hop.cooldown.reason]}."
    if end is TrialEnd.PRIMARY_CHANGED:
        return end, f"The primary is {primary or choice.primary or 'none'} now."
    return end, f"{around.gone}." if end is TrialEnd.CANDIDATE_GONE else ""


def _candidate(ctx: Context, present: Trial, config: Present, known: Known) -> Hop:
    ref = ModelRef.parse(present.candidate)
    assert ref is not None
    return lone_hop(0, ref, config.view, surroundings(ctx, known))


async def _clumps(ctx: Context, present: Trial, slots: Sequence[TrialSlot]) -> Clumps:
    _, primary = totals(slots)
    if not primary.times:
        return LOOSE
    limit_ms = quantile(primary.times, P95).value
    return clumps_of(*await ctx.ports.trials.clumps(present, limit_ms))


async def _who(ctx: Context) -> Actor:
    """Return who made the last change, as far as history knows."""
    changes = await ctx.ports.journal.changes(ctx.ports.store.location, 1)
    if not changes:
        return SERVICE
    surface, _, id_ = changes[0].actor_key.partition(":")
    return Actor(Surface(surface), id_, changes[0].actor_name)


def _is_due(present: Trial, shown: Notice, now: datetime) -> bool:
    """Return whether the figures are to be added up again."""
    every = min(max((now - present.started_at) * LOOK_SHARE, LOOK_EVERY), LOOK_SELDOM)
    fresh = timedelta(0) <= now - shown.at < every
    return not fresh or shown.data["trial"]["share"] != present.share


async def _show(outbox: Outbox, words: TrialWords, shown: Notice | None, now: datetime) -> None:
    card = trial_notice(words, now)
    if shown is None:
        await outbox.put(card)
    elif shown.data != card.data:
        await outbox.amend(card)
