"""Point a Moltbot or OpenClaw at our gateway, so that falling back takes milliseconds there.

The gateway stands in its config as a provider with one model, `auto`; what was the primary
becomes the first fallback, so that OpenClaw still answers when our gateway is away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bot.card import Card, Caution, Code, Command, Fact, Strong, Tone, Visibility, text
from bot.config.edit import Edit, SetValue
from bot.config.naming import written
from bot.config.plan import allow
from bot.config.schema import OWN_PROVIDER, ConfigView, ModelShape
from bot.models import ModelRef

SERVED = ModelRef(OWN_PROVIDER, "auto")
TOKEN = "${GATEWAY_TOKEN}"  # noqa: S105
_NO_TOKEN = "not-needed"  # noqa: S105
_PROVIDERS = ("models", "providers", OWN_PROVIDER)


@dataclass(frozen=True, slots=True)
class Door:
    """Where OpenClaw finds our gateway.

    `token` False writes no `${GATEWAY_TOKEN}`: a variable that is missing in OpenClaw's own
    environment makes its whole config invalid.
    """

    port: int
    host: str = "127.0.0.1"
    token: bool = True

    @property
    def url(self) -> str:
        """The base URL of the OpenAI dialect."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


def is_served(view: ConfigView) -> bool:
    """Return whether the config's primary is our gateway already."""
    return view.default.front is not None


def plan_serve(view: ConfigView, door: Door) -> list[Edit]:
    """Plan the edits; none where all of it stands so already."""
    edits: list[Edit] = [SetValue(_PROVIDERS, provider_entry(door))]
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


def provider_entry(door: Door) -> dict[str, Any]:
    """Return the gateway as an entry of `models.providers`, valid to every release.

    The cost is 0 there, because the gateway's own ledger has the real one.
    """
    return {
        "baseUrl": door.url,
        "apiKey": TOKEN if door.token else _NO_TOKEN,
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


def serve_card(view: ConfigView, door: Door, diff: str, *, place: str, made: bool) -> Card:
    """Show the edit, or say that it was made, with what it needs and how to undo it."""
    changes = bool(diff)
    title = (
        "OpenClaw now uses the Changeover gateway"
        if made
        else "Preview: OpenClaw would use the Changeover gateway"
    )
    if not changes:
        title = "OpenClaw already uses the Changeover gateway"
    warnings = []
    if door.token and changes:
        warnings.append(
            Caution(
                "token_in_openclaw",
                "OpenClaw needs GATEWAY_TOKEN too: without it its config is invalid.",
                "Set GATEWAY_TOKEN in OpenClaw's environment (its .env) first.",
            )
        )
    own = [id_ for id_, choice in view.agents.items() if choice.primary]
    if own and changes:
        warnings.append(
            Caution(
                "agent_models",
                f"Agents with their own model still bypass the gateway: {', '.join(own)}.",
                Command(f"model use {SERVED} agent {own[0]}"),
            )
        )
    old = view.default.written[0]
    return Card(
        title=text(Strong(title)),
        tone=Tone.CHANGE if made and changes else Tone.NEUTRAL,
        body=(text(Code(diff.rstrip("\n"))),) if changes else (),
        facts=(
            Fact("Primary", text(Code(str(old)), " → ", Code(str(SERVED)))),
            Fact("Gateway", text(Code(door.url))),
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
            "provider": json.loads(json.dumps(provider_entry(door))),
            "old": old,
            "new": str(SERVED),
            "diff": diff,
        },
    )


def _next(place: str, *, made: bool, changes: bool) -> tuple[Any, ...]:
    if not changes:
        return text(place)
    undo, make = Command("model undo"), Command("init --openclaw --yes", program=True)
    return text(place, " · ", "undo: " if made else "apply: ", undo if made else make)
