"""Attaches to a running Moltbot or OpenClaw: its fallbacks and its usage become ours.

Reading happens in a thread, a slice at a time. What was read counts as read only after the sinks
have taken it, so that a crash or a database that is away loses nothing; what is told twice counts
once, because attempts and events are named by the messages they come from.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from adapters.openclaw.batch import Batch
from adapters.openclaw.find import Attachable, gather, release_at
from adapters.openclaw.health import HEALTH_KEY, Health, summary_of
from adapters.openclaw.jsonl import Sessions, shard_names
from adapters.openclaw.sqlite import Databases
from adapters.openclaw.tail import LogTail, Slice
from bot.config.include import resolve_includes
from bot.config.schema import OWN_PROVIDER
from bot.errors import ChangeoverError, StorageError
from bot.openclaw.fallback_tracker import HISTORY, FallbackTracker
from bot.openclaw.log_lines import (
    Broken,
    Decision,
    LogLine,
    UnknownModel,
    read_line,
)
from bot.openclaw.place import Place, Release, decide
from bot.ports import Attempt, Clock, ConfigStore, FallbackEvent, Json

_log = logging.getLogger("openclaw")
BACKLOG = timedelta(days=7)
RECENT = timedelta(minutes=10)
POLL_S = 1.0
LOOK_AGAIN_S = 30.0
_BREATH_S = 0.01

Attempts = Callable[[Sequence[Attempt]], Awaitable[None]]
Events = Callable[[Sequence[FallbackEvent]], Awaitable[None]]
Pricer = Callable[[Attempt], Attempt]
Unknown = Callable[[str], Awaitable[None]]


async def _ignore(model: str) -> None:
    """Do nothing about a model that OpenClaw does not know."""


class Memory(Protocol):
    """Text by key, kept over a restart. Both raise StorageError."""

    async def get(self, key: str) -> str | None:
        """Return what was put last."""
        ...

    async def put(self, key: str, value: str) -> None:
        """Remember a text in the place of the last one."""
        ...


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where what was read goes.

    `attempts` and `events` are `Ledger.add` and `FallbackLog.add_events`: both may be given
    again what they have. `price` puts a cost on an attempt, in a thread. `unknown` is told of a
    model that the config names and OpenClaw has just said it does not know.
    """

    attempts: Attempts
    events: Events
    memory: Memory
    price: Pricer = lambda attempt: attempt
    unknown: Unknown = _ignore


class OpenClawWatcher:
    """Follows the log and the transcripts until stopped."""

    def __init__(
        self,
        settings: Attachable,
        store: ConfigStore,
        sinks: Sinks,
        clock: Clock,
        *,
        own_providers: frozenset[str] = frozenset({OWN_PROVIDER}),
        home: Path | None = None,
        temporary: Sequence[Path] | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self._settings = settings
        self._store = store
        self._sinks = sinks
        self._memory = sinks.memory
        self._clock = clock
        self._own = own_providers
        self._home = home
        self._temporary = temporary
        self._poll_s = poll_s
        self._runs = FallbackTracker()
        self._health = Health()
        self._log: LogTail | None = None
        self._sessions: Sessions | None = None
        self._databases: Databases | None = None
        self._task: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._came_at = clock.now()
        self._name = ""

    async def start(self) -> None:
        """Begin; never refuses: what cannot be read is told by `health`."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="openclaw")

    async def stop(self) -> None:
        """End; what was not taken yet is read again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def health(self) -> Health:
        """Return what was found and done so far."""
        return self._health

    async def step(self) -> bool:
        """Find, read and hand over once; True when there is more to read at once.

        Raises:
            StorageError: a sink or the memory is away; what was read is read again.
        """
        now = self._clock.now()
        loop_time = asyncio.get_running_loop().time()
        if loop_time - self._looked_at >= LOOK_AGAIN_S:
            await self._look(now)
            await self._memory.put(HEALTH_KEY, summary_of(self._health, now))
            self._looked_at = loop_time
        self._health = replace(self._health, troubles={})
        busy = await self._step_log(now)
        # The log first: it says which of the runs in the transcripts were fallbacks.
        if self._sessions is not None:
            busy |= await self._step_transcripts(self._sessions, "sessions", now)
        if self._databases is not None:
            busy |= await self._step_transcripts(self._databases, "sqlite", now)
            self._health = replace(self._health, locked=self._databases.locked)
        return busy

    async def _run(self) -> None:
        told = ""
        while True:
            busy = False
            try:
                busy = await self.step()
                told = ""
            except StorageError as error:
                if error.message != told:
                    _log.warning("%s Reading from OpenClaw waits until then.", error.message)
                    told = error.message
            except ChangeoverError as error:
                _log.warning("%s %s", error.message, error.hint)
            except Exception:  # noqa: BLE001
                # One file that surprises us must not end the watch over all the others.
                _log.exception("reading OpenClaw's files failed; retrying")
            await asyncio.sleep(_BREATH_S if busy else self._poll_s)

    async def _look(self, now: datetime) -> None:
        """Find the place again: after an upgrade it may be another."""
        config = await self._config()
        facts = await asyncio.to_thread(
            gather,
            self._settings,
            self._store.location,
            config,
            home=self._home,
            temporary=self._temporary,
        )
        place = decide(facts)
        state = Path(place.state) if place.state else None
        release = await asyncio.to_thread(release_at, facts.version, state)
        self._health = replace(self._health, release=release, version=facts.version)
        # One seen in the log decides as well, whatever release it is.
        self._runs.decides |= release is Release.NEW and bool(place.logs)
        if place == self._health.place:
            return
        self._health = replace(self._health, place=place)
        await self._attach(place, state, now)
        if place.attached:
            _log.info("attached: state %s (%s), log %s (%s)", place.state, place.state_why,
                      ", ".join(map(str, place.logs)) or "none", place.logs_why)  # fmt: skip

    async def _attach(self, place: Place, state: Path | None, now: datetime) -> None:
        # Machines that share a database may have the same paths.
        words = "\n".join(map(str, (platform.node(), place.state, *place.logs)))
        self._name = hashlib.blake2b(words.encode(), digest_size=6).hexdigest()
        self._log = self._sessions = self._databases = None
        if not place.attached:
            return
        since = await self._since(now)
        self._came_at = since + BACKLOG
        if place.logs:
            kept = await self._memory.get(self._key("log"))
            logs = [Path(path) for path in place.logs]
            self._log = LogTail(logs, kept, not_before=since.timestamp())
        if state is None:
            return
        shards = {
            name: await self._memory.get(self._key("sessions", name)) for name in shard_names()
        }
        self._sessions = Sessions(state, since, {k: v for k, v in shards.items() if v}, self._runs)
        agents = await asyncio.to_thread(_agent_names, state)
        cursors = {name: await self._memory.get(self._key("sqlite", name)) for name in agents}
        kept_cursors = {k: v for k, v in cursors.items() if v}
        self._databases = Databases(state, since, kept_cursors, self._runs)

    async def _since(self, now: datetime) -> datetime:
        """Return the time before which nothing counts: a week before we first came."""
        key = self._key("since")
        kept = await self._memory.get(key)
        if kept:
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(kept)
        since = now - BACKLOG
        await self._memory.put(key, since.isoformat())
        return since

    async def _config(self) -> Json:
        try:
            return resolve_includes(await self._store.read())
        except ChangeoverError:
            # A config that cannot be read is told elsewhere; the log may still be followed.
            return {}

    async def _step_log(self, now: datetime) -> bool:
        log = self._log
        if log is None:
            return False
        part = await asyncio.to_thread(log.read)
        unknown: list[str] = []
        events, skipped = self._understand(part, now, unknown)
        if events:
            await self._sinks.events(self._dated(events))
        for model in dict.fromkeys(unknown):
            await self._sinks.unknown(model)
        if log.accept(part):
            await self._memory.put(self._key("log"), log.state())
        health = self._health
        self._health = replace(
            health,
            events=health.events + len(events),
            read_bytes=health.read_bytes + part.read_bytes,
            lines_skipped=health.lines_skipped + skipped + part.too_long,
            rewritten=health.rewritten + part.truncated,
            troubles=health.troubles | part.troubles,
        )
        return part.more

    def _dated(self, events: Sequence[FallbackEvent]) -> list[FallbackEvent]:
        """Mark as history what is older than our coming."""
        oldest = self._came_at - RECENT
        return [replace(one, source=HISTORY) if one.at < oldest else one for one in events]

    def _understand(
        self, part: Slice, now: datetime, unknown: list[str]
    ) -> tuple[list[FallbackEvent], int]:
        events, skipped, oldest = [], 0, now - BACKLOG
        for raw in part.lines:
            line = read_line(raw)
            if isinstance(line, Decision | LogLine):
                event = self._runs.feed(line, now)
                if event is not None and event.at >= oldest:
                    events.append(event)
            elif isinstance(line, UnknownModel):
                unknown += [line.model] if (line.at or now) >= now - RECENT else []
            elif isinstance(line, Broken):
                skipped += 1
        return events, skipped

    async def _step_transcripts(
        self, reader: Sessions | Databases, kind: str, now: datetime
    ) -> bool:
        batch = await asyncio.to_thread(reader.read, now)
        attempts = [one for one in batch.attempts if one.provider not in self._own]
        try:
            if attempts:
                priced = await asyncio.to_thread(
                    lambda: [self._sinks.price(one) for one in attempts]
                )
                await self._sinks.attempts(priced)
            if batch.events:
                await self._sinks.events(self._dated(batch.events))
            for name, text in reader.accept(batch).items():
                await self._memory.put(self._key(kind, name), text)
        except BaseException:
            reader.reject(batch)
            raise
        self._count(reader, batch, len(attempts))
        return batch.more

    def _count(self, reader: Sessions | Databases, batch: Batch, attempts: int) -> None:
        health = self._health
        jsonl = isinstance(reader, Sessions)
        self._health = replace(
            health,
            attempts=health.attempts + attempts,
            served_by_us=health.served_by_us + len(batch.attempts) - attempts,
            events=health.events + len(batch.events),
            read_bytes=health.read_bytes + batch.read_bytes,
            lines_skipped=health.lines_skipped + batch.skipped,
            rewritten=health.rewritten + batch.rewritten,
            troubles=health.troubles | batch.troubles,
            transcripts=reader.files if jsonl else health.transcripts,
            databases=health.databases if jsonl else reader.files,
        )

    def _key(self, *parts: str) -> str:
        return ".".join(("openclaw", self._name, *parts))


def _agent_names(state: Path) -> list[str]:
    try:
        return [path.name for path in (state / "agents").iterdir() if path.is_dir()]
    except OSError:
        return []
