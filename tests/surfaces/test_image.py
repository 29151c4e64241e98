"""The Dockerfile's own instructions, carried out in a folder, and the image's program run from it.

No container tool is needed: absolute paths are put below the folder. What would need root or a
network has a stand-in that says how it was called. `python -m tests.soak.container` builds and runs
the real thing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.surfaces.gateway.test_process import Serving, free_port
from tests.surfaces.test_hung_database import PostgresqlServer, server

__all__ = ["server"]

ROOT = Path(__file__).parents[2]
FOLDERS = ("/opt/venv", "/app", "/data", "/config", "/tmp", "/usr/local/bin")
_ABSOLUTE = re.compile(rf"(?<![\w./:])(?={'|'.join(FOLDERS)})")
SETTINGS = ("USER", "WORKDIR", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
# Those that only root can use, and the one that fetches.
STAND_INS = {
    "useradd": 'echo "useradd $*" >> "$CALLS"',
    "install": 'echo "install $*" >> "$CALLS"; while getopts do:g: _; do :; done; '
    "shift $((OPTIND - 1)); mkdir -p $*",
    "pip": 'echo "pip $*" >> "$CALLS"; for last; do :; done; cp "$last" "$CALLS.lock"',
}


@dataclass
class Stage:
    """One stage of the build: its folder, and what its instructions have set."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def below(self, words: str) -> str:
        return _ABSOLUTE.sub(str(self.folder), words)

    def command(self, name: str) -> list[str]:
        """Return an instruction's command in the form that needs no shell."""
        given: list[str] = json.loads(self.settings[name][self.settings[name].index("[") :])
        return [self.below(word) for word in given]


class Image:
    """The last stage of a Dockerfile, built below a folder from the files of a context."""

    def __init__(self, context: Path, folder: Path) -> None:
        self._context, self._folder = context, folder
        self._ignored = (context / ".dockerignore").read_text().split()
        self._stages: dict[str, Stage] = {}
        self.calls = folder / "calls"
        tools = folder / "tools"
        tools.mkdir(parents=True)
        for name in ("useradd", "install"):
            _script(tools / name, STAND_INS[name])
        self._path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        steps = {"FROM": self._from, "ENV": self._env, "RUN": self._run, "COPY": self._copy}
        for word, rest in instructions((context / "Dockerfile").read_text()):
            if word in steps:
                steps[word](rest)
            else:
                assert word in SETTINGS, f"{word}: unknown to this test"
                self.last.settings[word] = rest

    def _from(self, rest: str) -> None:
        base, _, name = rest.partition(" AS ")
        assert re.fullmatch(r"python:3\.\d+-slim", base)
        self.last = Stage(self._folder / f"stage{len(self._stages)}")
        self._stages[name or "last"] = self.last
        # What this base image has of these folders.
        for folder in ("tmp", "usr/local/bin"):
            (self.last.folder / folder).mkdir(parents=True)
        (self.last.folder / "usr/local/bin/python").symlink_to(sys.executable)

    def environ(self, stage: Stage) -> dict[str, str]:
        path = f"{stage.folder}/usr/local/bin{os.pathsep}{self._path}"
        given = {name: stage.below(value) for name, value in stage.env.items()}
        return {"PATH": path, "CALLS": str(self.calls), **given}

    def _env(self, rest: str) -> None:
        self.last.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))

    def _run(self, rest: str) -> None:
        stage = self.last
        subprocess.run(
            ["/bin/sh", "-c", stage.below(rest)],
            cwd=stage.folder,
            env=self.environ(stage),
            check=True,
        )
        pip = stage.folder / "opt/venv/bin/pip"
        if pip.exists() and not pip.read_text().startswith("#!/bin/sh"):
            _script(pip, STAND_INS["pip"])
            # What the lock would install is installed here already.
            (packages,) = stage.folder.glob("opt/venv/lib/python*/site-packages")
            (packages / "here.pth").write_text(sysconfig.get_path("purelib"))

    def _copy(self, rest: str) -> None:
        *sources, target = rest.split()
        found = Path(self.last.below(target))
        if sources[0].startswith("--from="):
            origin = self._stages[sources.pop(0).removeprefix("--from=")].folder
            (source,) = sources
            shutil.copytree(f"{origin}{source}", found, symlinks=True)
            for script in found.glob("bin/*"):
                if script.is_file() and not script.is_symlink():
                    # A copy knows its old place; in an image both are the same.
                    words = script.read_bytes()
                    script.write_bytes(words.replace(bytes(origin), bytes(self.last.folder)))
            return
        assert "*" in self._ignored
        for source in sources:
            assert f"!{source}" in self._ignored, f"{source} is not in the build's context"
            at = self._context / source
            if at.is_dir():
                leave_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(at, found, ignore=leave_out, dirs_exist_ok=True)
            else:
                into = found / source if target.endswith("/") else found
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(at, into)

    async def start(self, *command: str, cwd: str = "", **more: str) -> asyncio.subprocess.Process:
        stage = self.last
        return await asyncio.create_subprocess_exec(
            *stage.command("ENTRYPOINT"),
            *(command or stage.command("CMD")),
            cwd=cwd or stage.below(stage.settings["WORKDIR"]),
            env=self.environ(stage) | more,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def healthy(self, port: int) -> bool:
        process = await asyncio.create_subprocess_exec(
            *self.last.command("HEALTHCHECK"),
            env=self.environ(self.last) | {"PORT": str(port)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0

    def files(self) -> set[Path]:
        return {path for path in self.last.folder.rglob("*") if "__pycache__" not in path.parts}


def instructions(words: str) -> Iterator[tuple[str, str]]:
    """Yield a Dockerfile's instructions, lines that go on joined, comments left out."""
    lines = [line for line in words.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, " ".join(rest.split()) if word != "RUN" else rest


def _script(path: Path, words: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{words}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(ROOT, tmp_path_factory.mktemp("image"))


def test_what_is_built(built: Image) -> None:
    stage = built.last
    pip, useradd, install = built.calls.read_text().splitlines()
    assert {"--require-hashes", "--only-binary"} <= set(pip.split())
    assert Path(f"{built.calls}.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes()
    user = stage.settings["USER"]
    assert user != "0"
    assert f"--uid {user} " in useradd
    assert f"-o {user} -g {user} {stage.folder}/data {stage.folder}/config" in install
    assert stage.settings["EXPOSE"] == stage.env["PORT"]
    # Nothing is compiled any more where the root is read-only.
    for module in (stage.folder / "app").rglob("*.py"):
        assert list(module.parent.glob(f"__pycache__/{module.stem}.*.pyc")), module


async def test_without_a_token_it_does_not_listen_to_everybody(built: Image) -> None:
    await _init(built)
    process = await built.start(PORT=str(free_port()))
    _, err = await process.communicate()
    assert process.returncode == 4
    assert b"GATEWAY_TOKEN" in err


async def test_the_services_of_the_compose_file(built: Image, server: PostgresqlServer) -> None:
    """Init, gateway and bot on PostgreSQL, with secrets in files, on a root left as it was."""
    secrets = built.calls.parent / "secrets"
    secrets.mkdir()
    (secrets / "gateway_token").write_text("token-of-a-file\n")
    (secrets / "database_url").write_text(server.url)
    compose = (ROOT / "compose.yaml").read_text()
    files = dict(re.findall(r"^    (\w+_FILE): /run/secrets/(\w+)$", compose, re.MULTILINE))
    env = {name: str(secrets / file) for name, file in files.items()}
    await _init(built)
    before = built.files()
    port = free_port()
    assert not await built.healthy(port)
    services = [
        Serving(await built.start(command, PORT=str(port), CHANGEOVER_DRAIN_S="0", **env), port)
        for command in re.findall(r"^    command: \[(\w+)\]", compose, re.MULTILINE)
    ]
    try:
        for one in services:
            await one.until("is up on")
        assert await built.healthy(port)
        status = await built.start("model", "status", PORT=str(port), **env)
        out, err = await status.communicate()
        assert status.returncode == 0, err
        assert b"changeover " in out
        assert b"adapters.main" not in out
    finally:
        codes = [await one.end() for one in services]
    assert codes == [0, 0]
    assert built.files() == before
    assert server.rows("SELECT version_num FROM alembic_version")


async def _init(built: Image) -> None:
    """Make the config where no file can be made in the working folder, as on a read-only root."""
    config = built.last.folder / "config/moltbot.json"
    process = await built.start("init", "--config", str(config), cwd="/sys")
    out, err = await process.communicate()
    assert process.returncode == 0, err
    assert b"/sys/.env cannot be written here" in out
    assert config.exists()
