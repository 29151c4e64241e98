"""The image built and run by a real container tool, by the commands of docs/deploy.md.

    python -m tests.soak.container [--tool podman] [--compose podman-compose]

The checkout is copied, so that nothing is left in it. Every command of the page's section on Docker
Compose is run as written, with the tool's name for `docker`; where root runs it, the containers and
their files get another user. Then it must hold, else the exit code is 1: gateway and bot without
capabilities, not root, on a root that nobody can write; the healthchecks of gateway and database
pass, the gateway's fails where nothing listens; a dump can be restored; SIGTERM ends them with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
NOT_ROOT = "10001:10001"
# What an attacker in the container would have: the last four must fail.
_INSIDE = """
id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr -s '\\t ' ' '
for at in /app/x /data/x /usr/x /opt/venv/x; do touch $at 2>/dev/null && echo "wrote $at"; done
touch /config/x /tmp/x && rm /config/x && echo done
"""


class Walk:
    """One walk through the page, in a copy of the checkout."""

    def __init__(self, folder: Path, tool: str, compose: str) -> None:
        self._folder, self._tool, self._compose = folder, tool, compose
        self.faults: list[str] = []

    def run(self, command: str, *, may_fail: bool = False) -> str:
        """Run a command of the page and return what it printed."""
        here = re.sub(r"\bdocker compose\b(?= )", self._compose, command)
        here = re.sub(r"(?<![\w.])docker(?= )", self._tool, here)
        print(f"$ {here}", flush=True)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", here],
            cwd=self._folder,
            capture_output=True,
            check=False,
        )
        out = done.stdout.decode(errors="replace")
        if done.returncode and not may_fail:
            self.faults.append(f"{here}: {done.returncode}: {(out + done.stderr.decode())[-600:]}")
        return out

    def container(self, service: str) -> str:
        """Return a service's container by the label that every compose tool gives it."""
        label = f"label=com.docker.compose.service={service}"
        place = f"label=com.docker.compose.project.working_dir={self._folder}"
        return self.run(f"docker ps --all --quiet --filter {label} --filter {place}").strip()

    def healthcheck(self, name: str) -> str:
        """Return the command that the tool runs in a container to know whether it is healthy."""
        form = "docker inspect --format '{{json .Config.Healthcheck.Test}}' "
        kind, *words = json.loads(self.run(form + name))
        return shlex.join(words if kind == "CMD" else ["sh", "-c", *words])

    def until(self, what: str, command: str, words: str) -> None:
        """Wait until a command prints those words."""
        latest = time.monotonic() + PATIENCE_S
        while words not in (said := self.run(command, may_fail=True)):
            if time.monotonic() > latest:
                self.faults.append(f"{what}: {said[-600:]}")
                return
            time.sleep(2)

    def expect(self, what: str, said: str, pattern: str) -> None:
        if not re.fullmatch(pattern, said.strip()):
            self.faults.append(f"{what}: {said}")

    def go(self) -> None:
        """Walk through, look at the containers, put a dump back, stop."""
        for command in commands("Docker Compose"):
            if command.startswith("$EDITOR"):
                self.run("echo GROQ_API_KEY=gsk-of-nobody >> .env")
            elif command.startswith("curl"):
                self.until("gateway", f"{command} || true", '"object":"list"')
            else:
                # The doctor has a problem to report: nobody's key.
                self.run(command, may_fail=command.endswith("doctor"))
            if command.startswith("chmod") and not os.getuid():
                self.run(f"echo RUN_AS={NOT_ROOT} >> .env; chown -R {NOT_ROOT} .env secrets config")
        gateway, bot = self.container("gateway"), self.container("bot")
        for name in (gateway, bot):
            self.until("not up", f"docker logs {name} 2>&1", "is up on")
            inside = self.run(f"docker exec {name} sh -c {shlex.quote(_INSIDE)}")
            nothing = r"CapBnd: 0+\nCapEff: 0+\nNoNewPrivs: 1|CapEff: 0+\nCapBnd: 0+\nNoNewPrivs: 1"
            self.expect("more rights than it needs", inside, rf"[1-9][0-9]*\n(?:{nothing})\ndone")
        for name in (gateway, self.container("postgres")):
            self.run(f"docker exec {name} {self.healthcheck(name)}")
        deaf = f"docker exec --env PORT=9 {gateway} {self.healthcheck(gateway)} || echo unhealthy"
        self.expect("a healthcheck that cannot fail", self.run(deaf), "unhealthy")
        self.until("no doctor", f"docker exec {gateway} changeover doctor 2>&1", "is listening on")
        self.run(f"docker exec {gateway} changeover model cheap reason before")
        for command in commands("Back up and restore", "docker compose"):
            self.run(command)
        self.until("not up again", f"docker logs {gateway} 2>&1", "is up on")
        history = self.run(f"docker exec {gateway} changeover model history")
        if "before" not in history:
            self.faults.append(f"not restored: {history}")
        for name in (gateway, bot):
            self.run(f"docker stop --time 20 {name}")
            code = self.run(f"docker inspect --format '{{{{.State.ExitCode}}}}' {name}")
            self.expect("exit code", code, "0")


def commands(title: str, mark: str = "") -> list[str]:
    """Return the shell commands of a section of the page that have the mark in them."""
    page = (ROOT / "docs/deploy.md").read_text()
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines()
    lines = [line.partition("  #")[0].rstrip() for line in found if not line.startswith("#")]
    return [line for line in lines if line and mark in line]


def main() -> None:
    """Copy, walk, clear away, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    at_hand = next((tool for tool in ("docker", "podman") if shutil.which(tool)), "docker")
    parser.add_argument("--tool", default=at_hand)
    parser.add_argument("--compose", help="instead of TOOL compose: podman-compose")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        for file in ("Dockerfile", "compose.yaml", ".dockerignore"):
            shutil.copy(ROOT / file, folder)
        walk = Walk(folder, options.tool, options.compose or f"{options.tool} compose")
        try:
            walk.go()
        finally:
            walk.run("docker compose down --volumes", may_fail=True)
    for fault in walk.faults:
        print(f"WRONG: {fault}")
    print("All of it holds." if not walk.faults else f"{len(walk.faults)} of it do not hold.")
    raise SystemExit(bool(walk.faults))


if __name__ == "__main__":
    os.umask(0o022)
    main()
