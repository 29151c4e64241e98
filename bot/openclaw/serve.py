"""Point a Moltbot or OpenClaw at our gateway, so that falling back takes milliseconds there.

The gateway stands in its config as a provider with one model, `auto`; what was the primary
becomes the first fallback, so that OpenClaw still answers when our gateway is away.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.card import Card, Caution, Code, Command, Fact, Strong, Tone, Visibility, text
from bot.config.commit import Plan, Planner
from bot.config.history import take_back_parts, undo
from bot.config.naming import written
from bot.config.plan import allow
from bot.config.present import Present
from bot.config.schema import MODELS_PATH, OWN_PROVIDER, ConfigView, ModelShape
from bot.config.values import Edit, SetValue, get
from bot.errors import MovedOnError
from bot.models import ModelRef
from bot.ports import Change

SERVE = "serve"
"""What the change is called in history."""

SERVED = ModelRef(OWN_PROVIDER, "auto")
TOKEN = "${GATEWAY_TOKEN}"  # noqa: S105
_NO_TOKEN = "not-needed"  # noqa: S105
_PROVIDERS = ("models", "providers", OWN_PROVIDER)


@dataclass(frozen=True, slots=True)
class GatewayAddress:
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


def plan_serve(view: ConfigView, door: GatewayAddress) -> list[Edit]:
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


def unserve(change: Change) -> Planner:
    """Plan taking our gateway out again; what was chosen behind it since stays chosen."""

    def plan(present: Present) -> Plan:
        try:
            return undo(change)(present)
        except MovedOnError:
            choice, agents = present.view.default, present.view.agents.items()
            asking = [id_ for id_, own in agents if _names_us(own.primary, own.fallbacks)]
            if choice.front is None or asking:
                raise
        # What it let through besides may be in the chain by now.
        ours = (_PROVIDERS, (*MODELS_PATH, str(SERVED)))
        others = [t for t in change.touched if any(t.path == one[: len(t.path)] for one in ours)]
        edits = take_back_parts(present, others)
        model: Any = get(present.parsed, choice.path)
        chain = list(choice.fallbacks or ())
        before = next((t.before for t in change.touched if t.path == choice.path), None)
        if isinstance(before, str) and not chain and choice.primary:
            edits.append(SetValue(choice.path, choice.primary))
        else:
            new = {**model, "primary": choice.primary, "fallbacks": chain}
            edits.append(SetValue(choice.path, new))
        return Plan(edits, choice.front, choice.primary, reverts=change.id)

    return plan


def _names_us(primary: str | None, fallbacks: Sequence[str] | None) -> bool:
    return any(
        (word or "").startswith(f"{OWN_PROVIDER}/") for word in (primary, *(fallbacks or ()))
    )


def provider_entry(door: GatewayAddress) -> dict[str, Any]:
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


def serve_card(
    view: ConfigView,
    door: GatewayAddress,
    diff: str,
    *,
    place: str,
    made: bool,
    change_id: int | None = None,
) -> Card:
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
        footer=_next(place, change_id, made=made, changes=changes),
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


def _next(place: str, change_id: int | None, *, made: bool, changes: bool) -> tuple[Any, ...]:
    if not changes:
        return text(place)
    back = Command("model undo" if change_id is None else f"model undo {change_id}")
    make = Command("init --openclaw --yes", program=True)
    return text(place, " · ", "undo: " if made else "apply: ", back if made else make)
