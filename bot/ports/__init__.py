"""What the core needs of the world, as Protocols. Adapters implement them, fakes stand in.

Methods that may wait are coroutines. No port raises an SDK's own exception: each names what it
raises, out of the tree in `bot.errors`.
"""

from bot.ports.chat import ButtonStore, Chat, Claim, MessageRef
from bot.ports.clock import Clock
from bot.ports.config import ConfigSession, ConfigStore, Document, Json, revision_of
from bot.ports.fallbacks import Cooldown, FallbackEvent, FallbackLog, IncidentRow
from bot.ports.journal import (
    ABSENT,
    Absent,
    Change,
    Journal,
    KnownState,
    NewChange,
    Path,
    Revert,
    RevertState,
    Touched,
)
from bot.ports.ledger import Attempt, Bill, GroupBy, Ledger, Spend
from bot.ports.providers import HttpAnswer, HttpRequest, ModelLists, Prices, Upstream

__all__ = [
    "ABSENT",
    "Absent",
    "Attempt",
    "Bill",
    "ButtonStore",
    "Change",
    "Chat",
    "Claim",
    "Clock",
    "ConfigSession",
    "ConfigStore",
    "Cooldown",
    "Document",
    "FallbackEvent",
    "FallbackLog",
    "GroupBy",
    "HttpAnswer",
    "HttpRequest",
    "IncidentRow",
    "Journal",
    "Json",
    "KnownState",
    "Ledger",
    "MessageRef",
    "ModelLists",
    "NewChange",
    "Path",
    "Prices",
    "Revert",
    "RevertState",
    "Spend",
    "Touched",
    "Upstream",
    "revision_of",
]
