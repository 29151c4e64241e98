"""The acknowledgement: three seconds from the event, whatever the network does in between.

discord.py would send it too, but waits 1, 3, 5 s after a server's fault and not at all after a
connection that broke; a second of that is a third of all there is.
Source: https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
import discord

from adapters.discord.endpoints import address, user_agent
from adapters.shared.chat import Seen
from adapters.shared.proxy import proxy_for

IN_TIME_S = 2.7
"""Discord counts three seconds from its own clock; what is left is the way here and there."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.4
A_TRY_S = 1.2
KEEP_ALIVE_S = 60.0
PATIENCE_S = 0.1
_ALREADY = 40060
_ANOTHER = "another process with the same DISCORD_BOT_TOKEN was first. Run only one"
_LATER = discord.InteractionResponseType.deferred_channel_message.value
_UPDATE_LATER = discord.InteractionResponseType.deferred_message_update.value
_EPHEMERAL = 1 << 6
_log = logging.getLogger("changeover.discord")


class Acks:
    """Acknowledges interactions, each one once; work on them waits while any is on its way."""

    def __init__(self) -> None:
        self._seen = Seen()
        self._session: aiohttp.ClientSession | None = None
        self._on_their_way = 0
        self._none = asyncio.Event()
        self._none.set()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def first(self, interaction: discord.Interaction[Any]) -> bool:
        """Note an interaction; False when it was delivered before."""
        return self._seen.first(interaction.id)

    async def give(self, interaction: discord.Interaction[Any], *, private: bool = False) -> bool:
        """Acknowledge, and say whether Discord took it in time.

        After a refusal nothing must be done: the person was told that it failed.
        """
        body: dict[str, Any] = {"type": _LATER, "data": {"flags": _EPHEMERAL if private else 0}}
        if interaction.type is discord.InteractionType.component:
            body = {"type": _UPDATE_LATER}
        self._on_their_way += 1
        self._none.clear()
        try:
            async with asyncio.timeout(IN_TIME_S):
                trouble = await self._until_taken(interaction, body)
        except TimeoutError:
            trouble = "no answer in time"
        finally:
            self._on_their_way -= 1
            if not self._on_their_way:
                self._none.set()
        if trouble:
            _log.warning(
                "Discord did not accept the acknowledgement, so nothing was done: %s", trouble
            )
            return False
        interaction.extras["acknowledged"] = True
        return True

    async def others(self) -> None:
        """Let acknowledgements that are on their way go first; not for long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._none.wait()
        except TimeoutError:
            return

    async def _until_taken(
        self, interaction: discord.Interaction[Any], body: Mapping[str, Any]
    ) -> str:
        """Send until there is a yes or a no; return what the no was."""
        url = f"{address()}/interactions/{interaction.id}/{interaction.token}/callback"
        wait_s = FIRST_WAIT_S
        maybe_there = False
        while True:
            try:
                async with self._pool().post(url, json=body, proxy=proxy_for(url)) as answer:
                    status, told = answer.status, await answer.read()
            except (aiohttp.ClientError, OSError, TimeoutError):
                # It may have arrived all the same.
                maybe_there = True
            else:
                if status < 300:
                    return ""
                if status == 400 and f"{_ALREADY}".encode() in told:
                    return "" if maybe_there else _ANOTHER
                if status == 429:
                    wait_s = max(wait_s, _asked_to_wait_s(answer.headers))
                elif status < 500:
                    return f"HTTP {status}"
                else:
                    maybe_there = True
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=A_TRY_S),
                headers={"User-Agent": user_agent()},
            )
        return self._session


def acknowledged(interaction: discord.Interaction[Any]) -> bool:
    """Return whether an interaction has its acknowledgement, or its answer, already."""
    return bool(interaction.extras.get("acknowledged")) or interaction.response.is_done()


def _asked_to_wait_s(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0
