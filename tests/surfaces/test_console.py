"""The console: at a real pseudo-terminal, over pipes, and from given lines."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.terminal.console import Console, history_file
from adapters.terminal.local import LocalWords
from adapters.terminal.prompt import completions
from adapters.terminal.reading import read_lines
from bot.card import Card, Tone, text
from bot.errors import UsageError
from tests.support.fakes_terminal import OWNER, FakeApp, look

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30
PROGRAM = """
import asyncio, fcntl, sys, termios
from pathlib import Path
from adapters.terminal.console import Console
from adapters.terminal.local import LocalWords
from bot.card import Card, Tone, text
from tests.support.fakes_terminal import OWNER, FakeApp, look

app = FakeApp()
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)

async def main():
    async def alert(rest):
        async def later():
            await asyncio.sleep(0.2)
            await console.announce(Card(text("Fallback " + rest), Tone.WARNING))
        tasks.add(asyncio.create_task(later()))
        return "soon"

    async def wait(rest):
        print("waiting", flush=True)
        await asyncio.Event().wait()

    tasks = set()
    console = Console(
        app, OWNER, look(TERM="xterm"), local=LocalWords({"alert": alert, "wait": wait}),
        history=Path(sys.argv[1]),
    )
    return await console.run("Changeover. Ctrl-D leaves.")

code = asyncio.run(main())
print("left with", code, len(app.asked))
"""


CODES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07|[=>])")
PROMPT = "changeover>"


# --- a real terminal --------------------------------------------------------------------------


class Screen:
    """A child at a pseudo-terminal, and what it has written so far."""

    def __init__(self, history: Path) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 100))
        # The "terminal" here is a buffer: it cannot tell where its cursor is.
        env = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        env |= {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        env.pop("NO_COLOR", None)
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(history)],
            cwd=ROOT,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""
        self._changed = threading.Condition()
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

    def _read(self) -> None:
        chunk = b"."
        while chunk:
            try:
                chunk = os.read(self._master, 65536)
            except OSError:
                # How Linux says that nobody has the other end open any more.
                chunk = b""
            with self._changed:
                self._seen += CODES.sub("", chunk.decode())
                self._changed.notify_all()

    def wait_for(self, words: str) -> str:
        """Wait until the words stand there, forget what came before them, and return it."""
        with self._changed:
            came = self._changed.wait_for(lambda: words in self._seen, PATIENCE_S)
            assert came, f"{words!r} did not come in {self._seen!r}"
            before, _, self._seen = self._seen.partition(words)
            return before

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def close(self) -> int:
        code = self.child.wait(PATIENCE_S)
        self._pump.join(PATIENCE_S)
        os.close(self._master)
        return code


@pytest.fixture
def screen(tmp_path):
    screen = Screen(tmp_path / "state" / "changeover" / "history")
    yield screen
    if screen.child.poll() is None:
        screen.child.kill()
        screen.close()


def test_a_session_at_a_terminal(screen, tmp_path):
    screen.wait_for("Changeover. Ctrl-D leaves.")
    screen.wait_for(PROMPT)
    screen.type("/model sta\t")
    screen.wait_for("tus")
    screen.type("\r")
    screen.wait_for("best · anthropic/claude-opus-4-5")
    screen.wait_for(PROMPT)
    screen.type("half a line\x03")
    screen.wait_for(PROMPT)
    screen.type("model best\r")
    screen.wait_for("[question] Confirm: cheap → best")
    screen.wait_for("Confirm? [y/N]")
    screen.type("n\r")
    screen.wait_for("Nothing was changed.")
    screen.wait_for(PROMPT)
    screen.type("model best\r")
    screen.wait_for("Confirm? [y/N]")
    screen.type("y\r")
    screen.wait_for("[changed] cheap → best")
    screen.wait_for(PROMPT)
    screen.type(":alert above the prompt\r")
    screen.wait_for("soon")
    screen.wait_for("[warning] Fallback above the prompt")
    screen.wait_for(PROMPT)
    screen.type("\x04")
    screen.wait_for("left with 0 4")
    assert screen.close() == 0
    history = tmp_path / "state" / "changeover" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+/model status" in history.read_text()
    assert "+y" not in history.read_text()


def test_ctrl_c_stops_a_command_and_not_the_console(screen):
    screen.wait_for(PROMPT)
    screen.type(":wait\r")
    screen.wait_for("waiting")
    screen.type("\x03")
    screen.wait_for("Stopped. Check the result with /model status.")
    screen.wait_for(PROMPT)
    screen.type("model status\r")
    screen.wait_for("best · anthropic/claude-opus-4-5")
    screen.wait_for(PROMPT)
    screen.type(":quit\r")
    screen.wait_for("left with 0")
    assert screen.close() == 0


# --- pipes ------------------------------------------------------------------------------------


def piped(lines: str, tmp_path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "history")],
        cwd=ROOT,
        input=lines.encode(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stderr == b""
    *_, last = done.stdout.decode().splitlines()
    return int(last.split()[2]), done.stdout.decode().removesuffix(f"{last}\n")


def test_lines_from_a_pipe(tmp_path):
    code, out = piped("/model status\n\n# a remark\r\nmodel status\r\nmodel stats", tmp_path)
    assert code == 2
    assert out == (
        "best · anthropic/claude-opus-4-5\n" * 2
        + "Error: model stats is no command.\n  → Did you mean /model status?\n"
    )
    assert not (tmp_path / "history").exists()


def test_a_question_from_a_pipe_is_not_answered_by_the_next_line(tmp_path):
    code, out = piped("model best\ny\n", tmp_path)
    assert code == 2
    assert out.startswith("[question] Confirm: cheap → best\nError: y is no command.")


def test_a_pipe_ends_where_it_says_so(tmp_path):
    assert piped("model stats\nexit\nmodel status\n", tmp_path)[0] == 2
    assert piped("", tmp_path) == (0, "")


async def session(
    lines: list[str] | str, *, json_wanted: bool = False, yes: bool = False, **words: object
) -> tuple[int, str, FakeApp]:
    app, out = FakeApp(), io.StringIO()
    stdin = io.StringIO(lines if isinstance(lines, str) else "")
    console = Console(
        app,
        OWNER,
        look(json=json_wanted),
        local=LocalWords(**words),  # type: ignore[arg-type]
        yes=yes,
        streams=(stdin, out),
    )
    code = await (console.run("hello") if isinstance(lines, str) else console.say(lines))
    return code, out.getvalue(), app


async def test_yes_confirms_what_a_pipe_asks():
    code, out, app = await session("model best\n", yes=True)
    assert (code, out) == (0, "[changed] cheap → best\n")
    action = app.asked[0][1]
    assert action is not None
    assert action.confirmed


async def test_json_is_one_document_a_line():
    _, out, _ = await session("model status\nmodel stats\n", json_wanted=True)
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, False]


async def test_an_attachment_is_shown_below_its_card():
    _, out, _ = await session("cost export\n")
    assert out == "1 day\nday,usd\n2026-11-23,1.5\n"


# --- given lines ------------------------------------------------------------------------------


async def test_given_lines_are_echoed():
    code, out, _ = await session(["/model status", "fallback status"])
    assert code == 1
    assert out == (
        "> /model status\nbest · anthropic/claude-opus-4-5\n\n"
        "> fallback status\n[problem] The chain is dead\n\n"
    )


async def test_the_exit_code_is_the_last_lines():
    assert (await session(["fallback status", "model status"]))[0] == 0
    assert (await session(["fallback status", ":quit", "model status"]))[0] == 1
    assert (await session([]))[0] == 0


async def test_given_lines_as_json_have_no_echo():
    _, out, _ = await session(["model status"], json_wanted=True)
    assert json.loads(out)["command"] == "model status"


async def break_it(rest: str) -> Card | str:
    if not rest:
        raise UsageError(":break needs a provider.", "Try :break anthropic rate_limit")
    return Card(text(f"{rest} is broken")) if rest != "words" else "words\x1b[2J"


async def test_local_words():
    helps = {"break": "PROVIDER REASON, and it fails"}
    lines = [":break openai auth", ":BREAK words", ":break", ":heel", ":help", "help"]
    code, out, app = await session(lines, extra={":break": break_it}, helps=helps)
    answers = re.split(r"^> .*\n", out, flags=re.MULTILINE)[1:]
    assert answers[:4] == [
        "openai auth is broken\n\n",
        "words\\x1b[2J\n\n",
        "Error: :break needs a provider.\n  → Try :break anthropic rate_limit\n\n",
        "Error: :heel is not a console command.\n  → Did you mean :help?\n\n",
    ]
    assert answers[4] == answers[5]
    assert ":break PROVIDER REASON, and it fails\n" in answers[4]
    assert "/fallback help every form of /fallback\n" in answers[4]
    assert app.asked == []
    assert code == 0
    assert (await session([":xyzzy"]))[0] == 2
    assert ":help" in (await session([":xyzzy"]))[1]


async def test_announcements_without_a_terminal():
    out = io.StringIO()
    console = Console(FakeApp(), OWNER, look(), streams=(io.StringIO(), out))
    await console.announce(Card(text("Recovered"), Tone.GOOD))
    assert out.getvalue() == "\n[ok] Recovered\n\n"
    console = Console(FakeApp(), OWNER, look(json=True), streams=(io.StringIO(), out))
    await console.announce(Card(text("Recovered"), Tone.GOOD))
    assert json.loads(out.getvalue().splitlines()[-1])["ok"] is True


# --- parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", (["model", "fallback"], 0)),
        ("/mo", (["model"], 2)),
        ("  model s", (["status"], 1)),
        ("model ", (["status", "best", "use"], 0)),
        (":", ([":break", ":help", ":quit"], 1)),
        (":Br", ([":break"], 3)),
        (":break x", ([], 8)),
    ],
)
def test_completion(typed, expected):
    local = LocalWords({"break": break_it})
    assert completions(typed, FakeApp().complete, local.names) == expected


def test_the_history_is_in_the_users_state_folder(tmp_path):
    home = Path("/home/ana")
    usual = home / ".local" / "state" / "changeover" / "history"
    assert history_file({}, home) == usual
    assert history_file({"XDG_STATE_HOME": "relative"}, home) == usual
    assert history_file({"XDG_STATE_HOME": "/s"}, home) == Path("/s/changeover/history")


async def lines_of(make: Callable[[int], None]) -> list[str]:
    reading, writing = os.pipe()
    feeder = threading.Thread(target=make, args=(writing,))
    feeder.start()
    with os.fdopen(reading, encoding="utf-8") as stream:
        lines = [line async for line in read_lines(stream)]
        await asyncio.to_thread(feeder.join)
    return lines


async def test_bytes_that_are_no_text_are_replaced():
    def make(writing: int) -> None:
        for part in (b"a\xe2", b"\x86\x92b\r\n\xff", b"c\n", b"\xe2"):
            os.write(writing, part)
        os.close(writing)

    assert await lines_of(make) == ["a→b", "\ufffdc", "\ufffd"]
    assert [line async for line in read_lines(None)] == []


async def test_the_loop_goes_on_while_a_pipe_is_silent():
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as stream:
        lines = read_lines(stream)
        first = asyncio.ensure_future(anext(lines))
        turns = 0
        while turns < 10:
            await asyncio.sleep(0)
            turns += 1
        assert not first.done()
        os.write(writing, b"now\n")
        assert await first == "now"
        os.close(writing)
        assert [line async for line in lines] == []
