"""Reads providers' status pages over HTTP; a page that has not changed is not sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from bot.catalog import StatusPage

TIMEOUT_S = 10.0
MOST_BYTES = 2 << 20
_VALIDATORS = (("etag", "if-none-match"), ("last-modified", "if-modified-since"))


class PageError(Exception):
    """A page could not be read; the text says why, in a few words."""


class HttpxStatusPages:
    """Keeps the last body of each page and what says whether it is still good."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._known: dict[str, tuple[Mapping[str, str], bytes]] = {}

    async def read(self, page: StatusPage) -> bytes:
        """Return a page's body.

        Raises:
            PageError: it did not come, whole and in time.
        """
        validators, body = self._known.get(page.url, ({}, b""))
        headers = {"accept": "application/json, application/rss+xml", **validators}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=True) as client,
                client.stream("GET", page.url, headers=headers) as answer,
            ):
                if answer.status_code == httpx.codes.NOT_MODIFIED and body:
                    return body
                if answer.status_code != httpx.codes.OK:
                    raise PageError(f"HTTP {answer.status_code}")
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise PageError("the page is too large")
                got = answer.headers
                kept = {ask: got[says] for says, ask in _VALIDATORS if says in got}
        except TimeoutError:
            raise PageError(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise PageError(type(error).__name__) from None
        self._known[page.url] = kept, body
        return body
