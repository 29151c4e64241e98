"""An incident and its row: what every reader of the table needs in columns, the rest as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from adapters.storage.codec import gaps_in, gaps_out, text_of, time_of, time_or_none, value_of
from adapters.storage.connection import Row
from bot.alerts.status_pages import page_in, page_out
from bot.incident import DownHop, End, Incident, PageReport, Sample, State
from bot.outage import AlertReason

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


def columns_of(incident: Incident) -> dict[str, Any]:
    """Write an incident as the columns that a save sets."""
    details: dict[str, Any] = {name: getattr(incident, name) for name in _PLAIN}
    details |= {name: _out(getattr(incident, name)) for name in _TIMES}
    details["served"] = [list(pair) for pair in incident.served]
    details["seen"] = list(incident.seen)
    details["says"] = list(incident.says)
    details["models"] = list(incident.models)
    details["hops"] = [[hop.model, hop.reason, _out(hop.at), hop.detail] for hop in incident.hops]
    details["first_reason"] = incident.first_reason
    page = incident.page
    details["page"] = page and page_out(page)
    details["end"] = incident.end
    details["acknowledged"] = incident.acknowledged_by is not None
    details["samples"] = [
        [_out(first.at), first.request_id, first.to_model, first.reason, first.detail]
        for first in incident.samples
    ]
    return {
        "state": str(incident.state),
        "primary_model": incident.primary,
        "reason": str(incident.reason),
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "requests": incident.requests,
        "served_by": incident.served_by,
        "details": text_of(details),
        "up_since": incident.up_since,
        "gaps": text_of(gaps_out(incident.gaps)),
        "revision": incident.revision + 1,
    }


def incident_of(row: Row | dict[str, Any]) -> Incident:
    """Read a row; one that lacks details was written by hand or by an older release.

    An acknowledgement that no save has seen yet counts as something that happened to it.
    """
    known = value_of(row["details"])
    details = known if isinstance(known, dict) else {}
    opened_at = time_of(row["opened_at"])
    values: dict[str, Any] = {name: details[name] for name in _PLAIN if name in details}
    values |= {name: _in(details[name]) for name in _TIMES if details.get(name)}
    values.setdefault("last_event_at", opened_at)
    values.setdefault("rerouted", row["requests"])
    if row["acknowledged_by"] is not None and not details.get("acknowledged"):
        values["changed"] = values.get("changed", 0) + 1
    end = details.get("end")
    says = details.get("says") or ("", "")
    first = details.get("first_reason")
    return Incident(
        primary=row["primary_model"],
        reason=AlertReason(row["reason"]),
        opened_at=opened_at,
        id=row["id"],
        revision=row["revision"],
        state=State(row["state"]),
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
        gaps=gaps_in(value_of(row["gaps"] or "null")),
        page=_page(details.get("page")),
        acknowledged_key=row["acknowledged_key"] or "",
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=time_or_none(row["acknowledged_at"]),
        resolved_at=time_or_none(row["resolved_at"]),
        end=End(end) if end else None,
        **values,
    )


def _out(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _in(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def _page(written: Any) -> PageReport | None:
    return page_in(written) if written else None
