"""Status pages: what they report, what is no page, and what an incident's card makes of it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.status_pages import EVERY, EVERY_OPEN, PageState, StatusPages, report_for
from bot.card import Card, plain
from bot.catalog import shipped
from bot.dialects.status_page import MOST_TITLE, UnreadablePageError, open_reports
from bot.incident import Impact, Incident, PageReport
from bot.messages.alerts import incident_card, over_card
from bot.messages.doctor import status_page_line
from bot.outage import AlertReason
from tests.support.fakes_alerts import NOON, AlertBench

PAGES = shipped().status_pages
ANTHROPIC, OPENAI = PAGES["anthropic"], PAGES["openai"]
GROQ, OPENROUTER = PAGES["groq"], PAGES["openrouter"]
SINCE = NOON - timedelta(minutes=5)
BEGAN = SINCE.isoformat().replace("+00:00", "Z")


def statuspage(*incidents: dict[str, object]) -> bytes:
    return json.dumps({"page": {"id": "x"}, "components": [], "incidents": incidents}).encode()


def incident(**fields: object) -> dict[str, object]:
    own: dict[str, object] = {
        "name": "Elevated errors on Opus",
        "status": "investigating",
        "started_at": BEGAN,
        "shortlink": "https://status.claude.com/incidents/1",
        "components": [{"name": "Claude API (api.anthropic.com)", "status": "partial_outage"}],
    }
    return own | fields


def feed(*items: str) -> bytes:
    return f"<rss version='2.0'><channel>{''.join(items)}</channel></rss>".encode()


def item(title: str, at: datetime, words: str = "Investigating") -> str:
    when = at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return (
        f"<item><title>{title}</title><pubDate>{when}</pubDate>"
        f"<description>{words}</description><link>https://status.openrouter.ai/i/1</link></item>"
    )


def test_statuspage_lists_what_is_open_and_concerns_the_api():
    body = statuspage(
        incident(),
        incident(name="over", status="resolved"),
        incident(name="elsewhere", components=[{"name": "claude.ai"}]),
        incident(name="says no component", components=[], started_at=None, created_at=BEGAN),
    )
    found = open_reports(ANTHROPIC, body, NOON)
    assert [report.title for report in found] == ["Elevated errors on Opus", "says no component"]
    assert found[0].provider == "Anthropic"
    assert found[0].since == SINCE
    assert found[0].url == "https://status.claude.com/incidents/1"


def test_a_page_whose_components_are_models_counts_them_all():
    body = statuspage(incident(components=[{"name": "llama-3.3-70b-versatile"}]))
    assert len(open_reports(GROQ, body, NOON)) == 1


@pytest.mark.parametrize("wrap", [True, False])
def test_openais_widget_is_read_bare_or_wrapped(wrap: bool):
    row = incident(affected_components=[{"name": "Chat Completions"}], components=None)
    rows = [row, row | {"name": "Login", "affected_components": [{"name": "ChatGPT login"}]}]
    inner = {"ongoing_incidents": rows, "affected_components": []}
    found = open_reports(OPENAI, json.dumps({"summary": inner} if wrap else inner).encode(), NOON)
    assert [report.title for report in found] == ["Elevated errors on Opus"]
    # Its incident links elsewhere: the page's own address is shown.
    assert found[0].url == "https://status.openai.com"


def test_a_feed_lists_what_began_today_and_is_not_over():
    body = feed(
        item("Slow routing", NOON - timedelta(hours=2)),
        item("Done", NOON - timedelta(hours=1), "Resolved: a fix is in"),
        item("Forgotten", NOON - timedelta(days=3)),
    )
    (found,) = open_reports(OPENROUTER, body, NOON)
    assert (found.title, found.since) == ("Slow routing", NOON - timedelta(hours=2))


@pytest.mark.parametrize(
    ("page", "body"),
    [
        (ANTHROPIC, b""),
        (ANTHROPIC, b"<html>502</html>"),
        (ANTHROPIC, b'{"incidents": [{"name"'),
        (ANTHROPIC, b"[]"),
        (ANTHROPIC, b'{"page": {}}'),
        (ANTHROPIC, b'{"incidents": [1]}'),
        (ANTHROPIC, b"[" * 100_000),
        (OPENAI, b'{"summary": {"components": []}}'),
        (OPENROUTER, b"<html><body>no</body></html>"),
        (OPENROUTER, b"<rss><channel>"),
        (OPENROUTER, b'<!DOCTYPE x [<!ENTITY a "b">]><rss><channel/></rss>'),
    ],
)
def test_what_is_no_page_is_unknown(page, body):
    with pytest.raises(UnreadablePageError):
        open_reports(page, body, NOON)


@pytest.mark.parametrize("began", ["1970-01-01T00:00:00Z", "2031-01-01T00:00:00Z", "soon", None, 7])
def test_a_date_that_cannot_be_right_is_left_out(began):
    (found,) = open_reports(ANTHROPIC, statuspage(incident(started_at=began)), NOON)
    assert found.since is None


def test_foreign_words_are_cut_and_lead_nowhere_else():
    row = incident(name="a\n" + "b" * 500, shortlink="https://evil.example/x")
    (found,) = open_reports(ANTHROPIC, statuspage(row), NOON)
    assert len(found.title) == MOST_TITLE
    assert "\n" not in found.title
    assert found.url == "https://status.claude.com"


@given(st.binary(max_size=200), st.sampled_from(sorted(PAGES)))
def test_any_bytes_are_a_page_or_unknown(body, name):
    with suppress(UnreadablePageError):
        open_reports(PAGES[name], body, NOON)


def test_a_page_is_read_more_often_while_an_incident_is_open():
    state = PageState(NOON)
    assert not state.due(NOON + EVERY_OPEN - timedelta(minutes=1), open_incident=True)
    assert state.due(NOON + EVERY_OPEN, open_incident=True)
    assert not state.due(NOON + EVERY_OPEN, open_incident=False)
    assert state.due(NOON + EVERY, open_incident=False)
    # A clock that was set back.
    assert state.due(NOON - timedelta(hours=1), open_incident=False)


ERRORS = PageReport("Anthropic", "Elevated errors", NOON, "https://status.claude.com/1")


def words(card: Card) -> str:
    return "\n".join(plain(line) for line in card.body)


def test_what_is_not_reported_any_more_has_ended_and_is_kept_a_day():
    first = PageState(NOON).after([ERRORS], NOON)
    failed = first.failed("HTTP 502", NOON + EVERY)
    assert failed.reports == (ERRORS,)
    assert not failed.known(NOON + timedelta(hours=2))
    over = failed.after([], NOON + 2 * EVERY)
    assert [report.ended_at for report in over.reports] == [NOON + 2 * EVERY]
    assert over.after([], NOON + timedelta(days=2)).reports == ()


def test_the_report_shown_stays_while_it_is_open():
    other = PageReport("Anthropic", "Another", NOON - EVERY, "https://status.claude.com/2")
    fallen = Incident("anthropic/claude-opus-4-5", AlertReason.RATE_LIMIT, NOON, NOON)
    assert report_for(fallen, [other, ERRORS]) == other
    shown = Incident("anthropic/x", AlertReason.RATE_LIMIT, NOON, NOON, page=ERRORS)
    assert report_for(shown, [other, ERRORS]) == ERRORS
    assert report_for(shown, []) is None


async def test_the_card_says_what_the_page_reports_and_when_it_ended():
    bench = AlertBench()
    bench.start(pages=("anthropic",))
    pages = StatusPages(bench.store, ("anthropic",))
    await pages.keep("anthropic", PageState(bench.clock.now()).after([ERRORS], bench.clock.now()))
    fallen = Incident("anthropic/claude-opus-4-5", AlertReason.RATE_LIMIT, NOON, NOON)
    seen = await pages.with_page(fallen, bench.clock.now())
    assert (seen.page, seen.changed) == (ERRORS, fallen.changed + 1)
    assert await pages.with_page(seen, bench.clock.now()) == seen
    card = incident_card(seen, Impact(), (), timedelta(minutes=5), NOON)
    assert "Anthropic reports an incident since 12:00 UTC: Elevated errors · status page" in words(
        card
    )
    state = await pages.state("anthropic")
    assert state is not None
    await pages.keep("anthropic", state.after([], NOON + EVERY))
    over = await pages.with_page(seen, NOON + EVERY)
    assert over.page is not None
    assert over.page.ended_at == NOON + EVERY
    ended = "Anthropic reported an incident since 12:00 UTC, ended 12:15 UTC: Elevated errors"
    assert ended in words(over_card(over, NOON + EVERY))
    other = Incident("deepseek/deepseek-chat", AlertReason.RATE_LIMIT, NOON, NOON)
    assert await pages.with_page(other, NOON) == other


def test_the_doctor_says_what_is_unknown_and_why():
    assert status_page_line("Groq", None, "HTTP 502") == "Groq's status page: unknown (HTTP 502)."
    assert status_page_line("Groq", None, "") == "Groq's status page: unknown (not read yet)."
    assert status_page_line("Groq", (), "") == "Groq's status page reports no incident."
    assert "Elevated errors" in status_page_line("Anthropic", [ERRORS], "")
