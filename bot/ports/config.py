"""The config document and where it lives."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

Json = Any
"""A parsed JSON value: dict, list, str, int, float, bool or None."""


def revision_of(raw: bytes) -> str:
    """Name a config's bytes: the sha256 in hex, as OpenClaw's `config.get` does."""
    return hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """The config as it was read once: its bytes, their revision, and the files it includes.

    `included` maps each file that an `$include` draws in, named from the config's folder, to its
    bytes, or to why it cannot be read. `env` and `profiles` are OpenClaw's own `.env` and auth
    profiles beside the file.
    """

    raw: bytes
    revision: str
    included: Mapping[str, bytes | str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    profiles: bytes = field(default=b"", repr=False)

    @property
    def fingerprint(self) -> str:
        """Name the config and what it includes: the revision where it is one file alone."""
        if not self.included:
            return self.revision
        return revision_of(repr((self.revision, sorted(self.included.items()))).encode())

    def bytes_of(self, file: str) -> bytes:
        """Return the bytes of an included file that could be read, or of the config itself ("")."""
        found = self.included[file] if file else self.raw
        assert isinstance(found, bytes)
        return found

    def having(self, file: str, raw: bytes) -> Document:
        """Return the document with other bytes in one of its files."""
        if file:
            return replace(self, included={**self.included, file: raw})
        return replace(self, raw=raw, revision=revision_of(raw))

    @property
    def state(self) -> str:
        """Name all that was read, OpenClaw's keys too."""
        if not (self.env or self.profiles):
            return self.fingerprint
        keys = (self.fingerprint, sorted(self.env.items()), self.profiles)
        return revision_of(repr(keys).encode())

    @classmethod
    def of(cls, raw: bytes) -> Document:
        """Wrap bytes that include nothing."""
        return cls(raw, revision_of(raw))


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """A version of the config that can still be had: the present one, or an older one."""

    at: datetime
    revision: str
    raw: bytes = field(repr=False)


class ConfigSession(Protocol):
    """The config while nobody else of ours may write it."""

    async def read(self) -> Document:
        """Read it afresh. Raises ConfigMissingError, ConfigUnreadableError."""
        ...

    async def write(
        self, raw: bytes, *, expected_revision: str, into: str | None = None
    ) -> Document:
        """Replace the bytes at once and whole, keeping a backup, and return what is now read.

        `into` names an included file, whose own revision is then the expected one.

        Raises:
            ConfigConflictError: the present revision is not the expected one; nothing written.
            ConfigUneditableError: the included file is not ours to write.
            ConfigWriteError: the store refused; the file is as it was.
        """
        ...


class ConfigStore(Protocol):
    """Where the config document lives: a file that other programs also write, or a database."""

    @property
    def location(self) -> str:
        """The resolved place, which also names the document in the journal."""
        ...

    async def read(self) -> Document:
        """Read without a lock. Raises ConfigMissingError, ConfigUnreadableError."""
        ...

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the versions there are, the present one first. Raises as `read` does."""
        ...

    async def create(self, raw: bytes) -> Document:
        """Write a first document; never over anything. Raises ConfigWriteError."""
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does; it guards nothing.

        Entering raises as that of `exclusive`.
        """
        ...

    def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock. Entering raises ConfigLockedError when it stays taken.

        `ready` are the bytes that will be written, so that they can be put on the disk before.
        """
        ...

    def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its state has changed, until cancelled.

        `since` is the one that the caller has; without it, what stands when the watch begins.
        """
        ...
