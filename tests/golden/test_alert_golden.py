"""What people read of an outage, word for word.

`CHANGEOVER_GOLDEN=write` writes the expected texts anew, to be read before they are kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.discord.render import render as in_discord
from adapters.slack.render import render as in_slack
from bot.card import Card, Code, Link, Person, plain, text
from bot.messages.alert_notes import (
    FirstEvent,
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
    DownHopWords,
    IncidentWords,
    Saving,
    continued_card,
    ended_card,
    incident_card,
    marker,
    over_card,
)
from bot.ports.alerts import AlertReason
from tests.support.fakes_alerts import FLASH, LLAMA, NOON, OPUS


def over(words: IncidentWords) -> Card:
    """Tell an outage's end; it was down all the time."""
    return over_card(replace(words, down=(words.ended_at or words.now) - words.since))


EXPECTED = Path(__file__).parent / "alerts"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ANA, BO = Person("slack", "U1", "Ana", ping=True), Person("discord", "7", "Bo", ping=True)

LIMITED = IncidentWords(
    id=12,
    primary=OPUS,
    reason=AlertReason.RATE_LIMIT,
    since=NOON,
    now=NOON + 12 * MINUTE,
    rerouted=37,
    served=((FLASH, 37),),
    saving=Saving(Decimal("-0.934")),
    place=(2, 4),
    lost=("images", "context beyond 64K"),
    again_at=NOON + 15 * MINUTE,
    switch=("cheap", "model use cheap"),
    step=text("If it lasts: ", Code("/model use cheap")),
)
OVER = replace(
    LIMITED,
    now=NOON + 30 * MINUTE,
    rerouted=214,
    served=((FLASH, 200), (LLAMA, 14)),
    saving=Saving(Decimal("-5.12")),
    ended_at=NOON + 22 * MINUTE,
    end="recovered",
)
DEAD = IncidentWords(
    id=13,
    primary=OPUS,
    reason=AlertReason.CHAIN_EXHAUSTED,
    since=NOON,
    now=NOON,
    refused=1,
    began_with=AlertReason.RATE_LIMIT,
    step=text("Run ", Code("/fallback test"), " for a fix per hop."),
    calls=(ANA, BO),
)
BROKEN = IncidentWords(
    id=14,
    primary="/srv/moltbot.json",
    reason=AlertReason.CONFIG_INVALID,
    since=NOON,
    now=NOON,
    says=("moltbot.json is not JSON5: line 4 column 7.", "Fix line 4, then changeover doctor."),
    step=text("Fix line 4, then changeover doctor."),
)
KEY = replace(
    LIMITED,
    reason=AlertReason.AUTH,
    again_at=None,
    saving=None,
    prices="97% cheaper",
    lost=(),
    step=text("Renew ANTHROPIC_API_KEY at ", Link("Anthropic's keys", "https://x/k"), "."),
    further=(text("Also out of credit: ", Code("openrouter/a"), ". Add credit."),),
    calls=(ANA,),
)

CARDS: dict[str, Callable[[], Card]] = {
    "limited": lambda: incident_card(LIMITED),
    "one request": lambda: incident_card(replace(LIMITED, rerouted=1, served=((FLASH, 1),))),
    "several servers": lambda: incident_card(
        replace(
            LIMITED,
            now=NOON + 2 * HOUR,
            rerouted=1_214,
            served=((FLASH, 1_200), (LLAMA, 14)),
            saving=Saving(Decimal("12.5"), Decimal("6.25")),
        )
    ),
    "good again": lambda: incident_card(replace(LIMITED, good_since=NOON + 11 * MINUTE)),
    "acknowledged": lambda: incident_card(replace(LIMITED, acknowledged=("Ana", NOON + MINUTE))),
    "since yesterday": lambda: incident_card(
        replace(LIMITED, since=NOON - 20 * HOUR, reminder=True, again_at=None)
    ),
    "key refused": lambda: incident_card(KEY),
    "dead chain": lambda: incident_card(DEAD),
    "broken config": lambda: incident_card(BROKEN),
    "unstable": lambda: incident_card(replace(LIMITED, opens=3, calm=HOUR, good_since=NOON)),
    "unstable chain": lambda: incident_card(replace(DEAD, opens=4, refused=9)),
    "nothing known": lambda: incident_card(
        IncidentWords(1, OPUS, AlertReason.TIMEOUT, NOON, NOON, rerouted=2)
    ),
    "cut off": lambda: incident_card(
        replace(LIMITED, reason=AlertReason.NETWORK, rerouted=0, cut=15, served=(), saving=None)
    ),
    "hops of a dead chain": lambda: incident_card(
        replace(
            DEAD,
            models=(OPUS, FLASH),
            hops=[
                DownHopWords(OPUS, "auth"),
                DownHopWords(FLASH, "billing"),
                DownHopWords(LLAMA, "", "speaks another dialect"),
            ],
        )
    ),
    "told whom it called": lambda: ended_card(replace(OVER, down=22 * MINUTE, calls=(ANA,))),
    "recovered": lambda: over(OVER),
    "recovered with one": lambda: over(
        replace(OVER, rerouted=1, served=((FLASH, 1),), saving=Saving(Decimal(0)))
    ),
    "recovered at a higher cost": lambda: over(
        replace(OVER, saving=Saving(Decimal("0.5"), Decimal(3)), acknowledged=("Ana", NOON))
    ),
    "recovered chain": lambda: over(
        replace(DEAD, refused=12, ended_at=NOON + MINUTE, end="recovered")
    ),
    "recovered config": lambda: over(replace(BROKEN, ended_at=NOON + 3 * MINUTE, end="recovered")),
    "recovered after ups and downs": lambda: over_card(replace(OVER, opens=3, down=9 * MINUTE)),
    "switched away": lambda: over(replace(OVER, end="moved_on", saving=None)),
    "no requests": lambda: over(replace(OVER, end="silence", ended_at=None)),
    "continued": lambda: continued_card(LIMITED),
    "details": lambda: details_card(
        12,
        OPUS,
        [
            FirstEvent(NOON, "req-1", FLASH, "rate_limit", 'HTTP 429: {"error": "slow down"}'),
            FirstEvent(NOON + MINUTE, "r" * 60, None, "timeout", "x" * 900),
            FirstEvent(
                NOON + MINUTE, "req-3", FLASH, "rate_limit", 'HTTP 429: {"error": "slow down"}'
            ),
        ],
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
