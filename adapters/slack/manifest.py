"""The app's manifest, to be pasted into Slack once.

Source: https://docs.slack.dev/reference/app-manifest
"""

from __future__ import annotations

import json
from typing import Any

from bot.commands.registry import Registry

EVENTS_PATH = "/slack/events"
SCOPES = {
    "commands": "receives the slash commands",
    "chat:write": "posts answers and alerts",
    "chat:write.public": "posts in public channels without being invited",
    "files:write": "sends CSV files, and charts as images where Slack draws none",
    "channels:read": "finds SLACK_CHANNEL by its name",
    "groups:read": "same for private channels that the bot is in",
    "channels:join": "joins SLACK_CHANNEL to upload files",
    "channels:history": "checks after a crash whether a digest was posted",
    "groups:history": "same in private channels",
    "users:read": "shows people by name",
    "usergroups:read": "reads the members of slack-group:S… in CHANGEOVER_OPERATORS",
}
"""Each bot scope with what it is for."""
OPTIONAL = ("files:write",)
"""Scopes that whoever installs the app may leave out; `bot` lists them as well.

Source: https://docs.slack.dev/changelog/2026/03/16/optional-scopes
"""


def manifest(registry: Registry, prefix: str = "", http_url: str | None = None) -> str:
    """Write the manifest as JSON: Socket Mode, or with `http_url` requests to that address."""
    url = http_url.rstrip("/").removesuffix(EVENTS_PATH) + EVENTS_PATH if http_url else None
    document: dict[str, Any] = {
        "display_information": {
            "name": "Changeover",
            "description": "Switch models, monitor fallbacks and costs.",
            "background_color": "#1f2937",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "Changeover", "always_online": True},
            "slash_commands": [_command(registry, group, prefix, url) for group in registry.groups],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES), "bot_optional": list(OPTIONAL)}},
        "settings": {
            "event_subscriptions": {**_request(url), "bot_events": ["app_home_opened"]},
            "interactivity": {"is_enabled": True, **_request(url)},
            "org_deploy_enabled": False,
            "socket_mode_enabled": url is None,
            "token_rotation_enabled": False,
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _command(registry: Registry, group: str, prefix: str, url: str | None) -> dict[str, Any]:
    names = [command.name for command in registry.of(group)]
    hint = " | ".join(names)
    return {
        "command": f"/{prefix}{group}",
        "description": registry.default(group).help[:2000],
        "usage_hint": hint if len(hint) <= 1000 else hint[:999] + "…",
        "should_escape": False,
        **({"url": url} if url else {}),
    }


def _request(url: str | None) -> dict[str, str]:
    return {"request_url": url} if url else {}
