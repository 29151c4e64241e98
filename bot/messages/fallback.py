"""The cards of /fallback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from bot.access import Actor
from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Phrase,
    Strong,
    Table,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.config.schema import ConfigView
from bot.dialects.history import HISTORY
from bot.durations import say_duration
from bot.errors import ExitCode
from bot.messages.chain import KEY_ELSEWHERE, REASONS, key_step, line, settings_page
from bot.messages.model import incident_line, troubled
from bot.messages.words import FORMATS, counted, listed, money
from bot.models import Dialect, FailureReason, ModelRef, Price
from bot.ports import FallbackEvent, IncidentRow
from bot.routing.chain import Hop, SkipReason
from bot.routing.probe import HopVerdict


@dataclass(frozen=True, slots=True)
class TestRow:
    """One hop's verdict, what it cost, and the command that fixes it."""

    hop: Hop
    verdict: HopVerdict
    cost_usd: Decimal | None
    detail: str
    hint: Phrase

    @property
    def model(self) -> str:
        """The model as it is shown."""
        return str(self.hop.ref or self.hop.written)


MOST_ACKNOWLEDGED = 3
"""Incidents that the chain's card offers to acknowledge."""


@dataclass(frozen=True, slots=True)
class FormatTest:
    """The same hops asked in a dialect that callers use, with the options they send."""

    dialect: Dialect
    options: frozenset[str]
    rows: Sequence[TestRow]
    would_serve: str | None


@dataclass(frozen=True, slots=True)
class ChainTestRun:
    """A chain test that ran; `named` when models were given instead of the chain.

    `cooling` holds the positions of hops that answered and would be passed over all the same.
    """

    rows: Sequence[TestRow]
    wall_ms: float
    named: bool
    warnings: tuple[Caution, ...]
    cooling: frozenset[int] = frozenset()
    formats: Sequence[FormatTest] = ()

    @property
    def chain_ok(self) -> bool:
        """True when every hop answered that can be asked from here."""
        asked = self.asked
        return bool(asked) and all(row.verdict.verdict == "ok" for row in asked)

    @property
    def asked(self) -> list[TestRow]:
        """The hops that count: not those which OpenClaw alone can ask."""
        return [row for row in self.rows if row.verdict.verdict != "not_tested"]

    @property
    def would_serve(self) -> str | None:
        """The first hop that answered and is not cooling down all the same."""
        return serving(self.rows, self.cooling)

    @property
    def cost_usd(self) -> Decimal:
        """What the test cost, as far as it is priced."""
        rows = [*self.rows, *(row for one in self.formats for row in one.rows)]
        return sum((row.cost_usd for row in rows if row.cost_usd), Decimal(0))


def serving(rows: Sequence[TestRow], cooling: frozenset[int]) -> str | None:
    """Return the first model that answered and is not cooling down all the same."""
    good = (row for row in rows if row.verdict.verdict == "ok")
    return next((row.model for row in good if row.hop.position not in cooling), None)


def chain_card(
    hops: Sequence[Hop],
    prices: dict[ModelRef, Price | None],
    incidents: Sequence[IncidentRow],
    muted_until: datetime | None,
    warnings: tuple[Caution, ...],
    now: datetime,
    data: dict[str, Any],
    notes: Sequence[Text] = (),
) -> Card:
    """Show the chain as it will be walked; `notes` are lines about what else holds now."""
    walked = sum(hop.walked for hop in hops)
    body: list[Text] = [
        line(hop, hops, now, prices.get(hop.ref) if hop.ref else None) for hop in hops
    ]
    body += [incident_line(row) for row in incidents]
    if not incidents:
        body.append(text("No open incidents."))
    if muted_until and muted_until > now:
        body.append(
            text(
                "Alerts are muted until ",
                When(muted_until, WhenStyle.DATE_TIME),
                ". ",
                Command("fallback unmute"),
            )
        )
    body += [note for note in notes if note]
    return Card(
        title=text(Strong("Chain"), f": {walked} of {counted(len(hops), 'hop')} available"),
        tone=Tone.WARNING if troubled(warnings) else Tone.NEUTRAL,
        body=tuple(body),
        table=formats_table(hops) if hops else None,
        warnings=warnings,
        buttons=_chain_buttons(hops, incidents, muted_until, now),
        data=data,
    )


def _chain_buttons(
    hops: Sequence[Hop],
    incidents: Sequence[IncidentRow],
    muted_until: datetime | None,
    now: datetime,
) -> tuple[Button, ...]:
    """Offer what helps now: to retry what is cooling down, to acknowledge, to mute or unmute."""
    buttons = [Button("Test chain", Action("fallback test"))]
    if any(hop.cooldown and hop.cooldown.holds(now) for hop in hops):
        buttons.append(Button("Retry now", Action("fallback retry")))
    buttons += [
        Button(f"Acknowledge incident {row.id}", Action(f"fallback ack {row.id}"))
        for row in incidents[:MOST_ACKNOWLEDGED]
        if not row.acknowledged_by
    ]
    if muted_until and muted_until > now:
        buttons.append(Button("Unmute", Action("fallback unmute")))
    elif incidents:
        buttons.append(Button("Mute 1 h", Action("fallback mute 1h")))
    return tuple(buttons)


def staying_lines(staying: Mapping[str, int]) -> list[Text]:
    """Say how many conversations a fallback keeps, though the primary may answer again."""
    return [
        text(f"{counted(count, 'conversation')} still on ", Code(model), " while its cache is warm")
        for model, count in staying.items()
    ]


def asking(count: int, timeout_s: float) -> Text:
    """Say how many models are asked, and how long that may take."""
    return text(f"Testing {counted(count, 'model')} in parallel, up to {timeout_s:g} s …")


def answered(verdict: HopVerdict) -> Text:
    """Say what one model answered."""
    took = f", {verdict.latency_ms:.0f} ms" if verdict.latency_ms is not None else ""
    return text("  ", Code(str(verdict.ref)), f": {_outcome(verdict)}{took}")


def test_card(tested: ChainTestRun, data: dict[str, Any]) -> Card:
    """Show each hop's verdict and the chain's."""
    asked = tested.asked
    good = sum(row.verdict.verdict == "ok" for row in asked)
    of = f"of {counted(len(asked), 'model' if tested.named else 'hop')} answered"
    if tested.chain_ok:
        title = text(
            Strong("Chain OK" if not tested.named else "All answered"),
            f": {good} {of}",
        )
        tone = Tone.GOOD
    elif tested.would_serve:
        title = text(
            Strong("Chain degraded" if not tested.named else "Some failed"),
            f": {good} {of}",
        )
        tone = Tone.WARNING
    elif not asked:
        title = text(Strong("Not tested"), ": only OpenClaw can ask these models")
        tone = Tone.NEUTRAL
    else:
        down = not tested.named and len(asked) == len(tested.rows)
        title = text(
            Strong("Chain down" if down else "All failed" if tested.named else "Partly tested"),
            f": none {of}",
        )
        tone = Tone.BAD if down or tested.named else Tone.WARNING
    serves = tested.would_serve
    theirs = counted(len(tested.rows) - len(asked), "hop")
    left = f"OpenClaw signs in to {theirs} itself; not tested from here."
    served = (
        (text("A request now would be served by ", Code(serves), "."),)
        if serves
        else (text("A request now would be refused."),)
        if len(asked) == len(tested.rows)
        else (text(left),)
        if asked
        else ()
    )
    repairs = tuple(
        Caution("repair", f"{row.model}: {(row.detail or 'no answer').rstrip('.')}.", row.hint)
        for row in tested.rows
        if row.verdict.verdict not in ("ok", "not_tested") and row.hint
    )
    return Card(
        title=title,
        tone=tone,
        table=Table(
            (
                Column("#", right=True),
                Column("model"),
                Column("verdict"),
                Column("time", right=True, priority=1),
                Column("cost", right=True, priority=2),
                Column("detail", priority=3),
            ),
            tuple(_cells(row) for row in tested.rows),
        ),
        body=(*(() if tested.named else served), *map(_format_line, tested.formats)),
        warnings=(*repairs, *_unrepaired(tested.warnings, repairs)),
        footer=text(f"Tested in parallel in {_ms(tested.wall_ms)} for {money(tested.cost_usd)}."),
        buttons=(Button("Test again", Action("fallback test")),),
        data=data,
        exit_code=ExitCode.DONE if tested.chain_ok else ExitCode.BAD_ANSWER,
    )


def _format_line(test: FormatTest) -> Text:
    """Say who would serve the callers of a dialect, and who could not and why."""
    options = f" with {listed(sorted(test.options))}" if test.options else ""
    serves = test.would_serve
    said = text(
        f"{FORMATS[test.dialect]}-format requests{options}: ",
        *((Code(serves), " would serve") if serves else ("no model would serve",)),
    )
    for row in test.rows:
        if isinstance(row.verdict.verdict, FailureReason):
            said += text("; ", Code(row.model), f" failed: {row.detail or row.verdict.verdict}")
    return said


def formats_table(hops: Sequence[Hop]) -> Table:
    """Show which hop accepts which of the callers' formats."""
    rows = [
        (
            text(str(hop.position + 1)),
            text(Code(str(hop.ref or hop.written))),
            *(text("yes" if spoken(hop, dialect) else "no") for dialect in HISTORY),
        )
        for hop in hops
    ]
    names = [Column(FORMATS[dialect]) for dialect in HISTORY]
    return Table((Column("#", right=True), Column("accepts"), *names), tuple(rows))


def spoken(hop: Hop, dialect: Dialect) -> bool:
    """Return whether a hop accepts requests of a format."""
    return hop.provider is not None and dialect in hop.provider.endpoints


def _unrepaired(warnings: tuple[Caution, ...], repairs: tuple[Caution, ...]) -> list[Caution]:
    hints = {repair.hint for repair in repairs}
    return [warning for warning in warnings if not warning.hint or warning.hint not in hints]


def _outcome(verdict: HopVerdict) -> str:
    match verdict.verdict:
        case FailureReason() as reason:
            return f"failed: {REASONS[reason]}"
        case "not_tested":
            return "not tested"
        case other:
            return other


def _cells(row: TestRow) -> tuple[Text, ...]:
    verdict = row.verdict
    served = verdict.served_model
    says = row.detail
    if served and row.hop.ref and served != row.hop.ref.name:
        says = f"{says}; answered as {served}" if says else f"answered as {served}"
    return (
        text(str(row.hop.position + 1)),
        text(Code(row.model)),
        text(_outcome(verdict)),
        text(_ms(verdict.latency_ms) if verdict.latency_ms is not None else "-"),
        text(money(row.cost_usd) if row.cost_usd is not None else "-"),
        text(says or "-"),
    )


def _ms(span_ms: float) -> str:
    return f"{span_ms / 1000:.1f} s" if span_ms >= 1000 else f"{span_ms:.0f} ms"


def hint_for(hop: Hop, verdict: HopVerdict, hops: Sequence[Hop], view: ConfigView) -> Phrase:
    """Write the command or step that fixes a hop."""
    if isinstance(verdict.verdict, FailureReason):
        page = settings_page(verdict.detail)
        if page and verdict.verdict is FailureReason.MODEL_NOT_FOUND:
            return f"Allow it at {page}, then test again."
        return _repair(verdict.verdict, hop, verdict.near, hops, view)
    if hop.skip is SkipReason.NO_KEY:
        return f"{key_step(hop)}."
    if hop.skip is SkipReason.KEY_ELSEWHERE:
        return KEY_ELSEWHERE
    if hop.over or hop.skip is SkipReason.UNSUPPORTED:
        return ""
    if hop.skip in (SkipReason.NOT_ALLOWED, SkipReason.NOT_SERVED):
        return Command(f"fallback add {hop.ref or hop.written}")
    return _out(hop) if hop.skip not in (None, SkipReason.OPENCLAW_ONLY) else ""


def _repair(
    reason: FailureReason,
    hop: Hop,
    near: str | None,
    hops: Sequence[Hop],
    view: ConfigView,
) -> Phrase:
    name, provider = str(hop.ref or hop.written), hop.provider
    runs_here = provider is not None and hop.near and (provider.self_hosted or provider.custom)
    if runs_here and reason in (FailureReason.NETWORK, FailureReason.TIMEOUT):
        ollama = provider is not None and provider.id == "ollama"
        start = text("Start it: ", Code("ollama serve"))
        return start if ollama else f"Start the server behind {name}."
    match reason:
        case FailureReason.MODEL_NOT_FOUND:
            return _replacement(hop, near, hops, view)
        case FailureReason.AUTH:
            page = f" at {provider.keys_url}" if provider and provider.keys_url else ""
            return f"Renew {hop.key_name or 'the key'}{page} and restart."
        case FailureReason.BILLING:
            page = provider.billing_url if provider else ""
            return f"Add credit at {page}" if page else "Add credit at the provider."
        case FailureReason.NETWORK:
            variable = provider.base_url_env if provider else None
            return f"Check the network{f' and {variable}' if variable else ''}, then test again."
        case FailureReason.BAD_RESPONSE:
            return _out(hop)
        case _:
            return text("Wait and test again: ", Command(f"fallback test {name}"))


def _out(hop: Hop) -> Command:
    return Command(f"fallback remove {hop.written}" if hop.position else "model list")


def _replacement(hop: Hop, near: str | None, hops: Sequence[Hop], view: ConfigView) -> Phrase:
    successor = hop.facts.successor if hop.facts else None
    new = str(successor) if successor else f"{hop.ref.provider}/{near}" if near and hop.ref else ""
    if hop.provider and hop.provider.self_hosted and hop.near and not new and hop.ref:
        return Code(f"ollama pull {hop.ref.name}")
    if not new:
        return _out(hop)
    alias = view.aliases.get(str(hop.ref))
    if hop.position == 0 or hop not in hops:
        named = alias and hop not in hops
        return Command(f"model preset {alias} {new}" if named else f"model use {new}")
    chain = [new if other is hop else other.written for other in hops if other.position]
    return Command(f"fallback set {' '.join(chain)}")


def events_card(
    rows: Sequence[FallbackEvent], span: timedelta, data: dict[str, Any], *, more: bool = False
) -> Card:
    """List fallback events, newest first; `more` when there are others before them."""
    period = say_duration(span)
    if not rows:
        return Card(
            title=text(Strong("No fallbacks"), f" in the last {period}"),
            body=(text("Requests answered by a fallback are listed here."),),
            data=data,
        )
    return Card(
        title=text(
            "The newest " if more else "",
            Strong(counted(len(rows), "fallback")),
            f" in the last {period}",
        ),
        table=Table(
            (
                Column("when"),
                Column("from"),
                Column("to", priority=1),
                Column("reason", priority=2),
            ),
            tuple(
                (
                    text(When(row.at, WhenStyle.DATE_TIME)),
                    text(Code(row.from_model)),
                    text(Code(row.to_model) if row.to_model else "no model"),
                    text(REASONS[row.reason]),
                )
                for row in rows
            ),
            sortable=True,
        ),
        data=data,
    )


def quiet_line(hours: tuple[time, time] | None, until: datetime | None) -> Text:
    """Say when alerts are held back; `until` is the end of the quiet hours that it is now."""
    if until is not None:
        return _quiet(until)
    if hours is None:
        return ()
    span = f"{hours[0]:%H:%M} to {hours[1]:%H:%M}"
    return text(f"Quiet hours {span}: urgent alerts only.")


def _quiet(until: datetime) -> Text:
    return text("Quiet hours until ", When(until), ": urgent alerts only.")


def muted_card(
    until: datetime, actor: Actor, data: dict[str, Any], quiet_until: datetime | None = None
) -> Card:
    """Say how long alerts are muted and what comes through; quiet hours may follow the mute."""
    after = (_quiet(quiet_until),) if quiet_until else ()
    return Card(
        title=text(Strong("Muted"), " until ", When(until, WhenStyle.DATE_TIME)),
        tone=Tone.CHANGE,
        body=(
            text("No alerts until then, unless all models are down."),
            *after,
            text(f"By {actor.name}."),
        ),
        buttons=(Button("Unmute", Action("fallback unmute")),),
        data=data,
    )


def acknowledged_card(incident_id: int, actor: Actor, data: dict[str, Any]) -> Card:
    """Confirm an acknowledgement to the person; the incident's own message shows it to others."""
    return Card(
        title=text(Strong(f"Incident {incident_id}"), f" acknowledged by {actor.name}"),
        tone=Tone.CHANGE,
        body=(
            text("No mentions for 4 h, then one reminder if it is still open."),
            text("The incident's message keeps updating; you get a reply there when it ends."),
        ),
        visibility=Visibility.PRIVATE,
        data=data,
    )


def retried_card(
    over: Sequence[tuple[str, FailureReason]], model: str, actor: Actor, data: dict[str, Any]
) -> Card:
    """Say which cool-downs were ended; `model` when it was asked for one alone."""
    if not over:
        title = text("No cool-down to end", f" for {model}" if model else "")
        body: tuple[Text, ...] = (text("Failure counts are reset."),)
    else:
        title = text(Strong("Retrying now"), f": {counted(len(over), 'cool-down')} ended")
        body = tuple(text(Code(scope), f" · {REASONS[reason]}") for scope, reason in over)
    return Card(
        title=title,
        tone=Tone.CHANGE if over else Tone.NEUTRAL,
        body=(*body, text(f"By {actor.name}.")),
        buttons=(Button("Test chain", Action("fallback test")),),
        data=data,
    )


def unmuted_card(
    was: bool, actor: Actor, data: dict[str, Any], quiet_until: datetime | None = None
) -> Card:
    """Say that alerts are on again, or that quiet hours still hold most of them back."""
    quiet = (_quiet(quiet_until),) if quiet_until else ()
    return Card(
        title=text(Strong("Alerts unmuted")) if was else text("Alerts were not muted"),
        tone=Tone.CHANGE if was else Tone.NEUTRAL,
        body=(*quiet, text(f"By {actor.name}.")) if was else quiet,
        data=data,
    )
