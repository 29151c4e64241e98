"""What the operator decides by environment, as far as the core needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from bot.access import AccessRules, ApprovalRules
from bot.blackout import Blackout


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for one attempt; each is a fallback trigger.

    `thinking_s` replaces the limits between two events while a thinking block is open.
    """

    total_s: float = 120.0
    first_token_s: float = 30.0
    idle_s: float = 60.0
    probe_s: float = 20.0
    thinking_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The core's settings.

    `env` holds the environment (real over `.env`, empty values left out); keys are read from it
    at the moment of use. `prefix` is before every command (`llm-` gives `/llm-model`).
    `quiet_hours` are from when to when of the clock in `timezone`. `sticky` is how long a
    conversation may stay with a fallback once the primary answers again; None is not at all.
    `blackout` takes the secrets out of what leaves the process.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    access: AccessRules = field(default_factory=AccessRules)
    approval: ApprovalRules = field(default_factory=ApprovalRules)
    confirm_ratio: Decimal = Decimal(5)
    timezone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))
    prefix: str = ""
    timeouts: Timeouts = field(default_factory=Timeouts)
    quiet_hours: tuple[time, time] | None = None
    sticky: timedelta | None = timedelta(minutes=10)
    blackout: Blackout = field(default_factory=Blackout, repr=False, compare=False)
