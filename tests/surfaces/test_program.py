"""The program as a user runs it: real processes, real files, simulated providers on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders

ROOT = Path(__file__).parents[2]


class Program:
    """`changeover` in a folder of its own."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.config = folder / "moltbot.json"
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "COVERAGE_FILE")}
        given = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "CHANGEOVER_DRAIN_S": "0"}
        self.env = keep | given | (env or {})

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapters.main",
            *arguments,
            cwd=self.folder,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def data(self, *arguments: str) -> Any:
        _, out, err = await self(*arguments, "--json")
        assert not err
        return json.loads(out)

    @property
    def primary(self) -> Any:
        return json.loads(self.config.read_bytes())["agents"]["defaults"]["model"]["primary"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, {"ANTHROPIC_API_KEY": "sk-ant-secret-1", "DEEPSEEK_API_KEY": "k"})


async def test_a_backup_and_a_newer_database(program: Program):
    program.config.write_text(DEMO_CONFIG)
    code, _, err = await program("db", "backup", "copy.db")
    assert code == 1
    assert "no database" in err
    assert (await program("model", "cheap"))[0] == 0
    answer = await program.data("db", "backup", "copy.db")
    assert answer["ok"]
    assert answer["data"]["kind"] == "sqlite"
    assert (await program("db"))[0] == 2
    (program.folder / "copy.db").replace(program.folder / "changeover.db")
    assert (await program.data("model", "history"))["data"]["changes"]
    with sqlite3.connect(program.folder / "changeover.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for command in ("gateway", "bot"):
        code, _, err = await asyncio.wait_for(program(command), 60)
        assert code == 4
        assert "newer release" in err
        assert "Update Changeover" in err


async def test_from_nothing_to_a_switch_and_back(program: Program):
    code, _, err = await program("model", "status")
    assert code == 4
    assert " -m adapters.main init" in err
    code, out, _ = await program("init")
    assert code == 0
    assert "moltbot.json written" in out
    before = program.config.read_bytes()
    code, out, _ = await program("model", "cheap", "reason", "batch")
    assert code == 0
    assert "best → cheap" in out
    assert program.primary == "deepseek/deepseek-flash"
    code, out, _ = await program("model", "best")
    assert code == 3
    assert "--yes" in out + _
    assert (await program("model", "undo"))[0] == 0
    assert program.config.read_bytes() == before
    code, out, _ = await program("init")
    assert "Nothing to write" in out
    assert program.config.read_bytes() == before


async def test_json_is_one_document_with_the_contracts_fields(program: Program):
    await program("init")
    status = await program.data("model", "status")
    assert status["ok"] is True
    assert status["command"] == "model status"
    assert {"primary", "preset", "config_path", "revision", "chain", "warnings"} <= set(
        status["data"]
    )
    assert status["data"]["chain"][0]["price"]["input_usd_per_1m"] == 5
    change = await program.data("--yes", "model", "cheap", "for", "2h")
    assert {
        "changed",
        "old",
        "new",
        "actor",
        "revision",
        "price_ratio",
        "revert_at",
        "diff",
    } <= set(change["data"])
    assert change["data"]["revert_at"].endswith("Z")
    wrong = await program.data("model", "chaep")
    assert wrong["ok"] is False
    assert wrong["error"]["code"] == "usage"
    assert "cheap" in wrong["error"]["hint"]


async def test_no_key_is_ever_shown(program: Program):
    await program("init")
    for words in (("model", "status"), ("model", "list"), ("fallback", "status"), ("doctor",)):
        for json_ in ((), ("--json",)):
            _, out, err = await program(*words, *json_)
            assert "sk-ant-secret-1" not in out + err


async def test_the_chain_test_asks_real_servers(tmp_path: Path):
    async with SimulatedProviders(latency_s=0) as providers:
        program = Program(tmp_path, providers.env())
        program.config.write_text(DEMO_CONFIG)
        answer = await program.data("fallback", "test")
        assert answer["data"]["chain_ok"] is True
        assert [hop["verdict"] for hop in answer["data"]["hops"]] == ["ok"] * 4
        assert all(hop["latency_ms"] > 0 for hop in answer["data"]["hops"])
        providers.break_provider("anthropic", "auth")
        code, out, _ = await program("fallback", "test")
        assert code == 1
        assert "API key rejected" in out
        assert "ANTHROPIC_API_KEY" in out
        everyone = await program.data(
            "fallback", "test", "openai/gpt-5", "gemini/gemini-2.5-flash",
            "groq/llama-3.1-8b-instant",
        )  # fmt: skip
        assert [hop["verdict"] for hop in everyone["data"]["hops"]] == ["ok"] * 3


async def test_processes_at_once_lose_nothing(program: Program):
    await program("init")
    names = [f"team{n}" for n in range(5)]
    runs = [program("model", "preset", name, f"openai/gpt-{name}") for name in names]
    assert [code for code, _, _ in await asyncio.gather(*runs)] == [0] * 5
    models = json.loads(program.config.read_bytes())["agents"]["defaults"]["models"]
    assert {m.get("alias") for m in models.values()} >= set(names)
    history = (await program.data("model", "history", "100"))["data"]["changes"]
    assert len(history) == 5
    assert [c["revision"] for c in history[1:]] == [
        c["revision"] for c in history if c is not history[0]
    ]


async def test_a_timed_switch_goes_back_though_the_service_restarts(program: Program):
    await program("init")
    await program("model", "cheap", "for", "3s")
    service = await program.start("bot")
    try:
        for _ in range(600):
            if program.primary == "anthropic/claude-opus-4-5":
                break
            await asyncio.sleep(0.1)
        assert program.primary == "anthropic/claude-opus-4-5"
    finally:
        service.send_signal(signal.SIGTERM)
        _, err = await service.communicate()
    assert service.returncode == 0
    assert "Traceback" not in err.decode()
    changes = (await program.data("model", "history"))["data"]["changes"]
    assert (changes[0]["surface"], changes[0]["reverts"]) == ("service", changes[1]["id"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("modle", "status"), 2),
        (("model", "use"), 2),
        (("fallback", "test", "--josn"), 2),
        (("model", "status", "--config", "/nowhere/moltbot.json"), 4),
        (("--env-file", "/nowhere/.env", "model", "status"), 4),
        (("model", "undo"), 1),
        (("version",), 0),
    ],
)
async def test_exit_codes(program: Program, arguments: tuple[str, ...], code: int):
    program.config.write_text("{}")
    got, _out, err = await program(*arguments)
    assert got == code
    assert "Traceback" not in err


async def test_switch_model_sh_works_as_it_always_did(tmp_path: Path):
    config = tmp_path / "moltbot.json"
    config.write_text('{"agents": {"defaults": {"model": {"primary": "a/b"}}}} // mine\n')
    env = os.environ | {
        "CHANGEOVER_CONFIG": str(config),
        "DATABASE_URL": f"sqlite:///{tmp_path}/c.db",
        "DEEPSEEK_API_KEY": "k",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / "switch-model.sh", *words],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    done = await asyncio.to_thread(run, "cheap")
    assert done.returncode == 0, done.stderr
    assert '"primary": "deepseek/deepseek-flash"' in config.read_text()
    assert config.read_text().endswith("// mine\n")
    assert (await asyncio.to_thread(run, "fallback")).returncode == 0
    assert "ollama/llama3.3" in config.read_text()
    assert "deepseek/deepseek-flash" in (await asyncio.to_thread(run, "status")).stdout
    assert (await asyncio.to_thread(run, "nonsense")).returncode == 2
    with sqlite3.connect(tmp_path / "c.db") as connection:
        surfaces = connection.execute("select distinct surface from changes").fetchall()
    connection.close()
    assert surfaces == [("script",)]


async def test_the_headless_demo(tmp_path: Path):
    program = Program(tmp_path)
    code, out, err = await program(
        "demo", "--say", "/model status", "--say", "/model cheap", "--say", "/model undo"
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "simulated" in out.splitlines()[0]
    assert "> /model cheap" in out
    assert os.listdir(tmp_path) == []


async def test_a_manifest_for_an_address_that_slack_cannot_call_is_refused(program: Program):
    for wrong in ("ftp://x", "bot.example.com", "https://", "https://x:99999"):
        code, out, err = await program("slack-manifest", "--http", wrong)
        assert (code, out) == (2, "")
        assert "--http https://" in err
