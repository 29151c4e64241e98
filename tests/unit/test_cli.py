"""The command line: what is a flag, what is a word, and what the program ends with."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.terminal.cli import FLAGS, VERBS, Invocation, help_text, parse_arguments, wants_json
from adapters.terminal.one_shot import report, run_one, run_static
from bot.errors import ConfigMissingError, UsageError
from tests.support.fakes_terminal import OWNER, FakeApp, look


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("run", Invocation("run")),
        ("--config a.json run", Invocation("run", config="a.json")),
        (
            "run --config=a.json --env-file b",
            Invocation("run", config="a.json", env_file=Path("b")),
        ),
        ("run --config a --config b", Invocation("run", config="b")),
        ("--json doctor --yes", Invocation("doctor", json=True, yes=True)),
        ("init --openclaw", Invocation("init", openclaw=True)),
        ("--openclaw init", Invocation("init", openclaw=True)),
        ("slack-manifest --http https://x", Invocation("slack-manifest", http="https://x")),
        ("demo --say=/a --say /b", Invocation("demo", say=("/a", "/b"))),
        ("model", Invocation("model")),
        ("model cheap for 2h", Invocation("model", ("cheap", "for", "2h"))),
        ("--yes model best --json", Invocation("model", ("best",), yes=True, json=True)),
        ("model best --config=x", Invocation("model", ("best",), config="x")),
        ("model use a --dry-run -x", Invocation("model", ("use", "a", "--dry-run", "-x"))),
        ("model use a --say b", Invocation("model", ("use", "a", "--say", "b"))),
        (
            "model best reason we saw --config fail -- twice --json --yes",
            Invocation(
                "model",
                ("best", "reason", "we", "saw", "--config", "fail", "--", "twice"),
                json=True,
                yes=True,
            ),
        ),
        (
            "model best Reason --json is broken",
            Invocation("model", ("best", "Reason", "--json", "is", "broken")),
        ),
        ("model best reason --yes", Invocation("model", ("best", "reason"), yes=True)),
        (
            "model best -- reason pass --json",
            Invocation("model", ("best", "reason", "pass", "--json")),
        ),
        ("-- model --json", Invocation("model", ("--json",))),
        ("model --help", Invocation("model", ("help",))),
        ("fallback add -h", Invocation("fallback", ("help", "add"))),
        ("fallback help --help", Invocation("fallback", ("help",))),
        ("/model cheap", Invocation("model", ("cheap",))),
        ("/doctor", Invocation("doctor")),
        ("", Invocation()),
        ("--json", Invocation(json=True)),
        ("--help", Invocation("help")),
        ("-h", Invocation("help")),
        ("help demo", Invocation("help", ("demo",))),
        ("help demo --help", Invocation("help", ("demo",))),
        ("demo --help", Invocation("help", ("demo",))),
        ("--version", Invocation("version")),
        ("version --json", Invocation("version", json=True)),
    ],
)
def test_what_a_line_means(line, expected):
    assert parse_arguments(line.split()) == expected


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("modle", "'modle' is not a command.", "Did you mean changeover model?"),
        ("cheap", "'cheap' is not a command.", "Did you mean changeover model cheap?"),
        ("status", "'status' is not a command.", "Did you mean changeover model status?"),
        ("undo --json", "'undo' is not a command.", "Did you mean changeover model undo?"),
        ("switch cheap", "'switch' is not a command.", "Did you mean changeover model cheap?"),
        (
            "cheap for 2h",
            "'cheap' is not a command.",
            "Did you mean changeover model cheap for 2h?",
        ),
        ("xyzzy", "'xyzzy' is not a command.", "All commands: changeover --help"),
        ("--jsn run", "'--jsn' is not an option.", "Did you mean --json?"),
        ("run -q", "'-q' is not an option.", "All commands: changeover --help"),
        ("run --config", "--config needs a value.", "Use --config PATH."),
        ("run --config --json", "--config needs a value.", "Use --config PATH."),
        ("run --config=", "--config has an empty value.", "Use --config PATH."),
        ("run --json=1", "--json takes no value.", "Use --json alone."),
        (
            "run --say x",
            "--say works only with changeover demo.",
            "Usage: changeover demo --say TEXT",
        ),
        ("run fast", "changeover run does not take 'fast'.", "changeover run --help"),
        ("doctor -", "changeover doctor does not take '-'.", "changeover doctor --help"),
        ("run\x1b[2J", "'run�[2J' is not a command.", "Did you mean changeover run?"),
    ],
)
def test_what_is_wrong_with_a_line(line, message, hint):
    with pytest.raises(UsageError) as caught:
        parse_arguments(line.split())
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_code == 2


def test_a_whole_line_may_come_as_one_word():
    assert parse_arguments(["/model cheap for 2h", "--json"]) == Invocation(
        "model", ("cheap", "for", "2h"), json=True
    )


WORDS = st.one_of(
    st.sampled_from(
        [
            *(verb.name for verb in VERBS),
            *(flag.name for flag in FLAGS),
            *(f"{flag.name}=x" for flag in FLAGS),
            *("--", "-", "reason", "-h", "=", "--=", ""),
        ]
    ),
    st.text(max_size=8),
)


def understood(words: list[str]) -> Invocation | UsageError:
    try:
        return parse_arguments(words)
    except UsageError as error:
        return error


@given(st.lists(WORDS, max_size=8))
def test_any_line_is_an_invocation_or_a_usage_error(words):
    wants_json(words)
    match understood(words):
        case Invocation(command=command):
            assert command in ("", *(verb.name for verb in VERBS))
        case UsageError(message=message, hint=hint):
            assert message
            assert hint


@given(st.lists(st.text(max_size=6), max_size=5))
def test_the_words_of_a_reason_stay_as_they_are(words):
    if words and words[-1] in ("--json", "--yes"):
        words.append("x")
    assert parse_arguments(["model", "best", "reason", *words]).words == ("best", "reason", *words)
    assert parse_arguments(["model", "--", *words]).words == tuple(words)


def test_json_is_wanted_even_by_a_line_without_sense():
    assert wants_json(["modle", "--json"])
    assert not wants_json(["model", "--", "--json"])


def test_help_names_every_command_and_every_option():
    page = help_text()
    assert all(verb.name in page and verb.help in page for verb in VERBS)
    assert all(f"{flag.name} {flag.takes}".rstrip() in page for flag in FLAGS)
    assert max(map(len, page.splitlines())) <= 90
    demo = help_text("demo")
    assert demo.startswith("usage: changeover demo [--say TEXT]…\n")
    assert "--say" in demo
    assert "--openclaw" not in demo


def run(line: str, **environ: str) -> tuple[int | None, str, str]:
    out, err = io.StringIO(), io.StringIO()
    invocation = parse_arguments(line.split())
    code = run_static(invocation, "0.1.0", out, err, look(json=invocation.json, **environ))
    return code, out.getvalue(), err.getvalue()


def test_help_and_version_need_nothing():
    assert run("version") == (0, "0.1.0\n", "")
    assert run("--help") == (0, help_text(), "")
    assert run("help init") == (0, help_text("init"), "")
    assert run("") == (2, "", help_text())
    assert run("run") == (None, "", "")
    _, version, _ = run("version --json")
    assert json.loads(version)["data"] == {"version": "0.1.0"}
    _, page, _ = run("demo --help --json")
    assert json.loads(page)["data"]["commands"][0]["name"] == "demo"
    _, page, _ = run("help --json")
    assert len(json.loads(page)["data"]["commands"]) == len(VERBS)


async def one(line: str) -> tuple[int, str, str, FakeApp]:
    out, err, app = io.StringIO(), io.StringIO(), FakeApp()
    invocation = parse_arguments(line.split())
    code = await run_one(app, invocation, OWNER, out, err, look(json=invocation.json))
    return code, out.getvalue(), err.getvalue(), app


async def test_one_command_and_its_answer():
    code, out, err, app = await one("model status")
    assert (code, out, err) == (0, "best · anthropic/claude-opus-4-5\n", "")
    assert app.asked == [("model status", None)]
    code, out, err, _ = await one("fallback status")
    assert (code, out, err) == (1, "[problem] The chain is dead\n", "")


async def test_a_question_names_the_option_that_answers_it():
    code, out, err, _ = await one("model best")
    assert (code, out) == (3, "")
    assert err == "[question] Confirm: cheap → best\n  → changeover model best --yes\n"
    code, out, err, _ = await one("model best --json")
    assert json.loads(out)["error"] == {
        "code": "confirmation",
        "message": "best is much dearer, so nothing was changed yet.",
        "hint": "changeover model best --yes",
    }
    code, out, err, app = await one("model best --yes")
    assert (code, out, err) == (0, "[changed] cheap → best\n", "")
    action = app.asked[0][1]
    assert action is not None
    assert action.confirmed


async def test_an_error_is_told_on_stderr():
    code, out, err, _ = await one("model stats")
    assert (code, out) == (2, "")
    assert err == "Error: model stats is no command.\n  → Did you mean /model status?\n"


def test_an_error_before_there_is_an_app():
    error = ConfigMissingError("There is no config file.", "changeover init")
    out, err = io.StringIO(), io.StringIO()
    assert report(error, ["--env-file", "x", "model"], out, err, look()) == 4
    assert err.getvalue() == "Error: There is no config file.\n  → changeover init\n"
    out, err = io.StringIO(), io.StringIO()
    assert report(error, ["model", "status", "--json"], out, err, look()) == 4
    document = json.loads(out.getvalue())
    assert (document["command"], document["error"]["code"]) == ("model", "config_missing")
    assert document["data"] == {}


HEAVY = {"pydantic", "rich", "prompt_toolkit", "dotenv", "tzlocal", "asyncio", "argparse", "email"}


@pytest.mark.parametrize(
    "module", ["adapters.terminal.one_shot", "adapters.environment", "adapters.terminal.cli"]
)
def test_a_cold_start_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(done.stdout.split())
