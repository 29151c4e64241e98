"""Point a Moltbot or OpenClaw at our gateway, so that falling back takes milliseconds there.

The gateway stands in its config as a provider with one model, `auto`; what was the primary
becomes the first fallback, so that OpenClaw still answers when our gateway is away.
"""

from __future__ import annotations

import json
from typing import Any

from bot.card import Card, Caution, Code, Fact, Strong, Tone, Visibility, text
from bot.config.edit import Edit, SetValue
from bot.config.naming import written
from bot.config.plan import allow
from bot.config.schema import ConfigView, ModelShape
from bot.models import ModelRef

PROVIDER = "changeover"
SERVED = ModelRef(PROVIDER, "auto")
TOKEN = "${GATEWAY_TOKEN}"  # noqa: S105
_NO_TOKEN = "not-needed"  # noqa: S105
_PROVIDERS = ("models", "providers", PROVIDER)


def is_served(view: ConfigView) -> bool:
    """Decide whether the config's primary is our gateway already."""
    return written(view.default.primary, view) == SERVED


def plan_serve(view: ConfigView, port: int, *, token: bool = True) -> list[Edit]:
    """Plan the edits; none where all of it stands so already.

    `token` False writes no `${GATEWAY_TOKEN}`: a variable that is missing in OpenClaw's own
    environment makes its whole config invalid.
    """
    edits: list[Edit] = [SetValue(_PROVIDERS, provider_entry(port, token=token))]
    choice = view.default
    if is_served(view):
        return edits
    old = [choice.primary] if choice.primary else []
    rest = [word for word in choice.fallbacks or () if word not in (*old, str(SERVED))]
    chain = [*old, *rest]
    if choice.shape is ModelShape.OBJECT:
        edits += [
            SetValue(choice.primary_path, str(SERVED)),
            SetValue(choice.fallbacks_path, chain),
        ]
    else:
        edits.append(SetValue(choice.path, {"primary": str(SERVED), "fallbacks": chain}))
    # 1.x drops without a word whatever a non-empty map of models does not name.
    named = [ref for word in chain if (ref := written(word, view)) is not None]
    return [*edits, *allow(view, [SERVED, *named])]


def provider_entry(port: int, *, token: bool = True) -> dict[str, Any]:
    """Return the gateway as an entry of `models.providers`, valid to every release.

    The cost is 0 there, because the gateway's own ledger has the real one.
    """
    return {
        "baseUrl": f"http://127.0.0.1:{port}/v1",
        "apiKey": TOKEN if token else _NO_TOKEN,
        "api": "openai-completions",
        "models": [
            {
                "id": SERVED.name,
                "name": "Changeover",
                "reasoning": False,
                "input": ["text", "image"],
                "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
                "contextWindow": 200000,
                "maxTokens": 8192,
            }
        ],
    }


def serve_card(
    view: ConfigView, port: int, diff: str, *, place: str, made: bool, token: bool = True
) -> Card:
    """Show the edit, or say that it was made, with what it needs and how it is taken back."""
    changes = bool(diff)
    title = "OpenClaw asks our gateway now" if made else "This would point OpenClaw at our gateway"
    if not changes:
        title = "OpenClaw asks our gateway already"
    warnings = []
    if token and changes:
        warnings.append(
            Caution(
                "token_in_openclaw",
                "OpenClaw has to know GATEWAY_TOKEN too: without it the whole config is invalid.",
                "Put GATEWAY_TOKEN into OpenClaw's environment (its .env) before.",
            )
        )
    old = view.default.primary
    return Card(
        title=text(Strong(title)),
        tone=Tone.CHANGE if made and changes else Tone.NEUTRAL,
        body=(text(Code(diff.rstrip("\n"))),) if changes else (),
        facts=(
            Fact("Primary", text(Code(str(old)), " → ", Code(str(SERVED)))),
            Fact("Gateway", text(Code(f"http://127.0.0.1:{port}/v1"))),
        )
        if changes
        else (),
        warnings=tuple(warnings),
        footer=_next(place, made=made, changes=changes),
        visibility=Visibility.PRIVATE,
        command="init",
        data={
            "changed": made and changes,
            "config_path": place,
            "provider": json.loads(json.dumps(provider_entry(port, token=token))),
            "old": old,
            "new": str(SERVED),
            "diff": diff,
        },
    )


def _next(place: str, *, made: bool, changes: bool) -> tuple[Any, ...]:
    if not changes:
        return text(place)
    command = "changeover model undo" if made else "changeover init --openclaw --yes"
    return text(place, " · ", "take it back: " if made else "make it so: ", Code(command))
