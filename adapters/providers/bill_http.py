"""Asking a billing API, and saying in words what went wrong when it does not tell."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.durations import shorten
from bot.ports import Json

MOST_BYTES = 8 << 20
MOST_USD = Decimal(1_000_000_000)
_KEY = re.compile(r"[\x21-\x7e]+")
_DIRECT = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class BillError(Exception):
    """A bill could not be read; `words` say why, `status` is the HTTP status if there was one."""

    def __init__(self, words: str, hint: str = "", status: int = 0) -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint
        self.status = status


class BillClient:
    """Asks one host with one key; `key_name` is what the operator calls the key."""

    def __init__(
        self, base: str, headers: Mapping[str, str], key_name: str, timeout_s: float
    ) -> None:
        self._base = base
        self._key_name = key_name
        direct: dict[str, Any] = dict.fromkeys(_DIRECT)
        self._client = httpx.AsyncClient(
            headers={**headers, "accept": "application/json", "user-agent": "changeover"},
            timeout=timeout_s,
            verify=_tls(),
            mounts=direct,
            follow_redirects=False,
        )

    async def __aenter__(self) -> BillClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Mapping[str, str | int | list[str]]) -> Json:
        """Return the answer's JSON, its numbers exact. Raises BillError."""
        try:
            async with self._client.stream(
                "GET", self._base + path, params=dict(params)
            ) as response:
                raw = bytearray()
                async for part in response.aiter_bytes():
                    raw += part
                    if len(raw) > MOST_BYTES:
                        raise BillError("its response is too long to be a bill.")
                status = response.status_code
        except httpx.TimeoutException:
            raise BillError("it timed out.", "It will be retried.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise BillError("it is unreachable.", "It will be retried.") from None
        if status != 200:
            raise self._refused(status)
        return _json(bytes(raw))

    def _refused(self, status: int) -> BillError:
        if status in (401, 403):
            return BillError(
                f"it rejected the API key ({status}).",
                f"Renew {self._key_name} and restart; the key must be allowed to read costs.",
                status,
            )
        if status == 429:
            return BillError("rate limited (429).", "It will be retried.", status)
        if status == 404:
            return BillError("it has no such page (404).", "Check the base URL.", status)
        return BillError(f"it returned HTTP {status}.", "It will be retried.", status)


def bearer(key: str, key_name: str) -> dict[str, str]:
    """Return the header that carries a key. Raises BillError."""
    return {"authorization": f"Bearer {checked_key(key, key_name)}"}


def checked_key(key: str, key_name: str) -> str:
    """Return a key that a header can carry. Raises BillError."""
    if not _KEY.fullmatch(key.strip()):
        raise BillError(f"{key_name} contains invalid characters.", "Copy the key again.")
    return key.strip()


def base_of(given: str, usual_path: str, not_part: tuple[str, ...] = ()) -> str:
    """Return where a billing API is, for a base URL with or without a path.

    `not_part` are endings of a chat path that are no part of it. Raises BillError.
    """
    try:
        parts = urlsplit(given.strip())
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise BillError("its base URL is not an http(s) URL.", "Check the variable in .env.")
    path = parts.path.rstrip("/")
    for ending in not_part:
        path = path.removesuffix(ending)
    return f"{parts.scheme}://{parts.netloc}{path or usual_path}"


def money(value: Json) -> Decimal:
    """Read an amount that came as a number or as text. Raises BillError."""
    amount = None
    if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = None
    if amount is None or not amount.is_finite() or abs(amount) > MOST_USD:
        raise BillError(f"it gave {shorten(str(value), 30)!r} as an amount.")
    return amount


def in_usd(currency: Json) -> None:
    """Refuse another currency. Raises BillError."""
    if not isinstance(currency, str) or currency.upper() != "USD":
        named = shorten(currency, 10) if isinstance(currency, str) else "an unnamed currency"
        raise BillError(f"it bills in {named}, but only USD is supported.")


def nano(amount_usd: Decimal) -> int:
    """Turn dollars into nano-dollars, half a nano-dollar rounded to even."""
    return int((amount_usd * 1_000_000_000).to_integral_value())


def _json(raw: bytes) -> Json:
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError):
        raise BillError("its response is not JSON.", "It will be retried.") from None


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
