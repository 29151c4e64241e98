"""Every command of /model and /fallback, declared once; those of /cost join them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access import Permission
from bot.card import Card
from bot.catalog import Catalog
from bot.commands.cost_table import COST
from bot.commands.help import show_help
from bot.commands.registry import Args, Command, Danger, Handler, Kind, Param, Registry, late

if TYPE_CHECKING:
    from bot.commands.context import Context

READ, CHANGE = Permission.READ, Permission.CHANGE

_REASON = Param("reason", Kind.TEXT, "A reason for the channel and history", keyword=True)
_AGENT = Param("agent", Kind.NAME, "The agent to switch (default: the default model)", keyword=True)
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


def registry(catalog: Catalog) -> Registry:
    """Build the registry; the presets' words come from the catalog."""
    return Registry((*_model(catalog), *_FALLBACK, *COST, _help("cost")))


def _model(catalog: Catalog) -> tuple[Command, ...]:
    presets = tuple(
        Command(
            "model",
            preset.name,
            f"Switch the primary to {preset.name}: {preset.use_case}",
            CHANGE,
            _switch_to(preset.name),
            (_FOR, _AGENT, _EVERYWHERE, _REASON),
            Danger.CHANGES,
            examples=(f"/model {preset.name} for 2h reason batch import",),
        )
        for preset in catalog.presets.values()
    )
    strategies = tuple(catalog.strategies)
    return (
        Command(
            "model",
            "status",
            "Show primary, chain, prices, last change and problems",
            READ,
            late("model_read", "status"),
            (_AGENT,),
            default=True,
            examples=("/model status",),
        ),
        *presets,
        Command(
            "model",
            "use",
            "Switch the primary to an alias, a preset or any provider/model",
            CHANGE,
            late("model_switch", "use"),
            (_model_param("The model to switch to"), _FOR, _AGENT, _EVERYWHERE, _REASON),
            Danger.CHANGES,
            examples=("/model use anthropic/claude-sonnet-5-5 until 18:00 reason release",),
        ),
        Command(
            "model",
            "fallback",
            "Set the preset fallback chain",
            CHANGE,
            late("model_switch", "fallback"),
            (_REASON,),
            Danger.CHANGES,
            examples=("/model fallback",),
        ),
        Command(
            "model",
            "strategy",
            "Set primary and chain together",
            CHANGE,
            late("model_switch", "strategy"),
            (
                Param("name", Kind.CHOICE, "The strategy", required=True, choices=strategies),
                _EVERYWHERE,
                _REASON,
            ),
            Danger.CHANGES,
            examples=("/model strategy quality", "/model strategy local-first"),
        ),
        Command(
            "model",
            "list",
            "Show every configured model with price, context window and key",
            READ,
            late("model_read", "list_models"),
            (Param("name", Kind.PROVIDER, "Only this provider's models"),),
            examples=("/model list", "/model list deepseek"),
        ),
        Command(
            "model",
            "preset",
            "Set a preset for a model, or remove it",
            CHANGE,
            late("model_switch", "preset"),
            (
                Param("name", Kind.NAME, "The preset name", required=True),
                Param("model", Kind.MODEL, "The model, or remove", required=True),
                _REASON,
            ),
            Danger.CHANGES,
            examples=(
                "/model preset nightly deepseek/deepseek-flash",
                "/model preset nightly remove",
            ),
        ),
        Command(
            "model",
            "plan",
            "Switch at the same hours every week and back, list such plans, or end one",
            CHANGE,
            late("plans", "plan"),
            (
                Param("model", Kind.MODEL, "The model to switch to, or off"),
                Param("when", Kind.WHEN, "The hours: weekdays 22:00-07:00 or off-peak; N for off"),
                _REASON,
            ),
            Danger.CHANGES,
            examples=(
                "/model plan cheap weekdays 22:00-07:00 reason night batch",
                "/model plan cheap off-peak",
                "/model plan",
                "/model plan off 1",
            ),
        ),
        *_APPROVAL,
        Command(
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
                _FOR,
                _REASON,
            ),
            Danger.CHANGES,
            examples=(
                "/model trial cheap 10% for 2h reason cheaper chat",
                "/model trial 25%",
                "/model trial promote",
                "/model trial stop",
            ),
        ),
        Command(
            "model",
            "undo",
            "Undo the last change, or the one with that id",
            CHANGE,
            late("model_switch", "take_back"),
            (Param("amount", Kind.COUNT, "The id of a change in /model history"), _REASON),
            Danger.CHANGES,
            examples=("/model undo", "/model undo 12"),
        ),
        Command(
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
        ),
        _help("model"),
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
        (_REQUEST, _REASON),
        examples=("/model reject 3 reason not before the release",),
    ),
    Command(
        "model",
        "override",
        "Make a change that waits without approval, while an incident is open",
        Permission.ADMIN,
        late("pending", "override"),
        (_REQUEST, _REASON),
        Danger.CHANGES,
        examples=("/model override 3 reason anthropic is down",),
    ),
)


def _model_param(help_: str) -> Param:
    return Param("model", Kind.MODEL, help_, required=True)


def _switch_to(word: str) -> Handler:
    async def handler(ctx: Context, args: Args) -> Card:
        from bot.commands.model_switch import switch

        return await switch(ctx, word, args)

    return handler


def _help(group: str) -> Command:
    async def handler(ctx: Context, args: Args) -> Card:
        return await show_help(ctx, args, group)

    return Command(
        group,
        "help",
        f"Show all forms of /{group}",
        READ,
        handler,
        (Param("name", Kind.NAME, "Only this command's form"),),
        examples=(f"/{group} help",),
        private=True,
    )


_FALLBACK = (
    Command(
        "fallback",
        "status",
        "Show the effective chain, cool-downs, incidents and mute",
        READ,
        late("fallback_watch", "status"),
        default=True,
        examples=("/fallback status",),
    ),
    Command(
        "fallback",
        "test",
        "Send one real, one-token request to every hop, in parallel",
        CHANGE,
        late("fallback_watch", "test"),
        (Param("models", Kind.MODELS, "Models to test instead of the chain"),),
        Danger.COSTS,
        examples=("/fallback test", "/fallback test cheap local"),
    ),
    Command(
        "fallback",
        "retry",
        "End all cool-downs now, or one model's",
        CHANGE,
        late("fallback_retry", "retry"),
        (Param("model", Kind.MODEL, "The model to retry"),),
        Danger.CHANGES,
        examples=("/fallback retry", "/fallback retry best"),
    ),
    Command(
        "fallback",
        "set",
        "Replace the chain",
        CHANGE,
        late("fallback_edit", "set_chain"),
        (Param("models", Kind.MODELS, "The fallbacks in order", required=True), _AGENT, _REASON),
        Danger.CHANGES,
        examples=("/fallback set deepseek/deepseek-flash ollama/llama3.3",),
    ),
    Command(
        "fallback",
        "add",
        "Add a fallback, or allow one that would be skipped",
        CHANGE,
        late("fallback_edit", "add"),
        (
            _model_param("The model to add"),
            Param("at", Kind.COUNT, "Position among the fallbacks, from 1", keyword=True),
            _AGENT,
            _REASON,
        ),
        Danger.CHANGES,
        examples=("/fallback add groq/openai/gpt-oss-120b at 1",),
    ),
    Command(
        "fallback",
        "remove",
        "Remove a fallback from the chain",
        CHANGE,
        late("fallback_edit", "remove"),
        (_model_param("The fallback to remove"), _AGENT, _REASON),
        Danger.CHANGES,
        examples=("/fallback remove ollama/llama3.3",),
    ),
    Command(
        "fallback",
        "off",
        "Remove all fallbacks",
        CHANGE,
        late("fallback_edit", "off"),
        (_AGENT, _REASON),
        Danger.CHANGES,
        examples=("/fallback off",),
    ),
    Command(
        "fallback",
        "limit",
        "Limit what fallbacks may cost or where they run; alone it shows the limit",
        CHANGE,
        late("fallback_limit", "limit"),
        (
            Param(
                "amount", Kind.NAME, "A ratio to the primary's price such as 2x, free, private, off"
            ),
        ),
        Danger.CHANGES,
        examples=("/fallback limit 2x", "/fallback limit private"),
    ),
    Command(
        "fallback",
        "events",
        "Show fallback events: when, why and to which model",
        READ,
        late("fallback_watch", "events"),
        (Param("duration", Kind.DEADLINE, "A duration (default: 24 hours)"),),
        examples=("/fallback events 2h",),
    ),
    Command(
        "fallback",
        "mute",
        "Mute alerts",
        CHANGE,
        late("fallback_watch", "mute"),
        (Param("duration", Kind.DEADLINE, "A duration: 30m, 2h or until 18:00", required=True),),
        Danger.CHANGES,
        examples=("/fallback mute 1h",),
    ),
    Command(
        "fallback",
        "unmute",
        "Unmute alerts",
        CHANGE,
        late("fallback_watch", "unmute"),
        danger=Danger.CHANGES,
        examples=("/fallback unmute",),
    ),
    Command(
        "fallback",
        "ack",
        "Acknowledge an open incident: no mentions for 4 h",
        CHANGE,
        late("fallback_watch", "acknowledge"),
        (Param("id", Kind.COUNT, "The incident's number", required=True),),
        Danger.CHANGES,
        examples=("/fallback ack 3",),
    ),
    _help("fallback"),
)
