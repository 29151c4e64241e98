"""doctor: is everything in place? Each check says what it saw and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.card import Card, Caution, Command, Phrase, plain
from bot.commands.context import Context
from bot.commands.data import sentence
from bot.commands.model_read import status_warnings
from bot.commands.retirements import retirements
from bot.commands.snapshot import StatusSnapshot, load_snapshot
from bot.config.plan import in_models
from bot.costs.digest import Retirement
from bot.errors import ChangeoverError, ErrorInfo, StorageError
from bot.messages.cautions import deaf_channels
from bot.messages.chain import skip_words
from bot.messages.doctor import doctor_card
from bot.messages.retirement import retirement_line, successor_words
from bot.messages.words import listed
from bot.routing.chain import AllowRule, allow_rule
from bot.spans import Sentence


class Level(StrEnum):
    """How bad a failed check is; only errors make the doctor's exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `step` is what fixes it."""

    name: str
    ok: bool
    level: Level
    said: Phrase
    step: Phrase = ""

    @property
    def detail(self) -> str:
        """What it saw, as plain words."""
        return plain(self.said)

    @property
    def resolution(self) -> str:
        """The step that fixes it, as plain words."""
        return plain(self.step)


async def examine(ctx: Context, others: Sequence[Check]) -> Card:
    """Look at config, chain, keys and database, and add what the adapters looked at."""
    checks = [*await _config(ctx), *await _channels(ctx), *others]
    return doctor_card(
        [(c.name, c.ok, str(c.level), c.said, c.step) for c in checks],
        {
            "checks": [
                {
                    "name": c.name,
                    "ok": c.ok,
                    "level": c.level,
                    "detail": Sentence(c.said),
                    "resolution": sentence(c.step),
                }
                for c in checks
            ]
        },
        bad=any(not c.ok and c.level is Level.ERROR for c in checks),
    )


async def _config(ctx: Context) -> list[Check]:
    location = ctx.ports.store.location
    try:
        snapshot = await load_snapshot(ctx)
    except ChangeoverError as error:
        return [_failed("config", error)]
    checks = [
        Check("config", True, Level.INFO, f"{location} is valid."),
        _release(snapshot, location),
        *_database(snapshot),
    ]
    ending = retirements(ctx, snapshot.view, ())
    # Of those that have ended the warnings speak.
    checks += [_retirement(ctx, one) for one in ending if not one.facts.gone]
    warnings = status_warnings(ctx, snapshot)
    nobody = not any(hop.walked for hop in snapshot.hops)
    fatal = {"no_primary", "no_key"} if nobody else set()
    checks += [_of_caution(c, fatal) for c in warnings if c.code != "database"]
    over = [hop for hop in snapshot.hops if hop.over]
    if over:
        skipped = [f"{hop.ref} ({skip_words(hop, snapshot.hops)})" for hop in over]
        checks.append(Check("fallback_limit", True, Level.INFO, f"Skipped: {listed(skipped)}."))
    elif not any(c.code in ("no_key", "not_allowed", "no_primary") for c in warnings):
        count = len(snapshot.hops)
        checks.append(Check("chain", True, Level.INFO, f"All {count} hops are available."))
    return checks


async def _channels(ctx: Context) -> list[Check]:
    try:
        troubles = await ctx.ports.alerts.troubles()
    except StorageError:
        # The check of the database says it.
        return []
    deaf = [
        Check("alerts", False, Level.ERROR, caution.said, caution.step)
        for caution in deaf_channels(troubles)
    ]
    return [*_quiet_hours(ctx), *deaf]


def _quiet_hours(ctx: Context) -> list[Check]:
    hours = ctx.settings.quiet_hours
    if hours is None:
        return []
    span = f"{hours[0]:%H:%M} to {hours[1]:%H:%M} {ctx.settings.timezone}"
    return [Check("quiet hours", True, Level.INFO, f"{span}: urgent alerts only.")]


def _release(snapshot: StatusSnapshot, location: str) -> Check:
    rule = allow_rule(snapshot.view, location)
    version = snapshot.view.version
    touched = f"Config last written by {version}, which" if version else "Unknown release, which"
    words = {
        AllowRule.SKIPS: "skips fallbacks not in agents.defaults.models",
        AllowRule.EXEMPT: "uses every fallback, allowed or not",
        AllowRule.UNKNOWN: "may skip fallbacks not in agents.defaults.models",
    }
    missing = [h for h in snapshot.hops if h.ref and not in_models(snapshot.view, h.ref)]
    return Check(
        "release",
        True,
        Level.INFO,
        f"{touched} {words[rule]}; not in it: {len(missing)} of {len(snapshot.hops)} hops.",
    )


def _database(snapshot: StatusSnapshot) -> list[Check]:
    error = snapshot.known.error
    if error is not None:
        return [_failed("database", error)]
    seen = snapshot.known.service_seen_at
    alive = "used by a service" if seen else "not used by a service yet"
    return [Check("database", True, Level.INFO, f"Reachable; {alive}.")]


def _retirement(ctx: Context, one: Retirement) -> Check:
    """Say when a model of the config ends; a warning in its last week."""
    facts, today = one.facts, ctx.now.date()
    provider = ctx.catalog.provider(one.ref.provider)
    title = provider.title if provider else one.ref.provider
    soon = facts.leaving or facts.delisted_on is not None
    return Check(
        "retirement",
        not soon or facts.rerouted,
        Level.WARNING if soon and not facts.rerouted else Level.INFO,
        retirement_line(facts, title, today) + successor_words(facts),
        Command(one.step) if one.step else "",
    )


def _failed(name: str, error: ChangeoverError | ErrorInfo) -> Check:
    return Check(name, False, Level.ERROR, error.said, error.step)


def _of_caution(caution: Caution, fatal: set[str]) -> Check:
    level = Level.ERROR if caution.code in fatal else Level.WARNING
    return Check(caution.code, False, level, caution.said, caution.step)
