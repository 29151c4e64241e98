"""Cards as Discord shows them: golden files, limits, and words that mean harm."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.discord.markup import blank, clip, code, cut, inert, markup
from adapters.discord.render import MOST_FILE_BYTES, render
from adapters.shared.chat import size
from bot.card import (
    Action,
    Attachment,
    Button,
    Card,
    Caution,
    Chart,
    Code,
    Column,
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
from tests.servers.discord_limits import message_faults
from tests.support.cards import CARDS, LONG, STATUS, button

GOLDEN = Path(__file__).parents[2] / "golden" / "discord"


def as_json(card: Card) -> str:
    """A rendered card for people to read; a card with a chart has its picture."""
    message = asdict(render(card, b"PNG" if card.chart else None))
    message["uploads"] = [{**u, "content": len(u["content"])} for u in message["uploads"]]
    return json.dumps(message, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", CARDS)
def test_golden(name):
    golden = GOLDEN / f"{name}.json"
    found = as_json(CARDS[name])
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


def test_there_is_no_golden_file_too_many():
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CARDS)


# --- limits ---------------------------------------------------------------------------


def faults(card: Card, chart: bytes | None = None) -> list[str]:
    """What Discord would refuse."""
    message = render(card, chart)
    payload = {
        "content": message.content,
        "embeds": message.embeds,
        "components": message.components,
        "allowed_mentions": {"parse": []},
        "attachments": [{"description": u.description} for u in message.uploads],
    }
    return message_faults(payload, [u.name for u in message.uploads])


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_within_the_limits(name):
    assert faults(CARDS[name], b"PNG" if CARDS[name].chart else None) == []


def test_what_is_left_out_is_said():
    embed = render(LONG).embeds[0]
    assert "more rows left out; `changeover model list` shows all" in embed["description"]
    assert "more lines left out" in embed["description"]
    assert "more warnings left out" in embed["description"]
    assert embed["fields"][-1]["name"] == "…"
    assert embed["title"].endswith("…")


def test_a_single_thing_left_out_is_one():
    warnings = tuple(Caution("c", "w" * 1900) for _ in range(3))
    said = render(Card(text("t"), warnings=warnings)).embeds[0]["description"]
    assert said.endswith("… 1 more warning left out")


def test_one_paragraph_that_is_too_long_is_cut():
    said = render(Card(text("t"), body=(text("a*" * 4000),))).embeds[0]["description"]
    assert said.endswith("a\\*…")
    assert size(said) <= 4096


def test_a_column_table_that_is_too_long_keeps_its_first_rows():
    rows = tuple((text(f"m{i}"), text("1")) for i in range(900))
    card = Card(text("t"), table=Table((Column("model"), Column("n", right=True)), rows))
    said = render(card).embeds[0]["description"]
    assert said.startswith("```\nmodel  n\nm0     1\n")
    assert re.search(r"\n```\n… \d+ more rows left out$", said)
    assert faults(card) == []


TEXTS = st.text(max_size=300)
SPANS = st.one_of(
    TEXTS,
    st.builds(Code, TEXTS),
    st.builds(Strong, TEXTS),
    st.builds(
        When,
        st.integers(0, 2**32).map(lambda second: datetime.fromtimestamp(second, UTC)),
        st.sampled_from(WhenStyle),
    ),
    st.builds(Link, TEXTS, st.one_of(TEXTS, TEXTS.map(lambda t: f"https://x.example/{t}"))),
    st.builds(Person, st.sampled_from(["slack", "discord"]), TEXTS, TEXTS, st.just(False)),
)
LINES = st.lists(SPANS, max_size=6).map(tuple)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.builds(
        Table,
        st.lists(st.builds(Column, TEXTS, st.booleans()), min_size=width, max_size=width).map(
            tuple
        ),
        st.lists(st.lists(LINES, min_size=width, max_size=width).map(tuple), max_size=12).map(
            tuple
        ),
    )
)
SOME_CARDS = st.builds(
    Card,
    title=LINES,
    tone=st.sampled_from(Tone),
    body=st.lists(LINES, max_size=20).map(tuple),
    facts=st.lists(st.builds(Fact, TEXTS, LINES), max_size=30).map(tuple),
    table=st.none() | TABLES,
    warnings=st.lists(st.builds(Caution, st.just("c"), TEXTS, TEXTS), max_size=12).map(tuple),
    chart=st.none() | st.builds(Chart, st.just("<svg/>"), TEXTS),
    buttons=st.lists(
        st.builds(Button, TEXTS, st.builds(Action, TEXTS), id=st.text(max_size=95)), max_size=30
    ).map(tuple),
    footer=LINES,
    command=st.sampled_from(["", "model status"]),
)


@settings(max_examples=100, deadline=None)
@given(SOME_CARDS, st.booleans())
def test_whatever_a_card_holds_discord_takes_it(card, picture):
    assert faults(card, b"PNG" if picture and card.chart else None) == []


@settings(max_examples=100, deadline=None)
@given(LINES, st.integers(1, 60))
@example(("http://", Strong("0\n0")), 14)
@example(("see http://x/a", Strong("b"), Code("c")), 60)
@example((Strong("http://x/a**b*"), "c"), 60)
def test_a_clipped_text_fits_and_its_marks_are_whole(spans, most):
    clipped = clip(spans, most)
    assert size(clipped) <= most
    assert balanced(clipped)


@settings(max_examples=120, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab*_~`|<>[]()#-+.1 \\\n@:/"), max_size=40))
def test_words_mean_nothing_to_discord(words):
    written = inert(words)
    assert seen(written) == words
    assert not set("*_~`|<>[]") & set(seen(written, marks_only=True))


def seen(written: str, *, marks_only: bool = False) -> str:
    """What Discord shows of escaped words (or what is left of marks that are not escaped)."""
    return re.sub(r"\\([^0-9A-Za-z\s])", "" if marks_only else r"\1", written)


def balanced(written: str) -> bool:
    """Whether bold, code and times that were begun are ended."""
    bare = re.sub(r"\\[^0-9A-Za-z\s]|`` .*? ``|`[^`]*`", "x", written)
    bare = re.sub(r"<(t:-?\d+:[tfR]|@\d+)>", "", bare)
    # From left to right: an address may hold stars, and bold words an address.
    bare = re.sub(r"(?s)\*\*.+?\*\*|https?://[^\s<]+", "", bare)
    return bare.count("**") % 2 == 0 and not re.search(r"<t:|`", bare)


# --- single rules ---------------------------------------------------------------------


def embed_of(card: Card, chart: bytes | None = None) -> dict[str, Any]:
    return render(card, chart).embeds[0]


def test_a_tone_is_a_word_beside_the_colour():
    words = {tone: embed_of(Card(text("t"), tone)).get("author", {}).get("name") for tone in Tone}
    assert words == {
        Tone.NEUTRAL: None,
        Tone.GOOD: "OK",
        Tone.CHANGE: "Changed",
        Tone.QUESTION: "Question",
        Tone.WARNING: "Warning",
        Tone.BAD: "Problem",
    }
    assert len({embed_of(Card(text("t"), tone))["color"] for tone in Tone}) == len(Tone)


def test_times_are_shown_in_the_readers_zone():
    at = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)
    written = markup(text(*(When(at, style) for style in WhenStyle)))
    assert written == "<t:1795438920:t><t:1795438920:f><t:1795438920:R>"


def test_a_title_with_a_time_stands_where_times_are_shown():
    embed = embed_of(CARDS["muted"])
    assert "title" not in embed
    assert embed["description"].startswith("**Muted until** <t:1795440240:f>\n")


def test_an_empty_card_is_still_a_message():
    assert embed_of(Card(()))["title"] == "-"
    assert embed_of(Card(text("\u200b ")))["title"] == "-"


def test_nothing_is_empty():
    card = Card(text("t"), facts=(Fact("", ()), Fact("\u2060", text(" "))))
    assert [(f["name"], f["value"]) for f in embed_of(card)["fields"]] == [("-", "-"), ("-", "-")]


def test_code_is_never_broken_out_of():
    assert code("a`b") == "`` a`b ``"
    assert code("``` x ```") == "`` ˋˋ` x ˋˋ` ``"
    assert code("a\nb") == "`a b`"
    assert code(" ") == ""


def test_lists_and_headings_do_not_come_about_by_themselves():
    assert markup(text("1. one\n- two\n# three\n+ four\n-# small")) == (
        "1\\. one\n\\- two\n\\# three\n\\+ four\n\\-# small"
    )


def test_addresses_stay_whole_and_links_cannot_lie():
    assert inert("see https://x.example/a_b*c now") == "see https://x.example/a_b*c now"
    assert markup(text(Link("docs", "https://x.example/a(b) c"))) == (
        "[docs](https://x.example/a%28b%29%20c)"
    )
    assert markup(text(Link("", "https://x.example"))) == "https://x.example"
    assert markup(text(Link("x", "javascript:alert(1)"))) == "x (javascript:alert(1))"
    assert markup(text(Link("same", "same"))) == "same"


def test_hidden_marks_and_half_characters_are_taken_out():
    assert inert("a\u202eb\x00c\ud800") == "abc\ufffd"
    assert blank("\u200b\u2800 \u202e")
    assert not blank("x")


def test_cut_counts_as_discord_does():
    assert cut("🚀" * 5, 4) == "🚀…"
    assert cut("abc", 3) == "abc"


def test_buttons_without_an_id_or_with_anothers_are_left_out():
    twice = (button("A", "model a"), button("B", "model a"), Button("C", Action("model c")))
    rows = render(replace(STATUS, buttons=twice)).components
    assert [b["label"] for row in rows for b in row["components"]] == ["A"]


def test_a_button_whose_id_is_too_long_is_left_out():
    assert render(replace(STATUS, buttons=(button("A", "x" * 99),))).components == []


def test_a_file_that_is_too_large_is_left_out_and_said():
    big = Attachment("cost.csv", "text/csv", b"x" * (MOST_FILE_BYTES + 1))
    message = render(Card(text("t"), attachment=big))
    assert message.uploads == ()
    assert "exceeds Discord's size limit" in message.embeds[0]["description"]


def test_a_wide_table_is_a_paragraph_a_row_and_a_narrow_one_columns():
    assert "```" not in embed_of(CARDS["list"])["description"]
    assert embed_of(CARDS["costs"], b"PNG")["description"].startswith("```\nmodel")


def test_a_fence_in_a_table_cannot_end_it():
    card = Card(text("t"), table=Table((Column("a"),), ((text("``` x"),),)))
    assert embed_of(card)["description"].count("```") == 2


def test_a_table_without_rows_is_nothing():
    assert "description" not in embed_of(Card(text("t"), table=Table((Column("a"),), ())))
