"""What people read of an outage, word for word.

`CHANGEOVER_GOLDEN=write` writes the expected texts anew, to be read before they are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.render import render as in_discord
from adapters.slack.render import render as in_slack
from bot.card import Card, Code, Link, Person, plain, text
from bot.incident import DownHop, End, Impact, Incident, Sample, State
from bot.messages.alert_notes import (
    HopNews,
    NightRow,
    chain_test_card,
    details_card,
    morning_card,
    outside_note,
    trouble_card,
    untested_card,
)
from bot.messages.alerts import (
    continued_card,
    ended_card,
    incident_card,
    marker,
    over_card,
)
from bot.outage import AlertReason, Gap
from tests.support.fakes_alerts import FLASH, LLAMA, NOON, OPUS

EXPECTED = Path(__file__).parent / "alerts"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ANA, BO = Person("slack", "U1", "Ana", ping=True), Person("discord", "7", "Bo", ping=True)

LIMITED = Incident(
    OPUS,
    AlertReason.RATE_LIMIT,
    NOON,
    NOON,
    id=12,
    rerouted=37,
    served=((FLASH, 37),),
    costs_nano_usd=-934_000_000,
    costs_until=NOON + 12 * MINUTE,
)
OVER = replace(
    LIMITED,
    state=State.RESOLVED,
    rerouted=214,
    served=((LLAMA, 14), (FLASH, 200)),
    costs_nano_usd=-5_120_000_000,
    ended_at=NOON + 22 * MINUTE,
    end=End.RECOVERED,
)
DEAD = Incident(
    OPUS,
    AlertReason.CHAIN_EXHAUSTED,
    NOON,
    NOON,
    id=13,
    refused=1,
    samples=(Sample(NOON, "req-1", "", "rate_limit"),),
)
BROKEN = Incident(
    "/srv/moltbot.json",
    AlertReason.CONFIG_INVALID,
    NOON,
    NOON,
    id=14,
    says=("moltbot.json is not JSON5: line 4 column 7.", "Fix line 4, then changeover doctor."),
)
KEY = replace(LIMITED, reason=AlertReason.AUTH, costs_until=None)
CHEAP = Impact(
    place=(2, 4),
    lost=("images", "context beyond 64K"),
    again_at=NOON + 15 * MINUTE,
    switch=("cheap", "model use cheap"),
    step=text("If it lasts: ", Code("/model use cheap")),
)
RENEW = replace(
    CHEAP,
    lost=(),
    again_at=None,
    prices="97% cheaper",
    step=text("Renew ANTHROPIC_API_KEY at ", Link("Anthropic's keys", "https://x/k"), "."),
    also=(text("Also out of credit: ", Code("openrouter/a"), ". Add credit."),),
)
TEST = Impact(step=text("Run ", Code("/fallback test"), " for a fix per hop."))
FIX = Impact(step=text("Fix line 4, then changeover doctor."))


def shown(
    incident: Incident,
    impact: Impact = CHEAP,
    *calls: Person,
    now: datetime = NOON + 12 * MINUTE,
    **more: Any,
) -> Card:
    """Show an incident that is open."""
    calm = HOUR if more.get("opens") else 5 * MINUTE
    return incident_card(replace(incident, **more), impact, calls, calm, now)


def over(incident: Incident, **more: Any) -> Card:
    """Show an incident that is over."""
    return over_card(replace(incident, state=State.RESOLVED, **more), NOON + 30 * MINUTE)


def costs(dollars: str, lasted: timedelta = MINUTE) -> dict[str, Any]:
    return {"costs_nano_usd": int(Decimal(dollars) * 10**9), "costs_until": NOON + lasted}


CARDS: dict[str, Callable[[], Card]] = {
    "limited": lambda: shown(LIMITED),
    "one request": lambda: shown(LIMITED, rerouted=1, served=((FLASH, 1),)),
    "several servers": lambda: shown(
        LIMITED,
        now=NOON + 2 * HOUR,
        rerouted=1_214,
        served=((LLAMA, 14), (FLASH, 1_200)),
        **costs("12.5", 2 * HOUR),
    ),
    "good again": lambda: shown(LIMITED, good=1, good_since=NOON + 11 * MINUTE),
    "acknowledged": lambda: shown(LIMITED, acknowledged_by="Ana", acknowledged_at=NOON + MINUTE),
    "since yesterday": lambda: shown(
        LIMITED,
        replace(CHEAP, again_at=None),
        opened_at=NOON - 20 * HOUR,
        messages=2,
        costs_until=NOON - 20 * HOUR + MINUTE,
    ),
    "key refused": lambda: shown(KEY, RENEW, ANA),
    "dead chain": lambda: shown(DEAD, TEST, ANA, BO, now=NOON),
    "broken config": lambda: shown(BROKEN, FIX, now=NOON),
    "unstable": lambda: shown(LIMITED, opens=3, good=1, good_since=NOON),
    "unstable chain": lambda: shown(DEAD, TEST, ANA, BO, now=NOON, opens=4, refused=9),
    "nothing known": lambda: shown(
        Incident(OPUS, AlertReason.TIMEOUT, NOON, NOON, id=1, rerouted=2), Impact(), now=NOON
    ),
    "cut off": lambda: shown(
        LIMITED, reason=AlertReason.NETWORK, rerouted=0, cut=15, served=(), costs_until=None
    ),
    "hops of a dead chain": lambda: shown(
        DEAD,
        TEST,
        ANA,
        BO,
        now=NOON,
        models=(OPUS, FLASH),
        hops=(
            DownHop(OPUS, "auth", NOON),
            DownHop(FLASH, "billing", NOON),
            DownHop(LLAMA, "", NOON, "speaks another dialect"),
        ),
    ),
    "told whom it called": lambda: ended_card(OVER, (ANA,), NOON + 30 * MINUTE),
    "recovered": lambda: over(OVER),
    "recovered with one": lambda: over(OVER, rerouted=1, served=((FLASH, 1),), **costs("0")),
    "recovered at a higher cost": lambda: over(
        OVER, acknowledged_by="Ana", acknowledged_at=NOON, **costs("0.5")
    ),
    "recovered chain": lambda: over(DEAD, refused=12, ended_at=NOON + MINUTE, end=End.RECOVERED),
    "recovered config": lambda: over(BROKEN, ended_at=NOON + 3 * MINUTE, end=End.RECOVERED),
    "recovered after ups and downs": lambda: over(
        OVER, opens=3, gaps=(Gap(NOON + MINUTE, 13 * MINUTE),)
    ),
    "switched away": lambda: over(OVER, end=End.MOVED_ON, costs_until=None),
    "no requests": lambda: over(OVER, end=End.SILENCE, ended_at=None),
    "continued": lambda: continued_card(LIMITED),
    "details": lambda: details_card(
        replace(
            LIMITED,
            samples=(
                Sample(NOON, "req-1", FLASH, "rate_limit", 'HTTP 429: {"error": "slow down"}'),
                Sample(NOON + MINUTE, "r" * 60, "", "timeout", "x" * 900),
                Sample(
                    NOON + MINUTE, "req-3", FLASH, "rate_limit", 'HTTP 429: {"error": "slow down"}'
                ),
            ),
        )
    ),
    "morning": lambda: morning_card(
        "2026-03-01",
        [
            NightRow(12, OPUS, AlertReason.RATE_LIMIT, NOON - 9 * HOUR, NOON - 8 * HOUR, 1_214),
            NightRow(13, FLASH, AlertReason.TIMEOUT, NOON - 3 * HOUR, None, 2),
        ],
    ),
    "morning and all over": lambda: morning_card(
        "2026-03-01",
        [NightRow(12, OPUS, AlertReason.NETWORK, NOON - 9 * HOUR, NOON - 8 * HOUR, 1)],
    ),
    "deaf channel": lambda: trouble_card(
        "t1", "slack", NOON, ("The channel is archived.", "Set SLACK_CHANNEL."), None
    ),
    "channel hears again": lambda: trouble_card("t1", "slack", NOON, ("", ""), NOON + HOUR),
    "edit from outside": lambda: outside_note(57, "primary", OPUS, FLASH, "/srv/moltbot.json"),
    "chain test damaged": lambda: chain_test_card(
        "t2",
        [
            HopNews(OPUS, "ok", "ok"),
            HopNews("openrouter/a/b", "auth", "ok", "Renew OPENROUTER_API_KEY."),
            HopNews(FLASH, "model_not_found", None, "/fallback remove x/y"),
            HopNews(LLAMA, "skipped", "skipped"),
        ],
        OPUS,
        ["gone/model"],
    ),
    "chain test dead": lambda: chain_test_card("t3", [HopNews(OPUS, "odd", "odd")], None, []),
    "chain test fixed": lambda: chain_test_card(
        "t4", [HopNews(OPUS, "ok", "timeout"), HopNews(FLASH, "ok", "ok")], OPUS, []
    ),
    "chain test impossible": lambda: untested_card("t5", "The chain is empty.", "/model best"),
}


def words(card: Card) -> str:
    """Write a card as a reader sees it."""
    table = card.table
    lines = [f"({card.tone}) {plain(card.title)}", *(plain(line) for line in card.body)]
    if table:
        lines.append(" | ".join(column.title for column in table.columns))
        lines += [" | ".join(plain(cell) for cell in row) for row in table.rows]
    buttons = "  ".join(f"[{button.label}: {button.action.words}]" for button in card.buttons)
    lines += [line for line in (buttons, plain(card.footer)) if line]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", CARDS)
def test_the_words_are_as_they_were_agreed(name: str) -> None:
    said = words(CARDS[name]())
    path = EXPECTED / f"{name}.txt"
    if os.environ.get("CHANGEOVER_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


def test_every_text_belongs_to_a_card() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == set(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_calm_and_says_what_its_data_says(name: str) -> None:
    card = CARDS[name]()
    said = words(card)
    assert "!" not in said
    assert "None" not in said
    for figure in ("rerouted", "refused"):
        assert f"{card.data.get(figure, 0):,}" in said or not card.data.get(figure)


@pytest.mark.parametrize("name", CARDS)
def test_every_card_fits_both_chats(name: str) -> None:
    card = CARDS[name]()
    slack = in_slack(card)
    assert slack.blocks
    assert in_discord(card).embeds
    if "incident" in card.data and card.data.get("state"):
        # What a lost message is looked for by has to stand in what the channel's history gives.
        assert marker(card.data["incident"]) in slack.text


def test_a_marker_is_no_other_incidents() -> None:
    assert marker(1) not in marker(12)
    assert marker(2) not in marker(12)
