"""Who made what: ids of answers by digest, so that a later turn goes to a hop that knows them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from bot.models import ModelRef
from bot.ports import MadeId
from bot.routing.router import Candidates

MOST_KEPT = 20_000


def digest_of(caller: str, id_: str) -> str:
    """Return what stands for an id: the same id of another caller is another one."""
    digest = blake2b(digest_size=16)
    for part in (caller, id_):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(raw) + raw)
    return digest.hexdigest()


@dataclass(slots=True)
class Pins:
    """The makers that this process knows by itself, the least recently used forgotten first."""

    most: int = MOST_KEPT
    _makers: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def note(self, caller: str, ids: Iterable[str], model: str, now: datetime) -> list[MadeId]:
        """Note who made ids; return those that are news."""
        news = [digest_of(caller, id_) for id_ in ids]
        news = [digest for digest in news if self._makers.get(digest) != model]
        self.learn(dict.fromkeys(news, model))
        return [MadeId(digest, model, now) for digest in news]

    def learn(self, makers: Mapping[str, str]) -> None:
        """Take over what another process has noted."""
        for digest, model in makers.items():
            self._makers[digest] = model
            self._makers.move_to_end(digest)
        while len(self._makers) > self.most:
            self._makers.popitem(last=False)

    def maker(self, digest: str) -> str | None:
        """Return who made what a digest stands for."""
        return self._makers.get(digest)


def kept_to(candidates: Candidates, maker: ModelRef, own: Candidates | None) -> Candidates:
    """Return who can go on with a turn that only one account knows, by who made what it names.

    The caller's order holds among the hops of that account; without any it is the maker's `own`,
    unless that is a fallback that is over a limit.
    """
    known = tuple(c for c in candidates.in_order if c.ref.provider == maker.provider)
    over = tuple((hop, why) for hop, why in candidates.skipped if hop.over and hop.ref == maker)
    known = known or (own.in_order if own and not over else ())
    return Candidates(known, over, known[0].name if known else str(maker), alone=True)
