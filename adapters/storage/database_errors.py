"""What the database refused, in plain words and without a secret."""

from __future__ import annotations

import errno
import os

from adapters.storage.url import DatabaseUrl
from bot.errors import NewerDatabaseError, StorageError
from bot.spans import Command, Phrase, text

_AGAIN = text("Run the command again; if it still fails: ", Command("doctor", program=True))
_SQLITE: dict[str, tuple[str, Phrase]] = {
    "SQLITE_NOTADB": ("is not a database", "Set DATABASE_URL to another file."),
    "SQLITE_CORRUPT": (
        "is corrupt",
        "Restore a backup, or move it away to start with an empty one.",
    ),
    "SQLITE_FULL": ("could not be written: the disk is full", "Free some disk space."),
    "SQLITE_READONLY": (
        "could not be written: it is read-only",
        "Give this user write permission.",
    ),
    "SQLITE_PERM": ("could not be used: permission denied", "Check its owner and permissions."),
    "SQLITE_AUTH": ("could not be used: permission denied", "Check its owner and permissions."),
    "SQLITE_BUSY": ("stayed locked by another process", _AGAIN),
    "SQLITE_LOCKED": ("stayed locked by another process", _AGAIN),
    "SQLITE_IOERR": ("could not be used: the disk reported an error", "Check the disk."),
    "SQLITE_TOOBIG": ("could not store a value that large", _AGAIN),
}
_POSTGRESQL: dict[str, tuple[str, Phrase]] = {
    "53100": ("has no room left on its disk", "Free some space on the database server's disk."),
    "25006": ("is read-only", "Set DATABASE_URL to a writable server."),
    "42501": ("does not let this user do that", "Grant the user its own schema in that database."),
    "40001": ("was too busy", _AGAIN),
    "40P01": ("was too busy", _AGAIN),
    "55P03": ("was too busy: another process held a lock", _AGAIN),
    "57014": ("did not answer in time", _AGAIN),
    "25P03": ("ended an idle transaction", _AGAIN),
    "53300": ("has no connections left", "Raise max_connections, or close other connections."),
}


def storage_error(error: Exception, url: DatabaseUrl) -> StorageError:
    """Turn a driver's error into one for the person."""
    return _sqlite(error, url.path) if url.path is not None else _postgresql(error, url)


def cannot_make(error: OSError, path: str) -> StorageError:
    """Explain why the database file cannot be made or opened."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return StorageError(
            f"The database {path} cannot be created: there is no folder {folder}.",
            "Create that folder, or set DATABASE_URL to another file.",
        )
    why = os.strerror(error.errno).lower() if error.errno else "unknown error"
    return StorageError(
        f"The database {path} cannot be opened: {why}.",
        "Give this user write permission for it and its folder, or set DATABASE_URL.",
    )


def newer(url: DatabaseUrl) -> NewerDatabaseError:
    """Report that a later release has been at work on this database."""
    return NewerDatabaseError(
        f"{_upper(url.label)} was created by a newer release of Changeover.",
        "Update Changeover, or set DATABASE_URL to another database.",
    )


def replaced(url: DatabaseUrl) -> StorageError:
    """Report that an older database was put in the place of the one that was opened."""
    return StorageError(
        f"{_upper(url.label)} was replaced by a database of an older release while in use.",
        "Restart Changeover to update the database.",
    )


def too_late(url: DatabaseUrl, within_s: float, *, updating: bool = False) -> StorageError:
    """Report that a call took longer than anybody waits."""
    if updating:
        return StorageError(
            f"{_upper(url.label)} is still being updated to this release.",
            "Wait until the log says so, then run the command again.",
        )
    return StorageError(f"{_upper(url.label)} did not answer within {within_s:g} s.", _AGAIN)


def _sqlite(original: Exception, path: str) -> StorageError:
    name: str = getattr(original, "sqlite_errorname", "")
    if name.startswith("SQLITE_CANTOPEN"):
        return cannot_make(_reason_not_to_open(path), path)
    for known, (what, hint) in _SQLITE.items():
        if name.startswith(known):
            return StorageError(f"The database {path} {what}.", hint)
    detail = f" ({name})" if name else ""
    return StorageError(f"The database {path} could not be used{detail}.", _AGAIN)


def _reason_not_to_open(path: str) -> OSError:
    # Never by opening it: closing it again would drop this process's locks on it.
    if os.path.isdir(path):
        return IsADirectoryError(errno.EISDIR, "")
    # It may not be opened itself, or the files beside it may not be made.
    return PermissionError(errno.EACCES, "")


def _postgresql(original: Exception, url: DatabaseUrl) -> StorageError:
    state: str | None = getattr(original, "sqlstate", None)
    if state in _POSTGRESQL:
        what, hint = _POSTGRESQL[state]
        return StorageError(f"{_upper(url.label)} {what}.", hint)
    why = _first_line(original, url)
    if type(original).__name__ in ("OperationalError", "ConnectionTimeout"):
        return StorageError(
            f"{_upper(url.label)} is unreachable{why}.",
            "Check DATABASE_URL and that the server is running.",
        )
    return StorageError(f"{_upper(url.label)} could not be used{why}.", _AGAIN)


def _first_line(original: Exception, url: DatabaseUrl) -> str:
    """Quote the driver's own first line, unless it may hold a part of the address's secret."""
    line = next(iter(str(original).splitlines()), "")
    secret = _secrets(url.text)
    if not line or any(part in line for part in secret):
        return ""
    return f" ({line[:300]})"


def _secrets(text: str) -> list[str]:
    """List the passwords that an address holds, as written and as meant."""
    from urllib.parse import unquote

    head = text.partition("://")[2]
    found = [head.rpartition("@")[0].partition(":")[2]]
    pairs = (pair.partition("=") for pair in head.partition("?")[2].split("&"))
    found += [value for name, _, value in pairs if "pass" in name.lower()]
    return [part for written in found for part in (written, unquote(written)) if part]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("/") else f"The database {text}"
