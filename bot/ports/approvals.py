"""Changes that wait for a second operator, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.access import Actor, Permission
from bot.ports.config import Json


class ApprovalState(StrEnum):
    """How a request stands. `approved` is being carried out, `void` was not and never will be."""

    WAITING = "waiting"
    APPROVED = "approved"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Approval:
    """A request: the line that somebody typed, and what it would have done.

    `id` is 0 until it is kept. `role` is what an approver must be allowed at least, `rules` why it
    waits. `facts` are what must be the same when it is carried out; `shown` is what the cards
    say. `note` is the reason of a rejection or an override, or why it is void. `posted` is the
    state that the channel was last given.
    """

    document: str
    words: str
    by: Actor
    role: Permission
    at: datetime
    expires_at: datetime
    reason: str
    rules: tuple[str, ...]
    facts: Json
    shown: Json
    state: ApprovalState = ApprovalState.WAITING
    decided_by: str | None = None
    decided_key: str | None = None
    decided_at: datetime | None = None
    overridden: bool = False
    note: str = ""
    change_id: int | None = None
    posted: str = ""
    id: int = 0

    @property
    def open(self) -> bool:
        """True until it is decided and carried out."""
        return self.state in (ApprovalState.WAITING, ApprovalState.APPROVED)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody, or time, decides of a waiting request."""

    state: ApprovalState
    by: str
    key: str
    at: datetime
    note: str = ""
    overridden: bool = False


class Approvals(Protocol):
    """Requests of a config document. Every method raises StorageError when it cannot."""

    async def add(self, approval: Approval) -> Approval:
        """Keep a new request and return it with its id."""
        ...

    async def get(self, document: str, approval_id: int) -> Approval | None:
        """Return one request."""
        ...

    async def recent(self, document: str, limit: int) -> Sequence[Approval]:
        """Return the newest requests first."""
        ...

    async def unsettled(self, document: str) -> Sequence[Approval]:
        """Return what is open, or not yet posted as it stands, the oldest first."""
        ...

    async def decide(self, approval_id: int, decision: Decision) -> bool:
        """Decide a waiting request; False when it is not waiting any more."""
        ...

    async def finish(
        self,
        approval_id: int,
        state: ApprovalState,
        *,
        change_id: int | None = None,
        note: str | None = None,
    ) -> bool:
        """Say what became of an approved request; False when somebody has said so already.

        Back to waiting, the decision is forgotten.
        """
        ...

    async def set_posted(self, approval_id: int, state: ApprovalState) -> None:
        """Remember that the channel is given a state."""
        ...
