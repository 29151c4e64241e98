"""pip and uv, as set-up uses them: where they fetch from, what they said, what it means.

Standard library only: setup_venv.py runs this before anything is installed.
"""

import ast
import os
import re
import select
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

QUOTED_LINES = 30

# Where to fetch from is the user's business: these settings of pip hold for pip and for uv.
# What to install, and where to, is ours: no other setting of theirs holds.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY HTTP_PROXY HTTPS_PROXY http_proxy https_proxy",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
    "no-cache-dir": "UV_NO_CACHE",
    **dict.fromkeys(("no-index", "cache-dir", "keyring-provider", "use-feature"), ""),
}
UV_DROPPED = {"UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE", "UV_EXCLUDE_NEWER", "UV_SYSTEM_PYTHON"}

# What an installer or the system says → the cause and the next step.
HASH, DISK, FOLDER, NETWORK, INDEX, OTHER = CAUSES = (
    (
        "DO NOT MATCH THE HASHES|hash mismatch",
        "a downloaded package does not match its hash in the lock",
        "check which package index is in use (python3 -m pip config list)",
    ),
    ("no space left on device|quota exceeded", "the disk is full", "free 1 GB"),
    (
        "permission denied|read-only file system|operation not permitted",
        "a folder cannot be written",
        "make it writable, or clone into another one",
    ),
    (
        "name resolution|name or service not known|nodename nor servname|getaddrinfo failed"
        "|NewConnectionError|NameResolutionError|connection (refused|reset|aborted|broken)"
        "|timed out|network is unreachable|no route to host|ProxyError|SSLError|certificate"
        "|max retries exceeded|error sending request|dns error",
        "the package index could not be reached",
        "check the network and the proxy (HTTPS_PROXY), or name a mirror (PIP_INDEX_URL)",
    ),
    (
        "no matching distribution|could not find a version|no version of|not found in|no wheels",
        "the package index in use has no fitting file of some package of the lock",
        "name another index (PIP_INDEX_URL) or another Python (PYTHON=/path/to/python3.12)",
    ),
    ("", "the installer failed", "fix what it names"),
)


class CannotSetUp(Exception):
    """Why there is no `.venv`: what the installer said."""


class Progress:
    """The step under way: on a terminal one line that is rewritten, elsewhere a line a step."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.step = ""

    def say(self, text: str, end: str = "\n") -> None:
        """On stderr: stdout belongs to the program that starts afterwards."""
        print(("\r\x1b[K" if self.live else "") + text, end=end, file=sys.stderr, flush=True)

    def begin(self, step: str) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        self.step = f"Setting up .venv with Python {version}: {step}"
        if not self.live:
            self.say(f"{self.step} …")

    def tick(self) -> None:
        if self.live and self.step:
            line = f"{self.step} … {time.monotonic() - self.began:.0f} s"
            self.say(line[: shutil.get_terminal_size().columns - 1], end="")


progress = Progress()


class Installer:
    """Runs pip and uv on one `.venv`; each child also holds the folder's lock."""

    def __init__(self, venv: Path, lock_fd: int) -> None:
        self.lock_fd = lock_fd
        self.python, self.uv = str(venv / "bin/python"), venv / "bin/uv"
        # pip's own way, since 22.3, to work on an environment that it is not installed in.
        pip = find_spec("pip")
        runner = Path((pip and pip.origin) or "pip").with_name("__pip-runner__.py")
        self.has_runner = runner.exists()
        self.pip = [self.python, "-I", *([str(runner)] if self.has_runner else ["-m", "pip"])]

    def run(self, command: list[str], env: dict[str, str] | None = None) -> tuple[bool, str]:
        """Whether a command succeeded, and what it printed."""
        said, pipe, pass_fds = b"", subprocess.PIPE, (self.lock_fd,)
        try:
            process = subprocess.Popen(
                command, stdin=-3, stdout=pipe, stderr=-2, env=env, pass_fds=pass_fds
            )
        except OSError as error:  # a uv that this platform cannot run
            return False, str(error)
        with process:
            assert process.stdout is not None
            try:
                while True:
                    progress.tick()
                    if select.select([process.stdout], [], [], 0.2)[0]:
                        if not (part := os.read(process.stdout.fileno(), 65536)):
                            break
                        said += part
            except BaseException:
                process.kill()
                raise
        return process.returncode == 0, said.decode(errors="replace")

    def create(self, base: str, venv: Path) -> None:
        """An empty `.venv` of a Python, without pip unless pip has to work inside it."""
        bare = ["--without-pip"] if self.has_runner else []
        made, said = self.run([base, "-I", "-m", "venv", *bare, str(venv)])
        if not made:
            raise CannotSetUp(said)

    def install(self, lock: Path, uv_lock: Path) -> None:
        """Fetches uv by pip and installs a lock by uv, or by pip where uv cannot."""
        settings = fetch_settings(self.run([*self.pip, "config", "list"])[1])
        if not self.uv.exists():
            progress.begin("fetching uv")
            _, said = self.pip_install(uv_lock, settings, "--only-binary=:all:")
            if says(said, HASH, DISK, NETWORK):
                raise CannotSetUp(said)
        count = len(re.findall("^[^#].*==", lock.read_text(), re.MULTILINE))
        done, said = False, ""
        if self.uv.exists():
            progress.begin(f"installing {count} packages")
            done, said = self.uv_install(lock, settings)
        if not done and not says(said, HASH, DISK):
            progress.begin(f"installing {count} packages by pip, about a minute")
            done, said = self.pip_install(lock, settings)
        if not done:
            raise CannotSetUp(said)

    def pip_install(self, lock: Path, settings: dict[str, str], *more: str) -> tuple[bool, str]:
        """Installs a lock by pip, without resolving: it is complete."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        env |= {f"PIP_{key.upper().replace('-', '_')}": text for key, text in settings.items()}
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        options = ["--require-hashes", "--no-deps", "--no-input", "--progress-bar=off"]
        return self.run([*self.pip, "install", *options, *more, "-r", str(lock)], env)

    def uv_install(self, lock: Path, settings: dict[str, str]) -> tuple[bool, str]:
        """Installs a lock by uv, from where pip would fetch."""
        env = {name: value for name, value in os.environ.items() if name not in UV_DROPPED}
        own = {name for name, value in env.items() if name.startswith("UV_") and value}
        for key, value in settings.items():
            text = value.replace(" ", ",") if key == "find-links" else value
            env |= {name: text for name in UV_NAMES[key].split() if name not in own}
        # As pip does: the system's certificates, and the best file of all indexes (hashes decide).
        env |= {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
        home = env.get("XDG_CACHE_HOME") or "~/.cache"
        try:
            cache = Path(env.get("UV_CACHE_DIR") or f"{home}/uv").expanduser()
            cache.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # no home, or one that is not ours
            env["UV_NO_CACHE"] = "1"
        # From / : not with the settings of a project that this folder may lie in.
        options = ["--require-hashes", "--no-deps", "--no-progress", "--directory=/"]
        options += ["--no-index"] * ("no-index" in settings)
        uv = [str(self.uv), "--color=never", "pip", "install"]
        return self.run([*uv, *options, "--python", self.python, "-r", str(lock)], env)


def fetch_settings(listed: str) -> dict[str, str]:
    """Where pip would fetch from, by what `pip config list` printed."""
    settings = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            name, _, value = line.removeprefix(section).partition("=")
            if line.startswith(section) and name in UV_NAMES and value[:1] in {"'", '"'}:
                settings[name] = " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in settings.items() if value}


def failure(said: str) -> str:
    """The cause, what the installer said that matters, and the next step."""
    cause, step = next(c[1:] for c in CAUSES if says(said, c))
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    quoted = [line for line in lines if line.startswith("WARNING: Retrying")][:1]
    lines = [line for line in lines if not line.startswith(("WARNING:", "[notice]"))]
    starts = (i for i, line in enumerate(lines) if re.match(r"ERROR:|error:|\s*[×x] ", line))
    quoted += lines[next(starts, 0) :][-QUOTED_LINES:]
    again = f"Next: {step}, then run the same command again."
    return "\n".join([f"Cannot set up .venv: {cause}.", *(f"  | {line}" for line in quoted), again])


def says(said: str, *causes: tuple[str, str, str]) -> bool:
    """Whether what an installer said has one of these causes."""
    return any(re.search(pattern, said, re.IGNORECASE) for pattern, _, _ in causes)
