"""Providers' public status pages as bytes: which incidents does one report as open?

Statuspage's `summary.json` (https://metastatuspage.com/api), incident.io's widget, which
status.openai.com serves at `/proxy/status.openai.com`, and RSS 2.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError, ParserCreate

from bot.catalog import PageFormat, StatusPage
from bot.incident import PageReport

MOST_TITLE = 120
MOST_REPORTS = 5
_OVER = frozenset({"resolved", "postmortem", "completed"})
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(hours=1)
# An RSS item has no state of its own; one that is never said to be over is not told for longer.
_RSS_OPEN_FOR = timedelta(hours=24)
_RSS_OVER = re.compile(r"\b(resolved|completed|postmortem)\b", re.IGNORECASE)


class UnreadablePageError(ValueError):
    """What came is not the status page that was asked for."""


def open_reports(page: StatusPage, body: bytes, now: datetime) -> tuple[PageReport, ...]:
    """Return the incidents that a page reports as open, the first to begin first.

    Raises:
        UnreadablePageError: it is HTML, half a document, or of another shape.
    """
    if page.format is PageFormat.RSS:
        found = list(_rss(page, body, now))
    else:
        found = list(_listed(page, _document(body), now))
    found.sort(key=lambda report: report.since or now)
    return tuple(found[:MOST_REPORTS])


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadablePageError("it is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadablePageError("it is not a status page")
    return document


def _listed(page: StatusPage, document: dict[str, Any], now: datetime) -> Iterator[PageReport]:
    name = "incidents"
    if page.format is PageFormat.INCIDENT_IO:
        name, inner = "ongoing_incidents", document.get("summary")
        document = inner if isinstance(inner, dict) else document
    rows = document.get(name)
    if not isinstance(rows, list):
        raise UnreadablePageError(f"it has no list of {name.replace('_', ' ')}")
    for row in rows:
        if not isinstance(row, dict):
            raise UnreadablePageError("one of its incidents is not an object")
        if str(row.get("status")).lower() in _OVER or not _concerns(page, row):
            continue
        began = row.get("started_at") or row.get("published_at") or row.get("created_at")
        url = row.get("shortlink") or row.get("url")
        yield _report(page, row.get("name"), _time(began, now), url)


def _concerns(page: StatusPage, row: dict[str, Any]) -> bool:
    """Return whether an incident is about the API; one that names no component may be."""
    rows = row.get("components") or row.get("affected_components") or ()
    names = {
        str(part["name"]).casefold()
        for part in (rows if isinstance(rows, list) else ())
        if isinstance(part, dict) and part.get("name")
    }
    return not names or not page.components or bool(names & page.components)


def _rss(page: StatusPage, body: bytes, now: datetime) -> Iterator[PageReport]:
    for item in _items(body):
        at = _time(item.get("pubDate"), now)
        over = _RSS_OVER.search(f"{item.get('title', '')} {item.get('description', '')}")
        if at is not None and now - at < _RSS_OPEN_FOR and not over:
            yield _report(page, item.get("title"), at, item.get("link"))


def _items(body: bytes) -> Sequence[dict[str, str]]:
    """Read the items of a feed; expat expands no entity of a document's own here."""
    items: list[dict[str, str]] = []
    path: list[str] = []
    roots: list[str] = []
    parser = ParserCreate()
    parser.buffer_text = True

    def begin(name: str, _: dict[str, str]) -> None:
        if not path:
            roots.append(name)
        path.append(name)
        if path == ["rss", "channel", "item"]:
            items.append({})

    def end(_: str) -> None:
        path.pop()

    def words(text: str) -> None:
        if len(path) == 4 and path[2] == "item":
            items[-1][path[3]] = items[-1].get(path[3], "") + text

    def refuse(*_: object) -> None:
        raise UnreadablePageError("it declares entities")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = words, refuse
    try:
        parser.Parse(body, True)
    except ExpatError:
        raise UnreadablePageError("it is not RSS") from None
    if roots != ["rss"]:
        raise UnreadablePageError("it is not RSS")
    return items


def _report(page: StatusPage, title: object, since: datetime | None, url: object) -> PageReport:
    words = " ".join(str(title or "").split())
    short = words if len(words) <= MOST_TITLE else f"{words[: MOST_TITLE - 1]}…"
    return PageReport(page.provider, short or "Incident", since, _own(page, url))


def _own(page: StatusPage, url: object) -> str:
    """Return a link on the page's own host, or the page's own address."""
    try:
        parts = urlsplit(str(url))
        own = parts.scheme == "https" and parts.hostname == urlsplit(page.link).hostname
    except ValueError:
        own = False
    return str(url) if own else page.link


def _time(value: object, now: datetime) -> datetime | None:
    """Read RFC 3339 or RFC 5322; a date that cannot be right is unknown."""
    words = str(value or "")
    at = None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(words)
        except (ValueError, TypeError):
            continue
        break
    if at is None:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at if _FIRST < at <= now + _AHEAD else None
