"""Makes `.venv` from the locks, whole or not at all.

Called by venv.sh as `setup_venv.py ROOT runtime|dev PYTHON`; standard library only. pip fetches the
uv of requirements-uv.lock, uv installs the rest; where uv cannot, pip installs the same lock.

`.venv/.changeover/` holds a copy of each lock that is wholly installed, written last: what a
killed run leaves is not taken for complete. The kernel's lock on `.venv.lock` keeps two runs apart
and goes with the processes that hold it, the installer among them. A `.venv` that is renewed waits
as `.venv.old` and comes back if the new one fails.
"""

import ast
import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

RUNTIME, DEV, UV = "requirements.lock", "requirements-dev.lock", "requirements-uv.lock"
NEEDED = {"runtime": {RUNTIME}, "dev": {RUNTIME, DEV}}
CANNOT_SET_UP = 4
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

# What an installer says → the cause and the next step. The first two would stop any installer.
HASH, DISK, NETWORK, BUILD, INDEX, OTHER = CAUSES = (
    (
        "DO NOT MATCH THE HASHES|hash mismatch",
        "a downloaded package does not match its hash in the lock",
        "check which package index is in use (python3 -m pip config list) and clear the cache "
        "(python3 -m pip cache purge)",
    ),
    ("no space left on device|quota exceeded", "the disk is full", "free 1 GB"),
    (
        r"name resolution|name or service not known|nodename nor servname|getaddrinfo failed"
        r"|NewConnectionError|NameResolutionError|connection (refused|reset|aborted|broken)"
        r"|timed out|network is unreachable|no route to host|ProxyError|SSLError|certificate"
        r"|max retries exceeded|error sending request|dns error",
        "the package index could not be reached",
        "check the network and the proxy (HTTPS_PROXY), or name a mirror (PIP_INDEX_URL)",
    ),
    (
        "failed to build|failed building|could not build|metadata-generation-failed",
        "a package has no ready-made file for this platform and could not be built",
        "install a C compiler and Python's headers (Debian, Ubuntu: apt-get install "
        "build-essential python3-dev), or name another Python (PYTHON=/path/to/python3.12)",
    ),
    (
        "no matching distribution|could not find a version|no version of|was not found in",
        "the package index in use does not have every package of the lock",
        "name another index (PIP_INDEX_URL) or another Python (PYTHON=/path/to/python3.12)",
    ),
    ("", "the installer failed", "fix what it names"),
)


class CannotSetUp(Exception):
    """Why there is no `.venv`, and what to do next: sentences for the person."""


class Stopped(BaseException):
    """A signal asked for the end; its first argument says which."""


class Progress:
    """The step under way: on a terminal one line that is rewritten, elsewhere a line a step."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.step = f"Setting up .venv with Python {'.'.join(map(str, sys.version_info[:3]))}"

    def say(self, text: str, end: str = "\n") -> None:
        """On stderr: stdout belongs to the program that starts afterwards."""
        print(("\r\x1b[K" if self.live else "") + text, end=end, file=sys.stderr, flush=True)

    def begin(self, step: str) -> None:
        self.step = f"{self.step.partition(': ')[0]}: {step}"
        if not self.live:
            self.say(f"{self.step} …")

    def tick(self) -> None:
        if self.live:
            seconds = f"{time.monotonic() - self.began:.0f} s"
            self.say(f"{self.step} … {seconds}"[: shutil.get_terminal_size().columns - 1], end="")


class Installer:
    """Runs pip and uv on one `.venv`; each child also holds the folder's lock."""

    def __init__(self, root: Path, base: str, progress: Progress, lock_fd: int) -> None:
        self.root, self.base, self.progress, self.lock_fd = root, base, progress, lock_fd
        self.venv = root / ".venv"
        self.python = str(self.venv / "bin/python")
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
                    self.progress.tick()
                    if select.select([process.stdout], [], [], 0.2)[0]:
                        if not (part := os.read(process.stdout.fileno(), 65536)):
                            break
                        said += part
            except BaseException:
                process.kill()
                raise
        return process.returncode == 0, said.decode(errors="replace")

    def create(self) -> None:
        """An empty `.venv`, marked as unfinished from its first moment."""
        (self.venv / ".changeover").mkdir(parents=True)
        bare = ["--without-pip"] if self.has_runner else []
        made, said = self.run([self.base, "-I", "-m", "venv", *bare, str(self.venv)])
        if not made:
            raise failure(said)

    def install(self, stamps: set[str]) -> None:
        """Installs from a copy of the lock; the copies become the stamps when all is there."""
        for name in (UV, *stamps):
            shutil.copyfile(self.root / name, self.venv / ".changeover" / f"{name}.part")
        name = DEV if DEV in stamps else RUNTIME  # which pins all that RUNTIME does
        lock = self.venv / ".changeover" / f"{name}.part"
        settings = fetch_settings(self.run([*self.pip, "config", "list"])[1])
        if not (self.venv / "bin/uv").exists():
            self.progress.begin("fetching uv")
            _, said = self.pip_install(UV, settings, "--only-binary=:all:")
            if says(said, HASH, DISK, NETWORK):
                raise failure(said)
        count = len(re.findall("^[^#].*==", lock.read_text(), re.MULTILINE))
        done, said = False, ""
        if (self.venv / "bin/uv").exists():
            self.progress.begin(f"installing {count} packages")
            done, said = self.uv_install(lock, settings)
        if not done and not says(said, HASH, DISK):
            self.progress.begin(f"installing {count} packages by pip, about a minute")
            done, said = self.pip_install(name, settings)
        if not done:
            raise failure(said)
        lock.with_name(f"{UV}.part").unlink()
        for name in stamps:
            lock.with_name(f"{name}.part").replace(lock.with_name(name))

    def pip_install(self, lock: str, settings: dict[str, str], *more: str) -> tuple[bool, str]:
        """Installs a lock by pip, without resolving: it is complete."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        env |= {f"PIP_{key.upper().replace('-', '_')}": text for key, text in settings.items()}
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        options = ["--require-hashes", "--no-deps", "--no-input", "--progress-bar=off"]
        file = str(self.venv / ".changeover" / f"{lock}.part")
        return self.run([*self.pip, "install", *options, *more, "-r", file], env)

    def uv_install(self, lock: Path, settings: dict[str, str]) -> tuple[bool, str]:
        """Installs a lock by uv, from where pip would fetch."""
        env = {name: value for name, value in os.environ.items() if name not in UV_DROPPED}
        for key, value in settings.items():
            text = value.replace(" ", ",") if key == "find-links" else value
            env |= {name: text for name in UV_NAMES[key].split() if not env.get(name)}
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
        uv = [str(self.venv / "bin/uv"), "--color=never", "pip", "install"]
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


def failure(said: str) -> CannotSetUp:
    """The cause, what the installer said that matters, and the next step."""
    cause, step = next(c[1:] for c in CAUSES if re.search(c[0], said, re.IGNORECASE))
    lines = [line.rstrip() for line in said.splitlines()]
    quoted = [line for line in lines if line.startswith("WARNING: Retrying")][:1]
    lines = [line for line in lines if line and not line.startswith(("WARNING:", "[notice]"))]
    starts = (i for i, line in enumerate(lines) if re.match(r"ERROR:|error:|\s*[×x] ", line))
    quoted += lines[next(starts, 0) :][-QUOTED_LINES:]
    again = f"Next: {step}, then run the same command again."
    return CannotSetUp(
        "\n".join([f"Cannot set up .venv: {cause}.", *(f"  | {line}" for line in quoted), again])
    )


def says(said: str, *causes: tuple[str, str, str]) -> bool:
    """Whether what an installer said has one of these causes."""
    return any(re.search(pattern, said, re.IGNORECASE) for pattern, _, _ in causes)


def installed(root: Path) -> set[str]:
    """The locks that `.venv` was completed from, and that have not changed since."""
    current = set()
    for name in (RUNTIME, DEV):
        with contextlib.suppress(OSError):
            if (root / ".venv/.changeover" / name).read_bytes() == (root / name).read_bytes():
                current.add(name)
    return current if os.access(root / ".venv/bin/python", os.X_OK) else set()


@contextlib.contextmanager
def alone(root: Path, progress: Progress) -> Iterator[int]:
    """Waits until no other process sets up this folder, and keeps others waiting."""
    fd = os.open(root / ".venv.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # A file system without locks: better unguarded than unusable.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.say("Another run is setting up .venv; waiting for it.")
                fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Removes a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_the_place(venv: Path, old: Path, progress: Progress) -> None:
    """Moves aside what is at `.venv`."""
    if (venv / ".changeover" / RUNTIME).exists():
        remove(old)
        venv.rename(old)
    elif (venv / ".changeover").is_dir():
        remove(venv)  # a run that did not finish; .venv.old, if there, is from before it
    elif os.path.lexists(venv):
        kept = venv.with_name(f".venv.kept-{time.time_ns()}")
        venv.rename(kept)
        progress.say(f"The .venv here was not made by these scripts; it is now {kept.name}.")


def set_up(root: Path, kind: str, base: str) -> None:
    """Makes the whole of `.venv`, or only adds the tools where the rest is current."""
    progress = Progress()
    venv, old = root / ".venv", root / ".venv.old"
    with alone(root, progress) as lock_fd:
        current, installer = installed(root), Installer(root, base, progress, lock_fd)
        if NEEDED[kind] <= current:
            return  # made by the run that this one waited for
        if RUNTIME in current and not (venv / ".changeover" / DEV).exists():
            installer.install({DEV})
        else:
            clear_the_place(venv, old, progress)
            try:
                installer.create()
                installer.install(NEEDED[kind])
            except BaseException:
                remove(venv)
                if os.path.lexists(old):
                    old.rename(venv)
                raise
            remove(old)
        progress.say(f"Set up .venv in {time.monotonic() - progress.began:.0f} s.")


def stop(signum: int, _frame: FrameType | None) -> None:
    """Turns the first signal into an exception, so that what was begun is cleared away."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signum)


def main(root: str, kind: str, base: str) -> int:
    """Exit codes: 0 set up, 4 cannot, 128 + N stopped by signal N."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, stop)
    try:
        set_up(Path(root), kind, base)
    except Stopped as stopped:
        Progress().say("Stopped before .venv was complete. Next: run the same command again.")
        return 128 + int(stopped.args[0])
    except CannotSetUp as reason:
        Progress().say(str(reason))
        return CANNOT_SET_UP
    except OSError as error:
        Progress().say(
            f"Cannot set up .venv in {root}: {error.strerror or error}.\n"
            "Next: make the folder writable, or clone into another one, and check that the disk "
            "has 1 GB free; then run the same command again."
        )
        return CANNOT_SET_UP
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
