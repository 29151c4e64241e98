"""What is to be said of an incident now, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.alerts.mute import Hold, QuietHours, hold
from bot.incident import End, Incident, State
from bot.outage import AlertReason


class Step(StrEnum):
    """What is to be done.

    The first six speak; `escalate` says anew what calls for a person by now. `close` ends what
    was never told. `wait` is the group wait, or an edit that comes too soon; `blip` waits for a
    failure that looks over, or whose model is no longer the primary; `muted`, `quiet` and `hidden`
    (behind a dead chain) hold the first word back. `rest`: there is nothing new.
    """

    OPEN = "open"
    UNSTABLE = "unstable"
    EDIT = "edit"
    REPEAT = "repeat"
    ESCALATE = "escalate"
    RESOLVE = "resolve"
    CLOSE = "close"
    WAIT = "wait"
    BLIP = "blip"
    MUTED = "muted"
    QUIET = "quiet"
    HIDDEN = "hidden"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """The figures that alerts go by.

    `recover_answers` good answers and `recover_after` without a failure end an incident; where so
    little is asked that there are fewer, one is enough after `recover_slowly`. `blip_over` without
    a failure ends what was not told yet. `unstable_opens` first words of one kind within
    `unstable_within` make it unstable, which it stays until that span has passed without a
    failure. After `silent_after` without a request it is over as well. A reminder comes only if
    somebody asked `asked_within` before.
    """

    group_wait: timedelta = timedelta(seconds=30)
    edit_every: timedelta = timedelta(seconds=5)
    repeat_every: timedelta = timedelta(hours=4)
    asked_within: timedelta = timedelta(hours=1)
    recover_answers: int = 3
    recover_after: timedelta = timedelta(minutes=5)
    recover_slowly: timedelta = timedelta(minutes=10)
    blip_over: timedelta = timedelta(minutes=1)
    unstable_opens: int = 3
    unstable_within: timedelta = timedelta(hours=1)
    silent_after: timedelta = timedelta(hours=24)
    quiet: QuietHours | None = None

    def calm(self, incident: Incident) -> timedelta:
        """Return how long without a failure ends an incident."""
        return self.unstable_within if incident.unstable else self.recover_after


@dataclass(frozen=True, slots=True)
class EvaluationContext:
    """What else is the case.

    `primaries` are the models that the config puts first now, None when it cannot be read, and
    `in_use` all that it names; `exhausted` are those whose whole chain is failing, with their
    hops. `opens` is how often alerts of the same kind had a first word lately.
    """

    muted_until: datetime | None = None
    exhausted: frozenset[str] = frozenset()
    primaries: frozenset[str] | None = None
    in_use: frozenset[str] = frozenset()
    opens: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, when to look again if nothing happens, whether to call somebody, how it ended."""

    step: Step
    due_at: datetime | None = None
    mention: bool = False
    end: End | None = None


def decide(
    incident: Incident, now: datetime, settings: AlertSettings, scene: EvaluationContext
) -> Decision:
    """Decide what to do about an incident; the times in it are not after `now`."""
    match incident.state:
        case State.PENDING:
            return _unsaid(incident, now, settings, scene)
        case State.OPEN:
            return _going_on(incident, now, settings, scene)
        case State.RESOLVED:
            return _edit(incident, now, settings)


def _unsaid(
    incident: Incident, now: datetime, settings: AlertSettings, scene: EvaluationContext
) -> Decision:
    loud = incident.reason.loud
    end = _over(incident, now, settings, scene)
    if end is not None and (incident.held or incident.reason is AlertReason.CONFIG_INVALID):
        return Decision(Step.CLOSE, end=end)
    brief = incident.bad_at - incident.opened_at < settings.group_wait
    if not loud and brief and (incident.good or incident.replaced):
        over_at = incident.bad_at + settings.blip_over
        if now >= over_at:
            return Decision(Step.CLOSE, end=End.BLIP if incident.good else End.MOVED_ON)
        return Decision(Step.BLIP, over_at)
    due_at = incident.opened_at if loud else incident.opened_at + settings.group_wait
    if now < due_at:
        return Decision(Step.WAIT, due_at)
    if _hidden(incident, scene):
        return Decision(Step.HIDDEN)
    held = hold(incident.reason, now, scene.muted_until, settings.quiet)
    if held is not None:
        return Decision(Step.MUTED if held[0] is Hold.MUTED else Step.QUIET, held[1])
    unstable = scene.opens + 1 >= settings.unstable_opens
    return Decision(Step.UNSTABLE if unstable else Step.OPEN, mention=loud)


def _going_on(
    incident: Incident, now: datetime, settings: AlertSettings, scene: EvaluationContext
) -> Decision:
    end = _over(incident, now, settings, scene)
    if end is not None:
        return Decision(Step.RESOLVE, end=end)
    if _worse(incident) and not _hidden(incident, scene):
        held = hold(incident.reason, now, scene.muted_until, settings.quiet)
        if held is None:
            return Decision(Step.ESCALATE, mention=True)
    repeat_at = _repeat_at(incident, now, settings)
    if repeat_at is not None and now >= repeat_at and not _hidden(incident, scene):
        if hold(incident.reason, now, scene.muted_until, settings.quiet) is None:
            return Decision(Step.REPEAT, mention=incident.reason.loud)
        repeat_at = None
    edit = _edit(incident, now, settings)
    if edit.step is not Step.REST:
        return edit
    return Decision(Step.REST, repeat_at)


def _edit(incident: Incident, now: datetime, settings: AlertSettings) -> Decision:
    if incident.changed == incident.told or not incident.announced:
        return Decision(Step.REST)
    due_at = (incident.last_edit_at or incident.opened_at) + _gap(incident, settings)
    return Decision(Step.EDIT) if now >= due_at else Decision(Step.WAIT, due_at)


def _gap(incident: Incident, settings: AlertSettings) -> timedelta:
    """Edit less often what has been going on for long."""
    return max(settings.edit_every, (incident.last_event_at - incident.opened_at) / 100)


def _worse(incident: Incident) -> bool:
    """Return whether it calls for a person by now, and no person was called."""
    return incident.reason.loud and not incident.pinged and incident.acknowledged_by is None


def _repeat_at(incident: Incident, now: datetime, settings: AlertSettings) -> datetime | None:
    """Return when to say it again: four hours after the last word, if it is still asked for.

    To acknowledge it counts as a word.
    """
    said = (incident.last_repeat_at, incident.announced_at, incident.acknowledged_at)
    said_at = max((at for at in said if at is not None), default=None)
    if said_at is None:
        return None
    asked = (
        incident.last_event_at > said_at and now - incident.last_event_at < settings.asked_within
    )
    if not asked and incident.reason is not AlertReason.CONFIG_INVALID:
        return None
    return said_at + settings.repeat_every


def _hidden(incident: Incident, scene: EvaluationContext) -> bool:
    """Return whether it is a part of a dead chain, which tells of it."""
    whole = incident.reason in (AlertReason.CHAIN_EXHAUSTED, AlertReason.CONFIG_INVALID)
    return not whole and not scene.exhausted.isdisjoint((incident.primary, *incident.models))


def _over(
    incident: Incident, now: datetime, settings: AlertSettings, scene: EvaluationContext
) -> End | None:
    if incident.reason is AlertReason.CONFIG_INVALID:
        return End.RECOVERED if incident.good else None
    quiet_for = now - incident.bad_at
    if quiet_for < settings.calm(incident):
        return None
    few = 1 if quiet_for >= settings.recover_slowly else settings.recover_answers
    if incident.good >= few:
        return End.RECOVERED
    if incident.reason.of_provider and _in_use(incident, scene):
        # A refused key does not get better because it is not asked.
        return None
    replaced = scene.primaries is not None and scene.primaries.isdisjoint(incident.asked)
    if incident.was_primary and replaced:
        return End.MOVED_ON
    silent_for = now - incident.last_event_at
    return End.SILENCE if silent_for >= settings.silent_after else None


def _in_use(incident: Incident, scene: EvaluationContext) -> bool:
    return any(model.startswith(incident.group) for model in scene.in_use)
