"""Warnings: something the reader should know, and the command that fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bot.card import Caution, Command, Phrase, Text, text
from bot.catalog import Catalog
from bot.config.naming import variable_in
from bot.config.schema import ConfigView, ModelShape
from bot.dialects.locality import is_cloud_model
from bot.errors import ErrorInfo
from bot.messages.chain import KEY_ELSEWHERE, key_step, skip_words
from bot.messages.receivers import surface_title
from bot.messages.retirement import end_words
from bot.messages.words import FORMATS, listed, tokens
from bot.models import Dialect, ModelRef
from bot.ports.reloads import Confirmation, ReloadOutcome
from bot.routing.chain import AllowRule, Hop, SkipReason, lost_on_the_way
from bot.spans import recalled

if TYPE_CHECKING:
    from bot.ports.alerts import ChannelTrouble

ALIVE = timedelta(minutes=1)
"""A service shows life every few seconds; after this long without, it is gone."""


def of_hop(hop: Hop, hops: Sequence[Hop], rule: AllowRule) -> list[Caution]:
    """Say what is wrong with one hop."""
    found = []
    if hop.skip is not None:
        found += _skipped(hop, hops)
    elif hop.unasked is SkipReason.NO_KEY and not hop.signed_in:
        found.append(_key_not_seen(hop))
    if not hop.allowed and hop.skip is None and hop.position and rule is AllowRule.UNKNOWN:
        found.append(not_allowed(_name(hop)))
    return [*found, *_age(hop, hops), *_may_forward(hop)]


def _skipped(hop: Hop, hops: Sequence[Hop]) -> list[Caution]:
    """Say why a hop is passed over, and what to do about it."""
    name = _name(hop)
    remove, skipped = Command(f"fallback remove {name}"), f"{name} is skipped:"
    caution = None
    match hop.skip:
        case SkipReason.NO_KEY:
            step: Phrase = f"{key_step(hop)}."
            if hop.position:
                step = text(f"{key_step(hop)}, or ", remove)
            caution = Caution("no_key", f"{skipped} no API key ({hop.key_name}).", step)
        case SkipReason.NOT_ALLOWED:
            says = f"{skipped} not in agents.defaults.models."
            caution = Caution("not_allowed", says, Command(f"fallback add {name}"))
        case SkipReason.UNKNOWN_PROVIDER:
            says, step = f"{skipped} unknown provider.", _instead(hop, None, hops)
            caution = Caution("unknown_provider", says, step)
        case SkipReason.OPENCLAW_ONLY:
            says = f"Only OpenClaw can call {name}. Changeover's gateway asks the next model."
            caution = Caution("openclaw_only", says)
        case SkipReason.NOT_SERVED:
            says = f"{skipped} this OpenClaw release has no such model."
            again = f"fallback add {name}" if hop.position else f"model use {name}"
            caution = Caution("not_served", says, Command(again))
        case SkipReason.UNSUPPORTED | SkipReason.KEY_ELSEWHERE:
            caution = _beyond_us(hop, hops)
        case SkipReason.OURSELVES:
            says = f"{skipped} it is Changeover's own gateway."
            caution = Caution("ourselves", says, remove if hop.position else Command("model list"))
        case SkipReason.NOT_A_MODEL:
            caution = _not_a_model(hop)
    return [caution] if caution else []


def _key_not_seen(hop: Hop) -> Caution:
    return Caution(
        "key_not_seen",
        f"{_name(hop)} cannot be tested from here: no API key ({hop.key_name}). "
        "OpenClaw may have its own.",
        f"To test it, {key_step(hop, at_start=False)}.",
    )


def _name(hop: Hop) -> str:
    return str(hop.ref or hop.written)


def _beyond_us(hop: Hop, hops: Sequence[Hop]) -> Caution:
    """Say what of a provider's entry our gateway cannot use."""
    said = f"{hop.ref or hop.written} is skipped: {skip_words(hop, hops)}."
    if hop.skip is SkipReason.KEY_ELSEWHERE:
        return Caution("key_elsewhere", said, KEY_ELSEWHERE)
    step = "In models.providers, set its api to openai-completions or anthropic-messages."
    return Caution("unsupported_api", said, step)


def of_chain(
    hops: Sequence[Hop], view: ConfigView, rule: AllowRule, catalog: Catalog
) -> list[Caution]:
    """Say everything that is wrong with the chain, hop by hop, then as a whole."""
    found = _together([caution for hop in hops for caution in of_hop(hop, hops, rule)], hops)
    if not hops or hops[0].position:
        found.append(
            Caution(
                "no_primary",
                "No primary model is set.",
                text(Command("model best"), " or ", Command("model list")),
            )
        )
    elif len(hops) == 1:
        found.append(
            Caution("no_fallbacks", "No fallbacks are configured.", Command("model fallback"))
        )
    found.extend(local_only_in_name(hops))
    found.extend(unaccepted_formats(hops))
    found.extend(_retired_aliases(view, catalog))
    agents = [id_ for id_, choice in view.agents.items() if choice.shape is not ModelShape.ABSENT]
    if agents:
        found.append(
            Caution(
                "agent_models",
                f"{'Agent' if len(agents) == 1 else 'Agents'} {listed(agents)} "
                f"{'has its' if len(agents) == 1 else 'have their'} own model and "
                f"{'does' if len(agents) == 1 else 'do'} not follow the default.",
                Command(f"model status agent {agents[0]}"),
            )
        )
    return found


def unaccepted_formats(hops: Sequence[Hop]) -> list[Caution]:
    """Warn that the gateway has no hop at all for the callers of a format."""
    spoken = {d for hop in hops if hop.provider and hop.walked for d in hop.provider.endpoints}
    if not spoken or any(hop.walked and hop.unasked for hop in hops):
        # What only OpenClaw asks is no chain for the gateway's callers.
        return []
    return [
        Caution(
            "format",
            f"No model in the chain accepts {FORMATS[dialect]}-format requests: "
            "the gateway answers them with a 400.",
            Command("fallback add MODEL"),
        )
        for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC)
        if dialect not in spoken
    ]


def _together(found: list[Caution], hops: Sequence[Hop]) -> list[Caution]:
    """Make one warning of several missing keys; the chain's lines name each."""
    keyless = [hop for hop in hops if hop.skip is SkipReason.NO_KEY]
    names = list(dict.fromkeys(str(hop.key_name) for hop in keyless))
    if len(keyless) < 2 or any(hop.profile for hop in keyless):
        return found
    some = any(hop.walked for hop in hops)
    either = "" if some or len(names) < 2 else "at least one of "
    missing = Caution(
        "no_key",
        f"{len(keyless)} hops have no API key." if some else "No API keys yet.",
        f"Set {either}{listed(names)} in .env and restart.",
    )
    return [missing, *(caution for caution in found if caution.code != "no_key")]


def local_only_in_name(hops: Sequence[Hop]) -> list[Caution]:
    """Warn that a failure of a local primary would send the conversation out."""
    if not hops or not hops[0].private:
        return []
    cloud = [str(hop.ref) for hop in hops[1:] if hop.ref and hop.walked and not hop.private]
    if not cloud:
        return []
    return [
        Caution(
            "cloud_fallback",
            f"The primary is local, but on a failure the conversation goes to {cloud[0]}.",
            Command("model strategy local-first"),
        )
    ]


def not_private(ref: ModelRef, preset: str) -> tuple[str, Text]:
    """Refuse a model as the private primary of a strategy, and say what to do instead."""
    cloud = is_cloud_model(ref.name)
    why = "is one of Ollama's cloud models" if cloud else "does not run on your own machines"
    return (
        f"Nothing changed: {ref} {why}, so conversations would leave them.",
        text(
            "Point the preset at a private model: ",
            Command(f"model preset {preset} ollama/llama3.3"),
            "" if cloud else f", or set CHANGEOVER_PRIVATE={ref.provider} if it is private.",
        ),
    )


def _may_forward(hop: Hop) -> list[Caution]:
    provider = hop.provider
    if hop.skip is not None or provider is None or not (provider.near and provider.custom):
        return []
    if provider.private:
        return []
    return [
        Caution(
            "may_forward",
            f"{hop.ref} has a local address but may forward to a vendor, so it counts as cloud.",
            f"If it stays on your machines, set CHANGEOVER_PRIVATE={provider.id}.",
        )
    ]


def losses(hops: Sequence[Hop]) -> list[Caution]:
    """Say what each fallback cannot do that the first hop can."""
    first = next((hop.facts for hop in hops if hop.walked and hop.facts), None)
    found = []
    for hop, lost in lost_on_the_way(hops):
        had, has = (facts.context_window if facts else None for facts in (first, hop.facts))
        words = {
            "vision": "no images",
            "tools": "no tools",
            "context": f"smaller context ({tokens(has)} instead of {tokens(had)})",
        }
        found.append(Caution("loses", f"{hop.ref}: {', '.join(words[name] for name in lost)}."))
    return found


def unread_includes(view: ConfigView) -> list[Caution]:
    """Say which `$include` gives nothing."""
    refused = " OpenClaw rejects the whole config because of it." if view.version else ""
    return [Caution("include", f"{one.says}{refused}", one.fix) for one in view.faults]


def journal_away(error: ErrorInfo | None) -> list[Caution]:
    """Say that history could not be read or written."""
    if error is None:
        return []
    return [Caution("database", f"No history: {error.message}", error.step)]


def deaf_channels(troubles: Sequence[ChannelTrouble]) -> list[Caution]:
    """Say which surfaces alerts do not reach."""
    return [
        Caution(
            "alert_channel",
            f"Alerts do not reach {surface_title(one.surface)}: {one.message}",
            recalled(one.hint),
        )
        for one in troubles
    ]


def unrecorded(why: ErrorInfo | None) -> list[Caution]:
    """Say that a change was made but could not be written into history."""
    if why is None:
        return []
    return [
        Caution(
            "unrecorded",
            text(
                "The change was made but not recorded, so ",
                Command("model undo"),
                f" cannot revert it: {why.message}",
            ),
            why.step,
        )
    ]


def reload(confirmation: Confirmation | None) -> list[Caution]:
    """Say what became of a change that the program owning the config has not applied."""
    match confirmation.taken if confirmation else None:
        case ReloadOutcome.NOT_SEEN:
            return [
                Caution(
                    "reload_not_seen",
                    "Saved. OpenClaw has not confirmed it yet.",
                    text("If it is running: ", Command("doctor", program=True)),
                )
            ]
        case ReloadOutcome.NEEDS_RESTART:
            return [
                Caution(
                    "reload_needs_restart",
                    "Saved. OpenClaw applies it after a restart.",
                    "Restart it, for example: docker restart CONTAINER",
                )
            ]
        case _:
            return []


def lives(seen_at: datetime | None, now: datetime) -> bool:
    """Return whether a service shows life; a sign from the future was left by a wrong clock."""
    return seen_at is not None and abs(now - seen_at) < ALIVE


def overdue(due_at: datetime, seen_at: datetime | None, now: datetime) -> list[Caution]:
    """Say that no process is running which could revert a timed switch."""
    if lives(seen_at, now):
        return []
    words = "is overdue" if due_at <= now else "will not happen"
    return [
        Caution(
            "no_service",
            f"The revert {words}: no running Changeover uses this database.",
            Command("bot", program=True),
        )
    ]


def not_allowed(name: str) -> Caution:
    """Say that an older release would skip the model."""
    return Caution(
        "not_allowed",
        f"{name} is not in agents.defaults.models; Moltbot before 2026.3 skips it silently.",
        Command(f"fallback add {name}"),
    )


def unknown_name(ref: ModelRef, near: str | None) -> Caution:
    """Say that a model is in no known list."""
    return Caution(
        "unknown_model",
        f"{ref} is in no list known to Changeover" + (f". Did you mean {near}?" if near else "."),
        Command(f"fallback test {ref}"),
    )


def retired_target(ref: ModelRef, hop: Hop) -> list[Caution]:
    """Say that a model just chosen is retired or misspelt."""
    verb = "fallback add" if hop.position else "model use"
    return _age(hop, (hop,), Command(f"{verb} {hop.facts.successor}") if hop.facts else "")


def _age(hop: Hop, hops: Sequence[Hop], hint: Phrase | None = None) -> list[Caution]:
    facts = hop.facts
    if facts is None or not facts.gone:
        return []
    name = str(hop.ref)
    successor = facts.successor
    if facts.rerouted and facts.retired_on:
        words = f"{name} is {end_words(facts)}."
        return [Caution("rerouted", words, hint if hint is not None else "")]
    says = (
        f"{name} was retired on {facts.retired_on}."
        if facts.retired_on
        else f"{name} is not listed by {hop.provider.title if hop.provider else 'its provider'}."
    )
    label = "Successor" if facts.retired_on else "Current ID"
    now_is = f" {label}: {successor}." if successor else ""
    code = "retired" if facts.retired_on else "misspelt"
    return [
        Caution(code, says + now_is, hint if hint is not None else _instead(hop, successor, hops))
    ]


def _instead(hop: Hop, successor: ModelRef | None, hops: Sequence[Hop]) -> Command:
    """Write the command that puts the successor in the hop's place, or takes the hop out."""
    if hop.position == 0:
        return Command(f"model use {successor}" if successor else "model list")
    if successor is None:
        return Command(f"fallback remove {hop.written}")
    chain = [str(successor) if other is hop else other.written for other in hops if other.position]
    return Command(f"fallback set {' '.join(chain)}")


def _not_a_model(hop: Hop) -> Caution:
    variable = variable_in(hop.written)
    if variable:
        return Caution(
            "variable",
            f"{hop.written} is used as a model, but that variable is not set.",
            f"Set {variable[2:-1]} in .env, or write a model into the file.",
        )
    return Caution(
        "not_a_model",
        f"Unknown model {hop.written}: not an alias in the file, not provider/model.",
        text("Write it with its provider: ", Command("model list")),
    )


def _retired_aliases(view: ConfigView, catalog: Catalog) -> list[Caution]:
    found = []
    for key, alias in view.aliases.items():
        ref = ModelRef.parse(key)
        facts = catalog.facts(ref) if ref else None
        if alias and facts and facts.retired_on and facts.successor and not facts.rerouted:
            found.append(
                Caution(
                    "retired_alias",
                    f"Preset {alias} points to {key}, retired on {facts.retired_on}.",
                    Command(f"model preset {alias} {facts.successor}"),
                )
            )
    return found
