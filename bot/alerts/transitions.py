"""What a decision makes of an incident, and which messages it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from bot.alerts.mute import QuietHours
from bot.alerts.policy import Decision, EvaluationContext, Step
from bot.incident import Incident, State
from bot.ports.alerts import DesiredMessage

DETAILS = "details"
END = "end"
_POSTING = frozenset({Step.OPEN, Step.UNSTABLE, Step.REPEAT, Step.ESCALATE})
SPEAKING = _POSTING | {Step.EDIT, Step.RESOLVE}


def carry_out(
    incident: Incident,
    decision: Decision,
    now: datetime,
    scene: EvaluationContext,
    quiet: QuietHours | None,
) -> Incident:
    """Return the incident after a step; the same one where nothing has to be kept."""
    step = decision.step
    if step in SPEAKING:
        incident = replace(
            incident, told=incident.changed, version=incident.version + 1, last_edit_at=now
        )
    if step in _POSTING and incident.reason.loud and incident.acknowledged_by is None:
        incident = replace(incident, pinged=True)
    match step:
        case Step.OPEN | Step.UNSTABLE:
            opens = scene.opens + 1 if step is Step.UNSTABLE else 0
            return replace(
                incident, state=State.OPEN, announced_at=now, messages=1, held=False, opens=opens
            )
        case Step.REPEAT | Step.ESCALATE:
            return replace(incident, last_repeat_at=now, messages=incident.messages + 1)
        case Step.RESOLVE | Step.CLOSE:
            return replace(
                incident,
                state=State.RESOLVED,
                resolved_at=now,
                ended_at=incident.good_since or incident.last_event_at,
                end=decision.end,
                seen=(),
            )
        case Step.MUTED | Step.QUIET | Step.HIDDEN if not incident.held:
            night = quiet.at(now) if quiet and step is Step.QUIET else None
            return replace(incident, held=True, night=night.name if night else "")
        case Step.QUIET if quiet and not incident.night:
            night = quiet.at(now)
            return replace(incident, night=night.name if night else "")
        case _:
            return incident


def wants(incident: Incident, step: Step, surfaces: Iterable[str]) -> list[DesiredMessage]:
    """Return the messages to say or edit after a step."""
    if step not in SPEAKING:
        return []
    keys = [message_key(incident.id, incident.messages)]
    if step in (Step.OPEN, Step.UNSTABLE):
        keys.append(details_key(incident.id))
    if step in (Step.REPEAT, Step.ESCALATE):
        keys.append(message_key(incident.id, incident.messages - 1))
    if step is Step.RESOLVE and (incident.pinged or incident.acknowledged_by):
        keys.append(end_key(incident.id))
    return [DesiredMessage(key, surface, incident.version) for surface in surfaces for key in keys]


def message_key(incident_id: int, number: int) -> str:
    """Name an incident's message; each reminder is a new one."""
    return f"incident:{incident_id}:{number}"


def details_key(incident_id: int) -> str:
    """Name the answer below an incident's first message."""
    return f"incident:{incident_id}:{DETAILS}"


def end_key(incident_id: int) -> str:
    """Name the answer that tells those who were called that an incident is over."""
    return f"incident:{incident_id}:{END}"


def read_key(key: str) -> tuple[int, str] | None:
    """Return the incident and which of its messages a key names; None for a notice's key."""
    kind, _, rest = key.partition(":")
    if kind != "incident":
        return None
    number, _, which = rest.partition(":")
    return int(number), which
