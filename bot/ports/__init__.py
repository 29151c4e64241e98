"""What the core needs of the world, as Protocols. Adapters implement them, fakes stand in.

Methods that may wait are coroutines. No port raises an SDK's own exception: each names what it
raises, out of the tree in `bot.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bot.models import BudgetPeriod, GroupBy
from bot.ports.clock import Clock
from bot.ports.config import ConfigSession, ConfigStore, Document, Json, KeptRevision, revision_of
from bot.ports.fallbacks import (
    Ceiling,
    Cooldown,
    FallbackEvent,
    FallbackLog,
    HopFailure,
    IncidentRow,
    MadeId,
    StoredLimit,
    StoredLimits,
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

if TYPE_CHECKING:
    from bot.ports.chat import ButtonStore, Chat, ChatHistory, Claim, MessageRef
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
    "Ceiling",
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
    "StoredLimit",
    "StoredLimits",
    "Touched",
    "Upstream",
    "revision_of",
]


def __getattr__(name: str) -> object:
    """Return what belongs to costs, chats and providers: a switch of the model loads none of it."""
    if name in __all__:
        for module in ("chat", "providers", "ledger", "costs"):
            found = getattr(import_module(f"bot.ports.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
