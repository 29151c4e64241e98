"""The state of things as status, test and change cards need it, gathered once from the ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.commands.context import Context
from bot.config.naming import written
from bot.config.notes import model_path, owner
from bot.config.plan import choice_for
from bot.config.present import Present, read_config
from bot.config.schema import ConfigView, ModelChoice
from bot.costs.pricing import unit_price
from bot.durations import in_force
from bot.errors import ErrorInfo, StorageError
from bot.models import ModelRef, Price
from bot.ports import Change, Cooldown, IncidentRow, Json, Revert, StoredLimits
from bot.ports.reloads import NO_NEIGHBOUR, Neighbour
from bot.ports.trials import Trial
from bot.routing.chain import ChainContext, Hop, chain_of, provider_of
from bot.routing.limits import HopLimits, hop_limits

HISTORY = 500
REPORTED = timedelta(seconds=30)
"""What gateways said longer ago is no longer so."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows; `error` says why it could not be read."""

    changes: Sequence[Change] = ()
    reverts: Sequence[Revert] = ()
    cooldowns: Sequence[Cooldown] = ()
    incidents: Sequence[IncidentRow] = ()
    muted_until: datetime | None = None
    trial: Trial | None = None
    staying: Mapping[str, int] = field(default_factory=dict)
    service_seen_at: datetime | None = None
    error: ErrorInfo | None = None
    neighbour: Neighbour = NO_NEIGHBOUR
    limits: StoredLimits = field(default_factory=StoredLimits)


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """Everything `/model status` shows: the file, the chain with prices, what is remembered."""

    present: Present
    choice: ModelChoice
    hops: tuple[Hop, ...]
    prices: dict[ModelRef, Price | None]
    known: Known = field(default_factory=Known)
    limits: HopLimits | None = None

    @property
    def ceiling(self) -> ModelRef | None:
        """The model that a spent budget allows, while it is in force."""
        return self.limits.ceiling if self.limits else None

    @property
    def view(self) -> ConfigView:
        """The checked config."""
        return self.present.view

    @property
    def primary(self) -> Hop | None:
        """The hop at position 0, if a primary is set."""
        return self.hops[0] if self.hops and self.hops[0].position == 0 else None

    def price(self, hop: Hop) -> Price | None:
        """Return a hop's unit prices."""
        return self.prices.get(hop.ref) if hop.ref else None

    @property
    def last_change(self) -> Change | None:
        """The newest change in history."""
        return self.known.changes[0] if self.known.changes else None

    @property
    def pending(self) -> tuple[Revert, Change] | None:
        """The timed switch that is in force, with the change it will take back."""
        for revert in self.known.reverts:
            change = next((c for c in self.known.changes if c.id == revert.change_id), None)
            model = model_path(change) if change else None
            if change and model and owner(self.known.changes, model) == change:
                return revert, change
        return None


async def load_snapshot(ctx: Context, agent: str | None = None) -> StatusSnapshot:
    """Read the config and what the database knows of it."""
    present = await read_config(ctx.ports.store, ctx.ports.journal, ctx.now)
    known = await load_known(ctx)
    return snapshot_of(ctx, present, known, agent)


def snapshot_of(
    ctx: Context, present: Present, known: Known, agent: str | None = None
) -> StatusSnapshot:
    """Lay the chain of a document out with prices and cool-downs."""
    view = present.view
    choice = choice_for(view, agent)
    limits = hop_limits(known.limits, view, lambda ref: price_of(ctx, ref, view), ctx.now)
    hops = chain_of(view, choice, replace(surroundings(ctx, known), limits=limits))
    refs = [hop.ref for hop in hops if hop.ref]
    prices = {ref: price_of(ctx, ref, view) for ref in refs}
    return StatusSnapshot(present, choice, hops, prices, known, limits)


def surroundings(ctx: Context, known: Known) -> ChainContext:
    """Return what a chain is judged by."""
    return ChainContext(
        ctx.catalog,
        ctx.settings.env,
        ctx.ports.store.location,
        known.cooldowns,
        neighbour=known.neighbour,
    )


def price_of(ctx: Context, ref: ModelRef, view: ConfigView) -> Price | None:
    """Return a model's unit prices now."""
    return price_at_of(ctx, ref, view)(ctx.now)


def price_at_of(
    ctx: Context, ref: ModelRef, view: ConfigView
) -> Callable[[datetime], Price | None]:
    """Return how to price a model at a time."""
    provider = provider_of(ref, view, ctx.catalog, ctx.settings.env)

    def price_at(at: datetime) -> Price | None:
        return unit_price(ref, provider, view, ctx.ports.prices, at)

    return price_at


def written_price(ctx: Context, value: Json, view: ConfigView) -> Price | None:
    """Return the unit prices of the model that a value of the config names, if it names one."""
    ref = written(value, view) if isinstance(value, str) else None
    return price_of(ctx, ref, view) if ref else None


async def load_known(ctx: Context) -> Known:
    """Ask the database; its being away must not hide the config."""
    ports, location = ctx.ports, ctx.ports.store.location
    neighbour = await ports.reloads.neighbour()
    try:
        return Known(
            changes=await ports.journal.changes(location, HISTORY),
            reverts=await ports.journal.reverts(location),
            cooldowns=await ports.log.cooldowns(ctx.now),
            incidents=await ports.log.incidents(open_only=True, limit=20),
            trial=await ports.trials.running(location),
            muted_until=in_force(await ports.log.muted_until(), ctx.now),
            staying=await ports.log.staying(ctx.now - REPORTED),
            service_seen_at=await ports.journal.last_beat("bot"),
            neighbour=neighbour,
            limits=await ports.log.limits(location),
        )
    except StorageError as error:
        return Known(error=error.info, neighbour=neighbour)
