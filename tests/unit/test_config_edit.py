"""The config editor: what it changes, what it leaves alone, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config.edit import Edit, Remove, SetValue, apply_edits, get, include_targets, load
from bot.config.values import expected, same
from bot.errors import ConfigShapeError, ConfigSyntaxError, ConfigUneditableError
from bot.ports import ABSENT, Path

BEST, CHEAP = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"


def edit(before: str, *edits: Edit) -> str:
    return apply_edits(before.encode(), edits).decode()


def put(*path: str | int, to: Any) -> Edit:
    return SetValue(path, to)


def lines(*text: str) -> str:
    return "\n".join(text) + "\n"


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ('{"m": "x"}', ("m",), "y", '{"m": "y"}'),
        ("{m: 'x'}", ("m",), "it's", "{m: 'it\\'s'}"),
        ("{m: 'x'}", ("m",), 'say "x"', "{m: 'say \"x\"'}"),
        ("{m: null, n: 'x'}", ("m",), "y", "{m: 'y', n: 'x'}"),
        ("{m: null, 'n': 1}", ("m",), "y", "{m: 'y', 'n': 1}"),
        ("{a: {m: 1}, b: 'x'}", ("a", "m"), "y", "{a: {m: 'y'}, b: 'x'}"),
        ("{m: null /* 'no' */}", ("m",), "y", '{m: "y" /* \'no\' */}'),
        ('{m:"x"/**/}', ("m",), None, "{m:null/**/}"),
        ("{m: 0x1F, n: 1}", ("m",), 32, "{m: 32, n: 1}"),
        ("{m\ufeff:\u00a0+1\u2003}", ("m",), False, "{m\ufeff:\u00a0false\u2003}"),
        ('{"\\u006d": "x"}', ("m",), "y", '{"\\u006d": "y"}'),
        ("{'\\\nm': 1}", ("m",), 2, "{'\\\nm': 2}"),
        ("{\\u006d: 1}", ("m",), 2, "{\\u006d: 2}"),
        ("{m: 'a\\\nb'}", ("m",), "c", "{m: 'c'}"),
        ('{m: "}" /* } */, n: 1} // }', ("n",), 2, '{m: "}" /* } */, n: 2} // }'),
        ('{m: 1}', ("m",), "\t\0 \u2028 \ufeff \x7f", '{m: "\\t\\u0000 \\u2028 \\ufeff \\u007f"}'),
        ("{m: 1}", ("m",), float("inf"), "{m: Infinity}"),
        ("{m: 1}", ("m",), float("-inf"), "{m: -Infinity}"),
        ("{m: 1}", ("m",), float("nan"), "{m: NaN}"),
        ("{m: 0.0}", ("m",), -0.0, "{m: -0.0}"),
        ("{m: 1}", ("m",), 10**30, "{m: 1000000000000000000000000000000}"),
        ("{m: {a: 1}}", ("m",), "x", '{m: "x"}'),
        ("{m: {a: 1}}", ("m",), [1, 2], "{m: [1, 2]}"),
        ("{m: [1, {}]}", ("m", 1), "x", '{m: [1, "x"]}'),
        ("{m: 1}", ("m",), {}, "{m: {}}"),
        ('{"__proto__": {"a": 1}}', ("__proto__", "a"), 2, '{"__proto__": {"a": 2}}'),
        ('{"a/b": 1, "a.b": 2}', ("a.b",), 3, '{"a/b": 1, "a.b": 3}'),
        ('{"": {"": 1}}', ("", ""), 3, '{"": {"": 3}}'),
    ],
)  # fmt: skip
def test_only_the_value_is_exchanged(
    before: str, path: tuple[str | int, ...], value: Any, after: str
) -> None:
    assert edit(before, SetValue(path, value)) == after


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_windows_files_keep_their_line_ends_and_mark(mark: str) -> None:
    before = mark + '{\r\n\t"a": "x", // n\r\n\t"b": {}\r\n}\r\n'
    after = (
        mark + '{\r\n\t"a": "y", // n\r\n\t"b": {\r\n\t\t"c": [\r\n\t\t\t1\r\n\t\t]\r\n\t}\r\n}\r\n'
    )
    assert edit(before, put("a", to="y"), put("b", "c", to=[1])) == after


def test_a_value_that_stands_already_changes_no_byte() -> None:
    raw = b"{a: 0x10, b: [1, NaN, -0.0], c: {d: 'x'}, c2: 1.0}"
    edits = [
        put("a", to=16), put("b", to=[1.0, float("nan"), -0.0]), put("c", to={"d": "x"}),
        put("c2", to=1), Remove(("nope", "x")), Remove(("a", "x")),
    ]  # fmt: skip
    assert apply_edits(raw, edits) is raw or apply_edits(raw, edits) == raw


def test_true_is_not_one() -> None:
    assert edit("{a: 1, b: true}", put("a", to=True), put("b", to=1)) == "{a: true, b: 1}"


def test_many_edits_are_made_one_after_the_other() -> None:
    edits = [put("a", "b", to=1), put("a", "c", to=2), Remove(("a", "b")), put("a", "c", to=3)]
    assert edit("{}", *edits) == lines("{", '  "a": {', '    "c": 3', "  }", "}")[:-1]


# --- insertions ------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["{}", "{ }", "{\n}", "{\n\n\n}"])
def test_an_empty_file_becomes_readable(root: str) -> None:
    after = edit(root + "\n", put("agents", "defaults", "model", "primary", to=BEST))
    assert after.split("\n") == [
        "{", '  "agents": {', '    "defaults": {', '      "model": {',
        f'        "primary": "{BEST}"', "      }", "    }", "  }", "}", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": 1}', '{"a": 1, "z": "x"}'),
        ('{"a":1}', '{"a":1,"z":"x"}'),
        ('{ "a": 1 }', '{ "a": 1, "z": "x" }'),
        ("{ a: 1, }", '{ a: 1, z: "x", }'),
        ("{a:1,}", '{a:1,z:"x",}'),
        ("{ a : 'q' , b : 2 }", "{ a : 'q' , b : 2, z : 'x' }"),
        ("{ 'a': 1 }", "{ 'a': 1, 'z': 'x' }"),
        ("{'a-b': 1}", "{'a-b': 1, 'z': 'x'}"),
        ("{ a: 1 /* n */ }", '{ a: 1 /* n */, z: "x" }'),
        ("{ a: 1, /* n */ }", '{ a: 1, /* n */ z: "x", }'),
        ("{ a: 1 // n\n}", '{ a: 1, // n\n  z: "x"\n}'),
        ("{ // all on one line\na: 1 }", '{ // all on one line\na: 1,\nz: "x" }'),
        ("{\n  a: 1\n}", '{\n  a: 1,\n  z: "x"\n}'),
        ("{\n  a: 1,\n}", '{\n  a: 1,\n  z: "x",\n}'),
        ("{\n\ta: 1,\n\n\tb: 2\n}", '{\n\ta: 1,\n\n\tb: 2,\n\tz: "x"\n}'),
        ("{\n  a: 1 // n\n}", '{\n  a: 1, // n\n  z: "x"\n}'),
        ("{\n  a: 1 /* n\n   m */\n}", '{\n  a: 1, /* n\n   m */\n  z: "x"\n}'),
        ("{\n  a: 1, // n\n  // end\n}", '{\n  a: 1, // n\n  z: "x",\n  // end\n}'),
        (
            "{\n  a: 1, // n goes\n        // on\n  // end\n}",
            '{\n  a: 1, // n goes\n        // on\n  z: "x",\n  // end\n}',
        ),
        ("{\n  a: 1 }", '{\n  a: 1,\n  z: "x" }'),
        ("{ a: 1,\n  b: 2 }", '{ a: 1,\n  b: 2,\n  z: "x" }'),
        ("{\n  /* n */ a: 1\n}", '{\n  /* n */ a: 1,\n  z: "x"\n}'),
        ("{ a: 1\n, b: 2\n}", '{ a: 1\n, b: 2\n, z: "x"\n}'),
        ("{ a: 1 // n\n, b: 2 // m\n}", '{ a: 1 // n\n, b: 2 // m\n, z: "x"\n}'),
        (
            "{ a: 1 \ufeff\u2028 , b: 2 // m\n}",
            '{ a: 1 \ufeff\u2028 , b: 2 // m\u2028 , z: "x"\n}',
        ),
        ("{ // keep\n}", '{ // keep\n  "z": "x"\n}'),
        ("{\n    // keep\n}", '{\n    // keep\n    "z": "x"\n}'),
        ("{ /* keep */ }", '{ /* keep */\n  "z": "x"\n}'),
        ("{a /* k */ : /* v */ 1}", '{a /* k */ : /* v */ 1, z: "x"}'),
        ("{a:\n1}", '{a:\n1, z: "x"}'),
        ("{a: 1}\r\n", '{a: 1, z: "x"}\r\n'),
    ],
)
def test_a_new_member_is_written_as_its_neighbours_and_leaves_no_trace(
    before: str, after: str
) -> None:
    assert edit(before, put("z", to="x")) == after
    if load(before.encode()):
        assert edit(after, Remove(("z",))) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "a": {}\n}', '{\n  "a": {\n    "z": 1\n  }\n}'),
        ('{"a": {}}', '{"a": {"z": 1}}'),
        ('{ "a": {} }', '{ "a": { "z": 1 } }'),
        ('{ "a": { } }', '{ "a": { "z": 1 } }'),
        ("{ a: { /* keep */ } }", "{ a: { /* keep */ z: 1 } }"),
        ("{ a: { // keep\n} }", "{ a: { // keep\n  z: 1\n} }"),
        ('{\n    "b": 1, "a": {}\n}', '{\n    "b": 1, "a": { "z": 1 }\n}'),
        ("{\n\ta: {},\n}", "{\n\ta: {\n\t\tz: 1,\n\t},\n}"),
        ("{\n  a: {},\n  b: { c: 1 },\n}", "{\n  a: { z: 1 },\n  b: { c: 1 },\n}"),
        ("{\n  a: {},\n  b: {},\n}", "{\n  a: {\n    z: 1,\n  },\n  b: {},\n}"),
        ("{\n  b: {c: 1}\n}", "{\n  b: {c: 1},\n  a: {z: 1}\n}"),
        ("{\n  b: {\n    c: 1}\n}", "{\n  b: {\n    c: 1},\n  a: {\n    z: 1\n  }\n}"),
        ('{\n"b": {\n  "c": 1\n}\n}', '{\n"b": {\n  "c": 1\n},\n"a": {\n  "z": 1\n}\n}'),
        (
            "{\n  b: {\n      a: 1\n  },\n  a: {}\n}",
            "{\n  b: {\n      a: 1\n  },\n  a: {\n    z: 1\n  }\n}",
        ),
        ("{\n    'b': []\n}", "{\n    'b': [],\n    'a': {\n        'z': 1\n    }\n}"),
    ],
)
def test_an_empty_or_missing_object_is_filled_as_its_surroundings_are(
    before: str, after: str
) -> None:
    assert edit(before, put("a", "z", to=1)) == after


def test_the_indentation_of_the_nearest_object_counts() -> None:
    before = "{\n  a: {\n      b: {\n          c: 1\n      }\n  }\n}"
    after = edit(before, put("a", "b", "d", to={"e": 1}))
    assert after.split("\n")[3:7] == [
        "          c: 1,", "          d: {", "              e: 1", "          }",
    ]  # fmt: skip


def test_a_long_object_is_not_put_on_one_line() -> None:
    names = ["openrouter/anthropic/claude-sonnet-4-5", "deepseek/deepseek-chat"]
    before = "{\n  model: 'x',\n  beat: { every: '30m' },\n}"
    after = edit(before, put("model", to={"primary": BEST, "fallbacks": names}))
    assert after.split("\n")[1:7] == [
        "  model: {", f"    primary: '{BEST}',", "    fallbacks: [",
        f"      '{names[0]}',", f"      '{names[1]}',", "    ],",
    ]  # fmt: skip


def test_a_string_becomes_an_object_where_it_stands() -> None:
    model = {"primary": BEST, "fallbacks": [CHEAP]}
    assert edit('{"model":"x"}', put("model", to=model)) == (
        f'{{"model":{{"primary":"{BEST}","fallbacks":["{CHEAP}"]}}}}'
    )
    assert edit('{\n  "model": "x" // n\n}', put("model", to=model)).split("\n") == [
        "{", '  "model": {', f'    "primary": "{BEST}",', '    "fallbacks": [',
        f'      "{CHEAP}"', "    ]", "  } // n", "}",
    ]  # fmt: skip


def test_an_object_set_over_an_object_keeps_what_it_can() -> None:
    before = "{m: { primary: 'x', /* why */ fallbacks: [ 'a', 'b' ], gone: 1 }}"
    after = edit(before, put("m", to={"primary": "y", "fallbacks": ["b"], "new": 2}))
    assert after == "{m: { primary: 'y', /* why */ fallbacks: [ 'b' ], new: 2 }}"
    assert edit("{m: {a: 1, a: 2}}", put("m", to={"b": 1})) == "{m: {b: 1}}"
    assert edit("{a: 1, /* k */}", SetValue((), {"b": {"c": 1}})) == "{ /* k */ b: {c: 1},}"
    assert edit("{a: 1, a: 2}", SetValue((), {"b": 1})) == '{\n  "b": 1\n}'
    assert edit("{\n  m: [\n    1\n  ]\n}", put("m", to={"a": 1})) == "{\n  m: {\n    a: 1\n  }\n}"
    assert edit("{ m: [\n 1 ] }", put("m", to={"a": 1})) == "{ m: {\n a: 1\n} }"


# --- lists -----------------------------------------------------------------------------------

CHAIN = lines(
    "{",
    "  f: [ // the chain",
    "    'a', // A",
    "    // about b",
    "    'b', // B",
    "    'c' // C",
    "    // end",
    "  ],",
    "}",
)


@pytest.mark.parametrize(
    ("new", "inside"),
    [
        ("abcd", ["'a', // A", "// about b", "'b', // B", "'c', // C", "'d'", "// end"]),
        ("dabc", ["'d',", "'a', // A", "// about b", "'b', // B", "'c' // C", "// end"]),
        ("adbc", ["'a', // A", "'d',", "// about b", "'b', // B", "'c' // C", "// end"]),
        ("bc", ["// about b", "'b', // B", "'c' // C", "// end"]),
        ("ac", ["'a', // A", "// about b", "'c' // C", "// end"]),
        ("ab", ["'a', // A", "// about b", "'b' // B", "// end"]),
        ("a", ["'a' // A", "// about b", "// end"]),
        ("", ["// about b", "// end"]),
        ("cba", ["'c', // C", "// about b", "'b', // B", "'a' // A", "// end"]),
        ("xyz", ["'x',", "// about b", "'y',", "'z'", "// end"]),
        ("axc", ["'a', // A", "// about b", "'x',", "'c' // C", "// end"]),
        ("bx", ["// about b", "'b', // B", "'x'", "// end"]),
    ],
)  # fmt: skip
def test_a_list_keeps_its_layout_and_the_comments_of_what_stays(
    new: str, inside: list[str]
) -> None:
    after = edit(CHAIN, put("f", to=list(new)))
    assert after.split("\n")[:2] == CHAIN.split("\n")[:2]
    assert [line.strip() for line in after.split("\n")[2:-3]] == inside
    assert after.endswith("  ],\n}\n")
    assert all(line.startswith("    ") for line in after.split("\n")[2:-3])


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        ("['a']", "ab", "['a', 'b']"),
        ("[ 'a' ]", "ab", "[ 'a', 'b' ]"),
        ("['a','b']", "abc", "['a','b','c']"),
        ("['a','b',]", "abc", "['a','b','c',]"),
        ("['a', 'b']", "b", "['b']"),
        ("['a', 'b']", "a", "['a']"),
        ("[ 'a', 'b', ]", "a", "[ 'a', ]"),
        ("['a', 'b']", "ba", "['b', 'a']"),
        ("['a', 'b']", "", "[]"),
        ("[\n 'a',\n 'b'\n]", "", "[]"),
        ("['a', 'b', 'a']", "ba", "['b', 'a']"),
        ("['a', 'a']", "a", "['a']"),
        ("[/* a's */'a']", "ba", "['b',/* a's */'a']"),
        ("['a', // 1\n 'b',\n 'a' // 2\n]", "ba", "['b',\n 'a' // 2\n]"),
        ("['a', // x\n 'b']", "a", "['a' // x\n]"),
        ("['a', // x\n 'b', 'c']", "ac", "['a', // x\n 'c']"),
        ("['a', 'b' // x\n]", "ba", "['b', // x\n  'a'\n]"),
        ("['a', /* b's */ 'b']", "b", "[ /* b's */ 'b']"),
        ("['a', /* b's */ 'b', 'c']", "ac", "['a', /* b's */ 'c']"),
        ("['a', 'b',\n 'c', 'd']", "abd", "['a', 'b',\n 'd']"),
        ("['a',\n // c1\n 'b', /* c2 */ 'c']", "ac", "['a',\n // c1\n /* c2 */ 'c']"),
        ("[ 'a'\n, 'b'\n, 'c'\n]", "ab", "[ 'a'\n, 'b'\n]"),
        ("[ 'a' // x\n, 'b'\n]", "a", "[ 'a' // x\n]"),
        ("[]", "a", "['a']"),
        ("[ ]", "ab", "[ 'a', 'b' ]"),
        ("[ // x\n]", "a", "[ // x\n  'a'\n]"),
        ("['b', 'c', /* x */]", "bcd", "['b', 'c', /* x */ 'd',]"),
        ("[/* x */ 'b']", "", "[/* x */]"),
        ("[\n // x\n 'b']", "", "[\n // x\n]"),
    ],
)
def test_lists_of_every_layout(before: str, new: str, after: str) -> None:
    assert edit(f"{{q: '', f: {before}}}", put("f", to=list(new))) == f"{{q: '', f: {after}}}"


def test_an_empty_list_is_filled_as_its_surroundings_are() -> None:
    before = '{\n  "f": [],\n  "g": 1\n}'
    after = edit(before, put("f", to=["a", "b"]))
    assert after == '{\n  "f": [\n    "a",\n    "b"\n  ],\n  "g": 1\n}'
    assert edit(after, put("f", to=[])) == before
    assert (
        edit("{\n  f: [],\n  g: ['x'],\n}", put("f", to=["a"])) == "{\n  f: ['a'],\n  g: ['x'],\n}"
    )


def test_elements_are_reached_by_position() -> None:
    before = "{list: [{id: 'main'}, {id: 'ops', model: 'x'}]}"
    after = edit(before, put("list", 0, "model", to="y"), put("list", 2, to={"id": "new"}))
    assert after == "{list: [{id: 'main', model: 'y'}, {id: 'ops', model: 'x'}, {id: 'new'}]}"
    assert edit(after, Remove(("list", 2)), Remove(("list", 0, "model"))) == before
    assert edit("{a: 1}", put("b", 0, "c", to=1)) == "{a: 1, b: [{c: 1}]}"


def test_numbers_and_objects_in_lists_stay_as_they_were_written() -> None:
    before = "{f: [0x10, {a: 1, /* k */}, +1, NaN]}"
    after = edit(before, put("f", to=[float("nan"), {"a": 1}, 16, "x"]))
    assert after == '{f: [NaN, {a: 1, /* k */}, 0x10, "x"]}'


# --- removals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{z: 1}", "{}"),
        ("{ z: 1, }", "{}"),
        ("{\n  z: 1 // n\n}", "{}"),
        ("{\n  // keep\n  z: 1\n}", "{\n  // keep\n}"),
        ("{ z: 1, a: 2 }", "{ a: 2 }"),
        ("{ a: 2, z: 1 }", "{ a: 2 }"),
        ("{ a: 2, z: 1, b: 3 }", "{ a: 2, b: 3 }"),
        ("{\n  z: 1, // n\n  a: 2\n}", "{\n  a: 2\n}"),
        ("{\n  a: 2,\n  z: 1 // n\n}", "{\n  a: 2\n}"),
        ("{\n  a: 2, // m\n  z: { b: [1] },\n}", "{\n  a: 2, // m\n}"),
        ("{\n  z: 1, a: 2\n}", "{\n  a: 2\n}"),
        ("{ a: 2,\n  z: 1, b: 3 }", "{ a: 2,\n  b: 3 }"),
        ("{\n  a: 2\n  // n\n  , z: 1\n}", "{\n  a: 2\n  // n\n}"),
        ("{\n  a: 2, // m\n  // why z\n  z: 1\n}", "{\n  a: 2 // m\n  // why z\n}"),
    ],
)
def test_a_member_goes_with_its_comma_and_its_line(before: str, after: str) -> None:
    assert edit(before, Remove(("z",))) == after


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "change", "said"),
    [
        ("{\nm: {p: 1}, m: {p: 2}}", put("m", "p", to=3), "m appears 2 times"),
        ("{m: {p: 1,\n'p': 2}}", put("m", "p", to=3), "2 times in the config (lines 1, 2)"),
        ("{m: {p: 1, '\\u0070': 2}}", Remove(("m", "p")), "m.p appears 2 times"),
        ('{m: "${BIG_MODEL}"}', put("m", to="x"), "environment variable BIG_MODEL."),
        ('{\nm: "openai/${V}"}', put("m", to="x"), "m (line 2) is set by"),
        ('{m: "${V}"}', put("m", "primary", to="x"), "m (line 1) is set by"),
        ('{m: "${V}"}', Remove(("m",)), "m (line 1) is set by"),
        ('{m: ["a", "${V}"]}', put("m", to=["a"]), "m (line 1) holds a value set by"),
        ('{m: {p: "${V}"}}', put("m", to="x"), "m (line 1) holds a value set by"),
        ('{m: {p: "${V}"}}', put("m", to={"q": 1}), "m.p (line 1) is set by"),
        ("{m: 1}", Remove(()), "The whole config cannot be removed."),
        ("{m: 1}", put("m", to="\ud800"), "could not be proved"),
        ("{m: 1}", put("m", to=object()), "could not be proved"),
    ],
)  # fmt: skip
def test_what_is_not_safe_is_refused_with_the_place(before: str, change: Edit, said: str) -> None:
    with pytest.raises(ConfigUneditableError) as refusal:
        edit(before, change)
    assert said in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("before", "change", "said"),
    [
        ("{m: [1]}", put("m", "p", to=1), "m (line 1) is a list, but m.p needs an object."),
        ("{\nm: 1}", put("m", "p", "q", to=1), "m (line 2) is a number"),
        ("{m: null}", put("m", "p", to=1), "m (line 1) is null"),
        ("{m: 'x'}", put("m", "p", to=1), "m (line 1) is a string"),
        ("{m: true}", put("m", "p", to=1), "m (line 1) is true or false"),
        ("{m: {}}", put("m", 0, to=1), "m (line 1) is an object, but m[0] needs a list."),
        ("{m: [1]}", put("m", 3, to=1), "m (line 1) has 1 entries; entry 3 does not exist."),
        ("{m: [1]}", put("m", -1, to=1), "entry -1 does not exist"),
        ("{}", put("m", 1, "x", to=1), "m has 0 entries"),
    ],
)
def test_a_parent_of_the_wrong_kind_is_named(before: str, change: Edit, said: str) -> None:
    with pytest.raises(ConfigShapeError) as refusal:
        edit(before, change)
    assert said in refusal.value.message
    assert refusal.value.hint


def test_a_variable_that_stays_is_no_reason_to_refuse() -> None:
    before = '{m: ["${A}", "x"], n: "$${LITERAL}", o: {k: "${K}", p: 1}}'
    after = edit(before, put("m", to=["y", "${A}"]), put("n", to="z"), put("o", "p", to=2))
    assert after == '{m: ["y", "${A}"], n: "z", o: {k: "${K}", p: 2}}'


def test_a_key_that_stands_here_wins_over_an_include() -> None:
    before = "{$include: 'a.json5', m: {p: 1}, l: []}"
    assert edit(before, put("m", "p", to=2)) == before.replace("p: 1", "p: 2")
    assert edit(before, put("l", 0, to=2)) == before.replace("[]", "[2]")


def test_a_value_nested_too_deep_is_refused() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ConfigUneditableError, match="nested more than"):
        edit("{a: 1}", put("a", to=deep))


def test_a_path_with_odd_keys_is_named_readably() -> None:
    with pytest.raises(ConfigShapeError) as refusal:
        edit('{m: {"a/b": [{c: 1}]}}', put("m", "a/b", 0, "c", "\n" * 99, to=1))
    assert refusal.value.message.startswith('m["a/b"][0].c (line 1) is a number')
    assert "\n" not in refusal.value.message
    assert len(refusal.value.message) < 300


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "The config is empty."),
        (b" \n", "The config is empty."),
        (b"\xef\xbb\xbf", "only comments and whitespace"),
        (b"// x\n", "only comments and whitespace"),
        (b"{\n\0}", "NUL byte in line 2"),
        ("{}".encode("utf-16"), "NUL byte in line 1"),
        (b'{\n "a": "\xff"}', "not UTF-8 text: byte 0xff at line 2, column 8"),
        (
            b"{a: 1\n b: 2}",
            "at line 2, column 2: missing comma or closing bracket",
        ),
        (b"{a: 1,,}", "column 7: unexpected comma"),
        (b"{a 1}", "missing colon"),
        (b"{a: }", "expected a value"),
        (b"{,}", "expected a key"),
        (b'{a: "x\n}', "line 1, column 5: unclosed string"),
        (b"{a: 1 /* x }", "unclosed comment"),
        (b"{a: 1", "is not valid JSON5"),
        (b"{a: 1} b", "unexpected text after the closing bracket"),
        (b"{a: 1e999}", "invalid number"),
        (b"{a: '\\ud800'}", "is not valid JSON5"),
        (b"{a: '\\8'}", "unknown escape sequence"),
        (b"{a: '\\xZZ'}", "incomplete escape sequence"),
        (b"{a: " + b"[" * 100_000, "nested more than 200 levels"),
    ],
)
def test_what_is_no_config_is_named_with_its_place(raw: bytes, said: str) -> None:
    with pytest.raises(ConfigSyntaxError) as refusal:
        load(raw)
    assert said in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize("raw", [b"[1]", b"null", b"'x'", b"3"])
def test_the_root_has_to_be_an_object(raw: bytes) -> None:
    with pytest.raises(ConfigShapeError, match="must be an object"):
        load(raw)


def test_columns_and_lines_are_those_of_an_editor() -> None:
    with pytest.raises(ConfigSyntaxError, match="line 3, column 4"):
        load("\ufeff{\r\n'ä': '🦞',\r\n b c}".encode())
    with pytest.raises(ConfigSyntaxError, match="line 1, column 2"):
        load("\ufeff{;}".encode())


def test_an_error_never_quotes_what_stands_in_the_file() -> None:
    with pytest.raises(ConfigSyntaxError) as refusal:
        load(b'{"apiKey": "sk-not-a-key-at-all" "x": 1}')
    assert "sk-" not in refusal.value.message + refusal.value.hint


def test_values_are_found_by_path() -> None:
    root = {"a": [{"b": None}], "__absent__": "__absent__"}
    assert get(root, ("a", 0, "b")) is None
    assert get(root, ()) is root
    nowhere: list[Path] = [("a", 1), ("a", -1), ("a", "b"), ("x",), ("a", 0, "b", "c"), (0,)]
    for path in nowhere:
        assert get(root, path) is ABSENT
    assert get(root, ("__absent__",)) is not ABSENT


def test_what_an_edit_gives_leaves_the_old_value_alone() -> None:
    root = {"a": {"b": [1, 2]}}
    assert expected(root, put("a", "b", 0, to=9)) == {"a": {"b": [9, 2]}}
    assert expected(root, put("a", "b", 2, to=9)) == {"a": {"b": [1, 2, 9]}}
    assert expected(root, Remove(("a", "b", 0))) == {"a": {"b": [2]}}
    assert expected(root, Remove(("a", "x"))) is root
    assert root == {"a": {"b": [1, 2]}}


def test_values_are_compared_as_json() -> None:
    nan = float("nan")
    assert same({"a": [nan, 1, None]}, {"a": [float("nan"), 1.0, None]})
    for one, other in [
        (1, True),
        (0.0, -0.0),
        ("1", 1),
        ([1], [1, 1]),
        ({"a": 1}, {"b": 1}),
        (None, ABSENT),
    ]:
        assert not same(one, other)


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (b"{}", ()),
        (b"{a: 'say \\u0041'}", ()),
        (b"{a: {$include: './a'}, b: [{'$include': ['b', 3, 'c']}]}", ("./a", "b", "c")),
        (b"{'\\u0024include': 'x', a: {$include: 'x'}}", ("x",)),
        (b"{$include: {a: 'b'}}", ()),
        (b"{a: '$include'}", ()),
        (b"{$include: 'x'", ()),
    ],
)  # fmt: skip
def test_included_files_are_named(raw: bytes, names: tuple[str, ...]) -> None:
    assert include_targets(raw) == names
