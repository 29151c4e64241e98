"""Cards as Slack shows them: golden files, limits, and words that mean harm."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.shared.chat import size
from adapters.slack.home import home_view
from adapters.slack.mrkdwn import inert, mentioned, read, write
from adapters.slack.render import MOST_TEXT, render
from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Fact,
    Link,
    Person,
    Phrase,
    Span,
    Strong,
    Table,
    Tone,
    When,
    WhenStyle,
    text,
)
from tests.servers.slack_blocks import fault_of_blocks
from tests.support.cards import CARDS, LIST, LONG, STATUS

GOLDEN = Path(__file__).parents[2] / "golden" / "slack"
AT = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)

EVENTS = Card(
    title=text(Strong("2 fallbacks"), " in the last 24 h"),
    table=Table(
        tuple(Column(title) for title in ("when", "from", "to", "why")),
        (
            (
                text(When(AT, WhenStyle.DATE_TIME)),
                text(Code("anthropic/claude-opus-4-5")),
                text(Code("deepseek/deepseek-flash")),
                text("rate limited"),
            ),
            (
                text(When(AT, WhenStyle.DATE_TIME)),
                text(Code("anthropic/claude-opus-4-5")),
                text("nobody"),
                text("timed out"),
            ),
        ),
    ),
    command="fallback events",
)
ALL = {**CARDS, "events": EVENTS}


def as_json(card: Card) -> str:
    """A rendered card for people to read; a card with a chart has its picture."""
    message = asdict(render(card, "F0CHART" if card.chart else None))
    return json.dumps(message, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", ALL)
def test_golden(name: str) -> None:
    golden = GOLDEN / f"{name}.json"
    found = as_json(ALL[name])
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_there_is_no_golden_file_too_many() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(ALL)


# --- limits -----------------------------------------------------------------------------------


def fault(card: Card, chart_file: str | None = None) -> str:
    """What Slack would refuse."""
    message = render(card, chart_file)
    if not 1 <= size(message.text) <= MOST_TEXT + 5:
        return f"text of {size(message.text)}"
    return fault_of_blocks(message.blocks)


@pytest.mark.parametrize("name", ALL)
def test_every_card_is_taken_and_says_all_in_words(name: str) -> None:
    card = ALL[name]
    assert fault(card, "F1") == ""
    assert fault(card) == ""
    assert render(card).text.strip()


def test_a_long_card_says_what_is_left_out_and_keeps_buttons_and_footer() -> None:
    blocks = render(LONG).blocks
    words = json.dumps(blocks, ensure_ascii=False)
    assert "Left out for length: " in words
    assert "of 30 lines" in words
    assert "of 60 rows" in words
    assert "`changeover model list`" in words
    assert [block["type"] for block in blocks[-3:]] == ["context", "actions", "context"]
    assert len(blocks[-2]["elements"]) == 25


def test_a_card_that_fits_leaves_nothing_out() -> None:
    assert "Left out" not in json.dumps(render(STATUS).blocks)


def test_the_tone_is_a_word_too() -> None:
    for tone, word in (
        (Tone.GOOD, "OK"), (Tone.CHANGE, "Changed"), (Tone.QUESTION, "Question"),
        (Tone.WARNING, "Warning"), (Tone.BAD, "Problem"),
    ):  # fmt: skip
        message = render(Card(title=text("said"), tone=tone))
        assert f" {word} · said" in message.blocks[0]["text"]["text"]
        assert message.text == f"{word}: said"
    assert render(Card(title=text("said"))).text == "said"


def test_a_narrow_table_stands_in_columns_with_figures_on_the_right() -> None:
    table = Table(
        (Column("model"), Column("cost", right=True)),
        ((text("a`b"), text("$11.90")), (text("模型"), text("$0.50"))),
    )
    (_, grid) = render(Card(title=text("t"), table=table)).blocks
    assert grid["text"]["text"] == ("```\nmodel    cost\naˋb    $11.90\n模型    $0.50\n```")


def test_a_wide_table_has_a_row_on_two_lines_and_no_empty_cells() -> None:
    (_, rows, _) = render(LIST).blocks
    assert rows["text"]["text"].split("\n")[2:] == [
        "`ollama/llama3.3`",
        "in / out per 1M: free · context: unknown · allowed: no",
    ]


def test_a_button_without_an_id_is_not_shown() -> None:
    card = Card(title=text("t"), buttons=(Button("Undo", Action("model undo")),))
    assert [block["type"] for block in render(card).blocks] == ["section"]


def test_the_home_tab_keeps_to_a_hundred_blocks() -> None:
    view = home_view([LONG] * 9)
    assert len(view["blocks"]) == 100
    assert fault_of_blocks(view["blocks"], 100, None) == ""


# --- words that mean harm ---------------------------------------------------------------------

EVIL = [
    "<!channel>", "<!here|x>", "<@U1>", "<#C1>", "<https://evil.test|bank>", "@everyone",
    "@here", "@Channel", "&lt;!channel&gt;", "```", "`", "*", "\u202ereversed", "\ud83d",
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_words_cannot_ping_link_or_break_out(evil: str) -> None:
    card = Card(
        title=text(evil, Strong(evil), Code(evil)),
        body=(text(f"Reason: {evil}"), text(Link(evil, "javascript:alert(1)"))),
        facts=(Fact(evil, text(Person("slack", evil, evil, ping=True))),),
        table=Table((Column(evil),), ((text(evil),),)),
        warnings=(Caution("c", evil, evil),),
        footer=text(Person("slack", "U1", evil)),
    )
    message = render(card)
    words = message.text + json.dumps(message.blocks, ensure_ascii=False)
    assert fault(card) == ""
    for bad in ("<!", "<@", "<#", "<http", "@everyone", "@here", "@Channel", "\u202e", "\ud83d"):
        assert bad not in words


def test_every_text_is_verbatim_so_that_slack_links_nothing_by_itself() -> None:
    def texts(value: Any) -> list[Any]:
        if isinstance(value, list):
            return [t for item in value for t in texts(item)]
        if not isinstance(value, dict):
            return []
        mine = [value] if value.get("type") == "mrkdwn" else []
        return mine + [t for item in value.values() for t in texts(item)]

    found = texts(render(LONG).blocks)
    assert found
    assert all(t["verbatim"] for t in found)


def test_a_person_is_pinged_only_where_it_is_meant() -> None:
    spans = text(
        Person("slack", "U1", "Ana", ping=True), " ", Person("slack", "U1", "Ana"), " ",
        Person("discord", "7", "Bo", ping=True), " ",
        Person("slack", "S1", "on call", ping=True, group=True),
    )  # fmt: skip
    assert write(spans) == "<@U1> Ana Bo <!subteam^S1>"
    assert write(spans, bare=True) == "<@U1> Ana Bo <!subteam^S1>"


def test_times_are_shown_in_the_readers_zone() -> None:
    unix = int(AT.timestamp())
    assert write(text(When(AT))) == f"<!date^{unix}^{{time}}|13:02 UTC>"
    assert write(text(When(AT, WhenStyle.DATE_TIME))) == (
        f"<!date^{unix}^{{date_short_pretty}} {{time}}|2026-11-23 13:02 UTC>"
    )
    assert "{ago}" in write(text(When(AT, WhenStyle.RELATIVE)))


def test_a_link_opens_its_page_and_nothing_else() -> None:
    link = Link("a|b <c>", "https://x.test/?a=1&b=<|> c")
    assert write(text(link)) == "<https://x.test/?a=1&amp;b=%3C%7C%3E%20c|a¦b &lt;c&gt;>"
    assert write(text(link), bare=True).startswith("a|b &lt;c&gt; (https://")


def test_a_hint_that_is_a_command_can_be_copied() -> None:
    def shown(hint: Phrase) -> str:
        card = Card(title=text("t"), warnings=(Caution("c", "bad", hint),))
        words: str = render(card).blocks[1]["text"]["text"]
        return words.partition("\n")[2]

    assert shown(Command("fallback add a/b")) == "→ `/fallback add a/b`"
    assert shown("Set X in .env and restart.") == "→ Set X in .env and restart."
    several = text(Command("model best"), " or ", Command("doctor", program=True))
    assert shown(several) == "→ `/model best` or `changeover doctor`"


def test_a_cut_never_splits_what_slack_reads_as_one() -> None:
    assert write(text("&" * 50), 23) == "&amp;" * 4 + "…"
    assert write(text("ab ", Code("c" * 50)), 10) == "ab `cccc`…"
    assert write(text("ab ", When(AT), " c"), 10) == "ab …"
    assert write(text("🚀" * 10), 10) == "🚀" * 4 + "…"


def test_words_come_in_as_they_were_typed() -> None:
    assert read("a &amp;lt; b &lt;c&gt;") == "a &lt; b <c>"
    assert read("<@U1> <@U2|bo> <#C1|dev>", {"U1": "Ana"}) == "@Ana @bo #dev"
    assert read("<!subteam^S1|@team> <!here> <mailto:a@b.c|a@b.c> <x>") == "@team @here a@b.c x"
    assert mentioned("<@U1> <@U2|bo> <#C1>") == ["U1"]


HARM = st.text(max_size=60) | st.sampled_from(EVIL)
SPANS = st.one_of(
    HARM,
    HARM.map(Code),
    HARM.map(Strong),
    st.builds(Link, HARM, HARM.map(lambda t: "https://" + t)),
    st.builds(Person, st.just("slack"), HARM, HARM, st.booleans()),
    st.builds(When, st.just(AT), st.sampled_from(list(WhenStyle))),
)
TEXTS = st.lists(SPANS, max_size=4).map(tuple)


@given(TEXTS, st.integers(1, 80))
@settings(max_examples=200)
def test_every_text_is_well_formed_and_short_enough(spans: tuple[Span, ...], most: int) -> None:
    written = write(spans, most)
    assert size(written) <= most
    words = {"type": "mrkdwn", "text": written or "-"}
    assert fault_of_blocks([{"type": "context", "elements": [words]}]) == ""


@st.composite
def cards(draw: st.DrawFn) -> Card:
    long = draw(st.integers(1, 40))
    columns = draw(st.integers(1, 7))
    rows = draw(st.lists(st.lists(TEXTS, min_size=columns, max_size=columns), max_size=4))
    return Card(
        title=draw(TEXTS),
        tone=draw(st.sampled_from(list(Tone))),
        body=tuple(draw(st.lists(TEXTS, max_size=4))) * long,
        facts=tuple(draw(st.lists(st.builds(Fact, HARM, TEXTS), max_size=3))) * long,
        table=Table(
            tuple(Column(draw(HARM)) for _ in range(columns)), tuple(map(tuple, rows)) * long
        ),
        warnings=tuple(draw(st.lists(st.builds(Caution, HARM, HARM, HARM), max_size=3))) * long,
        buttons=tuple(
            Button(draw(HARM), Action("x"), id=f"w:{n}") for n in range(draw(st.integers(0, 30)))
        ),
        footer=draw(TEXTS),
        command=draw(st.sampled_from(["", "model list"])),
    )


@given(cards())
@settings(max_examples=40, deadline=None)
def test_no_card_is_refused(card: Card) -> None:
    assert fault(card) == ""


def test_a_hidden_character_does_not_count_as_a_word() -> None:
    assert inert("a\u200eb\x00c\u2066d") == "abcd"
    assert render(replace(STATUS, title=text("\u202e"))).blocks[0]["text"]["text"]
