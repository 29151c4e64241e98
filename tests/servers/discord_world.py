"""The simulated Discord's world: its ids, its guild and channels, and JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.discord_state import User

TOKEN = "MTIz.test.token"
APP, GUILD, CHANNEL, OTHER_CHANNEL, DM, ROLE = 100200, 300400, 500600, 500601, 700800, 900100
BOT = User(APP, "Changeover")
ANA = User(11, "Ana", (ROLE,))
BO = User(22, "Bo")
VIEW, READ_HISTORY = 1 << 10, 1 << 16
LATE_S, PATIENCE_S = 3.0, 60.0
ALL = str((1 << 40) - 1)
SOURCE, DEFERRED, UPDATE_LATER, UPDATE, CHOICES = 4, 5, 6, 7, 8


@dataclass
class Fault:
    """Something that goes wrong with the next requests of a kind."""

    method: str
    path: str
    status: int
    body: Any
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)


def channel_json(channel: int, denied: int) -> dict[str, Any]:
    """A channel; `denied` are the rights that nobody has in it."""
    if channel == DM:
        return {"id": str(DM), "type": 1, "last_message_id": None, "recipients": [BO.json()]}
    overwrite = {"id": str(GUILD), "type": 0, "allow": "0", "deny": str(denied)}
    return {
        "id": str(channel),
        "type": 0,
        "guild_id": str(GUILD),
        "name": "llm-ops" if channel == CHANNEL else "random",
        "position": 0,
        "permission_overwrites": [overwrite] if denied else [],
        "nsfw": False,
        "parent_id": None,
    }


def guild_json(denied: int) -> dict[str, Any]:
    """The guild with its channels and roles."""
    everyone = {"id": str(GUILD), "name": "@everyone", "permissions": str(0xFFFFF & ~8)}
    operators = {"id": str(ROLE), "name": "operators", "permissions": "0"}
    shape = {"color": 0, "hoist": False, "position": 0, "managed": False, "mentionable": False}
    colours = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
    return {
        "id": str(GUILD),
        "name": "Llamas",
        "owner_id": "1",
        "features": [],
        "roles": [{**r, **shape, "colors": colours} for r in (everyone, operators)],
        "emojis": [],
        "channels": [channel_json(CHANNEL, denied), channel_json(OTHER_CHANNEL, denied)],
        "members": [BOT.member()],
        "threads": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "member_count": 3,
        "large": False,
        "unavailable": False,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "system_channel_flags": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
    }


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer in JSON, without a charset: discord.py reads nothing else as JSON."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def refusal(status: int, code: int, message: str) -> web.Response:
    return answer({"message": message, "code": code}, status=status)


async def read(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read JSON, or a form with files beside it."""
    if not request.content_type.startswith("multipart/"):
        return await request.json(), {}
    payload: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        content = bytes(await part.read())
        if part.name == "payload_json":
            payload = json.loads(content)
        else:
            files[str(part.filename)] = content
    data = payload.get("data") if "type" in payload else payload
    named = {str(a["filename"]) for a in (data or {}).get("attachments") or []}
    assert named == set(files)
    return payload, files
