"""Cards as Slack shows them: golden files, limits, and words that mean harm."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.shared.chat import size
from adapters.slack.home import home_view
from adapters.slack.mrkdwn import inert, mentioned, read, write
from adapters.slack.render import MOST_TEXT, Form, render
from adapters.slack.rich import block_of, length, line_of
from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Chart,
    Code,
    Column,
    Command,
    Fact,
    Link,
    Person,
    Span,
    Strong,
    Table,
    Tone,
    When,
    WhenStyle,
    text,
)
from tests.servers.slack_blocks import fault_of_blocks
from tests.support.cards import CARDS, LIST, LONG, SHOWN, STATUS

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


CLASSIC = {name: ALL[name] for name in ("shown-week", "costs", "list", "test", "long")}


def as_json(card: Card, form: Form) -> str:
    """A rendered card for people to read; a card with a chart has its picture."""
    message = asdict(render(card, "F0CHART" if card.chart else None, form))
    del message["markers"]
    return json.dumps(message, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("stem", "card", "form"),
    [(name, card, Form.NATIVE) for name, card in ALL.items()]
    + [(f"{name}-classic", card, Form.CLASSIC) for name, card in CLASSIC.items()],
)
def test_golden(stem: str, card: Card, form: Form) -> None:
    golden = GOLDEN / f"{stem}.json"
    found = as_json(card, form)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_there_is_no_golden_file_too_many() -> None:
    stems = set(ALL) | {f"{name}-classic" for name in CLASSIC}
    assert {path.stem for path in GOLDEN.glob("*.json")} == stems


# --- limits -----------------------------------------------------------------------------------


def faults(card: Card, chart_file: str | None = None) -> str:
    """What Slack would refuse, in either form."""
    for form in Form:
        message = render(card, chart_file, form)
        if not 1 <= size(message.text) <= MOST_TEXT + 5:
            return f"text of {size(message.text)}"
        if fault := fault_of_blocks(message.blocks, native=form is Form.NATIVE):
            return f"{form}: {fault}"
    return ""


def shown(value: Any) -> str:
    """Every word of some blocks, a line for each element."""
    if isinstance(value, list):
        return "".join(map(shown, value))
    if not isinstance(value, dict):
        return ""
    own = value.get("text", "") if isinstance(value.get("text"), str) else ""
    return own + "".join(map(shown, value.values()))


@pytest.mark.parametrize("name", ALL)
def test_every_card_is_taken_and_says_all_in_words(name: str) -> None:
    card = ALL[name]
    assert faults(card, "F1") == ""
    assert faults(card) == ""
    assert render(card).text.strip()


@pytest.mark.parametrize("form", Form)
def test_a_long_card_says_what_is_left_out_and_keeps_buttons_and_footer(form: Form) -> None:
    blocks = render(LONG, form=form).blocks
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
        assert f" {word} · said" in shown(message.blocks[0])
        assert message.text == f"{word}: said"
    assert render(Card(title=text("said"))).text == "said"


# --- tables and charts ------------------------------------------------------------------------


def test_a_sortable_table_has_its_figures_as_numbers() -> None:
    rows = (
        (text(Code("a/b")), text("$1,204.50"), text("12.3K"), text("$3 (2%)"), text("-")),
        (text(Code("c/d")), text("unknown"), text("940"), text("$0.20 more (9%)"), text("")),
    )
    titles = ("model", "cost", "input", "saves", "note")
    table = Table(tuple(Column(title) for title in titles), rows, sortable=True)
    (_, block) = render(Card(title=text(Strong("Costs"), " of May"), table=table)).blocks
    assert block["type"] == "data_table"
    assert block["caption"] == "Costs of May"
    # A column in which no row says anything is not shown.
    assert [cell["text"] for cell in block["rows"][0]] == ["model", "cost", "input", "saves"]
    figures = [[cell["value"] for cell in row[1:]] for row in block["rows"][1:]]
    assert figures == [[1204.5, 12300.0, 3.0], [-1.0, 940.0, -0.2]]
    assert block["rows"][1][1]["text"] == "$1,204.50"


@pytest.mark.parametrize("words", ["$5 / $25", "2026-07-24", "best", "claude-4", "4-5"])
def test_a_column_of_other_things_than_figures_is_words(words: str) -> None:
    table = Table((Column("x"),), ((text("1"),), (text(words),)), sortable=True)
    (_, block) = render(Card(title=text("t"), table=table)).blocks
    assert [row[0]["type"] for row in block["rows"][1:]] == ["raw_text", "raw_text"]


def test_a_table_that_is_in_order_already_is_not_sortable() -> None:
    (block,) = [b for b in render(CARDS["test"]).blocks if b["type"] == "table"]
    assert [one["align"] for one in block["column_settings"]] == [
        "right", "left", "left", "right", "left",
    ]  # fmt: skip


def test_a_table_of_too_many_rows_says_how_many_are_left_out() -> None:
    table = Table((Column("x"),), tuple((text(str(n)),) for n in range(120)), sortable=True)
    message = render(Card(title=text("t"), table=table))
    assert len(message.blocks[1]["rows"]) == 100
    assert "21 of 120 rows" in shown(message.blocks)


def test_a_table_of_too_many_columns_is_words() -> None:
    table = Table(tuple(Column(f"c{n}") for n in range(21)), (tuple(text("x") for _ in range(21)),))
    assert not render(Card(title=text("t"), table=table)).is_native


def test_the_words_of_a_row_name_its_columns() -> None:
    assert "opus-4-5: requests 1,204, cost $11.90" in render(CARDS["costs"]).text


def test_a_chart_is_drawn_by_slack_where_it_has_room_for_the_days() -> None:
    week = SHOWN["shown-week"]
    assert week.chart is not None
    (chart,) = [b for b in render(week).blocks if b["type"] == "data_visualization"]
    [series] = chart["chart"]["series"]
    assert series["data"][0] == {"label": "Mon 16 Nov", "value": 1.51}
    month = replace(week.chart, labels=tuple(map(str, range(31))), bars=(Decimal(1),) * 31)
    kinds = [b["type"] for b in render(replace(week, chart=month), "F1").blocks]
    assert "image" in kinds
    assert "data_visualization" not in kinds


def test_a_narrow_table_stands_in_columns_with_figures_on_the_right() -> None:
    table = Table(
        (Column("model"), Column("cost", right=True)),
        ((text("a`b"), text("$11.90")), (text("模型"), text("$0.50"))),
    )
    (_, grid) = render(Card(title=text("t"), table=table), form=Form.CLASSIC).blocks
    assert shown(grid) == "model    cost\na`b    $11.90\n模型    $0.50"


def test_a_wide_table_has_a_row_on_two_lines_and_no_empty_cells() -> None:
    (_, rows, _) = render(LIST, form=Form.CLASSIC).blocks
    assert shown(rows).split("\n")[2:] == [
        "ollama/llama3.3",
        "in / out per 1M: free · context: unknown · allowed: no",
    ]


def test_a_button_without_an_id_is_not_shown() -> None:
    card = Card(title=text("t"), buttons=(Button("Undo", Action("model undo")),))
    assert [block["type"] for block in render(card).blocks] == ["rich_text"]


def test_the_home_tab_keeps_to_a_hundred_blocks() -> None:
    view = home_view([LONG] * 9)
    assert len(view["blocks"]) == 100
    assert fault_of_blocks(view["blocks"], 100, None, native=False) == ""


# --- words that mean harm ---------------------------------------------------------------------

EVIL = [
    "<!channel>", "<!here|x>", "<@U1>", "<#C1>", "<https://evil.test|bank>", "@everyone",
    "@here", "@Channel", "&lt;!channel&gt;", "```", "`", "*", "\u202ereversed", "\ud83d",
    "*bold* _it_ ~no~ :fire:",
]  # fmt: skip


def elements_of(value: Any) -> list[Any]:
    """Every element of rich text and every text with markup in some blocks."""
    if isinstance(value, list):
        return [found for item in value for found in elements_of(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("type") in ("text", "mrkdwn", "user", "usergroup", "link") else []
    return own + [found for item in value.values() for found in elements_of(item)]


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("evil", EVIL)
def test_words_cannot_ping_link_or_break_out(evil: str, form: Form) -> None:
    card = Card(
        title=text(evil, Strong(evil), Code(evil)),
        body=(text(f"Reason: {evil}"), text(Link(evil, "javascript:alert(1)"))),
        facts=(Fact(evil, text(Person("slack", evil, evil, ping=True))),),
        table=Table((Column(evil),), ((text(evil),),)),
        warnings=(Caution("c", evil, evil),),
        footer=text(Person("slack", "U1", evil)),
    )
    message = render(card, form=form)
    assert faults(card) == ""
    elements = elements_of(message.blocks)
    assert {element["type"] for element in elements} <= {"text", "mrkdwn"}
    marked = message.text + "".join(e["text"] for e in elements if e["type"] == "mrkdwn")
    for bad in (
        "<!",
        "<@",
        "<#",
        "<http",
        "@everyone",
        "@here",
        "@Channel",
        "*b",
        " _",
        ":f",
        "~n",
    ):
        assert bad not in marked
    assert not {"\u202e", "\ud83d"} & set(marked + shown(message.blocks))


def test_a_reason_stays_as_it_was_typed() -> None:
    typed = "Reason: *bold* _it_ ~no~ :fire: <!channel> `x` a_b_c"
    card = Card(title=text("t"), body=(text(typed),), facts=(Fact("why", text(typed)),))
    _, body, facts = render(card).blocks
    assert body["elements"][0]["elements"] == [{"type": "text", "text": typed}]
    assert facts["elements"][0]["elements"][1] == {"type": "text", "text": f": {typed}"}


def test_what_has_markup_looks_as_it_was_typed() -> None:
    assert inert("*bold* _it_ :fire: a_b_c 12:30:45") == ("∗bold* ˍit_ :\u2060fire: a_b_c 12:30:45")


def test_every_text_is_verbatim_so_that_slack_links_nothing_by_itself() -> None:
    def texts(value: Any) -> list[Any]:
        if isinstance(value, list):
            return [t for item in value for t in texts(item)]
        if not isinstance(value, dict):
            return []
        mine = [value] if value.get("type") == "mrkdwn" else []
        return mine + [t for item in value.values() for t in texts(item)]

    found = texts(render(replace(LONG, chart=Chart("", "alt"))).blocks)
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
    several = text(Command("model best"), " or ", Command("doctor", program=True))
    card = Card(title=text("t"), warnings=(Caution("c", "bad", several),))
    assert render(card).blocks[1]["elements"][0]["elements"] == [
        {"type": "text", "text": "• bad\n→ "},
        {"type": "text", "text": "/model best", "style": {"code": True}},
        {"type": "text", "text": " or "},
        {"type": "text", "text": "changeover doctor", "style": {"code": True}},
    ]


def test_people_times_and_links_are_elements() -> None:
    line = line_of(
        text(
            Person("slack", "U1", "Ana", ping=True),
            Person("slack", "S1", "on call", ping=True, group=True),
            When(AT),
            Link("a|b <c>", "https://x.test/?a=1&b=<|> c"),
        )
    )
    assert line == [
        {"type": "user", "user_id": "U1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "date", "timestamp": int(AT.timestamp()), "format": "{time}",
         "fallback": "13:02 UTC"},
        {"type": "link", "url": "https://x.test/?a=1&b=%3C%7C%3E%20c", "text": "a|b <c>"},
    ]  # fmt: skip


def test_a_line_is_cut_where_nothing_is_split() -> None:
    assert line_of(text("ab ", Code("c" * 50)), 10) == [
        {"type": "text", "text": "ab "},
        {"type": "text", "text": "cccccc", "style": {"code": True}},
        {"type": "text", "text": "…"},
    ]
    assert line_of(text("ab ", When(AT), " c"), 10) == [{"type": "text", "text": "ab …"}]


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
    line = line_of(spans, most)
    assert length(line) <= most
    assert fault_of_blocks([block_of(line)]) == ""
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
            tuple(Column(draw(HARM)) for _ in range(columns)),
            tuple(map(tuple, rows)) * long,
            draw(st.booleans()),
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
    assert faults(card) == ""


def test_a_hidden_character_does_not_count_as_a_word() -> None:
    assert inert("a\u200eb\x00c\u2066d") == "abcd"
    assert render(Card(title=text("\u202e"))).blocks[0] == block_of([])
