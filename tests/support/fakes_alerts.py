"""The alerts on fakes: a store and chats in memory, and a bench that lets hours pass."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.storage.codec import micros_of
from adapters.storage.incidents import columns_of, incident_of
from bot.access import Actor, Surface
from bot.alerts import counting
from bot.alerts.impact import Impacts
from bot.alerts.mute import QuietHours
from bot.alerts.pipeline import AlertPorts, Pipeline
from bot.alerts.policy import AlertSettings
from bot.card import Card, Person, plain
from bot.catalog import shipped
from bot.errors import ChatError, StorageError
from bot.incident import Incident
from bot.models import FailureReason, ModelRef, Usage
from bot.ports import FallbackEvent, IncidentRow, MessageRef
from bot.ports.alerts import (
    AlertConflictError,
    ChannelTrouble,
    DesiredMessage,
    GoodAnswers,
    MessageState,
    Notice,
    NoticeKind,
    QueuedEvent,
    Rerouted,
)
from tests.support.fakes_core import KEYS, FakePrices
from tests.support.fakes_storage import FakeClock, FakeConfigStore, FakeFallbackLog, FakeJournal

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OPUS = "anthropic/claude-opus-4-5"
FLASH = "deepseek/deepseek-flash"
LLAMA = "ollama/llama3.3"
CONFIG = {
    "agents": {
        "defaults": {"model": {"primary": OPUS, "fallbacks": [FLASH, LLAMA]}},
    }
}


def event(
    number: int | str,
    at: datetime = NOON,
    *,
    primary: str = OPUS,
    to: str | None = FLASH,
    reason: FailureReason = FailureReason.RATE_LIMIT,
    detail: str = "",
    asked: bool = True,
) -> FallbackEvent:
    """Make a fallback event; only what a test is about need be said."""
    return FallbackEvent(at, f"req-{number}", primary, to, reason, "gateway", detail, asked)


def apply(incident: Incident | None, one: FallbackEvent, now: datetime) -> Incident:
    """Count an event, by the first thing that it says."""
    return apply_all(incident, [one], now)


def apply_all(
    incident: Incident | None, events: Iterable[FallbackEvent], now: datetime
) -> Incident:
    """Count events, each by the first thing that it says."""
    return counting.apply_all(incident, [counting.signals_of(one)[0] for one in events], now)


BY_ANA = Actor(Surface.SLACK, "U1", "Ana")
BY_BO = Actor(Surface.SLACK, "U2", "Bo")


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer as the ledger has it."""

    at: datetime
    model: str
    request_id: str = ""
    tokens: int = 0
    cost_nano_usd: int | None = None
    cached_tokens: int = 0


class FakeAlertStore:
    """An AlertStore in memory; `log` holds its events, and lists its incidents."""

    def __init__(self, log: FakeFallbackLog | None = None) -> None:
        self.log = log or FakeFallbackLog()
        self.fail: StorageError | None = None
        self.answers: list[Answer] = []
        self.commits = 0
        self._taken: set[int] = set()
        self._incidents: dict[int, dict[str, Any]] = {}
        self._posts: dict[tuple[str, str], MessageState] = {}
        self._notices: dict[str, Notice] = {}
        self._troubles: dict[str, ChannelTrouble] = {}
        self._memory: dict[str, str] = {}

    async def queued(self, limit: int) -> Sequence[QueuedEvent]:
        self._check()
        rows = enumerate(self.log._events, 1)
        return [QueuedEvent(i, e) for i, e in rows if i not in self._taken][:limit]

    async def incidents(self, since: datetime) -> Sequence[Incident]:
        self._check()
        known = (incident_of(row) for row in self._incidents.values())
        return [i for i in known if i.resolved_at is None or i.resolved_at >= since]

    async def incident(self, incident_id: int) -> Incident | None:
        self._check()
        row = self._incidents.get(incident_id)
        return None if row is None else incident_of(row)

    async def commit(
        self,
        taken: Sequence[int],
        incidents: Sequence[Incident],
        wants: Sequence[DesiredMessage],
        at: datetime,
    ) -> None:
        self._check()
        stale = any(
            one.id and self._incidents[one.id]["revision"] != one.revision for one in incidents
        )
        if stale or self._taken & set(taken):
            raise AlertConflictError("Another process changed the same alerts meanwhile.")
        self.commits += 1
        self._taken |= set(taken)
        for one in incidents:
            self._save(one)
        for want in wants:
            self._want(want, at)
        self._list()

    def _save(self, incident: Incident) -> None:
        number = incident.id or max(self._incidents, default=0) + 1
        who = dict.fromkeys(("acknowledged_by", "acknowledged_key", "acknowledged_at"))
        known = self._incidents.get(number, {"id": number, **who})
        self._incidents[number] = known | {
            name: micros_of(value) if isinstance(value, datetime) else value
            for name, value in columns_of(incident).items()
        }

    def _list(self) -> None:
        self.log.incident_rows = [
            IncidentRow(
                one.id,
                str(one.state),
                one.primary,
                str(one.reason),
                one.opened_at,
                one.resolved_at,
                one.requests,
                self._incidents[one.id]["served_by"],
                one.acknowledged_by,
                one.up_since,
                one.gaps,
            )
            for one in map(incident_of, self._incidents.values())
        ]

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        self._check()
        row = self._incidents.get(incident_id)
        if row is None or row["state"] == "resolved" or row["acknowledged_by"]:
            return False
        row |= {
            "acknowledged_by": actor.name,
            "acknowledged_key": actor.key,
            "acknowledged_at": micros_of(at),
        }
        self._list()
        return True

    async def good_answers(
        self, models: Sequence[str], since: datetime, until: datetime, most: int, *, by_any: bool
    ) -> GoodAnswers:
        self._check()

        def mine(model: str) -> bool:
            return any(n == model or (n.endswith("/") and model.startswith(n)) for n in models)

        times = [a.at for a in self.answers if mine(a.model)]
        if by_any:
            times += [e.at for e in self.log._events if mine(e.from_model) and e.to_model]
        found = sorted(at for at in times if since < at <= until)
        return GoodAnswers(min(len(found), most), found[0] if found else None)

    async def rerouted(self, model: str, start: datetime, end: datetime) -> Sequence[Rerouted]:
        self._check()
        mine = {
            e.request_id
            for e in self.log._events
            if e.from_model == model and e.to_model and start <= e.at < end
        }
        sums: dict[str, Rerouted] = {}
        for a in self.answers:
            if a.request_id in mine and start <= a.at < end:
                provider, _, name = a.model.partition("/")
                so_far = sums.get(a.model, Rerouted(ModelRef(provider, name), 0, Usage(), 0))
                sums[a.model] = replace(
                    so_far,
                    requests=so_far.requests + 1,
                    usage=Usage(input_tokens=so_far.usage.input_tokens + a.tokens),
                    cost_nano_usd=so_far.cost_nano_usd + (a.cost_nano_usd or 0),
                    unpriced=so_far.unpriced + (a.cost_nano_usd is None and a.tokens > 0),
                )
        return list(sums.values())

    async def usage_of(self, model: str, start: datetime, end: datetime) -> Usage:
        self._check()
        mine = [a for a in self.answers if a.model == model and start <= a.at < end]
        return Usage(
            input_tokens=sum(a.tokens for a in mine),
            cached_input_tokens=sum(a.cached_tokens for a in mine),
        )

    async def behind(self, surface: str) -> Sequence[MessageState]:
        self._check()
        found = [p for p in self._posts.values() if p.surface == surface and p.wanted > p.shown]
        return sorted(found, key=lambda p: (p.wanted_at, p.key))

    async def post(self, key: str, surface: str) -> MessageState | None:
        self._check()
        return self._posts.get((key, surface))

    async def claim(self, post: MessageState, at: datetime) -> bool:
        self._check()
        known = self._posts[post.key, post.surface]
        if (known.claimed_at, known.message) != (post.claimed_at, post.message):
            return False
        self._set(post, claimed_at=at)
        return True

    async def posted(
        self, post: MessageState, message: MessageRef, shown: int, at: datetime
    ) -> None:
        self._check()
        self._set(
            post,
            message=message,
            shown=shown,
            shown_at=at,
            claimed_at=None,
            retry_at=None,
            failures=0,
        )

    async def put_off(
        self, post: MessageState, retry_at: datetime, *, unclaim: bool = False
    ) -> None:
        self._check()
        freed: dict[str, Any] = {"claimed_at": None} if unclaim else {}
        self._set(post, retry_at=retry_at, failures=post.failures + 1, **freed)

    async def give_up(self, post: MessageState) -> None:
        self._check()
        self._set(post, shown=post.wanted, retry_at=None)

    async def add_notice(self, notice: Notice, surfaces: Sequence[str]) -> bool:
        self._check()
        if notice.key in self._notices:
            return False
        self._keep(notice)
        for surface in surfaces:
            self._want(DesiredMessage(notice.key, surface, 1), notice.at)
        return True

    async def amend_notice(self, notice: Notice, surfaces: Sequence[str]) -> None:
        self._check()
        if notice.key in self._notices:
            self._keep(notice)
        for surface in surfaces:
            known = self._posts.get((notice.key, surface))
            self._want(
                DesiredMessage(notice.key, surface, known.wanted + 1 if known else 1), notice.at
            )

    async def notice(self, key: str) -> Notice | None:
        self._check()
        return self._notices.get(key)

    async def set_trouble(self, trouble: ChannelTrouble) -> None:
        self._check()
        known = self._troubles.get(trouble.surface)
        since = known.since if known else trouble.since
        self._troubles[trouble.surface] = replace(trouble, since=since)

    async def clear_trouble(self, surface: str) -> None:
        self._check()
        self._troubles.pop(surface, None)

    async def troubles(self) -> Sequence[ChannelTrouble]:
        self._check()
        return [self._troubles[surface] for surface in sorted(self._troubles)]

    async def recall(self, key: str) -> str | None:
        self._check()
        return self._memory.get(key)

    async def remember(self, key: str, value: str) -> None:
        self._check()
        self._memory[key] = value

    async def forget(self, before: datetime) -> int:
        self._check()
        rows = self._incidents.values()
        going_on = {f"incident:{row['id']}" for row in rows if not row["resolved_at"]}
        posts = [
            place
            for place, post in self._posts.items()
            if post.wanted_at < before and place[0].rpartition(":")[0] not in going_on
        ]
        notices = [
            key
            for key, notice in self._notices.items()
            if notice.at < before and notice.kind is not NoticeKind.DIGEST
        ]
        over = [row for row in rows if row["resolved_at"] and row["details"] != "{}"]
        old = [row for row in over if row["resolved_at"] < micros_of(before)]
        for place in posts:
            del self._posts[place]
        for key in notices:
            del self._notices[key]
        for row in old:
            row["details"] = "{}"
        return len(posts) + len(notices) + len(old)

    def _keep(self, notice: Notice) -> None:
        self._notices[notice.key] = replace(notice, data=json.loads(json.dumps(notice.data)))

    def _want(self, want: DesiredMessage, at: datetime) -> None:
        place = want.key, want.surface
        known = self._posts.get(place)
        if known is None:
            self._posts[place] = MessageState(want.key, want.surface, want.version, 0, at)
        elif known.wanted < want.version:
            self._posts[place] = replace(known, wanted=want.version, wanted_at=at)

    def _set(self, post: MessageState, **values: Any) -> None:
        place = post.key, post.surface
        self._posts[place] = replace(self._posts[place], **values)

    def _check(self) -> None:
        if self.fail is not None:
            raise self.fail


@dataclass
class Shown:
    """A message in a fake channel: its present card, and how often it was edited."""

    id: str
    card: Card
    at: datetime
    thread: str | None = None
    edits: int = 0
    edited_at: list[datetime] = field(default_factory=list)

    @property
    def title(self) -> str:
        return plain(self.card.title)

    @property
    def text(self) -> str:
        """The whole message in words."""
        lines = [plain(self.card.title), *(plain(line) for line in self.card.body)]
        table = self.card.table
        rows = [" · ".join(plain(cell) for cell in row) for row in table.rows] if table else []
        buttons = " ".join(f"[{button.label}]" for button in self.card.buttons)
        return "\n".join(part for part in (*lines, *rows, buttons) if part)


class FakeChat:
    """A channel in memory, which can also be asked for its history.

    An error in `fail_post`, `fail_update`, `fail_reply` or `fail_find` is raised until it is taken
    out. A `slow` one lets others work while it posts.
    """

    def __init__(self, surface: str, clock: FakeClock) -> None:
        self.surface = surface
        self.clock = clock
        self.messages: list[Shown] = []
        self.fail_post: BaseException | None = None
        self.fail_update: BaseException | None = None
        self.fail_reply: ChatError | None = None
        self.fail_find: ChatError | None = None
        self.calls = 0
        self.made = 0
        self.slow = False

    async def post(self, card: Card) -> MessageRef:
        if self.slow:
            await asyncio.sleep(0)
        return self._say(card, None)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        if self.slow:
            await asyncio.sleep(0)
        if self.fail_reply is not None:
            raise self.fail_reply
        return self._say(card, message.id)

    async def update(self, message: MessageRef, card: Card) -> None:
        self.calls += 1
        if self.fail_update is not None:
            raise self.fail_update
        shown = next((m for m in self.messages if m.id == message.id), None)
        if shown is None:
            raise ChatError("The message is no longer there.", gone=True)
        shown.card = card
        shown.edits += 1
        shown.edited_at.append(self.clock.now())

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        if self.fail_find is not None:
            raise self.fail_find
        for shown in reversed(self.messages):
            if shown.at >= since and words in shown.text and shown.thread is None:
                return MessageRef(self.surface, "C1", shown.id)
        return None

    def delete(self, index: int = 0) -> None:
        """Take a message away, as a person would."""
        del self.messages[index]

    @property
    def main(self) -> list[Shown]:
        """The messages that are no answer to another."""
        return [shown for shown in self.messages if shown.thread is None]

    @property
    def titles(self) -> list[str]:
        return [shown.title for shown in self.main]

    @property
    def edits(self) -> int:
        return sum(shown.edits for shown in self.messages)

    def _say(self, card: Card, thread: str | None) -> MessageRef:
        self.calls += 1
        if self.fail_post is not None:
            raise self.fail_post
        self.made += 1
        shown = Shown(str(self.made), card, self.clock.now(), thread)
        self.messages.append(shown)
        return MessageRef(self.surface, "C1", shown.id)


class AlertBench:
    """The pipeline on fakes, and short ways to let things happen."""

    def __init__(
        self,
        *surfaces: str,
        config: Any = CONFIG,
        quiet: str = "",
        zone: str = "UTC",
        calls: Sequence[Person] = (),
        at: datetime = NOON,
    ) -> None:
        self.clock = FakeClock(at)
        self.config = FakeConfigStore(json.dumps(config).encode())
        self.log = FakeFallbackLog()
        self.journal = FakeJournal()
        self.store = FakeAlertStore(self.log)
        self.chats = {name: FakeChat(name, self.clock) for name in surfaces or ("slack",)}
        self.settings = AlertSettings(quiet=_quiet(quiet, zone))
        self.people = calls
        self.serial = 0
        self.start()

    def start(self, **ports: Any) -> Pipeline:
        """Start the pipeline afresh, as after a restart, with other ports where they are named."""
        own = {
            "clock": self.clock,
            "store": self.store,
            "impacts": Impacts(self.config, self.log, FakePrices(), shipped(), KEYS),
            "journal": self.journal,
            "chats": self.chats,
            "histories": self.chats,
            "calls": self.people,
            "settings": self.settings,
        }
        self.pipeline = Pipeline(AlertPorts(**{**own, **ports}), wait_s=60)
        return self.pipeline

    @property
    def slack(self) -> FakeChat:
        return self.chats["slack"]

    @property
    def discord(self) -> FakeChat:
        return self.chats["discord"]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def fails(self, times: int = 1, **more: Any) -> None:
        """Let requests be rerouted (or refused, with `to=None`) right now."""
        events = []
        for _ in range(times):
            self.serial += 1
            events.append(event(self.serial, self.now, **more))
            if events[-1].to_model:
                answer = Answer(self.now, events[-1].to_model, events[-1].request_id, 1000, 140_000)
                self.store.answers.append(answer)
        await self.log.add_events(events)

    def answers(self, times: int = 3, model: str = OPUS) -> None:
        """Let the model answer well right now."""
        self.store.answers += [Answer(self.now, model)] * times

    async def tick(self) -> None:
        await self.pipeline.tick()

    async def wait(self, step_s: float = 5, **span: float) -> None:
        """Let time pass in steps, looking after each."""
        end = self.now + timedelta(**span)
        await self.tick()
        while self.now < end:
            self.clock.at = min(self.now + timedelta(seconds=step_s), end)
            await self.tick()


def _quiet(words: str, zone: str) -> QuietHours | None:
    if not words:
        return None
    start, end = words.split("-")
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end), ZoneInfo(zone))
