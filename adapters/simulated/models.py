"""Which models the simulated providers have, what they cost, and what they call themselves.

The ids come from the shipped catalog, retired and misspelt ones left out, and a few more so that
a list looks like a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from bot.catalog import shipped
from bot.models import ModelRef, Price

_MILLION = Decimal(1_000_000)

_EXTRAS = {
    "anthropic": (
        "claude-opus-4-5-20251101",
        "claude-sonnet-4-5-20250929",
        "claude-haiku-4-5-20251001",
    ),
    "openai": ("gpt-5-nano", "gpt-4.1", "gpt-4.1-mini"),
    "openrouter": (
        "anthropic/claude-opus-4.5",
        "anthropic/claude-haiku-4.5",
        "openai/gpt-5-mini",
        "google/gemini-2.5-flash",
        "meta-llama/llama-3.3-70b-instruct",
    ),
    "deepseek": (),
    "groq": ("llama-3.1-8b-instant", "openai/gpt-oss-20b"),
    "gemini": ("gemini-2.5-flash-lite",),
    "ollama": ("qwen3:8b", "gemma3:12b"),
}

# An alias is answered by a dated snapshot, whose name the answer bears.
_SERVED_AS = {
    "anthropic/claude-opus-4-5": "claude-opus-4-5-20251101",
    "anthropic/claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "anthropic/claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "openai/gpt-5": "gpt-5-2025-08-07",
    "openai/gpt-5-mini": "gpt-5-mini-2025-08-07",
    "deepseek/deepseek-v4-flash": "deepseek-flash",
}
# Taken though no list shows it.
_UNLISTED = {"deepseek": ("deepseek-v4-flash",)}

_THINKING = frozenset(
    {
        "deepseek/deepseek-v4-pro",
        "openai/gpt-5",
        "openai/gpt-5-mini",
        "openai/gpt-5-nano",
        "gemini/gemini-2.5-flash",
        "gemini/gemini-2.5-pro",
    }
)


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """When a provider caches a prompt's head, and in what units.

    `on_request` is Anthropic's way: the caller marks what to cache, and writing is billed too.
    """

    least_tokens: int
    block_tokens: int
    on_request: bool = False


CACHING = {
    "anthropic": CachePolicy(1024, 1, on_request=True),
    "openrouter": CachePolicy(1024, 1, on_request=True),
    "openai": CachePolicy(1024, 128),
    "gemini": CachePolicy(1024, 128),
    "deepseek": CachePolicy(64, 64),
}


_FREE = Price(Decimal(0), Decimal(0), source="local")


@cache
def listed(provider: str) -> tuple[str, ...]:
    """Return the ids that the provider's own list shows."""
    known = [
        ref.name
        for ref, facts in shipped().models.items()
        if ref.provider == provider and not facts.gone
    ]
    return tuple(dict.fromkeys((*known, *_EXTRAS[provider])))


@cache
def taken(provider: str) -> frozenset[str]:
    """Return every id the provider accepts."""
    names = {*listed(provider), *_UNLISTED.get(provider, ())}
    if provider == "ollama":
        names |= {f"{name}:latest" for name in names if ":" not in name}
    return frozenset(names)


def served_as(provider: str, name: str) -> str:
    """Return what the answer's `model` says when `name` was asked for."""
    return _SERVED_AS.get(f"{provider}/{name}", name)


def thinks(provider: str, name: str) -> bool:
    """Return whether the model thinks when it is not told to or not to."""
    return f"{provider}/{served_as(provider, name)}" in _THINKING or (
        f"{provider}/{name}" in _THINKING
    )


def retires_on(provider: str, name: str) -> date | None:
    """Return the day that the provider's list gives a model, as the catalog knows it."""
    names = (name, *_aliases_of(provider, name))
    days = (shipped().facts(ModelRef(provider, one)).retires_on for one in names)
    return next((day for day in days if day), None)


def price(provider: str, name: str) -> Price:
    """Return what the simulated provider charges for the model; unknown ones are free."""
    for candidate in (name, served_as(provider, name), *_aliases_of(provider, name)):
        known = shipped().facts(ModelRef(provider, candidate)).price or _routed(provider, candidate)
        if known:
            return known
    return _FREE


def cost_usd(price: Price, *, prompt: int, read: int, written: int, output: int) -> Decimal:
    """Price one call; `prompt` counts all input, what was read and written included."""
    plain = price.input_usd_per_1m
    reading, writing = price.cached_input_usd_per_1m, price.cache_write_usd_per_1m
    total = (
        (prompt - read - written) * plain
        + read * (plain if reading is None else reading)
        + written * (plain if writing is None else writing)
        + output * price.output_usd_per_1m
    )
    return total / _MILLION


def _aliases_of(provider: str, snapshot: str) -> list[str]:
    return [
        key.partition("/")[2]
        for key, value in _SERVED_AS.items()
        if value == snapshot and key.startswith(f"{provider}/")
    ]


def _routed(provider: str, name: str) -> Price | None:
    """OpenRouter passes on the maker's price: look the maker's model up."""
    if provider != "openrouter":
        return None
    maker, _, model = name.partition("/")
    maker = {"google": "gemini"}.get(maker, maker)
    spellings = (model, model.replace(".", "-"))
    found = (shipped().facts(ModelRef(maker, spelling)).price for spelling in spellings)
    return next((known for known in found if known), None)
