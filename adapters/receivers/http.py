"""A POST to a receiver, and what its answer means."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from bot.card import Command, text
from bot.ports.receivers import ReceiverError

WITHIN_S = 15.0
MOST_BYTES = 4096
"""So much of an answer is read: it may say why it is none."""

_DIRECT = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class Endpoint:
    """One address; `name` begins a sentence, `variable` is what an operator set it by.

    Neither the address nor what is sent appears in an error: both may hold a secret.
    """

    def __init__(self, url: str, name: str, variable: str, within_s: float = WITHIN_S) -> None:
        self._url = url
        self._name = name
        self._variable = variable
        self._within_s = within_s
        self._client: httpx.AsyncClient | None = None

    @property
    def digest(self) -> str:
        """Tells the address apart from others without naming it."""
        return hashlib.sha256(self._url.encode()).hexdigest()[:16]

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body. Raises ReceiverError unless it was taken."""
        status, answer, said = await self.ask("POST", body, headers)
        if not 200 <= status < 300:
            raise self.refusal(status, answer, said)

    async def ask(
        self, method: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, the headers and the first bytes of an answer. Raises ReceiverError."""
        sent = {
            "content-type": "application/json",
            "user-agent": "changeover",
            "accept-encoding": "identity",
            **(headers or {}),
        }
        if self._client is None:
            self._client = await asyncio.to_thread(_client, self._within_s)
        client = self._client
        try:
            async with (
                asyncio.timeout(self._within_s),
                client.stream(method, self._url, content=body or None, headers=sent) as response,
            ):
                said = bytearray()
                async for part in response.aiter_raw():
                    said += part
                    if len(said) >= MOST_BYTES:
                        break
                return response.status_code, response.headers, bytes(said[:MOST_BYTES])
        except (TimeoutError, httpx.TimeoutException):
            raise self._away(f"did not answer within {self._within_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise self._away("is unreachable") from None

    async def reach(self) -> str:
        """Ask for nothing, and say that something answers. Raises ReceiverError."""
        await self.ask("HEAD")
        return f"{self._name} can be reached; no event was sent."

    def refusal(self, status: int, headers: Mapping[str, str], said: bytes) -> ReceiverError:
        """Return what an answer that is no success means."""
        words = f"{self._name} answered HTTP {status}"
        if status == 410:
            hint = f"Set another {self._variable}, or remove it."
            return ReceiverError(f"{words}: it wants no more events.", hint, gone=True)
        if 300 <= status < 400:
            hint = f"Set {self._variable} to the address it redirects to."
            return ReceiverError(f"{words}, a redirect, which is not followed.", hint)
        if status in (401, 403, 404, 405):
            return ReceiverError(f"{words}.", f"Check {self._variable} in .env.")
        if status in (408, 425, 429) or status >= 500:
            return ReceiverError(f"{words}.", "It is retried.", retry_after=retry_after(headers))
        return ReceiverError(
            f"{words}: it rejected the event.", "See the receiver's log.", rejected=True
        )

    async def aclose(self) -> None:
        """Close its connections."""
        if self._client is not None:
            await self._client.aclose()

    def _away(self, what: str) -> ReceiverError:
        hint = text(f"Check {self._variable} and the network: ", Command("doctor", program=True))
        return ReceiverError(f"{self._name} {what}.", hint)


def _client(within_s: float) -> httpx.AsyncClient:
    """Make a client; reading the trusted certificates takes a while, so not on the loop."""
    direct: dict[str, Any] = dict.fromkeys(_DIRECT)
    return httpx.AsyncClient(timeout=within_s, verify=_tls(), mounts=direct, follow_redirects=False)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read how long a receiver asks to be left alone, in seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value), 86400))
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(at - datetime.now(UTC), timedelta())


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
