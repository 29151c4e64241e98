"""`changeover doctor`: the core's checks and what only this machine can tell."""

from __future__ import annotations

import stat
from pathlib import Path

from adapters.main.doctor_database import examine_size, examine_use
from adapters.main.doctor_does import (
    cores_here,
    examine_bills,
    examine_clock,
    examine_file,
    examine_models,
    examine_port,
    examine_row,
)
from adapters.main.prices import examine_prices
from adapters.main.receivers import examine_receivers
from adapters.main.status_pages import page_checks
from adapters.main.wiring import Wired
from adapters.storage.url import place_of
from bot.access import Actor
from bot.card import Card
from bot.commands.doctor import Check, Level, examine
from bot.config.include import resolve_includes
from bot.errors import ChangeoverError, SettingsError
from bot.messages.doctor import next_time, workers_line
from bot.messages.gateway import HOW_TO_CLOSE_IT, OPEN_TO_THE_PUBLIC


async def examine_all(wired: Wired, actor: Actor) -> Card:
    """Look at everything and return the card."""
    context = wired.app.context(actor)
    others = [*_files(wired), *await _gateway(wired), *_chat(wired), *await _live(wired)]
    others += [*_schedules(wired), *await _openclaw(wired), *await examine_use(wired)]
    others += await examine_size(wired)
    others += [*await examine_row(wired), *await examine_models(wired, actor)]
    others.append(await examine_prices(wired))
    others += await page_checks(wired)
    others += await examine_bills(wired.settings.env, wired.app.catalog, wired.clock.now())
    return wired.settings.blackout.clean_all(await examine(context, others))


async def _live(wired: Wired) -> list[Check]:
    """Ask the chats themselves: tokens, scopes, channel, posting rights."""
    checks: list[Check] = []
    if wired.service.slack is not None:
        from adapters.slack.login import examine_slack

        checks += await examine_slack(wired.service.slack)
    if wired.service.discord is not None:
        from adapters.discord.doctor import examine_discord

        checks += await examine_discord(wired.service.discord)
    if wired.service.telegram is not None:
        from adapters.telegram.doctor import examine_telegram

        checks += await examine_telegram(wired.service.telegram)
    checks += await examine_receivers(wired.service.receivers)
    return checks + await examine_clock(_chat_addresses(wired))


def _chat_addresses(wired: Wired) -> dict[str, str]:
    slack, discord = wired.service.slack, wired.service.discord
    telegram = wired.service.telegram
    found = {}
    if slack is not None:
        found["Slack"] = f"{slack.api_url or 'https://slack.com/api/'}api.test"
    if discord is not None:
        found["Discord"] = f"{discord.api_url or 'https://discord.com/api/v10'}/gateway"
    if telegram is not None:
        found["Telegram"] = f"{telegram.api_url or 'https://api.telegram.org'}/"
    return found


def _schedules(wired: Wired) -> list[Check]:
    """Build every trigger, and say when it comes next."""
    from adapters.schedule.cron import next_fire

    schedule, zone, now = wired.service.schedule, wired.settings.timezone, wired.clock.now()
    checks = []
    for name, variable, line in (
        ("digest", "CHANGEOVER_DIGEST", schedule.digest_cron),
        ("chain_test", "CHANGEOVER_CHAIN_TEST", schedule.chain_test_cron),
    ):
        try:
            at = next_fire(variable, line, zone, now) if line else None
        except SettingsError as error:
            checks.append(Check(name, False, Level.ERROR, error.message, error.hint))
        else:
            local = at.astimezone(zone) if at else None
            checks.append(Check(name, True, Level.INFO, next_time(name, variable, local)))
    return checks


async def _openclaw(wired: Wired) -> list[Check]:
    """Say which Moltbot or OpenClaw was found, and what the service read of it."""
    from adapters.openclaw.health import HEALTH_KEY, checks, look, served_by_us
    from adapters.openclaw.usage_reconciliation import cross_check
    from adapters.storage.key_values import KeyValueStore

    store = wired.app.ports.store
    try:
        config = resolve_includes(await store.read())
    except ChangeoverError:
        config = {}
    place, release = look(wired.service.openclaw, store.location, config)
    try:
        summary = await KeyValueStore(wired.database).get(HEALTH_KEY)
    except ChangeoverError:
        summary = None
    crossed = await cross_check(
        wired.service.openclaw,
        wired.app.ports.ledger,
        wired.clock.now(),
        served=served_by_us(config, summary),
    )
    return [*checks(place, release, summary), *crossed]


def _files(wired: Wired) -> list[Check]:
    checks = []
    env_file = Path.cwd() / ".env"
    if env_file.exists() and stat.S_IMODE(env_file.stat().st_mode) & 0o077:
        checks.append(
            Check(
                "env_file",
                False,
                Level.WARNING,
                f"{env_file} holds API keys and is readable by other users.",
                f"chmod 600 {env_file}",
            )
        )
    location = wired.app.ports.store.location
    if location == "db:":
        return checks
    path = Path(location)
    if path.exists():
        checks.append(examine_file(path.resolve()))
    return checks


async def _gateway(wired: Wired) -> list[Check]:
    service = wired.service
    gateway = service.gateway
    where = f"{gateway.host}:{gateway.port}"
    token = "without a token" if gateway.open else "with a token"
    words = f"The gateway listens on {where}, {token}."
    try:
        gateway.check()
    except SettingsError as error:
        return [Check("gateway", False, Level.ERROR, error.said, error.step)]
    installation = place_of(service.database_url)
    taken = await examine_port(gateway.host, gateway.port, installation)
    if taken is not None and not taken.ok:
        return [taken]
    if service.open_to_the_public:
        found = Check("gateway", False, Level.WARNING, OPEN_TO_THE_PUBLIC, HOW_TO_CLOSE_IT)
    else:
        found = taken or Check("gateway", True, Level.INFO, words)
    return [found, *_workers(gateway.workers)]


def _workers(number: int) -> list[Check]:
    if number == 1:
        return []
    cores = cores_here()
    fits, words = number <= cores, workers_line(number, cores)
    level, hint = (Level.INFO, "") if fits else (Level.WARNING, f"Set GATEWAY_WORKERS={cores}.")
    return [Check("workers", fits, level, words, hint)]


def _chat(wired: Wired) -> list[Check]:
    service = wired.service
    checks = []
    for name, configured, variable, someone in (
        ("slack", service.slack is not None, "SLACK_BOT_TOKEN", "slack:U012345"),
        ("discord", service.discord is not None, "DISCORD_BOT_TOKEN", "discord:80351110224678912"),
        ("telegram", service.telegram is not None, "TELEGRAM_BOT_TOKEN", "telegram:123456789"),
    ):
        if configured and not wired.settings.access.operators:
            checks.append(
                Check(
                    name,
                    False,
                    Level.WARNING,
                    "Changes from chat are disabled: CHANGEOVER_OPERATORS is empty.",
                    f"Set CHANGEOVER_OPERATORS in .env, for example {someone}.",
                )
            )
        words = "is configured." if configured else f"is not configured: {variable} is not set."
        checks.append(Check(name, True, Level.INFO, f"{name.capitalize()} {words}"))
    return checks
