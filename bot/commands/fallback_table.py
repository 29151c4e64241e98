"""Every command of /fallback, declared once."""

from __future__ import annotations

from bot.access import Permission
from bot.commands.registry import AGENT, REASON, Command, Danger, Kind, Param, late, model_param

READ, CHANGE = Permission.READ, Permission.CHANGE

FALLBACK = (
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
        (Param("models", Kind.MODELS, "The fallbacks in order", required=True), AGENT, REASON),
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
            model_param("The model to add"),
            Param("at", Kind.COUNT, "Position among the fallbacks, from 1", keyword=True),
            AGENT,
            REASON,
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
        (model_param("The fallback to remove"), AGENT, REASON),
        Danger.CHANGES,
        examples=("/fallback remove ollama/llama3.3",),
    ),
    Command(
        "fallback",
        "off",
        "Remove all fallbacks",
        CHANGE,
        late("fallback_edit", "off"),
        (AGENT, REASON),
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
)
