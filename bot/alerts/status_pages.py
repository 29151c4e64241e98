"""What providers' status pages report, as context of an incident: it opens and closes none."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.incident import Incident, PageReport
from bot.outage import AlertReason
from bot.ports.alerts import AlertStore

EVERY = timedelta(minutes=15)
EVERY_OPEN = timedelta(minutes=2)
"""How often a page is read, and how often while an incident is open."""

STALE = timedelta(hours=1)
"""A page that could not be read for so long is unknown."""

_KEPT_FOR = timedelta(hours=24)
# A check each two minutes may come a moment early.
_EARLY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class PageState:
    """What was read last: `reports` at `read_at`, and why a later look failed, if it did."""

    looked_at: datetime
    read_at: datetime | None = None
    reports: tuple[PageReport, ...] = ()
    error: str = ""

    def due(self, now: datetime, *, open_incident: bool) -> bool:
        """Return whether it is time to look again; a clock that was set back looks at once."""
        every = EVERY_OPEN if open_incident else EVERY
        return not timedelta(0) <= now - self.looked_at < every - _EARLY

    def known(self, now: datetime) -> bool:
        """Return whether what was read still says how things are."""
        return self.read_at is not None and now - self.read_at < STALE

    def after(self, found: Sequence[PageReport], now: datetime) -> PageState:
        """Return the state after a look: what is not reported any more has ended."""
        open_ones = {(report.title, report.since) for report in found}
        ended = tuple(
            report if report.ended_at else replace(report, ended_at=now)
            for report in self.reports
            if (report.title, report.since) not in open_ones
        )
        recent = [one for one in ended if one.ended_at and now - one.ended_at < _KEPT_FOR]
        return PageState(now, now, (*found, *recent))

    def failed(self, why: str, now: datetime) -> PageState:
        """Return the state after a look that brought nothing."""
        return replace(self, looked_at=now, error=why)


class StatusPages:
    """The pages' states in the database, by provider."""

    def __init__(self, store: AlertStore, providers: Collection[str]) -> None:
        self._store = store
        self._providers = providers

    async def state(self, provider: str) -> PageState | None:
        """Return what is known of a provider's page. Raises StorageError."""
        written = await self._store.recall(_key(provider))
        return _read(written) if written else None

    async def keep(self, provider: str, state: PageState) -> None:
        """Keep it. Raises StorageError."""
        await self._store.remember(_key(provider), _written(state))

    async def with_page(self, incident: Incident, now: datetime) -> Incident:
        """Add what the provider reports; a change of it is news. Raises StorageError."""
        provider = incident.primary.partition("/")[0]
        if incident.reason is AlertReason.CONFIG_INVALID or provider not in self._providers:
            return incident
        state = await self.state(provider)
        if state is None or not state.known(now):
            return incident
        found = report_for(incident, state.reports)
        if found == incident.page or found is None:
            return incident
        return replace(incident, page=found, changed=incident.changed + 1)


def report_for(incident: Incident, reports: Sequence[PageReport]) -> PageReport | None:
    """Return the report to show: the one shown so far, else an open one, else one just ended."""
    shown = incident.page
    same = [r for r in reports if shown and (r.title, r.since) == (shown.title, shown.since)]
    fresh = [r for r in reports if r.ended_at is None]
    late = [r for r in reports if r.ended_at and r.ended_at >= incident.opened_at]
    still = [r for r in same if r.ended_at is None]
    return next(iter([*still, *fresh, *same, *late]), None)


def page_out(report: PageReport) -> list[str | None]:
    """Write a report as JSON's values."""
    times = _out(report.since), _out(report.ended_at)
    return [report.provider, report.title, report.url, *times]


def page_in(written: Sequence[str | None]) -> PageReport:
    """Read what `page_out` wrote."""
    provider, title, url, since, ended_at = written
    return PageReport(provider or "", title or "", _in(since), url or "", _in(ended_at))


def _key(provider: str) -> str:
    return f"status_page.{provider}"


def _written(state: PageState) -> str:
    return json.dumps(
        {
            "looked_at": state.looked_at.isoformat(),
            "read_at": _out(state.read_at),
            "error": state.error,
            "reports": [page_out(report) for report in state.reports],
        }
    )


def _read(written: str) -> PageState:
    data = json.loads(written)
    looked_at = _in(data["looked_at"])
    assert looked_at is not None
    reports = tuple(page_in(row) for row in data["reports"])
    return PageState(looked_at, _in(data["read_at"]), reports, data["error"])


def _out(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _in(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at).astimezone(UTC)
