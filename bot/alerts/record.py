"""Incidents as rows: what every reader of the table needs in columns, the rest as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.alerts.incident import DownHop, End, Incident, Sample, State
from bot.ports.alerts import AlertReason, IncidentRecord

_TIMES = (
    "last_event_at",
    "failed_at",
    "good_since",
    "announced_at",
    "last_edit_at",
    "last_repeat_at",
    "ended_at",
    "costs_until",
)
_PLAIN = (
    "rerouted",
    "refused",
    "cut",
    "changed",
    "told",
    "version",
    "good",
    "held",
    "night",
    "messages",
    "opens",
    "was_primary",
    "replaced",
    "costs_nano_usd",
    "lost_cache_nano_usd",
    "pinged",
)


def record_of(incident: Incident) -> IncidentRecord:
    """Write an incident as a row."""
    details: dict[str, Any] = {name: getattr(incident, name) for name in _PLAIN}
    details |= {name: _out(getattr(incident, name)) for name in _TIMES}
    details["served"] = [list(pair) for pair in incident.served]
    details["seen"] = list(incident.seen)
    details["says"] = list(incident.says)
    details["models"] = list(incident.models)
    details["hops"] = [[one.model, one.reason, _out(one.at), one.detail] for one in incident.hops]
    details["first_reason"] = incident.first_reason
    details["end"] = incident.end
    details["acknowledged"] = incident.acknowledged_by is not None
    details["samples"] = [
        [_out(one.at), one.request_id, one.to_model, one.reason, one.detail]
        for one in incident.samples
    ]
    return IncidentRecord(
        id=incident.id,
        state=str(incident.state),
        primary=incident.primary,
        reason=str(incident.reason),
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        requests=incident.requests,
        served_by=incident.served_by,
        details=details,
        revision=incident.revision,
        up_since=incident.up_since,
        gaps=incident.gaps,
    )


def incident_of(record: IncidentRecord) -> Incident:
    """Read a row; one that lacks details was written by hand or by an older release.

    An acknowledgement that no save has seen yet counts as something that happened to it.
    """
    details = record.details if isinstance(record.details, dict) else {}
    values: dict[str, Any] = {name: details[name] for name in _PLAIN if name in details}
    values |= {name: _in(details[name]) for name in _TIMES if details.get(name)}
    values.setdefault("last_event_at", record.opened_at)
    values.setdefault("rerouted", record.requests)
    if record.acknowledged_by is not None and not details.get("acknowledged"):
        values["changed"] = values.get("changed", 0) + 1
    end = details.get("end")
    says = details.get("says") or ("", "")
    first = details.get("first_reason")
    return Incident(
        primary=record.primary,
        reason=AlertReason(record.reason),
        opened_at=record.opened_at,
        id=record.id,
        revision=record.revision,
        state=State(record.state),
        served=tuple((model, count) for model, count in details.get("served", ())),
        samples=tuple(
            Sample(_in(at), request_id, to_model, reason, detail)
            for at, request_id, to_model, reason, detail in details.get("samples", ())
        ),
        seen=tuple(details.get("seen", ())),
        says=(says[0], says[1]),
        models=tuple(details.get("models", ())),
        hops=tuple(
            DownHop(model, reason, _in(at), detail)
            for model, reason, at, detail in details.get("hops", ())
        ),
        first_reason=AlertReason(first) if first else None,
        gaps=tuple(record.gaps),
        acknowledged_key=record.acknowledged_key,
        acknowledged_by=record.acknowledged_by,
        acknowledged_at=record.acknowledged_at,
        resolved_at=record.resolved_at,
        end=End(end) if end else None,
        **values,
    )


def _out(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _in(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)
