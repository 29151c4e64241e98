"""What `--json` puts in `data`, command by command, for the reference; a test holds it true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Fields = Mapping[str, Sequence[str]]

_ONE: Sequence[str] = ()
_PRICE = ("input_usd_per_1m", "output_usd_per_1m", "source", "as_of")
_INCIDENT = (
    "id", "state", "primary", "reason", "opened_at", "resolved_at", "requests", "served_by",
)  # fmt: skip
_HOP = (
    "position", "model", "preset", "provider", "key_present", "allowed", "walked", "skip_reason",
    "cooldown_until", "context_window", "price",
)  # fmt: skip
_WARNING = ("code", "text", "hint")
_GROUP = (
    "key", "cost_usd", "requests", "input_tokens", "cached_input_tokens", "cache_write_tokens",
    "output_tokens", "reasoning_tokens",
)  # fmt: skip

FIELDS: Mapping[str, Fields] = {
    "/model status": {
        "primary": _ONE,
        "preset": _ONE,
        "config_path": _ONE,
        "revision": _ONE,
        "chain[]": _HOP,
        "chain[].price": _PRICE,
        "last_change": _ONE,
        "pending_revert": ("at", "to"),
        "incidents[]": _INCIDENT,
        "warnings[]": _WARNING,
    },
    "/model cheap": {
        "changed": _ONE,
        "old": _ONE,
        "new": _ONE,
        "actor": _ONE,
        "reason": _ONE,
        "revision_before": _ONE,
        "revision": _ONE,
        "price_ratio": _ONE,
        "revert_at": _ONE,
        "diff": _ONE,
        "warnings[]": _WARNING,
    },
    "/model list": {
        "models[]": (
            "model", "aliases", "presets", "provider", "key_present", "allowed", "context_window",
            "price",
        ),
    },
    "/model history": {
        "changes[]": ("id", "at", "actor", "surface", "action", "old", "new", "reason", "reverts"),
    },
    "/fallback status": {
        "chain[]": _HOP,
        "formats[]": ("model", "dialects"),
        "muted_until": _ONE,
        "incidents[]": _INCIDENT,
        "warnings[]": _WARNING,
    },
    "/fallback test": {
        "chain_ok": _ONE,
        "would_serve": _ONE,
        "wall_ms": _ONE,
        "hops[]": (
            "position", "model", "verdict", "reason", "status", "latency_ms", "cost_usd",
            "served_model", "detail", "hint",
        ),
        "dialects[]": ("dialect", "options", "would_serve", "hops"),
        "warnings[]": _WARNING,
    },
    "/fallback events": {"events[]": ("at", "from", "to", "reason", "request_id", "source")},
    "/cost week": {
        "from": _ONE,
        "to": _ONE,
        "total_usd": _ONE,
        "previous_total_usd": _ONE,
        "requests": _ONE,
        "fallback_requests": _ONE,
        "groups[]": _GROUP,
        "unpriced[]": ("model", "requests"),
        "billed[]": ("provider", "amount_usd", "as_of", "gap_usd"),
    },
    "/cost compare": {
        "baseline_usd": _ONE,
        "alternatives[]": ("model", "cost_usd", "saving_usd", "saving_percent", "missing"),
    },
    "/cost budget": {"amount_usd": _ONE, "period": _ONE, "spent_usd": _ONE, "then": _ONE},
}  # fmt: skip

_STANDS_FOR = {
    "/model cheap": "every change of the config",
    "/cost week": "`/cost today`, `week`, `month`, `since`",
}


def rows() -> Iterator[tuple[str, str]]:
    """Yield a table row a command: its name, and its fields in words."""
    for command, fields in FIELDS.items():
        yield _STANDS_FOR.get(command, f"`{command}`"), ", ".join(map(_field, fields.items()))


def _field(field: tuple[str, Sequence[str]]) -> str:
    name, inner = field
    return f"`{name}` ({', '.join(inner)})" if inner else f"`{name}`"
