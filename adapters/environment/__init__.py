"""The environment reader: variables and `.env` → settings, and where the config is."""

from __future__ import annotations

from adapters.environment.chats import (
    DiscordSettings,
    SlackMode,
    SlackSettings,
    read_discord,
    read_slack,
)
from adapters.environment.core import read_settings, read_timezone
from adapters.environment.places import DATABASE, find_config
from adapters.environment.service import (
    GatewaySettings,
    LogSettings,
    OpenClawSettings,
    ScheduleSettings,
    ServiceSettings,
    StorageSettings,
    read_gateway,
    read_log,
    read_openclaw,
    read_schedule,
    read_service_settings,
    read_storage,
)
from adapters.environment.sources import read_environment, secret_values

__all__ = [
    "DATABASE",
    "DiscordSettings",
    "GatewaySettings",
    "LogSettings",
    "OpenClawSettings",
    "ScheduleSettings",
    "ServiceSettings",
    "SlackMode",
    "SlackSettings",
    "StorageSettings",
    "find_config",
    "read_discord",
    "read_environment",
    "read_gateway",
    "read_log",
    "read_openclaw",
    "read_schedule",
    "read_service_settings",
    "read_settings",
    "read_slack",
    "read_storage",
    "read_timezone",
    "secret_values",
]
