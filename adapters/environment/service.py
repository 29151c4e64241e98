"""Environment → the settings of the running process: gateway, chats, schedules, storage, log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path

from adapters.environment.chats import (
    DiscordSettings,
    SlackSettings,
    TelegramSettings,
    read_discord,
    read_slack,
    read_telegram,
)
from adapters.environment.core import read_quiet_hours
from adapters.environment.receivers import ReceiverSettings, read_receivers
from adapters.environment.values import address, choice, path, secret, value_of, whole, wrong
from bot.errors import SettingsError
from bot.models import Secret

_LEVELS = ("debug", "info", "warning", "error", "critical")
_DATABASES = ("sqlite", "postgresql", "postgres")
DRAIN_S = 5
MOST_WORKERS = 64
_CALLER = re.compile(r"[\w.@-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Where the gateway listens and whom it lets in; `callers` are names with their tokens.

    For `drain_s` it still answers when it is to stop, and says at `/readyz` that it will.
    `workers` is how many processes serve the port.
    """

    host: str
    port: int
    token: Secret | None
    callers: tuple[tuple[str, Secret], ...]
    drain_s: float = DRAIN_S
    workers: int = 1

    def check(self) -> None:
        """Refuse to listen beyond this machine without a token.

        Raises:
            SettingsError: anybody could spend the team's money.
        """
        if self.open and not _is_loopback(self.host):
            raise SettingsError(
                f"GATEWAY_HOST={self.host} is reachable from other machines, but no token is set.",
                "Set GATEWAY_TOKEN or GATEWAY_TOKENS, or GATEWAY_HOST=127.0.0.1.",
            )

    @property
    def open(self) -> bool:
        """True when no token is asked for."""
        return self.token is None and not self.callers


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
class ServiceSettings:
    """The environment's part for the process, beside the core's.

    `database_url` may hold a password; `prices` is the operator's price list, `price_updates`
    whether newer published ones are fetched, `status_pages` whether the providers' pages are read;
    `keep` is how long attempts and events stay, None for ever; `log_format` is `text` or `json`,
    `log_level` a name that `logging` knows.
    """

    database_url: str = field(repr=False)
    prices: Path | None
    price_updates: bool
    status_pages: bool
    gateway: GatewaySettings
    slack: SlackSettings | None
    discord: DiscordSettings | None
    telegram: TelegramSettings | None
    receivers: ReceiverSettings
    openclaw: OpenClawSettings
    schedule: ScheduleSettings
    keep: timedelta | None
    log_format: str
    log_level: str

    @property
    def open_to_the_public(self) -> bool:
        """True where a chat's public address may lead to a gateway that asks for no token."""
        slack, telegram = self.slack, self.telegram
        called = slack is not None and bool(slack.signing_secret)
        called = called or (telegram is not None and telegram.webhook_url is not None)
        return self.gateway.open and called


def read_service_settings(
    env: Mapping[str, str], cwd: Path | None = None, home: Path | None = None
) -> ServiceSettings:
    """Read all of it; relative paths start at `cwd`, `~` is `home`.

    Raises:
        SettingsError: a variable has a value that cannot be used; the message names it.
    """
    here, at_home = cwd or Path.cwd(), home or Path.home()
    return ServiceSettings(
        database_url=_database_url(env),
        prices=path(env, "CHANGEOVER_PRICES", here, at_home),
        status_pages=choice(env, "CHANGEOVER_STATUS_PAGES", "on", ("on", "off")) == "on",
        price_updates=choice(env, "CHANGEOVER_PRICE_UPDATES", "on", ("on", "off")) == "on",
        gateway=_gateway(env),
        slack=read_slack(env),
        discord=read_discord(env),
        telegram=read_telegram(env),
        receivers=read_receivers(env),
        openclaw=_openclaw(env, here, at_home),
        schedule=_schedule(env),
        keep=_keep(env),
        log_format=choice(env, "CHANGEOVER_LOG_FORMAT", "text", ("text", "json")),
        log_level=choice(env, "CHANGEOVER_LOG_LEVEL", "info", _LEVELS).upper(),
    )


def _database_url(env: Mapping[str, str]) -> str:
    url = value_of(env, "DATABASE_URL") or "sqlite:///changeover.db"
    scheme, colon, _ = url.partition("://")
    if not colon or scheme.partition("+")[0].lower() not in _DATABASES:
        raise wrong(
            "DATABASE_URL",
            url,
            "must be a sqlite or postgresql URL",
            "For example: sqlite:///changeover.db or postgresql://USER:PASSWORD@HOST/NAME",
        )
    return url


def _gateway(env: Mapping[str, str]) -> GatewaySettings:
    host = value_of(env, "GATEWAY_HOST").strip("[]") or "127.0.0.1"
    if not re.fullmatch(r"[\w.:%-]+", host):
        raise wrong("GATEWAY_HOST", host, "must be a host", "For example: GATEWAY_HOST=127.0.0.1")
    return GatewaySettings(
        host,
        whole(env, "PORT", 8787, 65535),
        secret(env, "GATEWAY_TOKEN"),
        _callers(env),
        whole(env, "CHANGEOVER_DRAIN_S", DRAIN_S, 3600),
        _workers(env),
    )


def _workers(env: Mapping[str, str]) -> int:
    value = value_of(env, "GATEWAY_WORKERS") or "1"
    number = int(value) if re.fullmatch(r"\d{1,4}", value, re.ASCII) else 0
    if not 1 <= number <= MOST_WORKERS:
        raise wrong(
            "GATEWAY_WORKERS",
            value,
            f"must be a whole number from 1 to {MOST_WORKERS}",
            "For example: GATEWAY_WORKERS=2, one for each core",
        )
    return number


def _callers(env: Mapping[str, str]) -> tuple[tuple[str, Secret], ...]:
    found: dict[str, Secret] = {}
    entries = [part.strip() for part in value_of(env, "GATEWAY_TOKENS").split(",")]
    for number, entry in enumerate(filter(None, entries), start=1):
        name, _, token = (part.strip() for part in entry.partition(":"))
        if not _CALLER.fullmatch(name) or not token or name in found:
            raise wrong(
                "GATEWAY_TOKENS",
                "",
                f"has an invalid entry, number {number}: use NAME:TOKEN, names unique",
                "For example: GATEWAY_TOKENS=ana:token1,batch:token2",
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


def _openclaw(env: Mapping[str, str], cwd: Path, home: Path) -> OpenClawSettings:
    return OpenClawSettings(
        path(env, "OPENCLAW_STATE_DIR", cwd, home),
        path(env, "OPENCLAW_LOG", cwd, home),
        address(
            env, "OPENCLAW_GATEWAY_URL", ("ws", "wss", "http", "https"), "ws://127.0.0.1:18789"
        ),
        secret(env, "OPENCLAW_GATEWAY_TOKEN"),
    )


def _schedule(env: Mapping[str, str]) -> ScheduleSettings:
    return ScheduleSettings(
        _cron(env, "CHANGEOVER_DIGEST", "0 9 * * mon"),
        _cron(env, "CHANGEOVER_CHAIN_TEST", "off"),
        read_quiet_hours(env),
    )


def _keep(env: Mapping[str, str]) -> timedelta | None:
    value = value_of(env, "CHANGEOVER_KEEP") or "400d"
    if value.lower() == "off":
        return None
    days = re.fullmatch(r"(\d{1,5})\s*d(?:ays?)?", value.lower(), re.ASCII)
    if days is None or int(days[1]) < 1:
        raise wrong(
            "CHANGEOVER_KEEP",
            value,
            "must be a number of days, or off",
            "For example: CHANGEOVER_KEEP=400d",
        )
    return timedelta(days=int(days[1]))


def _cron(env: Mapping[str, str], name: str, default: str) -> str | None:
    value = value_of(env, name) or default
    if value.lower() == "off":
        return None
    if len(value.split()) != 5:
        raise wrong(
            name,
            value,
            "must be a cron expression of five fields, or off",
            f'For example: {name}="0 9 * * mon"',
        )
    return " ".join(value.split())
