"""The core with fakes all around it, and helpers to talk to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bot.access import AccessRules, Actor, ApprovalRules, Surface
from bot.app import App
from bot.card import Action, Card, Text
from bot.catalog import shipped
from bot.commands.context import Ports, no_progress
from bot.errors import StorageError
from bot.models import FailureReason, ModelRef, Price, Provider, Secret
from bot.ports import Claim, HttpAnswer, HttpRequest
from bot.ports.alerts import ChannelTrouble
from bot.ports.lifecycles import ModelListing
from bot.ports.reloads import NoReloads, Reloads
from bot.settings import Settings
from tests.support.fakes_costs import FakeBillLog, FakeBills, FakeBudgets, FakeChainTests
from tests.support.fakes_ledger import FakeCorrections, FakeLedger
from tests.support.fakes_lifecycles import FakeLifecycles
from tests.support.fakes_outbox import FakeOutbox
from tests.support.fakes_storage import (
    FakeApprovals,
    FakeClock,
    FakeConfigStore,
    FakeFallbackLog,
    FakeJournal,
    FakePlans,
)
from tests.support.fakes_trials import FakeTrials

OWNER = Actor(Surface.CLI, "owner", "Ana", owner=True)
ANA = Actor(Surface.SLACK, "U1", "Ana")
GUEST = Actor(Surface.SLACK, "U9", "Guest")

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-test",
    "OPENROUTER_API_KEY": "sk-or-test",
    "DEEPSEEK_API_KEY": "sk-ds-test",
    "OLLAMA_API_KEY": "ollama",
}

GUIDE: dict[str, Any] = {
    "agents": {
        "defaults": {
            "model": {
                "primary": "anthropic/claude-opus-4-5",
                "fallbacks": [
                    "openrouter/anthropic/claude-sonnet-4-5",
                    "deepseek/deepseek-chat",
                    "ollama/llama3.3",
                ],
            },
            "models": {
                "anthropic/claude-opus-4-5": {"alias": "best"},
                "anthropic/claude-haiku-3-5": {"alias": "fast"},
                "deepseek/deepseek-chat": {"alias": "cheap"},
                "deepseek/deepseek-reasoner": {"alias": "think"},
                "ollama/llama3.3": {"alias": "local"},
            },
        }
    }
}


class FakePrices:
    """Prices out of the catalog, with the operator's in front."""

    def __init__(self, own: Mapping[str, tuple[str, str]] | None = None) -> None:
        self.own = {
            _ref(name): Price(Decimal(a), Decimal(b), source="operator")
            for name, (a, b) in (own or {}).items()
        }

    def operator(self, ref: ModelRef) -> Price | None:
        return self.own.get(ref)

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        return shipped().facts(ref).price

    def sold(self, name: str, at: datetime) -> Price | None:
        return None

    def knows(self, ref: ModelRef) -> bool:
        return ref in shipped().models

    def context_window(self, ref: ModelRef) -> int | None:
        return shipped().facts(ref).context_window


class FakeUpstream:
    """Answers by provider host: a scripted answer, or a good one in the asked dialect."""

    def __init__(self) -> None:
        self.answers: dict[str, HttpAnswer] = {}
        self.requests: list[HttpRequest] = []

    def fail(self, host: str, status: int, body: object) -> None:
        """Let a host answer with an error."""
        self.answers[host] = HttpAnswer(
            status, {"content-type": "application/json"}, json.dumps(body).encode(), 0.012
        )

    def break_off(self, host: str, reason: FailureReason) -> None:
        """Let a host not answer at all."""
        self.answers[host] = HttpAnswer(0, {}, b"", 0.5, reason, "connection refused")

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        self.requests.append(request)
        for part, answer in self.answers.items():
            if part in request.url:
                return answer
        model = json.loads(request.body).get("model", "")
        return HttpAnswer(200, {}, json.dumps(_good(request.url, model)).encode(), 0.02)


class FakeLists:
    """Model lists by provider id."""

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {}
        self.listings: dict[str, ModelListing] = {}

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        return self.lists.get(provider.id, [])

    async def listing(self, provider: Provider, base_url: str, key: Secret | None) -> ModelListing:
        return self.listings.get(provider.id, ModelListing())


class FakeButtons:
    """Buttons in memory."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.claims: dict[str, Claim] = {}
        self.fail: StorageError | None = None

    async def remember(self, action: Action, at: datetime) -> str:
        if self.fail is not None:
            raise self.fail
        self.actions[f"b{len(self.actions)}"] = action
        return f"b{len(self.actions) - 1}"

    async def recall(self, button_id: str) -> Action | None:
        return self.actions.get(button_id)

    async def claim(self, button_id: str, actor: Actor, at: datetime) -> Claim | None:
        if button_id in self.claims:
            return self.claims[button_id]
        self.claims[button_id] = Claim(actor.name, at)
        return None


class FakeAlertDesk:
    """No incident is open, and every channel is well."""

    async def acknowledge(self, incident_id: int, actor: Actor, at: datetime) -> bool:
        return False

    async def troubles(self) -> Sequence[ChannelTrouble]:
        return ()


class Bench:
    """An App on fakes, with short ways to use and inspect it."""

    def __init__(
        self,
        config: object = GUIDE,
        *,
        env: Mapping[str, str] = KEYS,
        operators: str = "",
        admins: str = "",
        approval: str = "",
        prices: Mapping[str, tuple[str, str]] | None = None,
        location: str = "/srv/moltbot.json",
        prefix: str = "",
        zone: str = "UTC",
        bills: Sequence[FakeBills] = (),
        reloads: Reloads | None = None,
        progress: Callable[[Text], None] = no_progress,
    ) -> None:
        raw = config if isinstance(config, bytes) else json.dumps(config, indent=2).encode()
        self.clock = FakeClock()
        self.store = FakeConfigStore(raw, location=location)
        self.journal = FakeJournal()
        self.log = FakeFallbackLog()
        self.upstream = FakeUpstream()
        self.lists = FakeLists()
        self.buttons = FakeButtons()
        self.ledger = FakeLedger()
        self.budgets = FakeBudgets()
        self.plans = FakePlans()
        self.approvals = FakeApprovals()
        self.outbox = FakeOutbox()
        self.chain_tests = FakeChainTests()
        self.bill_log = FakeBillLog()
        self.corrections = FakeCorrections(self.ledger)
        self.trials = FakeTrials(self.ledger)
        self.lifecycles = FakeLifecycles()
        settings = Settings(
            env=env,
            access=AccessRules.parse(operators, admins),
            approval=ApprovalRules.parse(approval),
            prefix=prefix,
            timezone=ZoneInfo(zone),
        )
        ports = Ports(
            self.clock,
            self.store,
            self.journal,
            self.log,
            self.upstream,
            self.lists,
            FakePrices(prices),
            self.buttons,
            self.ledger,
            self.budgets,
            self.chain_tests,
            self.bill_log,
            self.corrections,
            FakeAlertDesk(),
            self.plans,
            self.trials,
            self.approvals,
            reloads or NoReloads(),
            self.lifecycles,
            bills,
            progress,
        )
        self.app = App(ports, settings)

    async def say(self, words: str, actor: Actor = OWNER, *, yes: bool = True) -> Card:
        """Type a line; `yes` confirms what asks."""
        return await self.app.handle(actor, words, action=Action(words, confirmed=yes))

    @property
    def config(self) -> Any:
        """The config as it stands now."""
        assert self.store.raw is not None
        return json.loads(self.store.raw)

    @property
    def primary(self) -> Any:
        """The primary as written."""
        return self.config["agents"]["defaults"]["model"]["primary"]

    @property
    def chain(self) -> Any:
        """The fallbacks as written."""
        return self.config["agents"]["defaults"]["model"]["fallbacks"]

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**span))


def _ref(name: str) -> ModelRef:
    ref = ModelRef.parse(name)
    assert ref is not None
    return ref


def _good(url: str, model: str) -> dict[str, Any]:
    if url.endswith("/messages"):
        return {
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "max_tokens",
            "usage": {"input_tokens": 8, "output_tokens": 1},
        }
    if url.endswith("/responses"):
        return {"object": "response", "model": model, "status": "incomplete", "output": []}
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi"},
                "finish_reason": "length",
            }
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
    }
