"""The providers' free model lists, whichever of three shapes they have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import httpx

from bot.dialects.endpoint import auth_headers, list_dialect, list_url
from bot.dialects.retirement import retirement_of
from bot.dialects.wire import load_json, rows, table, words
from bot.errors import SettingsError
from bot.models import Dialect, Provider, Secret
from bot.ports import Json
from bot.ports.lifecycles import ListedModel, ModelListing

TIMEOUT_S = 5.0
MOST_PAGES = 20
MOST_IDS = 5000
MOST_PAGE_BYTES = 16 << 20
_MOST_ID_CHARACTERS = 200
_DIRECT = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class HttpxModelLists:
    """The ModelLists port: asks page after page, and says nothing rather than failing."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids a provider lists; what was read before a later page failed counts."""
        return (await self.listing(provider, base_url, key)).ids

    async def listing(self, provider: Provider, base_url: str, key: Secret | None) -> ModelListing:
        """Return a provider's list with the dates that it gives, and whether it is whole."""
        found: dict[str, ListedModel] = {}
        whole = False
        try:
            dialect = list_dialect(provider)
            if dialect is None:
                return ModelListing()
            url = httpx.URL(list_url(provider, base_url))
            headers = auth_headers(provider, dialect, key)
            async with (
                asyncio.timeout(self._timeout_s),
                _client(headers, self._timeout_s) as client,
            ):
                whole = await _read_pages(client, url, dialect, found)
        except (
            TimeoutError,
            OSError,
            ValueError,
            SettingsError,
            httpx.HTTPError,
            httpx.InvalidURL,
        ):
            # Whoever asks has a verdict already; the list would only have improved its hint.
            whole = False
        return ModelListing(tuple(found.values()), whole and bool(found))


async def _read_pages(
    client: httpx.AsyncClient, url: httpx.URL, dialect: Dialect, found: dict[str, ListedModel]
) -> bool:
    """Read page after page into `found`; return whether the last one was reached."""
    first = _first_page(dialect)
    page: dict[str, str] | None = first
    for _ in range(MOST_PAGES):
        if page is None or len(found) >= MOST_IDS:
            break
        body = await _get(client, url.copy_merge_params(page))
        before = len(found)
        for one in _listed(body):
            found[one.id] = one
        following = _next_page(dialect, body)
        # A server that ignores the page asked for would send the first one for ever.
        page = first | following if following and len(found) > before else None
        if page is None:
            return following is None
    return False


async def _get(client: httpx.AsyncClient, url: httpx.URL) -> Json:
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        raw = bytearray()
        async for part in response.aiter_bytes():
            raw += part
            if len(raw) > MOST_PAGE_BYTES:
                raise ValueError("the list is too long")
    return load_json(bytes(raw))


def _first_page(dialect: Dialect) -> dict[str, str]:
    match dialect:
        case Dialect.ANTHROPIC:
            return {"limit": "1000"}
        case Dialect.GEMINI:
            return {"pageSize": "1000"}
        case _:
            return {}


def _next_page(dialect: Dialect, body: Json) -> dict[str, str] | None:
    body = table(body)
    if dialect is Dialect.ANTHROPIC and body.get("has_more") is True:
        last = words(body.get("last_id"))
        return {"after_id": last} if last else None
    token = words(body.get("nextPageToken")) if dialect is Dialect.GEMINI else ""
    return {"pageToken": token} if token else None


def _listed(body: Json) -> Iterator[ListedModel]:
    """Yield the models: `data[].id` (OpenAI, Anthropic) or `models[].name` (Gemini, Ollama)."""
    body = table(body)
    for row in [*rows(body.get("data")), *rows(body.get("models"))]:
        named = table(row)
        id_ = words(named.get("id")) or words(named.get("name"))
        if 0 < len(id_) <= _MOST_ID_CHARACTERS and id_.isprintable():
            yield ListedModel(id_.removeprefix("models/"), *retirement_of(named))


def _client(headers: dict[str, str], timeout_s: float) -> httpx.AsyncClient:
    direct: dict[str, Any] = dict.fromkeys(_DIRECT)
    return httpx.AsyncClient(
        headers=headers | {"accept": "application/json", "user-agent": "changeover"},
        timeout=timeout_s,
        verify=_tls(),
        mounts=direct,
        follow_redirects=False,
    )


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
