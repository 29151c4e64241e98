"""The environment reader: variables and `.env` → settings, and where the config is."""

from __future__ import annotations

from adapters.environment.chats import (
    DiscordSettings,
    SlackMode,
    SlackSettings,
    TelegramSettings,
)
from adapters.environment.core import read_settings, read_timezone
from adapters.environment.places import DATABASE, FILE_VARIABLES, find_config
from adapters.environment.service import (
    GatewaySettings,
    OpenClawSettings,
    ScheduleSettings,
    ServiceSettings,
    read_service_settings,
)
from adapters.environment.sources import read_environment, secret_values

__all__ = [
    "DATABASE",
    "FILE_VARIABLES",
    "DiscordSettings",
    "GatewaySettings",
    "OpenClawSettings",
    "ScheduleSettings",
    "ServiceSettings",
    "SlackMode",
    "SlackSettings",
    "TelegramSettings",
    "find_config",
    "read_environment",
    "read_service_settings",
    "read_settings",
    "read_timezone",
    "secret_values",
]
