"""The config document as a file that other programs read and write too."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from datetime import UTC, datetime
from pathlib import Path

from adapters.storage.files.backup import KEPT, backup_path
from adapters.storage.files.filesystem import FileSystem, explain, quoted, read_regular, sync_folder
from adapters.storage.files.in_place import read_settled, recover
from adapters.storage.files.included import path_to_write, read_included
from adapters.storage.files.lock import finish, writers_lock, writers_turn
from adapters.storage.files.openclaw_keys import key_files, read_keys
from adapters.storage.files.watch import watch_file
from adapters.storage.files.write import (
    MOST_BYTES,
    Prepared,
    changed,
    create_file,
    discard,
    overwrite,
    prepare,
    put,
    refused,
)
from bot.errors import ConfigMissingError, ConfigUnreadableError
from bot.ports import ConfigSession, Document, KeptRevision, revision_of
from bot.spans import Command, text


class FileConfigStore:
    """A config file: read freely, written under a lock, at once and whole, with backups.

    Symbolic links are followed at every use, so that the link itself stays.
    """

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_s: float = 15.0,
        poll_s: float = 5.0,
        fs: FileSystem | None = None,
        state: Path | None = None,
    ) -> None:
        self._state = str(state) if state else None
        self._beside: tuple[str, ...] = ()
        self._path = os.path.abspath(path)
        self._location = os.path.realpath(self._path)
        self._lock_timeout_s = lock_timeout_s
        self._poll_s = poll_s
        self._fs = fs or FileSystem()

    @property
    def location(self) -> str:
        """The file's own absolute path, behind all links."""
        return self._location

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        return self._read()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        target = self._target()
        return writers_turn(target, timeout_s=self._lock_timeout_s, fs=self._fs)

    def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock; what takes long of writing `ready` is done before.

        Entering raises ConfigLockedError when it stays taken, ConfigMissingError when there is no
        file to lock, ConfigWriteError when its folder takes no lock file.
        """
        return self._exclusive(ready, into)

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the file and its backups, the newest first."""
        target = self._target()
        found = [_kept(target, self._read().raw)]
        for number in range(1, KEPT + 1):
            with suppress(OSError, ValueError):
                path = backup_path(target, number)
                found.append(_kept(path, read_regular(path, MOST_BYTES)))
        return found

    async def create(self, raw: bytes) -> Document:
        """Write a first, private file; never over anything. Raises ConfigWriteError."""
        target = self._target()
        await finish(asyncio.to_thread(create_file, self._fs, target, raw))
        return self._read()

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its state is another than `since`."""
        return watch_file(
            self._path, self._read, since=since, poll_s=self._poll_s, beside=lambda: self._beside
        )

    @asynccontextmanager
    async def _exclusive(self, ready: bytes, into: str | None) -> AsyncIterator[ConfigSession]:
        target = self._target(must_exist=True)
        session = _FileSession(self, target)
        try:
            if ready:
                await session.prepare(ready, into)
            async with AsyncExitStack() as locks:
                # An included file may be another config's own, or included by another as well.
                for path in dict.fromkeys([target, session.path]):
                    lock = writers_lock(path, timeout_s=self._lock_timeout_s, fs=self._fs)
                    await locks.enter_async_context(lock)
                    try:
                        recover(self._fs, path, MOST_BYTES)
                    except OSError as error:
                        raise refused(error, path) from error
                yield session
        finally:
            await session.close()

    def _read(self) -> Document:
        target = self._target()
        try:
            raw = read_settled(target, MOST_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._missing(target) from error
        except OSError as error:
            refusal = explain(error, target)
            raise ConfigUnreadableError(
                f"{target} cannot be read: {refusal.why}.",
                f"Check its permissions: ls -l {quoted(target)}",
            ) from error
        except ValueError as error:
            raise ConfigUnreadableError(
                f"{target} {error}, so it cannot be the config.",
                "Set CHANGEOVER_CONFIG to the config file.",
            ) from error
        # As OpenClaw does it: from the folder where the config is named, not where a link leads.
        folder = os.path.dirname(self._path)
        included = read_included(raw, folder, MOST_BYTES)
        paths = (os.path.join(folder, file) for file in included)
        self._beside = (*paths, *key_files(target, self._state))
        return Document(raw, revision_of(raw), included, *read_keys(target, self._state))

    def _target(self, *, must_exist: bool = False) -> str:
        target = os.path.realpath(self._path)
        if must_exist and not os.path.lexists(target):
            raise self._missing(target)
        return target

    def _included_path(self, file: str) -> str:
        folder, others = os.path.dirname(self._path), self._read().included
        return path_to_write(file, folder, self._target(), others)

    def _missing(self, target: str) -> ConfigMissingError:
        if os.path.islink(self._path):
            return ConfigMissingError(
                f"{self._path} links to {target}, which does not exist.",
                "Restore that file, or fix the link.",
            )
        return ConfigMissingError(
            f"Config file {target} does not exist.",
            text(
                "Run ",
                Command("init", program=True),
                ", or set CHANGEOVER_CONFIG to the config file.",
            ),
        )


def _kept(path: str, raw: bytes) -> KeptRevision:
    at = datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
    return KeptRevision(at, revision_of(raw), raw)


class _FileSession:
    """The config file while its lock is held, and what was prepared for it before."""

    def __init__(self, store: FileConfigStore, target: str) -> None:
        self._store = store
        self._target = target
        self._ready: Prepared | None = None
        self._into: str | None = None
        self._open = True
        self._written = False

    @property
    def path(self) -> str:
        """The file that will be written, as far as it is known."""
        return self._ready.target if self._ready else self._target

    async def prepare(self, raw: bytes, into: str | None) -> None:
        """Put the new bytes and a copy of the old ones on the disk. Raises ConfigError."""
        self._into, fs = into, self._store._fs
        path = self._target if into is None else self._store._included_path(into)

        def work() -> None:
            # Here, so that a cancelled caller can still discard it.
            self._ready = prepare(fs, path, raw)

        await finish(asyncio.to_thread(work))

    async def read(self) -> Document:
        """Read it afresh. Raises ConfigMissingError, ConfigUnreadableError."""
        return await self._store.read()

    async def write(
        self, raw: bytes, *, expected_revision: str, into: str | None = None
    ) -> Document:
        """Replace the bytes. Raises ConfigConflictError, ConfigWriteError."""
        if not self._open:
            raise RuntimeError("the lock was given back: this session is over")
        if self._store._target() != self._target:
            raise changed(self._target)
        if self._ready is None or (self._ready.raw, self._into) != (raw, into):
            await self._discard()
            await self.prepare(raw, into)
        assert self._ready is not None
        self._written = True
        # Not in a thread: while the lock is held, this waits for nothing else of the process.
        if not put(self._store._fs, self._ready, expected_revision):
            await finish(asyncio.to_thread(overwrite, self._store._fs, self._ready))
        return self._store._read()

    async def close(self) -> None:
        """Refuse further writes, and see to it that those made last."""
        self._open = False
        await self._discard()

    async def _discard(self) -> None:
        if self._ready is None:
            return
        fs, ready, self._ready = self._store._fs, self._ready, None
        discard(fs, ready)
        if self._written:
            await finish(asyncio.to_thread(sync_folder, fs, os.path.dirname(ready.target)))
        if self._written and self._into is not None:
            # Releases that watch the main file alone read all of it again then.
            with suppress(OSError):
                os.utime(self._target)
