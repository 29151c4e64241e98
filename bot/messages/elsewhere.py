"""Sentences about what keeps a model of its own: places of the config, sessions, cron jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from bot.card import Caution, Code, Command, Text, plain, text
from bot.config.places import Elsewhere
from bot.messages.words import counted, listed, money
from bot.models import ModelRef
from bot.ports.reloads import Pin, PinKind, PinOutcome, PinResult, Pins

_MOST_NAMED = 6
_BY_HAND = {
    PinKind.SESSION: text("In that conversation, to OpenClaw: ", Code("/model default")),
    PinKind.JOB: text("In OpenClaw's shell: ", Code("openclaw cron edit ID --model MODEL")),
}


@dataclass(frozen=True, slots=True)
class WeekCosts:
    """What models, agents and sessions cost in the last 7 days."""

    by_model: Mapping[str, Decimal] = field(default_factory=dict)
    by_agent: Mapping[str, Decimal] = field(default_factory=dict)
    by_session: Mapping[str, Decimal] = field(default_factory=dict)

    def of(self, one: Elsewhere | Pin) -> tuple[Decimal | None, str]:
        """Return the narrowest figure there is, and of what it is: model, agent or session."""
        if isinstance(one, Elsewhere):
            if one.agent is not None and one.agent in self.by_agent:
                return self.by_agent[one.agent], "agent"
            return self.by_model.get(str(one.ref or one.written)), "model"
        if one.sessions:
            spent = [self.by_session[name] for name in one.sessions if name in self.by_session]
            return (sum(spent, Decimal(0)) if spent else None), "session"
        return self.by_model.get(one.model), "model"


def elsewhere_caution(
    places: Sequence[Elsewhere], costs: WeekCosts, primary: ModelRef | None
) -> Caution:
    """Say which places keep their own model, and what that cost; `primary` if it can be set."""
    named = [f"{one.name} ({_model(one, costs)})" for one in places]
    verb = "keeps its" if len(places) == 1 else "keep their"
    return Caution(
        "elsewhere",
        f"{_named(named)} {verb} own model.",
        Command(f"model use {primary} everywhere") if primary else "",
    )


def pinned_cautions(pins: Pins, costs: WeekCosts, primary: ModelRef | None) -> list[Caution]:
    """Say which sessions and cron jobs of OpenClaw keep their own model, and what that cost."""
    found = []
    for kind, code in ((PinKind.JOB, "cron_jobs"), (PinKind.SESSION, "pinned_sessions")):
        those = [pin for pin in pins.found if pin.kind is kind and pin.model != str(primary)]
        if those:
            settable = primary is not None and pins.unreachable is None
            verb = "keeps its" if len(those) == 1 else "keep their"
            found.append(
                Caution(
                    code,
                    f"{_capital(_named(_groups(those, costs)))} {verb} own model.",
                    Command(f"model use {primary} everywhere") if settable else _BY_HAND[kind],
                )
            )
    return found


def elsewhere_lines(
    places: Sequence[Elsewhere], pins: Sequence[Pin], costs: WeekCosts
) -> tuple[Text, ...]:
    """Write each place that would change or cannot, with its model and what that cost."""
    jobs = [pin for pin in pins if pin.kind is PinKind.JOB]
    sessions = [pin for pin in pins if pin.kind is PinKind.SESSION]
    return (
        *(
            text("Not set: " if one.apart else "Also ", Code(one.name), f": {_model(one, costs)}")
            for one in places
        ),
        *(text(f"Also {words}") for words in _groups(jobs, costs)),
        *(
            text(f"Also, to follow the config again: {words}: {_keys(group)}")
            for group in _grouped(sessions)
            for words in _groups(group, costs)
        ),
    )


def unreached_line(pins: Pins) -> tuple[Text, ...]:
    """Say which sessions and cron jobs stay as they are since OpenClaw cannot be asked."""
    if pins.unreachable is None or not pins.found:
        return ()
    words = _named(_groups(pins.found, WeekCosts()))
    return (text(f"Not changed: {words}. {pins.unreachable.message}"),)


def repinned_notes(results: Sequence[PinResult]) -> tuple[Text, ...]:
    """Say what was changed in OpenClaw itself."""
    done = [one.change for one in results if one.outcome is PinOutcome.DONE]
    cleared = [c.name for c in done if c.after is None]
    given = [f"{_what(c.kind)} {c.name} ({c.after})" for c in done if c.after is not None]
    lines = []
    if cleared:
        many = "It follows" if len(cleared) == 1 else "They follow"
        cleared_in = f"Cleared in {counted(len(cleared), 'session')}: {_named(cleared)}."
        lines.append(text(f"{cleared_in} {many} the config."))
    if given:
        lines.append(text(f"Set in OpenClaw: {_named(given)}."))
    return tuple(lines)


def repinned_cautions(results: Sequence[PinResult]) -> list[Caution]:
    """Say what was not changed in OpenClaw itself, why, and how to do it by hand."""
    reasons = {
        PinOutcome.MOVED_ON: "its model was changed meanwhile",
        PinOutcome.GONE: "OpenClaw no longer has it",
    }
    left: dict[tuple[PinKind, str], list[str]] = {}
    for one in results:
        if one.outcome is not PinOutcome.DONE:
            why = (
                one.error.message.rstrip(".")
                if one.error
                else reasons.get(one.outcome, "it failed")
            )
            left.setdefault((one.change.kind, why), []).append(one.change.name)
    return [
        Caution(
            "pins_left",
            f"Not changed: {_what(kind)}{'s' if len(names) > 1 else ''} {_named(names)}: {why}.",
            "" if why in reasons.values() else _BY_HAND[kind],
        )
        for (kind, why), names in left.items()
    ]


def pins_left(results: Sequence[PinResult]) -> list[str]:
    """Return what `repinned_cautions` says, for a message without warnings."""
    return [plain(caution.text) for caution in repinned_cautions(results)]


def _what(kind: PinKind) -> str:
    return "cron job" if kind is PinKind.JOB else "session"


def _grouped(sessions: Sequence[Pin]) -> list[list[Pin]]:
    def kin(pin: Pin) -> tuple[str, str, bool]:
        return pin.agent, pin.model, pin.by_tool

    return [list(group) for _, group in groupby(sorted(sessions, key=kin), key=kin)]


def _groups(pins: Sequence[Pin], costs: WeekCosts) -> list[str]:
    """Name each cron job, and sessions by agent and model."""
    named = [
        f"cron job {pin.name} ({pin.model}{_cost(*costs.of(pin))})"
        for pin in pins
        if pin.kind is PinKind.JOB
    ]
    for group in _grouped([pin for pin in pins if pin.kind is PinKind.SESSION]):
        first = group[0]
        spent = [cost for pin in group if (cost := costs.of(pin)[0]) and pin.sessions]
        tool = ", set by a tool" if first.by_tool else ""
        total = _cost(sum(spent, Decimal(0)), "session")
        named.append(
            f"{counted(len(group), 'session')} of {first.agent} ({first.model}{tool}{total})"
        )
    return named


def _keys(group: Sequence[Pin]) -> str:
    return _named([pin.name for pin in group])


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _named(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return listed(list(names))
    return listed([*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"])


def _model(place: Elsewhere, costs: WeekCosts) -> str:
    apart = ", in another file that needs an edit of its own" if place.apart else ""
    return f"{place.ref or place.written}{_cost(*costs.of(place))}{apart}"


def _cost(amount: Decimal | None, of: str) -> str:
    scope = {"model": " on it", "agent": " by this agent"}.get(of, "")
    return f", {money(amount)}{scope} in 7 days" if amount else ""
