"""Cards on a terminal: golden texts, JSON, and text that means harm."""

from __future__ import annotations

import io
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.terminal.answer import as_text, deliver, failure, write
from adapters.terminal.as_json import render_json, to_json
from adapters.terminal.layout import Reader, moment
from adapters.terminal.render import colour_text, plain_text
from adapters.terminal.safe import cell_width, encodable, harmless
from bot.card import (
    Action,
    Attachment,
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
    Strong,
    Table,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.errors import ConfigLockedError, ErrorInfo, ExitCode
from bot.models import ModelRef, Secret
from tests.support.cards import CARDS as SHARED
from tests.support.fakes_terminal import NOW, OWNER, FakeApp, look

GOLDEN = Path(__file__).parents[1] / "golden" / "terminal"
BERLIN = ZoneInfo("Europe/Berlin")
READER = Reader(BERLIN, NOW)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LONG = "openrouter/anthropic/claude-sonnet-4-5-with-a-very-long-name-that-nobody-may-cut-off"

STATUS = Card(
    title=text(Strong("best"), " · anthropic/claude-opus-4-5 · $5 in / $25 out per 1M"),
    body=(
        text("1 ", Code("anthropic/claude-opus-4-5"), " · ready"),
        text("2 ", Code(LONG), " · skipped: no key"),
    ),
    facts=(
        Fact("Changed", text(When(NOW), " by Ana: fast → best, “release week”")),
        Fact("Reverts", text(When(NOW + timedelta(minutes=22), WhenStyle.RELATIVE))),
        Fact("Config", text(Code("/srv/moltbot.json"))),
    ),
    warnings=(
        Caution("no_key", f"{LONG} has no key.", Command(f"fallback remove {LONG}")),
        Caution("old", "The catalog is of 2026-11-22."),
    ),
    buttons=(
        Button("Undo", Action("model undo", change_id=3)),
        Button("Test chain", Action("/fallback test")),
    ),
    footer=text("Prices of ", When(NOW, WhenStyle.DATE_TIME), "."),
    command="model status",
)
LIST = Card(
    title=text(Strong("3 models"), " configured"),
    table=Table(
        (Column("model"), Column("in / out per 1M"), Column("context", right=True), Column("key")),
        (
            (text(Code(LONG)), text("$3 / $15"), text("200K"), text("no OPENROUTER_API_KEY")),
            (text(Code("eigen/模型")), text("free"), text("64K"), text("key")),
            (text(Code("ollama/llama3.3")), text("free"), text("1M"), text("")),
        ),
    ),
)
LOSS = Card(text("A long sentence that has to be broken somewhere, or else the test is wrong."))
CARDS = {
    "status": STATUS,
    "list": LIST,
    "alert": Card(
        title=text(Strong("Fallback: anthropic is rate limited.")),
        tone=Tone.WARNING,
        body=(text("37 requests since ", When(NOW), " were answered by another."),),
        chart=Chart("<svg/>", "Monday $1.20, Tuesday $0.93"),
        footer=text(Link("Dashboard", "https://console.example/usage"), ", told to ",
                    Person("slack", "U1", "Ana", ping=True)),
    ),
    "change": Card(
        title=text("cheap → best"), tone=Tone.CHANGE, facts=(Fact("Reason", text("a\x1b[2Jb\nc")),)
    ),
    "recovered": Card(title=text("Recovered"), tone=Tone.GOOD),
    "dead": Card(title=text("No hop answers"), tone=Tone.BAD, exit_code=ExitCode.BAD_ANSWER),
    "error": failure(ConfigLockedError("The file is locked.", Command("model status")), "model"),
    "error_with_title": Card(
        title=text("moltbot.json"),
        tone=Tone.BAD,
        body=(text("Line 3."), text("Mend it.")),
        error=ErrorInfo("config_syntax", "The file is not JSON5.", "Mend it."),
        exit_code=ExitCode.CONFIG_UNUSABLE,
    ),
    "question": Card(
        title=text(Strong("Confirm"), ": cheap → best"),
        tone=Tone.QUESTION,
        body=(text("Nothing is changed yet."),),
        buttons=(Button("Confirm", Action("model best", confirmed=True)),),
        footer=text("In a terminal: ", Command("model best --yes", program=True)),
        error=ErrorInfo("confirmation", "Much dearer.", Command("model best --yes", program=True)),
        exit_code=ExitCode.REFUSED,
    ),
    "diff": Card(title=text("The file moved on"), body=(text(Code("-  a\n+\tb")),)),
}  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_plain_text_is_as_it_was(name):
    golden = GOLDEN / f"{name}.txt"
    got = plain_text(CARDS[name], READER)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(got, "utf-8")
    assert got == golden.read_text("utf-8")


def test_a_narrow_terminal_gets_a_record_a_row_instead_of_columns():
    lines = plain_text(LIST, Reader(BERLIN, NOW, width=60)).splitlines()
    at = lines.index(LONG)
    assert lines[at + 1 : at + 3] == [
        "  in / out per 1M: $3 / $15 · context: 200K",
        "  key: no OPENROUTER_API_KEY",
    ]
    assert plain_text(LIST, Reader(BERLIN, NOW, width=400)) == plain_text(LIST, READER)


@pytest.mark.parametrize("name", CARDS)
def test_colour_says_the_same_words(name):
    inked = colour_text(CARDS[name], Reader(BERLIN, NOW, width=400))
    bare = [line.rstrip() for line in ANSI.sub("", inked).splitlines()]
    assert "\x1b[" in inked or name == "diff"
    assert [b.expandtabs(1).split() for b in bare] == [
        line.expandtabs(1).split() for line in plain_text(CARDS[name], READER).splitlines()
    ]


def test_colour_never_breaks_a_command():
    inked = ANSI.sub("", colour_text(STATUS, Reader(BERLIN, NOW, width=30)))
    assert f"  → /fallback remove {LONG}\n" in inked
    assert f"2 {LONG}\n  · skipped: no key\n" in inked
    assert (
        max(map(len, ANSI.sub("", colour_text(LOSS, Reader(BERLIN, NOW, width=30))).splitlines()))
        <= 30
    )


def test_words_are_not_markup():
    card = Card(text("[bold red]x[/] :fire: ", Code("[link=http://evil]y[/link]")))
    words = "[bold red]x[/] :fire: [link=http://evil]y[/link]"
    assert plain_text(card) == words + "\n"
    assert ANSI.sub("", colour_text(card, READER)) == words + "\n"


HARM = "\x1b]0;owned\x07\x9b31m\u202e\u2028\r\ud800\U000e0041"


def test_escape_sequences_are_shown_and_not_obeyed():
    shown = harmless(HARM)
    assert shown == r"\x1b]0;owned\x07\x9b31m\u202e\u2028\r\ud800\U000e0041"
    card = Card(
        text(HARM),
        body=(text(HARM),),
        facts=(Fact(HARM, text(Code(HARM))),),
        table=Table((Column(HARM),), ((text(HARM),),)),
        warnings=(Caution("x", HARM, HARM),),
        chart=Chart("", HARM),
        buttons=(Button(HARM, Action(HARM)),),
        footer=text(HARM),
        error=ErrorInfo("x", HARM, HARM),
    )
    for words in (plain_text(card), ANSI.sub("", colour_text(card, READER))):
        assert all(c == "\n" or c.isprintable() for c in words)
    assert harmless("\u200cنمی\u200d", "") == "\u200cنمی\u200d"


@given(st.text(st.characters()))
def test_any_text_is_one_harmless_line(words):
    lines = plain_text(Card(text("x"), facts=(Fact("said", text(words)),))).splitlines()
    assert len(lines) == 3
    assert "\x1b" not in lines[2]


def test_times_are_the_readers():
    assert moment(NOW, WhenStyle.TIME, READER) == "14:02"
    assert moment(NOW, WhenStyle.DATE_TIME, READER) == "2026-11-23 14:02"
    later = NOW + timedelta(minutes=22)
    assert moment(later, WhenStyle.RELATIVE, READER) == "in 22 min"
    assert moment(NOW - timedelta(minutes=3), WhenStyle.RELATIVE, READER) == "3 min ago"
    assert moment(NOW, WhenStyle.RELATIVE, READER) == "now"
    assert moment(later, WhenStyle.RELATIVE, Reader(BERLIN)) == "2026-11-23 14:24"


def test_wide_characters_take_two_columns():
    assert cell_width("模型") == 4
    assert cell_width("e\u0301→·") == 3


def test_a_stream_without_arrows_gets_ascii():
    assert encodable("a → b · “c” 模", "latin-1") == 'a -> b - "c" \\u6a21'
    assert encodable("a → b", "utf-8") == "a → b"
    assert encodable("x\ud800", None) == "x\\ud800"
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write(out, "a → b\n")
    assert out.buffer.getvalue() == b"a -> b\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_only_where_it_is_wanted():
    assert "\x1b[" in as_text(STATUS, Terminal(), look())
    assert "\x1b[" not in as_text(STATUS, Terminal(), look(NO_COLOR="1"))
    assert "\x1b[" not in as_text(STATUS, Terminal(), look(TERM="dumb"))
    assert "\x1b[" not in as_text(STATUS, io.StringIO(), look())
    closed = io.StringIO()
    closed.close()
    assert as_text(STATUS, closed, look()) == plain_text(STATUS, READER)


def test_answers_go_to_stdout_and_errors_to_stderr():
    out, err = io.StringIO(), io.StringIO()
    assert deliver(CARDS["dead"], out, err, look()) == 1
    assert (out.getvalue(), err.getvalue()) == ("[problem] No hop answers\n", "")
    out, err = io.StringIO(), io.StringIO()
    assert deliver(CARDS["error"], out, err, look()) == 4
    assert (out.getvalue(), err.getvalue()) == ("", plain_text(CARDS["error"]))
    out, err = io.StringIO(), io.StringIO()
    assert deliver(CARDS["error"], out, err, look(json=True)) == 4
    assert json.loads(out.getvalue())["error"]["code"] == "config_locked"
    assert err.getvalue() == ""


def test_a_file_goes_to_stdout_alone():
    out, err = io.StringIO(), io.StringIO()
    card = Card(text("1 day"), attachment=Attachment("a.csv", "text/csv", b"a,b\n"))
    assert deliver(card, out, err, look()) == 0
    assert (out.getvalue(), err.getvalue()) == ("a,b\n", "1 day\n")


def test_a_reader_that_has_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as out:
        write(out, "x\n")
        write(out, "y\n")


def test_a_stream_without_descriptor_may_break_too():
    class Broken(io.StringIO):
        def write(self, words: str) -> int:
            raise BrokenPipeError

    write(Broken(), "x")


async def test_json_is_one_document_with_every_part():
    document = json.loads(render_json(CARDS["status"]))
    assert document["ok"] is True
    assert document["command"] == "model status"
    assert document["error"] is None
    assert document["card"]["title"].startswith("best · anthropic")
    assert document["card"]["facts"][0] == {
        "label": "Changed",
        "value": "13:02 UTC by Ana: fast → best, “release week”",
    }
    assert document["card"]["buttons"][0] == {"label": "Undo", "command": "model undo"}
    assert document["card"]["warnings"][1]["hint"] == ""
    table = json.loads(render_json(LIST))["card"]["table"]
    assert table["columns"][2] == "context"
    assert table["rows"][0][3] == "no OPENROUTER_API_KEY"
    card = await FakeApp().handle(OWNER, "cost export")
    assert json.loads(render_json(card))["card"]["attachment"]["content"].startswith("day,")
    question = json.loads(render_json(CARDS["question"]))
    assert question["ok"] is False
    assert question["error"]["hint"] == "changeover model best --yes"
    assert render_json(STATUS, one_line=True).count("\n") == 1


class Kind(Enum):
    A = Decimal("0.5")


@dataclass
class Point:
    x: Decimal


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.93"), 0.93),
        (Decimal("5.00"), 5),
        (Decimal("1E+400"), None),
        (Decimal("sNaN"), None),
        (float("inf"), None),
        (10**30, 10**30),
        (True, True),
        (NOW.astimezone(BERLIN), "2026-11-23T13:02:00Z"),
        (NOW.replace(tzinfo=None, microsecond=5), "2026-11-23T13:02:00.000005Z"),
        (date(2026, 7, 24), "2026-07-24"),
        (timedelta(minutes=2), 120.0),
        (Kind.A, 0.5),
        ((1, [Kind.A]), [1, [0.5]]),
        ({"b", "a"}, ["a", "b"]),
        ({Tone.BAD: {1: None}}, {"bad": {"1": None}}),
        (Point(Decimal(2)), {"x": 2}),
        (ModelRef("a", "b"), "a/b"),
        (Secret("hush"), "…"),
        (Path("/a"), "/a"),
        ("a\ud800", "a\ufffd"),
    ],
)
def test_values_become_jsons(value, expected):
    assert to_json(value) == expected
    assert type(to_json(value)) is type(expected)


def test_json_is_safe_on_any_stream():
    words = render_json(Card(text(HARM), data={"when": datetime.min.replace(tzinfo=UTC)}))
    assert words.isascii()
    assert "\x1b" not in words


TABLES = ("status", "test", "list", "history", "doctor", "costs", "help")


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_a_card_at_the_width_of_a_terminal(name, width):
    golden = GOLDEN / f"{name}-{width}.txt"
    got = plain_text(SHARED[name], Reader(BERLIN, NOW, width))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(got, "utf-8")
    assert got == golden.read_text("utf-8")
