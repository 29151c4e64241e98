"""Makes `.venv` from the locks, whole or not at all.

Called by venv.sh as `setup_venv.py ROOT runtime|dev PYTHON`; standard library only.

`.venv/.changeover/` holds a copy of each lock that is wholly installed. It is written last, so
that a run which dies leaves a `.venv` that nothing takes for complete: the next one starts over.
The kernel's lock on `.venv.lock` keeps two runs apart and goes with the processes that hold it,
pip among them. While a `.venv` is renewed, the old one waits as `.venv.old` and comes back if the
new one fails.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

RUNTIME = "requirements.lock"
DEV = "requirements-dev.lock"
NEEDED = {"runtime": (RUNTIME,), "dev": (RUNTIME, DEV)}

CANNOT_SET_UP = 4
# Where pip installs to is our business; where it fetches from is the user's.
PIP_VARIABLES_DROPPED = (
    "PIP_CONSTRAINT",
    "PIP_PREFIX",
    "PIP_PYTHON",
    "PIP_REQUIREMENT",
    "PIP_ROOT",
    "PIP_TARGET",
)

UNREACHED = re.compile(
    r"name resolution|Name or service not known|nodename nor servname|getaddrinfo failed"
    r"|NewConnectionError|NameResolutionError|Connection (?:refused|reset|aborted|broken)"
    r"|timed out|Network is unreachable|No route to host|ProxyError|SSLError|Max retries exceeded",
    re.IGNORECASE,
)
NOT_SERVED = re.compile(r"No matching distribution|Could not find a version", re.IGNORECASE)


class CannotSetUp(Exception):
    """Why there is no `.venv`, and what to do next: two sentences for the person."""


class Stopped(BaseException):
    """A signal asked for the end; `code` is the shell's exit code for it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.code = 128 + signum


def say(text: str) -> None:
    """One line for the person; stdout belongs to the program that is started afterwards."""
    print(text, file=sys.stderr, flush=True)


def installed(root: Path) -> set[str]:
    """The locks that `.venv` was completed from, and that have not changed since."""
    venv = root / ".venv"
    if not os.access(venv / "bin/python", os.X_OK):
        return set()
    current = set()
    for name in (RUNTIME, DEV):
        with contextlib.suppress(OSError):
            if (venv / ".changeover" / name).read_bytes() == (root / name).read_bytes():
                current.add(name)
    return current


@contextlib.contextmanager
def alone(root: Path) -> Iterator[int]:
    """Waits until no other process sets up this folder, and keeps others waiting."""
    try:
        fd = os.open(root / ".venv.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotSetUp(
            f"Cannot write in {root} ({error.strerror}), so .venv cannot be set up there. "
            "Next: make the folder writable, or work in a copy of it."
        ) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is setting up .venv; waiting for it.")
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            # A file system without locks: better unguarded than unusable.
            if error.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}:
                raise
        yield fd
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_the_place(root: Path) -> None:
    """Moves aside what stands at `.venv`."""
    venv = root / ".venv"
    if not (venv.exists() or venv.is_symlink()):
        return
    stamps = venv / ".changeover"
    if (stamps / RUNTIME).exists():
        remove(root / ".venv.old")
        venv.rename(root / ".venv.old")
    elif stamps.is_dir():
        remove(venv)  # a run that did not finish; .venv.old, if there, is from before it
    else:
        kept = root / ".venv.kept"
        number = 1
        while kept.exists() or kept.is_symlink():
            number += 1
            kept = root / f".venv.kept-{number}"
        venv.rename(kept)
        say(f"The .venv that was here was not made by these scripts; it is now {kept.name}.")


def run(command: list[str], log: Path, lock_fd: int) -> bool:
    """Runs a step with its output in `log`, the lock held by it too; False if it failed."""
    environment = {k: v for k, v in os.environ.items() if k not in PIP_VARIABLES_DROPPED}
    environment["PIP_USER"] = "0"
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            pass_fds=(lock_fd,),
            check=False,
        )
    return done.returncode == 0


def create(root: Path, python: str, log: Path, lock_fd: int) -> None:
    """An empty `.venv`, marked as unfinished from its first moment."""
    venv = root / ".venv"
    (venv / ".changeover").mkdir(parents=True)
    # Some systems ship Python without ensurepip; there, the system's own pip fills the .venv.
    options = [] if find_spec("ensurepip") else ["--without-pip"]
    if not run([python, "-I", "-m", "venv", *options, str(venv)], log, lock_fd):
        raise CannotSetUp(
            f"{python} could not make a virtual environment: {last_words(log)} "
            "Next: install its venv package (Debian, Ubuntu: apt-get install python3-venv), "
            "or name another Python: PYTHON=/path/to/python3.11"
        )


def install(root: Path, names: tuple[str, ...], python: str, log: Path, lock_fd: int) -> None:
    """Installs from copies of the locks; the copies become the stamps when all is there."""
    venv = root / ".venv"
    copies = []
    for name in names:
        copy = venv / ".changeover" / f"{name}.part"
        shutil.copyfile(root / name, copy)
        copies.append(copy)
    own = str(venv / "bin/python")
    pip = [own, "-I", "-m", "pip"] if find_spec("ensurepip") else [python, "-m", "pip"]
    if not find_spec("ensurepip"):
        pip += ["--python", own]
    options = ["--require-hashes", "--no-input", "--disable-pip-version-check"]
    options += ["--progress-bar", "off", "--no-warn-script-location"]
    files = [word for copy in copies for word in ("-r", str(copy))]
    if not run([*pip, "install", *options, *files], log, lock_fd):
        raise CannotSetUp(explain(log, names[-1]))
    for name, copy in zip(names, copies, strict=True):
        copy.replace(venv / ".changeover" / name)


def explain(log: Path, lock: str) -> str:
    """What pip's failure means, and the next step."""
    text = log.read_text(errors="replace")
    if "DO NOT MATCH THE HASHES" in text:
        return (
            f"A package that the index served does not match its hash in {lock}; it was not "
            "installed. Next: clear pip's cache (python3 -m pip cache purge), check the index in "
            "use (python3 -m pip config list), then run the same command again."
        )
    if "No space left on device" in text:
        return (
            "The disk is full, so the packages could not be installed. "
            "Next: make room (about 600 MB), then run the same command again."
        )
    if UNREACHED.search(text):
        return (
            f"The packages of {lock} could not be fetched: the package index was not reached. "
            "Next: check the network, or name a mirror with PIP_INDEX_URL, "
            "then run the same command again."
        )
    if NOT_SERVED.search(text):
        return (
            f"The package index in use lacks a package of {lock}: {last_words(log)} "
            "Next: use another index (PIP_INDEX_URL) or another Python (PYTHON), "
            "then run the same command again."
        )
    return (
        f"pip could not install the packages of {lock}: {last_words(log)} "
        f"Next: mend that (all it said is in {log.name}), then run the same command again."
    )


def last_words(log: Path) -> str:
    """The last error in the log, else its last line, as one sentence."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    words = (errors or lines or ["no reason was given"])[-1]
    return words if words.endswith(".") else words + "."


def build(root: Path, kind: str, python: str, lock_fd: int) -> None:
    """Makes the whole of `.venv`, or only adds the tools where the rest is current."""
    names = NEEDED[kind]
    log = root / ".venv.log"
    remove(log)
    began = time.monotonic()
    dev_stamp = root / ".venv/.changeover" / DEV
    if RUNTIME in installed(root) and not dev_stamp.exists():
        say(f"Adding the development tools to .venv, from {DEV}. Once, about a minute.")
        install(root, (DEV,), python, log, lock_fd)
    else:
        version = ".".join(map(str, sys.version_info[:3]))
        say(f"Setting up .venv from {names[-1]}, with Python {version}. Once, about a minute.")
        venv, old = root / ".venv", root / ".venv.old"
        clear_the_place(root)
        try:
            create(root, python, log, lock_fd)
            install(root, names, python, log, lock_fd)
        except BaseException:
            remove(venv)
            if old.exists() or old.is_symlink():
                old.rename(venv)
            raise
        remove(old)
    remove(log)
    say(f"Done in {time.monotonic() - began:.0f} s.")


def set_up(root: Path, kind: str, python: str) -> None:
    """Returns with a complete `.venv`, made by this process or by one that it waited for."""
    with alone(root) as lock_fd:
        if not set(NEEDED[kind]) <= installed(root):
            build(root, kind, python, lock_fd)


def stop(signum: int, _frame: FrameType | None) -> None:
    """Turns the first signal into an exception, so that what was begun is cleared away."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signum)


def main(arguments: list[str]) -> int:
    """Exit codes: 0 set up, 4 cannot, 128 + N stopped by signal N."""
    root, kind, python = Path(arguments[0]), arguments[1], arguments[2]
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, stop)
    try:
        set_up(root, kind, python)
    except Stopped as stopped:
        say("Stopped before .venv was complete. The next run starts over.")
        return stopped.code
    except CannotSetUp as reason:
        say(str(reason))
        return CANNOT_SET_UP
    except OSError as error:
        say(
            f"Cannot set up .venv: {error}. "
            "Next: check the folder's permissions and the disk's free space, then run this again."
        )
        return CANNOT_SET_UP
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
