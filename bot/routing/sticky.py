"""A conversation stays with the model that served it while that model's cache of it is warm.

Going back and forth costs the whole history at full price, and hands one model the thinking of
another. Only digests are kept, and only of conversations that a fallback serves.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from bot.dialects.history import by_model
from bot.dialects.wire import rows, table, words
from bot.ports import Json
from bot.routing.cooldown import CooldownBook, Gate
from bot.routing.router import Candidate, Candidates

USUAL_STAY = timedelta(minutes=10)
MOST_CONVERSATIONS = 10_000

_SESSION_HEADERS = (
    "x-claude-code-session-id",
    "session-id",
    "x-session-id",
    "session_id",
    "thread-id",
)
"""Of Claude Code 2.1, of Codex (older ones write an underscore), and what agents agree on."""

_WARM = timedelta(minutes=5)
_WARM_BY_PROVIDER = {"openai": timedelta(minutes=10), "deepseek": timedelta(hours=1)}
"""How long a provider's cache lasts after its last use, by its own documents of 2026-11: Anthropic
5 min, OpenAI 5 to 10 min, DeepSeek some hours."""

_ASKING = ("user", "developer")
_MOST_HASHED = 1 << 16


def conversation_of(
    caller: str, asked: str, headers: Mapping[str, str], document: Mapping[str, Json]
) -> bytes | None:
    """Return a digest that is the same for every turn of a conversation; None where none is told.

    Without an id of the caller's, its first message is one, from its second turn on.
    """
    named = next((value for name in _SESSION_HEADERS if (value := headers.get(name))), "")
    named = named or words(document.get("prompt_cache_key"))
    named = named or words(table(document.get("metadata")).get("user_id"))
    digest = blake2b(digest_size=16)
    for part in (caller, asked, named):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw) + raw)
    if not named:
        first = next((m for m in map(table, _turns(document)) if m.get("role") in _ASKING), {})
        if not first:
            return None
        for text in _texts(first.get("content")):
            digest.update(text[:_MOST_HASHED].encode("utf-8", "surrogatepass"))
    return digest.digest()


def goes_on(headers: Mapping[str, str], document: Mapping[str, Json]) -> bool:
    """Return whether a request may be a later turn: it is named, or a model has spoken in it."""
    return any(headers.get(name) for name in _SESSION_HEADERS) or bool(
        document.get("prompt_cache_key")
        or table(document.get("metadata")).get("user_id")
        or any(map(by_model, _turns(document)))
    )


@dataclass(frozen=True, slots=True)
class Stay:
    """Whom a conversation stays with, and since when; `here` means that this process served it."""

    model: str
    first: str | None
    revision: str
    began_at: datetime
    turn_at: datetime
    warm: timedelta
    here: bool = True


@dataclass(slots=True)
class Conversations:
    """The conversations that stay with a fallback, the least recent ones forgotten first.

    `longest` is how long one may stay once the first hop can be asked again; None is not at all.
    `share` passes what changes here to the other processes on the port, which `learn` it.
    """

    longest: timedelta | None = USUAL_STAY
    most: int = MOST_CONVERSATIONS
    share: Callable[[bytes, Stay | None], None] | None = None
    _stays: OrderedDict[bytes, Stay] = field(default_factory=OrderedDict)
    _open_since: dict[str, datetime] = field(default_factory=dict)
    _ended: dict[str, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether any stays, so that most requests need no digest."""
        return bool(self._stays)

    def staying(
        self, key: bytes, candidates: Candidates, book: CooldownBook, revision: str, now: datetime
    ) -> Candidates | None:
        """Return the candidates with the one that a conversation stays with in front, else None."""
        stay = self._stays.get(key)
        if stay is None or self.longest is None:
            return None
        kept = next((c for c in candidates.in_order if c.name == stay.model), None)
        over = (
            kept is None
            or stay.revision != revision
            or not timedelta(0) <= now - stay.turn_at <= stay.warm
            or self._long_open(stay, candidates, book, now)
            or book.gate(kept.scope, now) is not Gate.OPEN
        )
        if over or kept is None:
            del self._stays[key]
            return None
        others = tuple(c for c in candidates.in_order if c is not kept)
        return replace(candidates, in_order=(kept, *others))

    def served(
        self,
        key: bytes,
        candidate: Candidate,
        candidates: Candidates,
        revision: str,
        now: datetime,
        *,
        asked_at: datetime | None = None,
    ) -> None:
        """Note who served a turn: a fallback keeps the conversation, the first hop ends that.

        One that was under way when all stays ended begins none.
        """
        ends = (self._ended.get(name) for name in ("", candidates.first or ""))
        late = any(at is not None and (asked_at or now) <= at for at in ends)
        if self.longest is None or candidates.barred or late or candidate.name == candidates.first:
            self.failed(key)
            return
        warm = _WARM_BY_PROVIDER.get(candidate.provider.id, _WARM)
        known = self._stays.get(key)
        same = known is not None and known.model == candidate.name
        began_at = known.began_at if known is not None and same else now
        stay = Stay(candidate.name, candidates.first, revision, began_at, now, warm)
        self._keep(key, stay)
        if self.share is not None:
            self.share(key, stay)

    def failed(self, key: bytes) -> None:
        """Note that no model served a turn."""
        if self._stays.pop(key, None) is not None and self.share is not None:
            self.share(key, None)

    def learn(self, key: bytes, stay: Stay | None) -> None:
        """Take over what another process on the port has noted."""
        if stay is None:
            self._stays.pop(key, None)
            return
        ends = (self._ended.get(name) for name in ("", stay.first or ""))
        if not any(at is not None and stay.began_at <= at for at in ends):
            self._keep(key, replace(stay, here=False))

    def _keep(self, key: bytes, stay: Stay) -> None:
        self._stays[key] = stay
        self._stays.move_to_end(key)
        while len(self._stays) > self.most:
            self._stays.popitem(last=False)

    def end(self, now: datetime, first: str = "") -> None:
        """End the stays of those away from one first hop, or all: somebody wants it tried again."""
        self._ended[first] = now
        for key in [k for k, stay in self._stays.items() if first in ("", stay.first)]:
            del self._stays[key]

    def counts(self, now: datetime) -> Counter[str]:
        """Return how many conversations stay with each model, each counted where it was served."""
        return Counter(self._warm_ones(now))

    def _warm_ones(self, now: datetime) -> Iterator[str]:
        for stay in self._stays.values():
            if stay.here and now - stay.turn_at <= stay.warm:
                yield stay.model

    def _long_open(
        self, stay: Stay, candidates: Candidates, book: CooldownBook, now: datetime
    ) -> bool:
        """Return whether the first hop could have been asked for longer than a stay may last."""
        assert self.longest is not None
        first = next((c for c in candidates.in_order if c.name == candidates.first), None)
        if first is None:
            return False
        if book.gate(first.scope, now) is Gate.COOLING:
            self._open_since.pop(first.name, None)
            return False
        row = book.row(first.scope)
        since = self._open_since.setdefault(first.name, min(row.until, now) if row else now)
        return now - max(since, stay.began_at) > self.longest


def _turns(document: Mapping[str, Json]) -> list[Json]:
    """Return a conversation's turns; a question of Responses may be no more than its words."""
    asked = document.get("input")
    if isinstance(asked, str):
        return [{"role": "user", "content": asked}]
    return rows(document.get("messages")) or rows(asked)


def _texts(content: Json) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in rows(content):
        yield words(table(part).get("text"))
