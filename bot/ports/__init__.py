"""What the core needs of the world, as Protocols. Adapters implement them, fakes stand in.

Methods that may wait are coroutines. No port raises an SDK's own exception: each names what it
raises, out of the tree in `bot.errors`.
"""

from bot.models import BudgetPeriod, GroupBy
from bot.ports.chat import ButtonStore, Chat, ChatHistory, Claim, MessageRef
from bot.ports.clock import Clock
from bot.ports.config import ConfigSession, ConfigStore, Document, Json, KeptRevision, revision_of
from bot.ports.costs import (
    Amendment,
    BillAnswer,
    BillLog,
    BillRead,
    BillSource,
    Budget,
    Budgets,
    ChainTest,
    ChainTests,
    Charts,
    Corrections,
    MeterReading,
    RowPage,
)
from bot.ports.fallbacks import (
    Cooldown,
    FallbackEvent,
    FallbackLog,
    HopFailure,
    IncidentRow,
    MadeId,
)
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
from bot.ports.ledger import Attempt, Bill, Ledger, Spend
from bot.ports.providers import HttpAnswer, HttpRequest, ModelLists, Prices, Upstream

__all__ = [
    "ABSENT",
    "Absent",
    "Amendment",
    "Attempt",
    "Bill",
    "BillAnswer",
    "BillLog",
    "BillRead",
    "BillSource",
    "Budget",
    "BudgetPeriod",
    "Budgets",
    "ButtonStore",
    "ChainTest",
    "ChainTests",
    "Change",
    "Charts",
    "Chat",
    "ChatHistory",
    "Claim",
    "Clock",
    "ConfigSession",
    "ConfigStore",
    "Cooldown",
    "Corrections",
    "Document",
    "FallbackEvent",
    "FallbackLog",
    "GroupBy",
    "HopFailure",
    "HttpAnswer",
    "HttpRequest",
    "IncidentRow",
    "Journal",
    "Json",
    "KeptRevision",
    "KnownState",
    "Ledger",
    "MadeId",
    "MessageRef",
    "MeterReading",
    "ModelLists",
    "NewChange",
    "Path",
    "Prices",
    "Revert",
    "RevertState",
    "RowPage",
    "Spend",
    "Touched",
    "Upstream",
    "revision_of",
]
