"""What the simulated providers tell free of charge: model lists, balances, versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.simulated import models
from adapters.simulated.surface import Surface
from bot.catalog import shipped
from bot.models import AuthScheme, ModelRef

Json = Any

_BORN = "2025-11-01T00:00:00Z"
_BORN_UNIX = 1_761_955_200
_BALANCE_USD = Decimal(20)
_LIMIT_USD = Decimal(50)


class Account:
    """What a provider knows of its only customer: the money spent, by UTC day."""

    def __init__(self) -> None:
        self._spent: dict[date, Decimal] = {}

    def book(self, at: datetime, cost_usd: Decimal) -> None:
        """Add the cost of one call."""
        day = at.date()
        self._spent[day] = self._spent.get(day, Decimal(0)) + cost_usd

    def spent_usd(self, since: date | None = None) -> Decimal:
        """Sum what was spent from that day on."""
        days = (cost for day, cost in self._spent.items() if since is None or day >= since)
        return sum(days, Decimal(0))


@dataclass(frozen=True, slots=True)
class Scene:
    """What a listing may draw on."""

    account: Account
    now: datetime
    out_of_money: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """A free endpoint: its path, what it says, and the chat endpoint whose manners it shares.

    `public` ones ask for no key.
    """

    path: str
    body: Callable[[Scene], Json]
    manners: Surface
    public: bool = False

    @property
    def schemes(self) -> tuple[AuthScheme, ...]:
        """The headers a key may come in; none for a public endpoint."""
        return () if self.public else self.manners.schemes


def openai_models(provider: str, **fields: Json) -> Callable[[Scene], Json]:
    """Build a list as OpenAI has it, each entry with more fields."""

    def body(scene: Scene) -> Json:
        entries = [{"id": name, "object": "model", **fields} for name in models.listed(provider)]
        return {"object": "list", "data": entries}

    return body


def created_and_owned(owner: str) -> dict[str, Json]:
    """The two fields most lists add."""
    return {"created": _BORN_UNIX, "owned_by": owner}


def openai_own_models(scene: Scene) -> Json:
    """Write OpenAI's list, which dates the end of each model."""
    listed = openai_models("openai", **created_and_owned("system"))(scene)
    for entry in listed["data"]:
        day = models.retires_on("openai", entry["id"])
        entry["shutdown_date"] = day.isoformat() if day else None
    return listed


def anthropic_models(scene: Scene) -> Json:
    """Write Anthropic's list."""
    names = models.listed("anthropic")
    entries = []
    for name in names:
        day = models.retires_on("anthropic", name)
        entry = {"type": "model", "id": name, "created_at": _BORN}
        entry["display_name"] = name.replace("-", " ").title()
        entry["lifecycle"] = "deprecated" if day else "active"
        retires_at = f"{day}T00:00:00Z" if day else None
        entries.append({**entry, "deprecated_at": _BORN if day else None, "retires_at": retires_at})
    return {"data": entries, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def openrouter_models(scene: Scene) -> Json:
    """Write OpenRouter's list, whose prices are strings in USD a token."""
    entries = []
    for name in models.listed("openrouter"):
        price = models.price("openrouter", name)
        pricing = {
            "prompt": _a_token(price.input_usd_per_1m),
            "completion": _a_token(price.output_usd_per_1m),
        }
        window = shipped().facts(ModelRef("openrouter", name)).context_window or 128_000
        entry = {"id": name, "name": name, "created": _BORN_UNIX, "context_length": window}
        entries.append({**entry, "pricing": pricing, "expiration_date": None})
    return {"data": entries}


def openrouter_key(scene: Scene) -> Json:
    """Write what OpenRouter says of a key."""
    today = scene.now.date()
    account = scene.account
    used = _LIMIT_USD if scene.out_of_money else account.spent_usd()
    monday = today - timedelta(days=today.weekday())
    return {
        "data": {
            "label": "sk-or-v1-demo",
            "limit": float(_LIMIT_USD),
            "limit_remaining": float(max(Decimal(0), _LIMIT_USD - used)),
            "usage": float(used),
            "usage_daily": float(account.spent_usd(today)),
            "usage_weekly": float(account.spent_usd(monday)),
            "usage_monthly": float(account.spent_usd(today.replace(day=1))),
            "is_free_tier": False,
        }
    }


def deepseek_balance(scene: Scene) -> Json:
    """Write DeepSeek's balance, whose amounts are strings with two decimals."""
    left = max(Decimal(0), _BALANCE_USD - scene.account.spent_usd())
    amount = "0.00" if scene.out_of_money else f"{left:.2f}"
    info = {
        "currency": "USD",
        "total_balance": amount,
        "granted_balance": "0.00",
        "topped_up_balance": amount,
    }
    return {"is_available": amount != "0.00", "balance_infos": [info]}


def gemini_models(scene: Scene) -> Json:
    """Write Gemini's list, whose names begin with `models/`."""
    methods = ["generateContent", "countTokens"]
    entries = []
    for name in models.listed("gemini"):
        window = shipped().facts(ModelRef("gemini", name)).context_window or 1_048_576
        entry = {"name": f"models/{name}", "version": "001", "displayName": name}
        limits = {"inputTokenLimit": window, "outputTokenLimit": 65_536}
        entries.append({**entry, **limits, "supportedGenerationMethods": methods})
    return {"models": entries}


def gemini_layer_models(scene: Scene) -> Json:
    """Write the list of Gemini's OpenAI layer."""
    entries = [
        {"id": f"models/{name}", "object": "model", "owned_by": "google"}
        for name in models.listed("gemini")
    ]
    return {"object": "list", "data": entries}


def ollama_tags(scene: Scene) -> Json:
    """Write what is pulled, each with its tag."""
    entries: list[Json] = []
    for name in models.listed("ollama"):
        tagged = name if ":" in name else f"{name}:latest"
        details = {"format": "gguf", "family": name.partition(":")[0], "parameter_size": "70.6B"}
        entry = {"name": tagged, "model": tagged, "modified_at": _BORN, "size": 42_520_413_916}
        entries.append({**entry, "digest": "0" * 64, "details": details})
    return {"models": entries}


def ollama_version(scene: Scene) -> Json:
    """Write the version."""
    return {"version": "0.13.5"}


def _a_token(usd_per_1m: Decimal) -> str:
    return f"{(usd_per_1m / 1_000_000).normalize():f}"
