"""Environment → the settings of the running process: gateway, chats, schedules, storage, log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path

from adapters.environment.chats import (
    DiscordSettings,
    SlackSettings,
    read_discord,
    read_slack,
)
from adapters.environment.values import address, choice, path, secret, value_of, whole, wrong
from bot.errors import SettingsError
from bot.models import Secret

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)")
_CALLER = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_DATABASES = ("sqlite", "postgresql", "postgres")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens and whom it lets in; `callers` are names with their tokens."""

    host: str
    port: int
    token: Secret | None
    callers: tuple[tuple[str, Secret], ...]

    def check(self) -> None:
        """Refuse to listen beyond this machine without a token.

        Raises:
            SettingsError: anybody could spend the team's money.
        """
        if self.token is None and not self.callers and not _is_loopback(self.host):
            raise SettingsError(
                f"GATEWAY_HOST is {self.host!r}, which others can reach, and there is no token.",
                "Set GATEWAY_TOKEN or GATEWAY_TOKENS, or GATEWAY_HOST=127.0.0.1.",
            )


@dataclass(frozen=True, slots=True)
class OpenClawSettings:
    """A Moltbot or OpenClaw to attach to."""

    state_dir: Path | None
    log: Path | None
    gateway_url: str | None
    gateway_token: Secret | None


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """Cron lines of five fields, None for off; quiet hours in the team's zone."""

    digest_cron: str | None
    chain_test_cron: str | None
    quiet_hours: tuple[time, time] | None


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`style` is `text` or `json`, `level` a name that `logging` knows."""

    style: str
    level: str


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The database, whose URL may hold a password, and the operator's price list."""

    database_url: str = field(repr=False)
    prices: Path | None


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """Everything of the environment that only a running process needs."""

    storage: StorageSettings
    gateway: GatewaySettings
    slack: SlackSettings | None
    discord: DiscordSettings | None
    openclaw: OpenClawSettings
    schedule: ScheduleSettings
    log: LogSettings


def read_service_settings(env: Mapping[str, str], cwd: Path, home: Path) -> ServiceSettings:
    """Read all of it; one part alone is read by the function of its name.

    Raises:
        SettingsError: a variable has a value that cannot be used; the message names it.
    """
    return ServiceSettings(
        storage=read_storage(env, cwd, home),
        gateway=read_gateway(env),
        slack=read_slack(env),
        discord=read_discord(env),
        openclaw=read_openclaw(env, cwd, home),
        schedule=read_schedule(env),
        log=read_log(env),
    )


def read_storage(env: Mapping[str, str], cwd: Path, home: Path) -> StorageSettings:
    """Read DATABASE_URL and CHANGEOVER_PRICES."""
    url = value_of(env, "DATABASE_URL") or "sqlite:///changeover.db"
    scheme, colon, _ = url.partition("://")
    if not colon or scheme.partition("+")[0].lower() not in _DATABASES:
        raise wrong(
            "DATABASE_URL",
            url,
            "is no database Changeover can use",
            "Write sqlite:///changeover.db or postgresql://USER:PASSWORD@HOST/NAME.",
        )
    return StorageSettings(url, path(env, "CHANGEOVER_PRICES", cwd, home))


def read_gateway(env: Mapping[str, str]) -> GatewaySettings:
    """Read GATEWAY_HOST, PORT, GATEWAY_TOKEN and GATEWAY_TOKENS."""
    host = value_of(env, "GATEWAY_HOST").strip("[]") or "127.0.0.1"
    if not re.fullmatch(r"[\w.:%-]+", host):
        raise wrong("GATEWAY_HOST", host, "is no host", "Write it like GATEWAY_HOST=127.0.0.1.")
    return GatewaySettings(
        host, whole(env, "PORT", 8787, 65535), secret(env, "GATEWAY_TOKEN"), _callers(env)
    )


def _callers(env: Mapping[str, str]) -> tuple[tuple[str, Secret], ...]:
    found: dict[str, Secret] = {}
    entries = [part.strip() for part in value_of(env, "GATEWAY_TOKENS").split(",")]
    for number, entry in enumerate(filter(None, entries), start=1):
        name, _, token = (part.strip() for part in entry.partition(":"))
        if not _CALLER.fullmatch(name) or not token or name in found:
            raise wrong(
                "GATEWAY_TOKENS",
                "",
                f"has an entry, number {number}, that is not NAME:TOKEN with a name of its own",
                "Write it like GATEWAY_TOKENS=ana:token1,batch:token2.",
            )
        found[name] = Secret(token)
    return tuple(found.items())


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def read_openclaw(env: Mapping[str, str], cwd: Path, home: Path) -> OpenClawSettings:
    """Read what attaches to a running Moltbot or OpenClaw."""
    return OpenClawSettings(
        path(env, "OPENCLAW_STATE_DIR", cwd, home),
        path(env, "OPENCLAW_LOG", cwd, home),
        address(
            env, "OPENCLAW_GATEWAY_URL", ("ws", "wss", "http", "https"), "ws://127.0.0.1:18789"
        ),
        secret(env, "OPENCLAW_GATEWAY_TOKEN"),
    )


def read_schedule(env: Mapping[str, str]) -> ScheduleSettings:
    """Read the cron lines and the quiet hours."""
    return ScheduleSettings(
        _cron(env, "CHANGEOVER_DIGEST", "0 9 * * mon"),
        _cron(env, "CHANGEOVER_CHAIN_TEST", "off"),
        _quiet_hours(env),
    )


def _cron(env: Mapping[str, str], name: str, default: str) -> str | None:
    value = value_of(env, name) or default
    if value.lower() == "off":
        return None
    if len(value.split()) != 5:
        raise wrong(
            name, value, "is no cron line of five fields", f'Write it like {name}="0 9 * * mon".'
        )
    return " ".join(value.split())


def _quiet_hours(env: Mapping[str, str]) -> tuple[time, time] | None:
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
            "is no span between two times of day",
            "Write it like CHANGEOVER_QUIET_HOURS=22:00-07:00.",
        )
    return span


def read_log(env: Mapping[str, str]) -> LogSettings:
    """Read the log's style and level."""
    levels = ("debug", "info", "warning", "error", "critical")
    return LogSettings(
        choice(env, "CHANGEOVER_LOG_FORMAT", "text", ("text", "json")),
        choice(env, "CHANGEOVER_LOG_LEVEL", "info", levels).upper(),
    )
