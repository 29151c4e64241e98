"""A config store that tells the black-out which secrets each document brings along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from bot.blackout import Blackout
from bot.config.secrets import secrets_in
from bot.ports import ConfigSession, ConfigStore, Document, KeptRevision


class LearningStore:
    """The ConfigStore port; what is read through it is known before anybody can speak of it."""

    def __init__(self, store: ConfigStore, blackout: Blackout, env: Mapping[str, str]) -> None:
        self._store = store
        self._blackout = blackout
        self._env = env
        self._state = ""

    @property
    def location(self) -> str:
        """The resolved place."""
        return self._store.location

    async def read(self) -> Document:
        """Read without a lock."""
        return self._learn(await self._store.read())

    async def kept(self) -> Sequence[KeptRevision]:
        """Return the versions there are; their secrets are known from then on."""
        found = await self._store.kept()
        for one in found:
            self._blackout.learn(*secrets_in(Document(one.raw, one.revision), self._env))
        return found

    async def create(self, raw: bytes) -> Document:
        """Write a first document."""
        return self._learn(await self._store.create(raw))

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Prepare a write while no other editor of ours does."""
        return self._store.turn()

    def exclusive(
        self, ready: bytes = b"", into: str | None = None
    ) -> AbstractAsyncContextManager[ConfigSession]:
        """Hold the writers' lock; who writes has read before, or only adds what was known."""
        return self._store.exclusive(ready, into)

    async def watch(self, since: str | None = None) -> AsyncIterator[Document]:
        """Yield the document each time its revision has changed."""
        async for document in self._store.watch(since):
            yield self._learn(document)

    def _learn(self, document: Document) -> Document:
        if document.state != self._state:
            self._blackout.learn(*secrets_in(document, self._env))
            self._state = document.state
        return document
