"""`GET /v1/models`: what a caller may ask for, in a document that both dialects' SDKs read."""

from __future__ import annotations

from typing import Any

from adapters.gateway.live import LiveConfig
from bot.config.naming import chain_words, resolve, written
from bot.routing.router import AUTO

_LONG_AGO = "2026-01-01T00:00:00Z"
_LONG_AGO_S = 1767225600


def model_list(live: LiveConfig) -> dict[str, Any]:
    """List `auto`, the presets and aliases, and every model the config names."""
    view, catalog = live.view, live.around.catalog
    names = ["auto", *(a for a in view.aliases.values() if a), *catalog.presets]
    refs = [written(word, view) for word in [*chain_words(view), *view.aliases]]
    names += [str(ref) for ref in refs if ref and not ref.name.endswith("*")]
    rows = [_row(name) for name in dict.fromkeys(names)]
    return {
        "object": "list",
        "data": rows,
        "has_more": False,
        "first_id": rows[0]["id"],
        "last_id": rows[-1]["id"],
    }


def model_row(live: LiveConfig, name: str) -> dict[str, Any]:
    """Describe one name that a caller may ask for. Raises UnknownModelError."""
    if not name or name.lower() not in AUTO:
        resolve(name, live.view, live.around.catalog)
    return _row(name)


def _row(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": _LONG_AGO_S,
        "owned_by": "changeover",
        "type": "model",
        "display_name": name,
        "created_at": _LONG_AGO,
    }
