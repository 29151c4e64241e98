"""The weekly digest as figures: what was spent, on what, compared with what, and what went wrong.

Everything here is worked out from what was gathered; how it is told is the messages' business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal

from bot.costs.billed import Billed
from bot.costs.budget import BudgetState
from bot.costs.chart_svg import SpendChart, chart_of
from bot.costs.compare import Alternative
from bot.costs.figures import (
    Unpriced,
    change_percent,
    dearest_first,
    merged,
    priced_nano,
    total_of,
    unpriced_models,
)
from bot.costs.period import Span, calendar
from bot.costs.pricing import price_sum
from bot.models import ModelFacts, ModelRef, Price, Usage
from bot.outage import down_time
from bot.ports import (
    BillRead,
    BudgetPeriod,
    ChainTest,
    FallbackEvent,
    IncidentRow,
    Spend,
)

_DAY = timedelta(days=1)
CALM_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Retirement:
    """A model in use that its provider ends; `step` is the command that replaces it, if one does.

    Its day may have come already, or be unknown where its provider only stopped listing it.
    """

    facts: ModelFacts
    step: str = ""

    @property
    def ref(self) -> ModelRef:
        """The model."""
        return self.facts.ref

    @property
    def retires_on(self) -> date | None:
        """Its last day."""
        return self.facts.retired_on or self.facts.retires_on

    @property
    def successor(self) -> ModelRef | None:
        """What stands in for it."""
        return self.facts.successor

    def calm(self, today: date) -> bool:
        """Return whether it ends so late that a line of the part Ahead will do."""
        ends = self.facts.retires_on
        return ends is not None and not self.facts.gone and ends > today + CALM_AFTER


@dataclass(frozen=True, slots=True)
class AheadLine:
    """Something that is not urgent, in a sentence, and the command for it."""

    said: str
    command: str


@dataclass(frozen=True, slots=True)
class PlanSaving:
    """What a plan's windows cost, and the same traffic on the model before it.

    `other_nano` None: no price is known for that one.
    """

    number: int
    model: str
    when: str
    other: str
    windows: int
    requests: int
    cost_nano: int
    other_nano: int | None

    @property
    def saved_nano(self) -> int | None:
        """How much less it cost; negative when it cost more."""
        return None if self.other_nano is None else self.other_nano - self.cost_nano


@dataclass(frozen=True, slots=True)
class Driver:
    """A model, and by how much it changed the total."""

    now: Spend
    before: Spend

    @property
    def change_nano(self) -> int:
        """How much more it cost than before."""
        return self.now.cost_nano_usd - self.before.cost_nano_usd


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a digest is worked out from.

    `by_day` holds each local day's groups by model. `previous` is None when nothing was counted
    in the span before; `previous_by_model` are its groups. `usual` prices the model a fallback
    stood in for, `first_hop` names the one where no event does. `missing` says in words what
    could not be gathered.
    """

    period: Span
    zone: tzinfo
    now: datetime
    first_at: datetime | None
    by_day: Sequence[tuple[date, Sequence[Spend]]]
    previous: Spend | None = None
    previous_by_model: Sequence[Spend] = ()
    by_key: Sequence[Spend] = ()
    by_agent: Sequence[Spend] = ()
    budgets: Sequence[BudgetState] = ()
    retirements: Sequence[Retirement] = ()
    ahead: Sequence[AheadLine] = ()
    month_so_far: Spend | None = None
    billed: Sequence[Billed] = ()
    bill_reads: Sequence[BillRead] = ()
    incidents: Sequence[IncidentRow] = ()
    events: Sequence[FallbackEvent] = ()
    chain_test: ChainTest | None = None
    alternatives: Sequence[Alternative] = ()
    plans: Sequence[PlanSaving] = ()
    usual: Callable[[str], Price | None] = lambda model: None
    first_hop: str | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FallbackShare:
    """What fallbacks served; `usual_nano` is what the first hop would have cost, about.

    None means that nobody knows a price for it.
    """

    requests: int
    percent: Decimal
    cost_nano: int
    usual_nano: int | None

    @property
    def saved_nano(self) -> int | None:
        """How much less it cost than usual; negative when it cost more."""
        return None if self.usual_nano is None else self.usual_nano - self.cost_nano


@dataclass(frozen=True, slots=True)
class Trouble:
    """Incidents of a span: how many, how many are open still, minutes under at least one."""

    incidents: int
    open: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Projection:
    """The month's spend so far, and what it comes to at the pace of `since` to `until`."""

    month: date
    so_far_nano: int
    projected_nano: int
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Digest:
    """Everything a digest tells. `counts_since` is set when counting began within the span."""

    gathered: Gathered
    total: Spend
    total_nano: int | None
    previous_nano: int | None
    change_percent: Decimal | None
    by_model: tuple[Spend, ...]
    drivers: tuple[Driver, ...]
    callers: tuple[Spend, ...]
    agents: tuple[Spend, ...]
    unpriced: tuple[Unpriced, ...]
    chart: SpendChart | None
    fallback: FallbackShare | None
    trouble: Trouble
    projection: Projection | None
    cheapest: Alternative | None
    counts_since: datetime | None


def work_out(gathered: Gathered) -> Digest:
    """Work a digest out of what was gathered."""
    period = gathered.period
    by_model = merged(groups for _, groups in gathered.by_day)
    total = total_of(by_model)
    total_nano = priced_nano(total)
    previous = priced_nano(gathered.previous) if gathered.previous else None
    first = gathered.first_at
    return Digest(
        gathered=gathered,
        total=total,
        total_nano=total_nano,
        previous_nano=previous,
        change_percent=change_percent(previous, total_nano),
        by_model=tuple(by_model),
        drivers=_drivers(by_model, gathered) if previous is not None else (),
        callers=tuple(dearest_first(gathered.by_key)),
        agents=tuple(dearest_first(gathered.by_agent)),
        unpriced=unpriced_models(by_model),
        chart=_chart(gathered.by_day, by_model),
        fallback=_fallback(gathered, by_model, total),
        trouble=trouble_of(gathered.incidents, period, gathered.now),
        projection=_projection(gathered, total_nano),
        cheapest=_cheapest(gathered.alternatives),
        counts_since=first if first and first > period.start else None,
    )


def _drivers(by_model: Sequence[Spend], gathered: Gathered) -> tuple[Driver, ...]:
    """Return what changed the total, the largest change first."""
    now = {group.key: group for group in by_model}
    before = {group.key: group for group in gathered.previous_by_model}
    found = [Driver(now.get(key, Spend(key)), before.get(key, Spend(key))) for key in now | before]
    changed = [driver for driver in found if driver.change_nano]
    return tuple(sorted(changed, key=lambda one: (-abs(one.change_nano), one.now.key)))


def trouble_of(rows: Iterable[IncidentRow], span: Span, now: datetime) -> Trouble:
    """Count the incidents that fall into a span, and the minutes with at least one open."""
    end = min(span.end, now)
    mine = [
        row
        for row in rows
        if row.opened_at < end and (row.resolved_at is None or row.resolved_at > span.start)
    ]
    degraded = down_time(mine, now, span.start, end)
    return Trouble(
        len(mine),
        sum(row.resolved_at is None for row in mine),
        round(degraded / timedelta(minutes=1)),
    )


def _chart(
    by_day: Sequence[tuple[date, Sequence[Spend]]], by_model: Sequence[Spend]
) -> SpendChart | None:
    columns: dict[str, list[int]] = {group.key: [0] * len(by_day) for group in by_model}
    for place, (_, groups) in enumerate(by_day):
        for group in groups:
            columns[group.key][place] += group.cost_nano_usd
    return chart_of([day for day, _ in by_day], columns)


def _fallback(gathered: Gathered, by_model: Sequence[Spend], total: Spend) -> FallbackShare | None:
    if not total.fallback_requests:
        return None
    share = Decimal(total.fallback_requests) * 100 / total.requests if total.requests else Decimal()
    return FallbackShare(
        total.fallback_requests,
        share,
        total.fallback_cost_nano_usd,
        _usual(gathered, by_model),
    )


def _usual(gathered: Gathered, by_model: Sequence[Spend]) -> int | None:
    stood_in: dict[str, Counter[str]] = {}
    for event in gathered.events:
        if event.to_model:
            stood_in.setdefault(event.to_model, Counter())[event.from_model] += 1
    whole = 0
    for group in by_model:
        if not group.fallback_requests:
            continue
        named = stood_in.get(group.key)
        if not named:
            named = Counter({gathered.first_hop: 1}) if gathered.first_hop else Counter()
        part = _at_other_prices(_fallback_tokens(group), named, gathered.usual)
        if part is None:
            return None
        whole += part
    return whole


def _fallback_tokens(group: Spend) -> Usage:
    """Tell the tokens of a group's fallback requests by their share of its cost."""
    if group.cost_nano_usd:
        part, whole = group.fallback_cost_nano_usd, group.cost_nano_usd
    else:
        part, whole = group.fallback_requests, max(group.requests, group.fallback_requests)
    return Usage(
        input_tokens=group.input_tokens * part // whole,
        output_tokens=group.output_tokens * part // whole,
        cached_input_tokens=group.cached_input_tokens * part // whole,
        cache_write_tokens=group.cache_write_tokens * part // whole,
    )


def _at_other_prices(
    tokens: Usage, models: Mapping[str, int], price_of: Callable[[str], Price | None]
) -> int | None:
    whole = sum(models.values())
    if not whole:
        return None
    nano = Decimal(0)
    for model, times in models.items():
        price = price_of(model)
        if price is None:
            return None
        nano += Decimal(price_sum(tokens, price)) * times / whole
    return int(nano.to_integral_value())


def _projection(gathered: Gathered, total_nano: int | None) -> Projection | None:
    so_far = priced_nano(gathered.month_so_far) if gathered.month_so_far else None
    if so_far is None or total_nano is None:
        return None
    month = calendar(BudgetPeriod.MONTH, gathered.now, gathered.zone)
    begin = max(gathered.period.start, gathered.first_at or gathered.period.start)
    counted = min(gathered.period.end, gathered.now) - begin
    if counted < _DAY:
        return None
    left = month.end - gathered.now
    rest = Decimal(total_nano) * Decimal(left / counted).quantize(Decimal("0.000001"))
    end = begin + counted - timedelta(microseconds=1)
    return Projection(
        month.start.astimezone(gathered.zone).date(),
        so_far,
        so_far + int(rest.to_integral_value()),
        begin.astimezone(gathered.zone).date(),
        end.astimezone(gathered.zone).date(),
    )


def _cheapest(alternatives: Sequence[Alternative]) -> Alternative | None:
    """Return the alternative that saves most and still costs something, else any that saves."""
    there = [one for one in alternatives if not one.missing]
    saving = [a for a in there if a.saving_nano is not None and a.saving_nano > 0]
    paid = [a for a in saving if a.nano]
    return min(paid or saving, key=lambda a: (a.nano or 0, str(a.ref)), default=None)
