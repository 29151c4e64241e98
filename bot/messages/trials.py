"""The cards of /model trial: the trial under way with both arms, its start, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    ButtonStyle,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Strong,
    Table,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.costs.pricing import usd
from bot.messages.words import change_in_price, counted, listed, money, per_million, percent
from bot.models import Price
from bot.ports.trials import Affected, Trial, TrialEnd, TrialStep
from bot.spans import Marker
from bot.trials.compare import Compared, Comparison
from bot.trials.decide import FEWEST

SHARES = (25, 50)
"""What the buttons offer."""

MOST_CALLERS = 8
_INTERVAL = ("value", "low", "high")

_ENDS = {
    TrialEnd.PROMOTED: "promoted",
    TrialEnd.STOPPED: "stopped",
    TrialEnd.ERRORS: "stopped itself: more errors than the primary",
    TrialEnd.SLOW: "stopped itself: slower than the primary",
    TrialEnd.COOLING: "stopped itself: the candidate is cooling down",
    TrialEnd.TIME: "ended: its time is over",
    TrialEnd.PRIMARY_CHANGED: "ended: the primary was changed",
    TrialEnd.CANDIDATE_GONE: "stopped itself: the gateway cannot ask the candidate",
}
_WHY = {
    TrialEnd.ERRORS: "The candidate's error rate is higher than chance explains.",
    TrialEnd.SLOW: "The candidate's p95 time to first token is higher than chance explains.",
    TrialEnd.PRIMARY_CHANGED: "Its figures compare with a model that is no longer the primary.",
}
SELF_STOPPED = frozenset(
    {TrialEnd.ERRORS, TrialEnd.SLOW, TrialEnd.COOLING, TrialEnd.CANDIDATE_GONE}
)
STEPS: dict[str, str] = {
    "start": "started trial",
    "share": "changed the share of trial",
    TrialEnd.PROMOTED: "promoted the candidate of trial",
    TrialEnd.STOPPED: "stopped trial",
    TrialEnd.ERRORS: "too many errors: stopped trial",
    TrialEnd.SLOW: "too slow: stopped trial",
    TrialEnd.COOLING: "candidate cooling down: stopped trial",
    TrialEnd.TIME: "time over: ended trial",
    TrialEnd.PRIMARY_CHANGED: "primary changed: ended trial",
    TrialEnd.CANDIDATE_GONE: "candidate not callable: stopped trial",
}


@dataclass(frozen=True, slots=True)
class TrialWords:
    """What a trial's card shows; `gone_to` are the callers whose requests the candidate got."""

    trial: Trial
    arms: Comparison
    gone_to: Sequence[Affected] = ()


def trial_card(words: TrialWords, mark: str = "") -> Card:
    """Show both arms side by side; a running trial has the buttons that change it."""
    trial = words.trial
    body = [
        text(Code(trial.candidate), f" gets {trial.share}% of conversations, ")
        + text(Code(trial.primary), " the rest.")
        if trial.runs
        else text(Code(trial.candidate), " against ", Code(trial.primary), "."),
        *_why(trial),
        *(_gone_to(words) if not trial.runs else ()),
        *([text(f"Reason: {trial.reason}")] if trial.reason else []),
        *_apart(words.arms),
        _since(trial),
        *([text(Marker(f"{mark} "), Command("model trial"))] if mark else []),
    ]
    return Card(
        title=_title(trial),
        tone=Tone.CHANGE if trial.runs else _tone(trial),
        body=tuple(body),
        table=_table(words.arms),
        buttons=_buttons(trial),
        command="model trial",
        data=trial_data(words),
    )


def started_card(
    words: TrialWords, price: Text, warnings: tuple[Caution, ...], *, by: str, before: int = 0
) -> Card:
    """Say that a trial has begun, or that its share is another than `before` now."""
    trial = words.trial
    share = f"{before}% → {trial.share}%" if before else f"{trial.share}%"
    return Card(
        title=text(Strong(f"Trial {trial.id}"), f": {trial.candidate} on {share}"),
        tone=Tone.CHANGE,
        body=(
            text(Code(trial.candidate), f" gets {trial.share}% of conversations, ")
            + text(Code(trial.primary), " the rest. The config is unchanged."),
            *((price,) if price else ()),
            *([text(f"Reason: {trial.reason}")] if trial.reason else []),
            text("Ends at ", When(trial.ends_at, WhenStyle.DATE_TIME), ". ")
            + text("Stops itself when the candidate is worse beyond chance or cools down."),
            text(f"By {by}."),
        ),
        warnings=warnings,
        buttons=_buttons(trial),
        data=trial_data(words),
    )


def stopped_notice_card(words: TrialWords, mark: str) -> Card:
    """Say in a message of its own that a trial has ended by itself, and who was affected."""
    trial = words.trial
    return Card(
        title=_title(trial),
        tone=_tone(trial),
        body=(
            *_why(trial),
            *_gone_to(words),
            text("All conversations go to ", Code(trial.primary), " again.")
            if trial.end is not TrialEnd.PRIMARY_CHANGED
            else text("All conversations go to the new primary."),
            text(Marker(f"{mark} "), Command("model trial")),
        ),
        command="model trial",
        data=trial_data(words),
    )


def no_trial_card() -> Card:
    """Say that there is no trial, and how to begin one."""
    return Card(
        title=text(Strong("No trial"), " has run yet"),
        body=(
            text("Start one with ", Command("model trial cheap 10% for 2h"), "."),
            text("That share of conversations goes to the model; the config is unchanged."),
        ),
        visibility=Visibility.PRIVATE,
        data={"trial": None},
    )


def price_line(old: Price | None, new: Price | None) -> Text:
    """Compare the prices of the primary and the candidate."""
    difference = change_in_price(old, new)
    tail = f" ({difference})" if difference else ""
    return text(f"Price: {per_million(old)} → {per_million(new)}{tail}.")


def promoted_line(trial: Trial) -> Text:
    """Say that a switch has ended the trial."""
    return text(f"Trial {trial.id} is over: its candidate is the primary.")


def trial_data(words: TrialWords) -> dict[str, Any]:
    """Return a trial as `--json` has it: figures of both arms, and how far they are apart."""
    arms, nano = words.arms, Decimal(1_000_000_000)
    figures: dict[str, tuple[Compared, Decimal | int]] = {
        "requests": (arms.requests, 1),
        "errors": (arms.error_count, 1),
        "error_rate": (arms.errors, 1),
        "first_token_p50_ms": (arms.p50_ms, 1),
        "first_token_p95_ms": (arms.p95_ms, 1),
        "cost_usd_per_request": (arms.cost_nano_usd, nano),
        "fallbacks": (arms.fallbacks, 1),
    }

    def scaled(figure: float | None, by: Decimal | int) -> Any:
        if figure is None or by == 1:
            return figure
        return Decimal(round(figure)) / by

    return {
        "trial": history_data(words.trial),
        "arms": {
            arm: {
                name: scaled(getattr(compared, arm), by) for name, (compared, by) in figures.items()
            }
            for arm in ("primary", "candidate")
        },
        "differences": {
            name: {end: scaled(getattr(compared.apart, end), by) for end in _INTERVAL}
            if compared.apart
            else None
            for name, (compared, by) in figures.items()
            if name not in ("requests", "errors", "fallbacks")
        },
        "affected": [
            {"caller": one.caller or None, "requests": one.requests, "errors": one.errors}
            for one in words.gone_to
        ],
    }


def history_data(trial: Trial) -> dict[str, Any]:
    """Return what a trial is, without its figures."""
    return {
        "id": trial.id,
        "primary": trial.primary,
        "candidate": trial.candidate,
        "share_percent": trial.share,
        "started_at": trial.started_at,
        "ends_at": trial.ends_at,
        "actor": trial.actor_name,
        "reason": trial.reason or None,
        "state": trial.end or "running",
        "ended_at": trial.ended_at,
        "ended_by": trial.ended_by or None,
        "detail": trial.detail or None,
    }


def step_data(step: TrialStep) -> dict[str, Any]:
    """Return a line of a trial's history as `--json` has it."""
    return {
        "trial": step.trial_id,
        "at": step.at,
        "action": step.action,
        "candidate": step.candidate,
        "share_percent": step.share,
        "actor": step.actor_name,
        "actor_key": step.actor_key,
        "surface": step.surface,
        "reason": step.reason or None,
    }


def status_line(trial: Trial) -> Text:
    """Name both arms of the trial under way."""
    return text(
        f"Trial {trial.id}: ",
        Code(trial.candidate),
        f" gets {trial.share}% of conversations until ",
        When(trial.ends_at, WhenStyle.DATE_TIME),
        ", ",
        Code(trial.primary),
        " the rest. ",
        Command("model trial"),
    )


def _title(trial: Trial) -> Text:
    if trial.end is None:
        return text(Strong(f"Trial {trial.id}"), f": {trial.candidate} on {trial.share}%")
    return text(Strong(f"Trial {trial.id}"), f" {_ENDS[trial.end]}")


def _tone(trial: Trial) -> Tone:
    if trial.end in SELF_STOPPED:
        return Tone.BAD
    return Tone.GOOD if trial.end is TrialEnd.PROMOTED else Tone.NEUTRAL


def _why(trial: Trial) -> list[Text]:
    words = [_WHY[trial.end]] if trial.end in _WHY else []
    said = [*words, trial.detail] if trial.detail else words
    return [text(" ".join(said))] if said else []


def _gone_to(words: TrialWords) -> list[Text]:
    """Name the callers whose requests the candidate's arm had, and how many failed there."""
    total, failed = sum(a.requests for a in words.gone_to), sum(a.errors for a in words.gone_to)
    if not total:
        return [text("No request went to the candidate.")]
    named = [
        f"{one.caller or 'unnamed'} {one.requests:,}"
        + (f" ({counted(one.errors, 'error')})" if one.errors else "")
        for one in words.gone_to[:MOST_CALLERS]
    ]
    more = len(words.gone_to) - len(named)
    named += [counted(more, "more caller")] if more > 0 else []
    head = f"{counted(total, 'request')} in the candidate's arm, {counted(failed, 'error')}. "
    return [text(f"{head}Callers: {listed(named)}.")]


def _since(trial: Trial) -> Text:
    started = text(
        f"Started by {trial.actor_name} at ", When(trial.started_at, WhenStyle.DATE_TIME)
    )
    if trial.ended_at is None:
        return text(*started, ", ends at ", When(trial.ends_at, WhenStyle.DATE_TIME), ".")
    by = f" by {trial.ended_by}" if trial.end in (TrialEnd.STOPPED, TrialEnd.PROMOTED) else ""
    return text(*started, ", ended at ", When(trial.ended_at, WhenStyle.DATE_TIME), f"{by}.")


def _buttons(trial: Trial) -> tuple[Button, ...]:
    """Return what changes a running trial: this one, whatever runs when it is clicked."""
    if not trial.runs:
        return ()

    def button(label: str, word: str, style: ButtonStyle = ButtonStyle.PLAIN) -> Button:
        return Button(label, Action(f"model trial {word} {trial.id}"), style)

    return (
        *(button(f"{share}%", f"{share}%") for share in SHARES if share != trial.share),
        button("Promote", "promote", ButtonStyle.PRIMARY),
        button("Stop", "stop", ButtonStyle.DANGER),
    )


def _table(arms: Comparison) -> Table:
    rows = (
        ("requests", arms.requests, _count),
        ("errors", arms.errors, _share),
        ("first token p50", arms.p50_ms, _ms),
        ("first token p95", arms.p95_ms, _ms),
        ("cost a request", arms.cost_nano_usd, _money),
        ("by a fallback", arms.fallbacks, _count),
    )
    return Table(
        (Column(""), Column("primary", right=True), Column("candidate", right=True)),
        tuple(
            (
                text(name),
                text(_written(compared.primary, write)),
                text(_written(compared.candidate, write)),
            )
            for name, compared, write in rows
        ),
    )


def _apart(arms: Comparison) -> list[Text]:
    """Say how far the candidate is from the primary, and how sure that is."""
    found = (
        ("Errors", arms.errors, _points, " points"),
        ("First token p50", arms.p50_ms, _ms_apart, ""),
        ("First token p95", arms.p95_ms, _ms_apart, ""),
        ("Cost a request", arms.cost_nano_usd, _money_apart, ""),
    )
    lines: list[Text] = []
    few: list[str] = []
    for name, compared, write, unit in found:
        apart = compared.apart
        if apart is None:
            few.append(name.lower() if few or lines else name)
            continue
        span = f"{write(apart.value)}{unit} ({write(apart.low)} to {write(apart.high)})"
        chance = "" if apart.clear else ", may be chance"
        lines.append(text(f"{name}: {span}{chance}"))
    if lines:
        lines.insert(0, text("Difference to the primary, with its 95% interval:"))
    if few:
        lines.append(text(f"{listed(few)}: too few yet (fewer than {FEWEST} in an arm)."))
    return lines


def _written(figure: float | None, write: Callable[[float], str]) -> str:
    return "-" if figure is None else write(figure)


def _count(figure: float) -> str:
    return f"{figure:,.0f}"


def _share(figure: float) -> str:
    return percent(Decimal(str(figure * 100)).quantize(Decimal("0.01"))) if figure else "0%"


def _points(figure: float) -> str:
    return f"{figure * 100:+.1f}"


def _ms(figure: float) -> str:
    return f"{figure:,.0f} ms" if figure < 10_000 else f"{figure / 1000:,.1f} s"


def _ms_apart(figure: float) -> str:
    return f"{figure:+,.0f} ms" if abs(figure) < 10_000 else f"{figure / 1000:+,.1f} s"


def _money(figure: float) -> str:
    return money(usd(round(figure)))


def _money_apart(figure: float) -> str:
    return ("+" if figure > 0 else "") + _money(figure)
