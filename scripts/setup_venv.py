"""Makes `.venv` from the locks, whole or not at all.

Called by venv.sh as `setup_venv.py ROOT runtime|dev PYTHON`; standard library only. pip fetches the
uv of requirements-uv.lock, uv installs the rest; where uv cannot, pip installs the same lock.

`.venv/.changeover/` holds a copy of each lock that is wholly installed, written last: what a
killed run leaves is not taken for complete. The kernel's lock on `.venv.lock` keeps two runs apart
and goes with the processes that hold it, the installer among them. A `.venv` that is renewed waits
as `.venv.old` and comes back if the new one fails.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scripts.installers import CannotSetUp, Installer, failure, progress

RUNTIME, DEV, UV = "requirements.lock", "requirements-dev.lock", "requirements-uv.lock"
NEEDED = {"runtime": {RUNTIME}, "dev": {RUNTIME, DEV}}
CANNOT_SET_UP = 4


def installed(root: Path) -> set[str]:
    """The locks that `.venv` was completed from, and that have not changed since."""
    current = set()
    for name in (RUNTIME, DEV):
        with contextlib.suppress(OSError):
            if (root / ".venv/.changeover" / name).read_bytes() == (root / name).read_bytes():
                current.add(name)
    return current if os.access(root / ".venv/bin/python", os.X_OK) else set()


@contextlib.contextmanager
def alone(root: Path) -> Iterator[int]:
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


def clear_the_place(venv: Path, old: Path) -> None:
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


def install(root: Path, installer: Installer, names: set[str]) -> None:
    """Installs from copies of the locks; these become the stamps when all is there."""
    copies = {name: root / ".venv/.changeover" / f"{name}.part" for name in names}
    for name, copy in copies.items():
        shutil.copyfile(root / name, copy)
    whole = copies[DEV if DEV in names else RUNTIME]  # DEV pins all that RUNTIME does
    installer.install(whole, root / UV)
    for name, copy in copies.items():
        copy.replace(copy.with_name(name))


def set_up(root: Path, kind: str, base: str) -> None:
    """Makes the whole of `.venv`, or only adds the tools where the rest is current."""
    venv, old = root / ".venv", root / ".venv.old"
    with alone(root) as lock_fd:
        current, installer = installed(root), Installer(venv, lock_fd)
        if NEEDED[kind] <= current:
            return  # made by the run that this one waited for
        if RUNTIME in current and not (venv / ".changeover" / DEV).exists():
            install(root, installer, {DEV})
        else:
            clear_the_place(venv, old)
            try:
                (venv / ".changeover").mkdir(parents=True)  # unfinished from its first moment
                installer.create(base, venv)
                install(root, installer, NEEDED[kind])
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
    progress.say("Stopped before .venv was complete. Next: run the same command again.")
    progress.step = ""
    sys.exit(128 + signum)


def main(root: str, kind: str, base: str) -> int:
    """Exit codes: 0 set up, 4 cannot, 128 + N stopped by signal N."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, stop)
    try:
        set_up(Path(root), kind, base)
    except (CannotSetUp, OSError) as error:
        progress.say(failure(str(error)))
        return CANNOT_SET_UP
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
