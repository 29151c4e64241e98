"""Reads what is new, decides what is to be said, and keeps both before a word is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bot.alerts.chain_test import let_go
from bot.alerts.grouping import sort_in
from bot.alerts.incident import Incident, State, answered, broke, in_place, in_step, off_duty
from bot.alerts.mute import in_force
from bot.alerts.notices import (
    TELL_TROUBLE_AFTER,
    from_outside,
    morning_notice,
    outside_notice,
    trouble_notice,
)
from bot.alerts.outage_cost import with_costs
from bot.alerts.parts import Engine
from bot.alerts.policy import EvaluationContext, decide
from bot.alerts.record import incident_of, record_of
from bot.alerts.signals import OWNERS
from bot.alerts.transitions import SPEAKING, carry_out, wants
from bot.errors import ErrorInfo
from bot.ports import Cooldown, FallbackEvent
from bot.ports.alerts import AlertReason, AlertStore, DesiredMessage, IncidentRecord
from bot.spans import kept

BATCH = 2000
MOST_BATCHES = 50
MOST_CHANGES = 100
OUTSIDE_EVERY = timedelta(seconds=5)
ALIVE = "alerts.alive"
ALIVE_EVERY = timedelta(seconds=15)
MOST_HELD = timedelta(hours=1)
"""No probe takes so long: what is held longer comes from a clock that has been put back."""
OFF_AFTER = timedelta(minutes=1)
"""Restarts take less, and what is not written down by then is seldom more."""

CONFIG_STATE = "alerts.config"
LAST_OUTSIDE = "alerts.outside"


async def judge(engine: Engine, now: datetime) -> None:
    """Read and decide once.

    Raises:
        AlertConflictError: another process was at work; nothing of this step was kept.
        StorageError: the database cannot be used.
    """
    await _take_in(engine, now)
    await _watch_config(engine, now)
    muted_until = await engine.outlooks.log.muted_until()
    muted = in_force(muted_until, now) is not None
    if not muted:
        await _look_outside(engine, now)
        await _sum_up(engine, now)
        await let_go(engine, now)
    await _decide(engine, now, muted_until)
    await _tell_of_trouble(engine, now)


async def note_config(store: AlertStore, place: str, error: ErrorInfo | None, at: datetime) -> None:
    """Keep whether the config can be used; whichever process sees it first may say so.

    Raises:
        StorageError: it could not be kept.
    """
    before = await store.recall(CONFIG_STATE)
    says = [error.message, kept(error.step)] if error else None
    known = json.loads(before) if before else {"place": place, "says": None}
    if (known["place"], known["says"]) == (place, says):
        return
    state = {"place": place, "says": says, "at": at.isoformat()}
    await store.remember(CONFIG_STATE, json.dumps(state))


async def _take_in(engine: Engine, now: datetime) -> None:
    """Count the events that came in since the last look."""
    await _note_time_off(engine, now)
    longest = engine.settings.silent_after
    for _ in range(MOST_BATCHES):
        waiting = await engine.store.queued(BATCH)
        queued = [one for one in waiting if not _held(one.event, now)]
        if not queued:
            return
        recent = [one.event for one in queued if now - one.event.at < longest]
        known = [_present(one, now) for one in await engine.store.incidents(now - longest)]
        known = [await _with_answers(engine, one, now) for one in known]
        changed = sort_in(known, recent, now)
        taken = [one.id for one in queued]
        await engine.store.commit(taken, [record_of(one) for one in changed], (), now)
        if len(waiting) < BATCH:
            return


def _held(event: FallbackEvent, now: datetime) -> bool:
    """Return whether a probe may still prove an event wrong."""
    return event.held_until is not None and now < event.held_until <= now + MOST_HELD


async def _note_time_off(engine: Engine, now: datetime) -> None:
    """Leave out of outages the time in which nothing of Changeover ran.

    A gateway that went on without us has written events meanwhile.
    """
    first = engine.alive_at is None
    if engine.alive_at is not None and engine.alive_at <= now < engine.alive_at + ALIVE_EVERY:
        return
    kept = await engine.store.recall(ALIVE) if first else None
    if kept is not None:
        seen = [one.event.at for one in await engine.store.queued(BATCH)]
        last = datetime.fromisoformat(kept).astimezone(UTC)
        signs = [last, *sorted(at for at in seen if last < at < now), now]
        off = [(a, b) for a, b in pairwise(signs) if b - a > OFF_AFTER]
        known = [_present(one, now) for one in await engine.store.incidents(now)]
        changed = []
        for one in known:
            after = one
            for start, end in off if one.state is not State.RESOLVED else ():
                after = off_duty(after, start, end)
            if after != one:
                changed.append(record_of(after))
        if changed:
            await engine.store.commit((), changed, (), now)
    await engine.store.remember(ALIVE, now.isoformat())
    engine.alive_at = now


async def _watch_config(engine: Engine, now: datetime) -> None:
    """Open or end the incident of a config that cannot be used."""
    kept = await engine.store.recall(CONFIG_STATE)
    if kept is None:
        return
    state = json.loads(kept)
    at = datetime.fromisoformat(state["at"]).astimezone(UTC)
    going_on = [
        _present(one, now)
        for one in await engine.store.incidents(now)
        if one.reason == AlertReason.CONFIG_INVALID and one.resolved_at is None
    ]
    changed: list[Incident] = []
    if state["says"] is None:
        changed = [answered(one, 1, min(at, now)) for one in going_on]
    else:
        says = (state["says"][0], state["says"][1])
        present = going_on[0] if going_on else None
        after = broke(present, state["place"], says, at, now)
        changed = [] if after is present else [after]
    changed = [one for one in changed if one not in going_on]
    if changed:
        await engine.store.commit((), [record_of(one) for one in changed], (), now)


async def _look_outside(engine: Engine, now: datetime) -> None:
    """Tell edits of the config by other hands, which the journal keeps."""
    last = engine.outside_at
    if last is not None and last <= now < last + OUTSIDE_EVERY:
        return
    place = engine.outlooks.config.location
    changes = await engine.journal.changes(place, MOST_CHANGES)
    newest = max((one.id for one in changes), default=0)
    kept = await engine.store.recall(LAST_OUTSIDE)
    told = int(kept) if kept else newest
    for change in from_outside(changes, told):
        await engine.store.add_notice(outside_notice(change, place, now), list(engine.chats))
    if kept is None or newest > told:
        await engine.store.remember(LAST_OUTSIDE, str(newest))
    engine.outside_at = now


async def _sum_up(engine: Engine, now: datetime) -> None:
    """Tell in the morning what the quiet hours kept back."""
    quiet = engine.settings.quiet
    if quiet is None or quiet.at(now) or engine.summed_up == quiet.latest(now).name:
        return
    night = quiet.latest(now)
    known = [incident_of(one) for one in await engine.store.incidents(night.start)]
    notice = morning_notice(known, quiet, now)
    if notice is not None:
        await engine.store.add_notice(notice, list(engine.chats))
    engine.summed_up = night.name


async def _decide(engine: Engine, now: datetime, muted_until: datetime | None) -> None:
    window = now - engine.settings.unstable_within
    records = await engine.store.incidents(window)
    known = [_present(one, now) for one in records]
    going_on = [one for one in known if one.state is not State.RESOLVED]
    late = [one for one in known if one.state is State.RESOLVED and one.changed != one.told]
    if not going_on and not late:
        return
    chains = await engine.outlooks.chains() if going_on else None
    scene = EvaluationContext(
        muted_until=muted_until,
        exhausted=frozenset(
            model
            for one in going_on
            if one.reason is AlertReason.CHAIN_EXHAUSTED
            for model in (one.primary, *one.models, *(hop.model for hop in one.hops))
        ),
        primaries=chains[0] if chains else None,
        in_use=chains[1] if chains else frozenset(),
    )
    before = {record.id: incident_of(record) for record in records}
    changed: list[Incident] = []
    asked: list[DesiredMessage] = []
    for one in [*going_on, *late]:
        opens = sum(_alike(one, other) and _opened_since(other, window) for other in known)
        after, step_wants = await _step(engine, one, now, replace(scene, opens=opens))
        if after != before[one.id]:
            changed.append(after)
        asked += step_wants
    if changed:
        await engine.store.commit((), [record_of(one) for one in changed], asked, now)


async def _step(
    engine: Engine, incident: Incident, now: datetime, scene: EvaluationContext
) -> tuple[Incident, list[DesiredMessage]]:
    incident = await _with_answers(engine, incident, now)
    incident = in_place(incident, scene.primaries)
    decision = decide(incident, now, engine.settings, scene)
    after = carry_out(incident, decision, now, scene, engine.settings.quiet)
    if decision.step in SPEAKING:
        after = await with_costs(after, engine.store, engine.outlooks, now)
    return after, wants(after, decision.step, engine.chats)


async def _with_answers(engine: Engine, incident: Incident, now: datetime) -> Incident:
    if incident.state is State.RESOLVED or incident.reason is AlertReason.CONFIG_INVALID:
        return incident
    of_key = incident.reason in OWNERS
    found = await engine.store.good_answers(
        (incident.group,) if of_key else incident.models or (incident.primary,),
        incident.bad_at,
        now,
        engine.settings.recover_answers,
        by_any=incident.reason is AlertReason.CHAIN_EXHAUSTED,
    )
    if of_key and found.count < engine.settings.recover_answers:
        rows = await engine.outlooks.log.cooldowns(incident.bad_at)
        proved_at = _proved_at(incident.group, rows, now)
        if proved_at is not None:
            return answered(incident, engine.settings.recover_answers, proved_at)
    return answered(incident, found.count, found.first_at)


def _proved_at(group: str, rows: Sequence[Cooldown], now: datetime) -> datetime | None:
    """Return when a probe or a trial last found a provider's key in order."""
    key = f"{group.removesuffix('/')}#"
    proofs = (row for row in rows if row.scope.startswith(key) and not row.failures)
    return max((row.until for row in proofs if not row.named and row.until <= now), default=None)


async def _tell_of_trouble(engine: Engine, now: datetime) -> None:
    """Tell on the other surfaces of one that takes no alerts."""
    if len(engine.chats) < 2:
        return
    for trouble in await engine.store.troubles():
        if now - trouble.since >= TELL_TROUBLE_AFTER:
            others = [surface for surface in engine.chats if surface != trouble.surface]
            await engine.store.add_notice(trouble_notice(trouble), others)


def _present(record: IncidentRecord, now: datetime) -> Incident:
    return in_step(incident_of(record), now)


def _alike(one: Incident, other: Incident) -> bool:
    return one.id != other.id and one.group == other.group


def _opened_since(incident: Incident, since: datetime) -> bool:
    return incident.announced_at is not None and incident.announced_at > since
