"""Finding members in JSON5 text, and what happens when the text is not what it should be."""

from __future__ import annotations

import pytest

from bot.config.json5_span import decode_key, find_root, line_break, pieces, scan, value_end
from bot.config.layout import Frame, put_together, take_apart
from bot.config.splice import Splice
from bot.config.text import common_ends, indent_at, line_of, position
from bot.errors import ConfigUneditableError


def test_members_are_found_with_key_value_and_comma() -> None:
    text = " // c\n {a:1 , 'b\\u0020c' /* x */ : {d: ['}']} //, e\n, \"f\": -Infinity,}"
    container = scan(text, find_root(text))
    assert [item.key for item in container.items] == ["a", "b c", "f"]
    values = [text[item.value_start : item.end] for item in container.items]
    assert values == ["1", "{d: ['}']}", "-Infinity"]
    assert [text[item.comma or 0] for item in container.items] == [",", ",", ","]
    assert text[container.start : container.end] == text[text.index("{") :]
    assert not container.has_twins


def test_elements_have_no_key() -> None:
    text = "[[1], 'a,]', // ]\n]"
    container = scan(text, 0)
    assert [(item.key, text[item.start : item.end]) for item in container.items] == [
        (None, "[1]"), (None, "'a,]'"),
    ]  # fmt: skip
    assert container.items[1].comma is not None


def test_keys_that_are_written_differently_are_the_same() -> None:
    assert scan("{a: 1, 'a': 2}", 0).has_twins
    assert scan("{\\u0061: 1, 'a': 2}", 0).has_twins
    assert not scan("[1, 1]", 0).has_twins
    assert decode_key("'it\\'s'") == "it's"


@pytest.mark.parametrize(
    "text",
    ["{a 1}", "{a: 1 b: 2}", "{a: 1", "{a: [1}", "{a: [1", "[1 2]", "{", "[1,", "{a:", "{'a: 1}"],
)
def test_text_that_is_no_json5_is_refused(text: str) -> None:
    with pytest.raises(ConfigUneditableError) as refusal:
        scan(text, 0)
    assert "line 1, column" in refusal.value.message
    assert refusal.value.hint


def test_deep_and_long_values_are_jumped_over() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert value_end(deep, 0) == len(deep)
    long = "{" + "'k': \"v\" /* } */, // }\n" * 20_000 + "}"
    assert value_end(long, 0) == len(long)
    assert len(scan(long, 0).items) == 20_000


def test_gaps_are_split_into_blanks_and_comments() -> None:
    gap = " \u00a0\ufeff/* a\n*///b\u2028\t// c\r\n "
    assert "".join(piece.text for piece in pieces(gap)) == gap
    assert [piece.text for piece in pieces(gap) if piece.comment] == ["/* a\n*/", "//b", "// c"]
    assert line_break(gap) == "\r\n "
    assert line_break("/*\n*/ ") is None
    assert line_break("\n\n\t ") == "\n\t "


@pytest.mark.parametrize(
    "text",
    [
        "{}", "{ }", "[ // x\n]", "{ a: 1 }", "{a:1,}",
        "{ // h\n a: 1, // x\n    // y\n /* z */ b: 2 // e\n}", "[1 // x\n,2/*,*/,3,//4\n//5\n]",
        "{a: 1 // x\n     // y\n , b: 2}", "[ /* a */ 1, /* b */ 2 /* c */ ]",
        "{\r\n  a: 1, // x\r\n        // y\r\n}", "[1, // x\r 2]",
    ],
)  # fmt: skip
def test_taken_apart_and_put_together_it_is_the_same(text: str) -> None:
    layout = take_apart(text, scan(text, 0))
    assert put_together(layout, Frame(None, "!", "!")) == text


def test_a_comment_that_goes_on_below_belongs_to_the_same_member() -> None:
    text = "[\n  1, // x\n     // y\n  // z\n  2]"
    first, second = take_apart(text, scan(text, 0)).slots
    assert first.beside == " // x\n     // y"
    assert second.comments == "\n  // z"


def test_places_are_counted_as_editors_do() -> None:
    text = "\ufeffab\r\ncd\re\nf"
    assert [position(text, text.index(char)) for char in "abcdef"] == [
        (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1),
    ]  # fmt: skip
    assert line_of("", 0) == 1
    assert indent_at("a\n\t b: {", 7) == "\t "


def test_a_splice_knows_when_something_else_changed() -> None:
    splice = Splice(1, 2, "xy")
    assert splice.apply("abc") == "axyc"
    assert splice.leaves_the_rest("abc", "axyc")
    for other in ("axyC", "Axyc", "axzc", "axycc", "axy"):
        assert not splice.leaves_the_rest("abc", other)
    assert Splice(0, 3, "abXc").narrowed("abc") == Splice(2, 2, "X")


def test_what_two_texts_have_in_common_never_overlaps() -> None:
    assert common_ends("abcabc", "abc") == (3, 0)
    assert common_ends("aXc", "aYYc") == (1, 1)
    assert common_ends("", "x") == (0, 0)
    assert common_ends([1, 2, 3], [1, 3]) == (1, 1)
