"""Warnings: something the reader should know, and the command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.card import Caution
from bot.catalog import Catalog
from bot.config.naming import variable_in
from bot.config.schema import ConfigView, ModelShape
from bot.errors import StorageError
from bot.messages.words import counted, listed
from bot.models import ModelRef
from bot.ports.alerts import ChannelTrouble
from bot.ports.reloads import Confirmation, Pinned, Taken
from bot.routing.chain import AllowRule, Hop, SkipReason, lost_on_the_way


def of_hop(hop: Hop, hops: Sequence[Hop], rule: AllowRule) -> list[Caution]:
    """Say what is wrong with one hop."""
    name = str(hop.ref or hop.written)
    found: list[Caution] = []
    match hop.skip:
        case SkipReason.NO_KEY:
            found.append(
                Caution(
                    "no_key",
                    f"{name} has no key: {hop.key_name} is not set.",
                    f"Set {hop.key_name} in .env and restart, or /fallback remove {name}"
                    if hop.position
                    else f"Set {hop.key_name} in .env and restart.",
                )
            )
        case SkipReason.NOT_ALLOWED:
            found.append(
                Caution(
                    "not_allowed",
                    f"{name} is skipped without a word: it is not in agents.defaults.models.",
                    f"/fallback add {name}",
                )
            )
        case SkipReason.UNKNOWN_PROVIDER:
            found.append(
                Caution(
                    "unknown_provider",
                    f"{name} has a provider that neither Changeover nor the config knows.",
                    _instead(hop, None, hops),
                )
            )
        case SkipReason.UNSUPPORTED:
            found.append(
                Caution(
                    "unsupported_api",
                    f"{name} is behind an api that Changeover cannot speak.",
                    "Use openai-completions or anthropic-messages in models.providers.",
                )
            )
        case SkipReason.OURSELVES:
            found.append(
                Caution(
                    "ourselves",
                    f"{name} is Changeover's own gateway, which cannot ask itself.",
                    f"/fallback remove {name}" if hop.position else "/model use MODEL",
                )
            )
        case SkipReason.NOT_A_MODEL:
            found.append(_not_a_model(hop, hops))
        case SkipReason.REPEATED | None:
            pass
    if not hop.allowed and hop.skip is None and hop.position and rule is AllowRule.UNKNOWN:
        found.append(not_allowed(name))
    found.extend(_age(hop, hops))
    return found


def of_chain(
    hops: Sequence[Hop], view: ConfigView, rule: AllowRule, catalog: Catalog
) -> list[Caution]:
    """Say everything that is wrong with the chain, hop by hop, then as a whole."""
    found = _together([caution for hop in hops for caution in of_hop(hop, hops, rule)])
    if not hops or hops[0].position:
        found.append(
            Caution(
                "no_primary", "The config sets no primary model.", "/model best or /model use MODEL"
            )
        )
    elif len(hops) == 1:
        found.append(
            Caution("no_fallbacks", "No fallback stands behind the primary.", "/model fallback")
        )
    found.extend(local_only_in_name(hops))
    found.extend(_retired_aliases(view, catalog))
    agents = [id_ for id_, choice in view.agents.items() if choice.shape is not ModelShape.ABSENT]
    if agents:
        found.append(
            Caution(
                "agent_models",
                f"{'Agent' if len(agents) == 1 else 'Agents'} {listed(agents)} "
                f"{'has' if len(agents) == 1 else 'have'} a model of their own and do not follow "
                "the default.",
                f"/model use MODEL agent {agents[0]}",
            )
        )
    return found


def _together(found: list[Caution]) -> list[Caution]:
    """Make one warning of several missing keys; the chain's lines name each."""
    keyless = [caution for caution in found if caution.code == "no_key"]
    if len(keyless) < 2:
        return found
    names = list(dict.fromkeys(c.text.rpartition(": ")[2].split(" ")[0] for c in keyless))
    verb = "are" if len(names) > 1 else "is"
    one = Caution(
        "no_key",
        f"{len(keyless)} hops have no key: {listed(names)} {verb} not set.",
        f"Set {listed(names)} in .env and restart; one is enough to begin.",
    )
    rest = [caution for caution in found if caution.code != "no_key"]
    return [one, *rest]


def local_only_in_name(hops: Sequence[Hop]) -> list[Caution]:
    """Warn who runs a local primary that a failure would send the conversation out."""
    if not hops or not hops[0].local:
        return []
    cloud = [str(hop.ref) for hop in hops[1:] if hop.ref and hop.walked and not hop.local]
    if not cloud:
        return []
    return [
        Caution(
            "cloud_fallback",
            f"The primary is local, but a failure would send the conversation to {cloud[0]}.",
            "/model strategy local-first",
        )
    ]


def losses(hops: Sequence[Hop]) -> list[Caution]:
    """Say what gets lost on the way down the chain."""
    found = []
    for hop, lost in lost_on_the_way(hops):
        window = hop.facts.context_window if hop.facts else None
        words = {
            "vision": "images",
            "tools": "tools",
            "context": f"context beyond {window:,} tokens" if window else "context",
        }
        found.append(Caution("loses", f"{hop.ref} loses {listed([words[name] for name in lost])}."))
    return found


def journal_away(trouble: StorageError | None) -> list[Caution]:
    """Say that history could not be read or written."""
    if trouble is None:
        return []
    return [Caution("database", f"No history: {trouble.message}", trouble.hint)]


def deaf_channels(troubles: Sequence[ChannelTrouble]) -> list[Caution]:
    """Say which surfaces take no alerts."""
    return [
        Caution(
            "alert_channel",
            f"{one.surface.capitalize()} takes no alerts: {one.message}",
            one.hint,
        )
        for one in troubles
    ]


def unrecorded(trouble: StorageError | None) -> list[Caution]:
    """Say that a change was made but could not be written into history."""
    if trouble is None:
        return []
    return [
        Caution(
            "unrecorded",
            f"The change is made, but not in history, so /model undo cannot find it: "
            f"{trouble.message}",
            trouble.hint,
        )
    ]


def reload(told: Confirmation | None) -> list[Caution]:
    """Say what became of a change where the program that owns the config has not taken it up."""
    match told.taken if told else None:
        case Taken.NOT_SEEN:
            return [
                Caution(
                    "reload_not_seen",
                    "Written, not yet seen by OpenClaw: its log says nothing about it so far.",
                    "When it starts it reads the file anyway; if it is running: changeover doctor",
                )
            ]
        case Taken.NEEDS_RESTART:
            return [
                Caution(
                    "reload_needs_restart",
                    "Written; OpenClaw takes it up only when it is restarted.",
                    "Restart it, for example: docker restart CONTAINER",
                )
            ]
        case _:
            return []


def pinned(found: Sequence[Pinned]) -> list[Caution]:
    """Say which sessions of OpenClaw do not follow the config."""
    if not found:
        return []
    total = sum(one.sessions for one in found)
    agents = listed([one.agent for one in found])
    models = listed(sorted({model for one in found for model in one.models}))
    return [
        Caution(
            "pinned_sessions",
            f"{counted(total, 'session')} of {agents} {'does' if total == 1 else 'do'} not follow: "
            f"somebody chose {models} there.",
            "In that conversation, to OpenClaw: /model default",
        )
    ]


def overdue(due_at: datetime, seen_at: datetime | None, now: datetime) -> list[Caution]:
    """Say that nothing is running which could carry a timed switch out."""
    alive = seen_at is not None and (now - seen_at).total_seconds() < 60
    if alive:
        return []
    words = "is overdue" if due_at <= now else "will not happen by itself"
    return [
        Caution(
            "no_service",
            f"Going back {words}: no changeover run or changeover bot is alive on this database.",
            "changeover bot",
        )
    ]


def not_allowed(name: str) -> Caution:
    """Say that an older release would skip the model."""
    return Caution(
        "not_allowed",
        f"{name} is not in agents.defaults.models: Moltbot before 2026.3 skips it silently.",
        f"/fallback add {name}",
    )


def unknown_name(ref: ModelRef, near: str | None) -> Caution:
    """Say that nobody has heard of a model."""
    return Caution(
        "unknown_model",
        f"{ref} is in no list Changeover knows" + (f"; the nearest is {near}." if near else "."),
        f"/fallback test {ref}",
    )


def retired_target(ref: ModelRef, hop: Hop) -> list[Caution]:
    """Say that a model just chosen is retired or misspelt."""
    return _age(hop, (hop,), f"/model use {hop.facts.successor}" if hop.facts else "")


def _age(hop: Hop, hops: Sequence[Hop], hint: str | None = None) -> list[Caution]:
    facts = hop.facts
    if facts is None or not facts.gone:
        return []
    name = str(hop.ref)
    successor = facts.successor
    says = (
        f"{name} was retired on {facts.retired_on}."
        if facts.retired_on
        else f"{name} is not an id its provider knows."
    )
    now_is = f" It is {successor} now." if successor else ""
    code = "retired" if facts.retired_on else "misspelt"
    return [
        Caution(code, says + now_is, hint if hint is not None else _instead(hop, successor, hops))
    ]


def _instead(hop: Hop, successor: ModelRef | None, hops: Sequence[Hop]) -> str:
    """Write the command that puts the successor in the hop's place, or takes the hop out."""
    if hop.position == 0:
        return f"/model use {successor}" if successor else "/model use MODEL"
    if successor is None:
        return f"/fallback remove {hop.written}"
    chain = [str(successor) if other is hop else other.written for other in hops if other.position]
    return f"/fallback set {' '.join(chain)}"


def _not_a_model(hop: Hop, hops: Sequence[Hop]) -> Caution:
    variable = variable_in(hop.written)
    if variable:
        return Caution(
            "variable",
            f"{hop.written} stands where a model belongs, and that variable is not set here.",
            f"Set {variable[2:-1]} in .env, or write a model into the file.",
        )
    return Caution(
        "not_a_model",
        f"{hop.written} is no alias of the file and no provider/model.",
        _instead(hop, None, hops),
    )


def _retired_aliases(view: ConfigView, catalog: Catalog) -> list[Caution]:
    found = []
    for key, alias in view.aliases.items():
        ref = ModelRef.parse(key)
        facts = catalog.facts(ref) if ref else None
        if alias and facts and facts.retired_on and facts.successor:
            found.append(
                Caution(
                    "retired_alias",
                    f"The preset {alias} points at {key}, retired on {facts.retired_on}.",
                    f"/model preset {alias} {facts.successor}",
                )
            )
    return found
