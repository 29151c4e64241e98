"""Environment → the core's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from adapters.environment.sources import secret_values
from adapters.environment.values import address, ratio, seconds, value_of, wrong
from bot.access import AccessRules, ApprovalRules
from bot.blackout import Blackout
from bot.dialects.endpoint import refuse_login
from bot.durations import parse_duration, shorten
from bot.errors import SettingsError, UsageError
from bot.settings import Settings, Timeouts

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)")
_PREFIX = re.compile(r"[a-z0-9_-]{0,20}")
_BASE_URLS = ("ANTHROPIC", "OPENROUTER", "DEEPSEEK", "OLLAMA", "OPENAI", "GEMINI", "GROQ")


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read what the core has to know.

    Raises:
        SettingsError: a variable has a value that cannot be used; the message names it.
    """
    defaults = Settings()
    times = defaults.timeouts
    for provider in _BASE_URLS:
        name = f"{provider}_BASE_URL"
        base = address(env, name, ("http", "https"), "http://127.0.0.1:11434")
        if provider != "OLLAMA" and value_of(env, f"{provider}_API_KEY"):
            refuse_login(name, base or "")
    return Settings(
        env=env,
        access=AccessRules.parse(
            value_of(env, "CHANGEOVER_OPERATORS"), value_of(env, "CHANGEOVER_ADMINS")
        ),
        approval=ApprovalRules.parse(value_of(env, "CHANGEOVER_APPROVAL")),
        confirm_ratio=ratio(env, "CHANGEOVER_CONFIRM_RATIO", defaults.confirm_ratio),
        timezone=read_timezone(env),
        prefix=_prefix(env),
        timeouts=Timeouts(
            total_s=seconds(env, "CHANGEOVER_TIMEOUT_S", times.total_s),
            first_token_s=seconds(env, "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S", times.first_token_s),
            idle_s=seconds(env, "CHANGEOVER_IDLE_TIMEOUT_S", times.idle_s),
            thinking_s=seconds(env, "CHANGEOVER_THINKING_TIMEOUT_S", times.thinking_s),
            probe_s=seconds(env, "CHANGEOVER_PROBE_TIMEOUT_S", times.probe_s),
        ),
        quiet_hours=read_quiet_hours(env),
        sticky=_sticky(env, defaults.sticky),
        blackout=Blackout(secret_values(env)),
    )


def _sticky(env: Mapping[str, str], default: timedelta | None) -> timedelta | None:
    value = value_of(env, "CHANGEOVER_STICKY")
    if not value:
        return default
    if value.lower() == "off":
        return None
    try:
        return parse_duration(value)
    except UsageError as error:
        problem = "must be a duration, or off"
        raise wrong(
            "CHANGEOVER_STICKY", value, problem, "For example: CHANGEOVER_STICKY=10m"
        ) from error


def _prefix(env: Mapping[str, str]) -> str:
    value = value_of(env, "CHANGEOVER_COMMAND_PREFIX")
    if not _PREFIX.fullmatch(value):
        raise wrong(
            "CHANGEOVER_COMMAND_PREFIX",
            value,
            "must be up to 20 of a-z, 0-9, - and _",
            "For example: CHANGEOVER_COMMAND_PREFIX=llm-",
        )
    return value


def read_timezone(env: Mapping[str, str]) -> tzinfo:
    """Read the team's zone; without one the machine's, and UTC where that is unknown.

    Raises:
        SettingsError: there is no zone of that name.
    """
    name = value_of(env, "CHANGEOVER_TIMEZONE")
    if not name:
        return _machine_zone(value_of(env, "TZ").removeprefix(":"))
    zone = _zone(name)
    if zone is None:
        guess = _near_zone(name)
        raise SettingsError(
            f"CHANGEOVER_TIMEZONE must be a time zone name, not {shorten(name)!r}.",
            f"Did you mean {guess}?" if guess else "Use a name such as Europe/Berlin or UTC.",
        )
    return zone


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def _machine_zone(name: str) -> tzinfo:
    if name:
        return _zone(name) or ZoneInfo("UTC")
    import warnings

    import tzlocal

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tzlocal.get_localzone()
        except (LookupError, ValueError, OSError):
            return ZoneInfo("UTC")


def _near_zone(name: str) -> str | None:
    from zoneinfo import available_timezones

    from bot.config.naming import near

    return near(name.replace(" ", "_"), sorted(available_timezones()))


def read_quiet_hours(env: Mapping[str, str]) -> tuple[time, time] | None:
    """Read from when to when only what is urgent is told; None for always.

    Raises:
        SettingsError: it is no span between two times of day.
    """
    value = value_of(env, "CHANGEOVER_QUIET_HOURS")
    if not value or value.lower() == "off":
        return None
    hours = _HOURS.fullmatch(value)
    span = (
        (time(int(hours[1]), int(hours[2])), time(int(hours[3]), int(hours[4]))) if hours else None
    )
    if span is None or span[0] == span[1]:
        raise wrong(
            "CHANGEOVER_QUIET_HOURS",
            value,
            "must be two times of day",
            "For example: CHANGEOVER_QUIET_HOURS=22:00-07:00",
        )
    return span
