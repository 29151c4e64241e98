"""Every command of /model, declared once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access import Permission
from bot.card import Card
from bot.catalog import Catalog
from bot.commands.registry import (
    AGENT,
    REASON,
    Args,
    Command,
    Danger,
    Handler,
    Kind,
    Param,
    late,
    model_param,
)
from bot.models import Preset

if TYPE_CHECKING:
    from bot.commands.context import Context

READ, CHANGE = Permission.READ, Permission.CHANGE

_EVERYWHERE = Param(
    "everywhere",
    Kind.CHOICE,
    "Also where agents, heartbeats, channels and hooks name a model of their own",
    choices=("everywhere",),
)
_FOR = Param(
    "for",
    Kind.DEADLINE,
    "A duration: 30m, 2h, 1d or until 18:00; reverts afterwards",
    keyword=True,
    also=("until",),
)


def model_commands(catalog: Catalog) -> tuple[Command, ...]:
    """Return the commands in their order; the presets' words come from the catalog."""
    return (
        _STATUS,
        *(_preset(preset) for preset in catalog.presets.values()),
        _USE,
        _FALLBACK,
        _strategy(catalog),
        _LIST,
        _PRESET,
        _REMIND,
        _PLAN,
        *_APPROVAL,
        _TRIAL,
        _UNDO,
        _HISTORY,
    )


def _preset(preset: Preset) -> Command:
    return Command(
        "model",
        preset.name,
        f"Switch the primary to {preset.name}: {preset.use_case}",
        CHANGE,
        _switch_to(preset.name),
        (_FOR, AGENT, _EVERYWHERE, REASON),
        Danger.CHANGES,
        examples=(f"/model {preset.name} for 2h reason batch import",),
    )


def _switch_to(word: str) -> Handler:
    async def handler(ctx: Context, args: Args) -> Card:
        from bot.commands.model_switch import switch

        return await switch(ctx, word, args)

    return handler


def _strategy(catalog: Catalog) -> Command:
    strategies = tuple(catalog.strategies)
    return Command(
        "model",
        "strategy",
        "Set primary and chain together",
        CHANGE,
        late("model_switch", "strategy"),
        (
            Param(
                "name",
                Kind.CHOICE,
                "The strategy",
                required=True,
                choices=strategies,
            ),
            _EVERYWHERE,
            REASON,
        ),
        Danger.CHANGES,
        examples=("/model strategy quality", "/model strategy local-first"),
    )


_STATUS = Command(
    "model",
    "status",
    "Show primary, chain, prices, last change and problems",
    READ,
    late("model_read", "status"),
    (AGENT,),
    default=True,
    examples=("/model status",),
)

_USE = Command(
    "model",
    "use",
    "Switch the primary to an alias, a preset or any provider/model",
    CHANGE,
    late("model_switch", "use"),
    (model_param("The model to switch to"), _FOR, AGENT, _EVERYWHERE, REASON),
    Danger.CHANGES,
    examples=("/model use anthropic/claude-sonnet-5-5 until 18:00 reason release",),
)

_FALLBACK = Command(
    "model",
    "fallback",
    "Set the preset fallback chain",
    CHANGE,
    late("model_switch", "fallback"),
    (REASON,),
    Danger.CHANGES,
    examples=("/model fallback",),
)

_LIST = Command(
    "model",
    "list",
    "Show every configured model with price, context window and key",
    READ,
    late("model_read", "list_models"),
    (Param("name", Kind.PROVIDER, "Only this provider's models"),),
    examples=("/model list", "/model list deepseek"),
)

_PRESET = Command(
    "model",
    "preset",
    "Set a preset for a model, or remove it",
    CHANGE,
    late("model_switch", "preset"),
    (
        Param("name", Kind.NAME, "The preset name", required=True),
        Param("model", Kind.MODEL, "The model, or remove", required=True),
        REASON,
    ),
    Danger.CHANGES,
    examples=(
        "/model preset nightly deepseek/deepseek-flash",
        "/model preset nightly remove",
    ),
)

_REMIND = Command(
    "model",
    "remind",
    "Repeat the notice of a model's retirement in a week",
    CHANGE,
    late("retirements", "remind"),
    (model_param("The model that will be retired"),),
    examples=("/model remind best",),
)

_PLAN = Command(
    "model",
    "plan",
    "Switch at the same hours every week and back, list such plans, or end one",
    CHANGE,
    late("plans", "plan"),
    (
        Param("model", Kind.MODEL, "The model to switch to, or off"),
        Param("when", Kind.WHEN, "The hours: weekdays 22:00-07:00 or off-peak; N for off"),
        REASON,
    ),
    Danger.CHANGES,
    examples=(
        "/model plan cheap weekdays 22:00-07:00 reason night batch",
        "/model plan cheap off-peak",
        "/model plan",
        "/model plan off 1",
    ),
)

_TRIAL = Command(
    "model",
    "trial",
    "Try a model on a share of conversations, beside the primary",
    CHANGE,
    late("trial", "trial"),
    (
        Param(
            "model",
            Kind.MODEL,
            "The model to try; or promote, stop or a new share",
            offered=("promote", "stop"),
        ),
        Param("share", Kind.SHARE, "The share of conversations: 10%"),
        Param(
            "for",
            Kind.DEADLINE,
            "A duration: 30m, 2h, 1d (the default) or until 18:00; it ends by then",
            keyword=True,
            also=("until",),
        ),
        REASON,
    ),
    Danger.CHANGES,
    examples=(
        "/model trial cheap 10% for 2h reason cheaper chat",
        "/model trial 25%",
        "/model trial promote",
        "/model trial stop",
    ),
)

_UNDO = Command(
    "model",
    "undo",
    "Undo the last change, or the one with that id",
    CHANGE,
    late("model_switch", "take_back"),
    (Param("amount", Kind.COUNT, "The id of a change in /model history"), REASON),
    Danger.CHANGES,
    examples=("/model undo", "/model undo 12"),
)

_HISTORY = Command(
    "model",
    "history",
    "Show who changed, planned and approved what, when and why, or export it",
    READ,
    late("model_history", "history"),
    (
        Param("amount", Kind.COUNT, "The number of entries"),
        Param(
            "export",
            Kind.CHOICE,
            "All of it as a CSV file",
            keyword=True,
            also=("export",),
            choices=("export",),
        ),
    ),
    examples=("/model history 20", "/model history export"),
)

_REQUEST = Param("amount", Kind.COUNT, "The id of a request in /model pending", required=True)

_APPROVAL = (
    Command(
        "model",
        "pending",
        "Show the changes that wait for another operator's approval",
        READ,
        late("pending", "pending"),
        examples=("/model pending",),
    ),
    Command(
        "model",
        "approve",
        "Approve a change that another operator requested",
        CHANGE,
        late("pending", "approve"),
        (_REQUEST,),
        Danger.CHANGES,
        examples=("/model approve 3",),
    ),
    Command(
        "model",
        "reject",
        "Reject a change that waits, or withdraw your own",
        CHANGE,
        late("pending", "reject"),
        (_REQUEST, REASON),
        examples=("/model reject 3 reason not before the release",),
    ),
    Command(
        "model",
        "override",
        "Make a change that waits without approval, while an incident is open",
        Permission.ADMIN,
        late("pending", "override"),
        (_REQUEST, REASON),
        Danger.CHANGES,
        examples=("/model override 3 reason anthropic is down",),
    ),
)
