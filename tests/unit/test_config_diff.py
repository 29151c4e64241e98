"""The difference that is shown: readable, and without a secret in it."""

from __future__ import annotations

import pytest

from bot.config.diff import unified_diff
from bot.config.line_diff import Change, changes
from bot.config.redact import redact_looks, redact_values

HIDDEN = "Hn7-never-show-this"
LOOKS_LIKE_KEYS = [
    "sk-" + "ant-api03-Hn7never",
    "sk-" + "or-v1-0123456789",
    "gsk_" + "Hn7nevershowthis",
    "xox" + "b-123456-Hn7never",
    "xapp" + "-1-A0-Hn7never",
    "AIza" + "SyHn7nevershowthisatall",
    "ghp_" + "Hn7nevershowthis",
    "github_pat_" + "Hn7nevershowthis",
    "eyJ" + "hbGciOiJI.eyJzdWIiOiI.Hn7never",
    "123456789" + ":" + "Hn7nevershowthis_" * 2,
    "0123456789abcdef" * 2,
]


def shown(before: str, after: str) -> str:
    return unified_diff(before.encode(), after.encode(), "moltbot.json")


def test_it_is_a_unified_diff_with_three_lines_of_context() -> None:
    before = [f"line {number}" for number in range(1, 31)]
    after = [*before[:9], "changed", *before[10:25], "put in", *before[25:]]
    assert shown("\n".join(before), "\n".join(after)).split("\n") == [
        "--- moltbot.json", "+++ moltbot.json",
        "@@ -7,7 +7,7 @@", " line 7", " line 8", " line 9", "-line 10", "+changed",
        " line 11", " line 12", " line 13",
        "@@ -23,6 +23,7 @@", " line 23", " line 24", " line 25", "+put in",
        " line 26", " line 27", " line 28", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "ranges"),
    [
        ("a", "b", "@@ -1 +1 @@"),
        ("a\nb", "a\nb\nc", "@@ -1,2 +1,3 @@"),
        ("a\nb", "b", "@@ -1,2 +1 @@"),
        ("", "b\n", "@@ -0,0 +1 @@"),
        ("a\n", "a\nb\n", "@@ -1 +1,2 @@"),
        ("a\nb\nc\nd\ne\nf\ng\nh", "a\nb\nc\nd\ne\nf\ng\nh\ni", "@@ -6,3 +6,4 @@"),
    ],
)
def test_ranges_are_counted_as_patch_counts_them(before: str, after: str, ranges: str) -> None:
    assert shown(before, after).split("\n")[2] == ranges


def test_nothing_changed_gives_nothing() -> None:
    assert shown("{}\n", "{}\n") == ""
    assert shown("{\r\n}", "{\n}") == ""


def test_changes_next_to_each_other_share_their_context() -> None:
    before = [str(number) for number in range(20)]
    after = [*before[:5], "x", *before[6:11], "y", *before[12:]]
    assert shown("\n".join(before), "\n".join(after)).count("@@ -") == 1


@pytest.mark.parametrize(
    "line",
    [
        f'"apiKey": "{HIDDEN}"',
        f"apiKey:'{HIDDEN}'",
        f"'api_key' : '{HIDDEN}',",
        f'"a": 1, "botToken": "{HIDDEN}", "b": {{"appToken": "{HIDDEN}"}}',
        f'"Authorization": "Basic {HIDDEN}"',
        f'password: "a{HIDDEN}\\"b", clientSecret: "{HIDDEN}"',
        f'token: /* {"old"} */ "{HIDDEN}"',
        f'// apiKey: "{HIDDEN}"',
        f'//apiKey: "{HIDDEN}"',
        f"/* TOKEN={HIDDEN} */",
        f'"\\u0061pi\\x4bey": "{HIDDEN}"',
        f"apiK\\u0065y: '{HIDDEN}'",
        f'keys: ["{HIDDEN}", {{ x: "{HIDDEN}" }}], y: 1',
        f'secret: {{ source: "file", id: ["{HIDDEN}"]',
        f'"X-Anything": "Bearer {HIDDEN}"',
        f'"webhook": "https://hooks.slack.com/services/T0/B0/{HIDDEN}"',
        f'"proxy": "http://user:{HIDDEN}@proxy.invalid:3128"',
        f'"args": ["--token={HIDDEN}", "--api-key={HIDDEN}"]',
        f'"url": "https://host.invalid/?key={HIDDEN}&x=1"',
        f'token: "{HIDDEN}',
        f"token: 'a \\\n {HIDDEN} \\\r\n {HIDDEN}'",
        f'apiKey:\n  // here\n  "{HIDDEN}"',
        f'"İ": 1, "apiKey": "{HIDDEN}"',
    ],
)
def test_a_secret_is_black_on_every_line(line: str) -> None:
    for text in (f"{{\n{line}\n}}", f"{{{line}, pad: [{'0,' * 300}0]\n}}"):
        said = shown(text, f"{text.replace('{', '{ ', 1)}\n// x")
        assert HIDDEN not in said
        assert "…" in said
        assert len(redact_values(text).split("\n")) == len(text.split("\n"))


@pytest.mark.parametrize("key", LOOKS_LIKE_KEYS)
@pytest.mark.parametrize("around", ['"n": "{}"', "// was {} once", "{}", "x={};", "a,{},b"])
def test_what_looks_like_a_key_is_black_whatever_it_is_called(key: str, around: str) -> None:
    line = around.replace("{}", key)
    said = shown("a", line)
    assert key not in said
    assert key[8:] not in said
    assert redact_looks(line, 0, len(line)).replace("…", key) == line


def test_a_key_cut_by_the_window_is_black_too() -> None:
    key = "sk-" + "Hn7never" * 40
    for members in (f'"m": "OLD", "n": "{key}"', f'"n": "{key}", "m": "OLD"'):
        line = f'{{"a": "{"x," * 300}", {members}, "o": "{"y," * 300}"}}'
        said = shown(line, line.replace("OLD", "NEW"))
        assert "NEW" in said
        assert "never" not in said


@pytest.mark.parametrize(
    "line",
    [
        '"primary": "anthropic/claude-opus-4-5"',
        '"maxTokens": 8192, contextTokens: 200000,',
        '"some/monkey": { "alias": "ape" }',
        'apiKey: "${OPENAI_API_KEY}"',
        '"token": null, "password": "", secret: false',
        '"auth": { "mode": "api_key" }',
        'keyboard: "qwerty", tokenizer: "cl100k"',
        '"task-force-of-the-great": "risk-taking-is-no-secret"',
    ],
)
def test_what_is_no_secret_stays_readable(line: str) -> None:
    assert f"+{line}\n" in shown("{", f"{{\n{line}")


def test_text_that_breaks_off_is_black_to_its_end() -> None:
    assert redact_values("{token:") == "{token:"
    assert redact_values('"İ": 1, "apiKey": "x1y", "b": 2') == '"İ": 1, "apiKey": "…", "b": 2'
    assert redact_values('"a/b-key": "x1y"') == '"a/b-key": "…"'
    assert redact_values("{token: }") == "{token: }"
    assert redact_values('{secrets: {a: "x", "b": ["y"') == '{secrets: {a: "…", "b": ["…"'
    assert redact_values('{tokens: ["", "${A}", 1]}') == '{tokens: ["", "${A}", 1]}'
    assert redact_values('{keys: {"token": "x"}, z: 1}') == '{keys: {"token": "…"}, z: 1}'


def test_a_changed_secret_still_shows_that_something_changed() -> None:
    said = shown(f'{{"apiKey": "{HIDDEN}1"}}', f'{{"apiKey": "{HIDDEN}2"}}')
    assert said.split("\n")[3:5] == ['-{"apiKey": "…"}', '+{"apiKey": "…"}']


def test_a_file_of_one_long_line_is_cut_to_the_change() -> None:
    filler = ",".join(f'"m{number}":{number}' for number in range(5000))
    before = f'{{{filler},"primary":"OLD",{filler}}}'
    said = shown(before, before.replace("OLD", "NEW")).split("\n")
    assert '"primary":"OLD"' in said[3]
    assert '"primary":"NEW"' in said[4]
    assert all(len(line) < 310 for line in said)
    assert said[3][1] == said[3][-1] == "…"


def test_long_lines_that_only_come_or_stay_are_cut_at_their_end() -> None:
    said = shown("y" * 500 + "\nx", "y" * 500 + "\n" + "z" * 500 + "\nx").split("\n")
    assert [line[-3:] for line in said[3:5]] == ["yy…", "zz…"]


def test_a_rewritten_file_is_cut_short() -> None:
    before = "\n".join(f"old {number % 700}" for number in range(3000))
    after = "\n".join(f"new {number % 700}" for number in range(3000))
    said = shown(before, after).split("\n")
    assert said[-2] == "… and more"
    assert len(said) < 410


def test_many_far_changes_are_cut_short() -> None:
    before = [f"line {number}" for number in range(2000)]
    after = [line + "!" if number % 20 == 0 else line for number, line in enumerate(before)]
    assert len(shown("\n".join(before), "\n".join(after)).split("\n")) < 420


def test_control_characters_and_broken_bytes_are_harmless() -> None:
    said = unified_diff(b"a", b"\x1b[31m\xff\x07b\x00\xe2\x80\xae", "x\x1b\n")
    assert said.isprintable() is False
    assert {char for char in said if not char.isprintable()} == {"\n"}
    assert said.split("\n")[0] == "--- x\ufffd\ufffd"


def test_far_changes_are_told_apart_in_a_long_file() -> None:
    before = [line for number in range(3000) for line in (f"m{number}: {{", "  x", "},")]
    after = [*before]
    after[1] = "  y"
    after[6001:6001] = ["new"]
    assert changes(before, after) == [Change(1, 2, 1, 2), Change(6001, 6001, 6001, 6002)]


def test_moved_lines_are_told_as_removed_and_put() -> None:
    assert changes(list("abc"), list("bca")) == [Change(0, 1, 0, 0), Change(3, 3, 2, 3)]
    assert changes(list("aab"), list("aba")) == [Change(1, 2, 1, 1), Change(3, 3, 2, 3)]
