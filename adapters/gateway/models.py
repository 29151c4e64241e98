"""`GET /v1/models`: what a caller may ask for, in the shape of the caller's dialect."""

from __future__ import annotations

from typing import Any

from adapters.gateway.live import LiveConfig
from bot.config.naming import chain_words, resolve, written
from bot.models import Dialect, ModelRef
from bot.routing.router import AUTO, CLAUDE_ALIAS, plain_name

_LONG_AGO = "2026-01-01T00:00:00Z"
_LONG_AGO_S = 1767225600


def model_list(live: LiveConfig, dialect: Dialect) -> dict[str, Any]:
    """List `auto`, the presets and aliases, and every model the config names.

    For Anthropic's clients the names come under an alias too: Claude Code drops all ids without
    `claude`.
    """
    view, catalog = live.view, live.around.catalog
    names = ["auto", *(a for a in view.aliases.values() if a), *catalog.presets]
    refs = [written(word, view) for word in [*chain_words(view), *view.aliases]]
    models = [str(ref) for ref in refs if ref and not ref.name.endswith("*")]
    if dialect is not Dialect.ANTHROPIC:
        rows = [_row(live, name, dialect) for name in dict.fromkeys([*names, *models])]
        return {"object": "list", "data": rows}
    names = [f"{CLAUDE_ALIAS}{name}" for name in names] + names
    rows = [_row(live, name, dialect) for name in dict.fromkeys([*names, *models])]
    first, last = rows[0]["id"], rows[-1]["id"]
    return {"data": rows, "has_more": False, "first_id": first, "last_id": last}


def model_row(live: LiveConfig, name: str, dialect: Dialect) -> dict[str, Any]:
    """Describe one name that a caller may ask for. Raises UnknownModelError."""
    plain = plain_name(name)
    if not name or plain.lower() not in AUTO:
        resolve(plain, live.view, live.around.catalog)
    return _row(live, name, dialect)


def _row(live: LiveConfig, name: str, dialect: Dialect) -> dict[str, Any]:
    if dialect is not Dialect.ANTHROPIC:
        return {"id": name, "object": "model", "created": _LONG_AGO_S, "owned_by": "changeover"}
    plain = plain_name(name)
    ref = ModelRef.parse(plain)
    facts = live.around.catalog.facts(ref) if ref else None
    lifecycle, retires_on = "active", facts.retires_on if facts else None
    if facts and retires_on:
        lifecycle = "retired" if facts.retired_on else "deprecated"
    return {
        "type": "model",
        "id": name,
        "display_name": plain if plain == name else f"Changeover: {plain}",
        "created_at": _LONG_AGO,
        "lifecycle": lifecycle,
        "deprecated_at": None,
        "retires_at": f"{retires_on}T00:00:00Z" if retires_on else None,
        "max_input_tokens": facts.context_window if facts else None,
    }
