"""The limit of fallbacks in words: its card, its question, its warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.access import Actor
from bot.card import (
    Action,
    Button,
    ButtonStyle,
    Card,
    Caution,
    Code,
    Command,
    Strong,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.durations import say_duration
from bot.messages.chain import state
from bot.models import ModelRef
from bot.ports import StoredLimit, StoredLimits
from bot.routing.chain import Hop, Walker
from bot.routing.limits import FallbackLimit, HopLimits, LimitKind, parse_limit


@dataclass(frozen=True, slots=True)
class LimitWords:
    """What the card of a limit shows; `ceiling` is the model that a spent budget allows."""

    hops: Sequence[Hop]
    stored: StoredLimits
    ceiling: ModelRef | None
    old: str | None
    changed: bool
    actor: Actor
    warnings: tuple[Caution, ...]
    now: datetime


def limit_card(words: LimitWords, data: dict[str, Any]) -> Card:
    """Show the limit, who set it, and each fallback under it."""
    limit = words.stored.limit
    title = text(Strong("Fallback limit"), f": {limit.words if limit else 'off'}")
    if words.changed:
        after = limit.words if limit else "off"
        title = text(Strong("Fallback limit"), f": {words.old or 'off'} → {after}")
    body: list[Text] = [meaning(parse_limit(limit.words) if limit else None)]
    body += ceiling_lines(words.ceiling, words.stored)
    body += [
        text(f"{hop.position + 1} ", Code(hop.written), " · ", *state(hop, words.hops, words.now))
        for hop in words.hops
        if hop.position
    ]
    if words.changed:
        body.append(text(f"By {words.actor.name}."))
    elif limit:
        body.append(_set_by(limit))
    return Card(
        title=title,
        tone=Tone.WARNING if words.warnings else Tone.CHANGE if words.changed else Tone.NEUTRAL,
        body=tuple(body),
        warnings=words.warnings,
        data=data,
    )


def limit_question(
    hops: Sequence[Hop],
    new: StoredLimit,
    action: Action,
    expires_after: timedelta,
    data: dict[str, Any],
) -> Card:
    """Ask before a limit that leaves no fallback."""
    return Card(
        title=text(Strong("Confirm"), f": the {new.words} limit leaves no fallback"),
        tone=Tone.QUESTION,
        body=(
            text("If ", Code(hops[0].written), " fails, the gateway refuses the request."),
            text(f"Nothing has changed yet. Confirm within {say_duration(expires_after)}."),
        ),
        buttons=(Button("Set limit", action, ButtonStyle.DANGER),),
        visibility=Visibility.PRIVATE,
        footer=text("In a terminal: ", Command(f"{action.words} --yes", program=True)),
        data=data,
    )


def meaning(limit: FallbackLimit | None) -> Text:
    """Say what a limit means."""
    if limit is None:
        return text("Fallbacks may cost anything. Set a limit, for example: ", _EXAMPLE)
    if limit.kind is LimitKind.FREE:
        return text("Only fallbacks that are free.")
    if limit.kind is LimitKind.PRIVATE:
        return text("Only fallbacks that run on your own machines.")
    return text(f"No fallback above {str(limit)[:-1]}× the price of the model asked for.")


_EXAMPLE = Command("fallback limit 2x")


def limit_lines(stored: StoredLimits, ceiling: ModelRef | None) -> list[Text]:
    """Say in a status what limits the fallbacks."""
    limit = stored.limit
    lines = ceiling_lines(ceiling, stored)
    if limit is None:
        return lines
    said = text("Fallback limit ", Strong(limit.words), ". ", *_set_by(limit))
    return [said, *lines]


def ceiling_lines(ceiling: ModelRef | None, stored: StoredLimits) -> list[Text]:
    """Say what a spent budget allows."""
    if ceiling is None or stored.ceiling is None:
        return []
    limit = parse_limit(stored.limit.words) if stored.limit else None
    times = f"{str(limit)[:-1]}× the price of " if limit and limit.ratio else ""
    until = When(stored.ceiling.until, WhenStyle.DATE_TIME)
    return [
        text("Budget used up: no fallback above ", times, Code(str(ceiling)), " until ", until, ".")
    ]


def _set_by(limit: StoredLimit) -> Text:
    return text(f"Set by {limit.set_by} ", When(limit.set_at, WhenStyle.DATE_TIME), ".")


def none_left(hops: Sequence[Hop]) -> bool:
    """Return whether a limit alone leaves a chain without a fallback."""
    fallbacks = hops[1:]
    return any(hop.over for hop in fallbacks) and not any(hop.walked for hop in fallbacks)


def limit_cautions(hops: Sequence[Hop], limits: HopLimits | None) -> list[Caution]:
    """Warn of a limit that leaves no fallback, or that whoever walks the chain does not apply."""
    if limits is None or not hops:
        return []
    what = f"The {limits.limit} limit" if limits.limit else "The spent budget's ceiling"
    if hops[0].walker is Walker.OPENCLAW:
        return [
            Caution(
                "limit_ignored",
                f"{what} does not apply: OpenClaw walks this chain without Changeover's gateway.",
                Command("init --openclaw", program=True),
            )
        ]
    if not none_left(hops):
        return []
    by_limit = any(hop.over and hop.over.limit for hop in hops)
    lift = "fallback limit off" if by_limit else "cost budget off"
    what = what if by_limit else "The spent budget's ceiling"
    return [
        Caution(
            "limit_leaves_none",
            f"{what} leaves no fallback: if {hops[0].written} fails, requests are refused.",
            text(Command("fallback add MODEL"), " or ", Command(lift)),
        )
    ]
