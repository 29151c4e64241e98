"""Slack's Web API: shared connections, patience, one message a second a channel, our errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
    AsyncServerErrorRetryHandler,
)
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.shared.proxy import proxy_for
from adapters.slack.settings import SLACK_API, SlackSetup
from bot.errors import ChatError
from bot.spans import Command

log = logging.getLogger("changeover.slack")
SDK_LOG = logging.getLogger("changeover.slack.sdk")
# Below errors the SDK's own lines repeat what ours say, some with whole payloads in them.
SDK_LOG.setLevel(logging.ERROR)

CALL_TIMEOUT_S = 20.0
QUICK_TIMEOUT_S = 3.0
RATE_LIMIT_TRIES = 6

OPEN_SOCKET = "open a socket"
"""The one thing that is done with the app token."""

_SAYS = {
    "invalid_auth": (
        "it rejected the token",
        "Check {token}: copy it again, it begins with {kind}.",
    ),
    "not_authed": ("no token was sent", "Set {token}."),
    "token_revoked": ("the token was revoked", "Reinstall the app and replace {token}."),
    "token_expired": ("the token has expired", "Reinstall the app and replace {token}."),
    "account_inactive": ("the app was removed from the workspace", "Reinstall the app."),
    "not_allowed_token_type": (
        "the token is of the wrong kind",
        "Check {token}: it begins with {kind}.",
    ),
    "channel_not_found": (
        "no such channel, or the bot is not in it",
        "Check SLACK_CHANNEL. For a private channel use its ID and type /invite @Changeover in it.",
    ),
    "not_in_channel": ("the bot is not in the channel", "Type /invite @Changeover there."),
    "is_archived": ("the channel is archived", "Set SLACK_CHANNEL to another channel."),
    "restricted_action": ("the bot may not post there", "Ask a workspace admin to allow it."),
    "timeout": ("it timed out", "Try again."),
    "unreachable": ("it is unreachable", "Check the network and SLACK_API_URL."),
    "unreadable": ("its response is not JSON", "Check SLACK_API_URL."),
    "ratelimited": ("rate limited", "Wait a minute."),
}
_WITHOUT_WORDS: dict[object, str] = {200: "unreadable", 429: "ratelimited"}
"""What an answer without Slack's own word for why comes down to."""

_GONE = frozenset(
    {"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found",
     "is_archived", "not_in_channel"}
)  # fmt: skip


class SlackTrouble(ChatError):
    """Slack refused a call or could not be reached; `reason` is Slack's own word for why."""

    def __init__(self, doing: str, reason: str, *, needed: str = "") -> None:
        says, hint = _SAYS.get(reason, (f"it says {reason}", ""))
        if reason == "missing_scope":
            says = f"the app lacks the scope {needed or 'it needs'}"
            hint = "Add it under OAuth & Permissions and reinstall the app."
        app = doing == OPEN_SOCKET
        token, kind = ("SLACK_APP_TOKEN", "xapp-") if app else ("SLACK_BOT_TOKEN", "xoxb-")
        hint = hint.replace("{token}", token).replace("{kind}", kind)
        gone = reason in _GONE
        step = hint or Command("doctor", program=True)
        super().__init__(f"Slack did not {doing}: {says}.", step, gone=gone)
        self.reason = reason


@contextmanager
def asking(doing: str) -> Iterator[None]:
    """Turn whatever the SDK raises while `doing` something into SlackTrouble."""
    try:
        yield
    except SlackApiError as error:
        data = getattr(error.response, "data", None)
        answer = data if isinstance(data, dict) else {}
        status = getattr(error.response, "status_code", getattr(error.response, "status", "?"))
        reason = str(answer.get("error") or _WITHOUT_WORDS.get(status, f"HTTP {status}"))
        raise SlackTrouble(doing, reason, needed=str(answer.get("needed") or "")) from error
    except TimeoutError as error:
        raise SlackTrouble(doing, "timeout") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SlackTrouble(doing, "unreachable") from error
    except (SlackClientError, ValueError, AttributeError) as error:
        # The SDK itself trips over a 200 whose body is plain text.
        raise SlackTrouble(doing, "unreadable") from error


class Api:
    """One workspace's Web API.

    `web` waits out rate limits; `quick` gives up at once, for what has a fallback; `once` never
    sends again what may have arrived (a 500 may have posted), for posts that are looked for
    afterwards. The channels'
    queues let one message through every `pace_s` seconds, as Slack asks.
    Source: https://docs.slack.dev/apis/web-api/rate-limits
    """

    def __init__(self, setup: SlackSetup, pace_s: float = 1.0) -> None:
        self.setup = setup
        patient = [
            AsyncConnectionErrorRetryHandler(),
            AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES),
            _ServerErrorRetryHandler(),
        ]
        self.web = self._client(patient)
        self.quick = self._client([AsyncConnectionErrorRetryHandler()])
        self.once = self._client(
            [
                AsyncConnectionErrorRetryHandler(error_types=[aiohttp.ClientConnectorError]),
                AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES),
            ]
        )
        self._pace_s = pace_s
        self._queues: dict[str, _Queue] = {}
        self._sessions: list[aiohttp.ClientSession] = []

    async def open(self) -> None:
        """Make the connection pools; they belong to the running loop."""
        for client, timeout_s in ((self.web, CALL_TIMEOUT_S), (self.quick, QUICK_TIMEOUT_S)):
            client.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))
            self._sessions.append(client.session)
        self.once.session = self.web.session

    async def close(self) -> None:
        """Close the connection pools."""
        for session in self._sessions:
            await session.close()
        self._sessions.clear()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool that the socket shares."""
        return self._sessions[0]

    async def respond(self, url: str, body: dict[str, Any]) -> None:
        """Post to a `response_url`. Raises SlackTrouble."""
        hook = AsyncWebhookClient(
            url, session=self.web.session, logger=SDK_LOG, retry_handlers=self.web.retry_handlers
        )
        hook.proxy = proxy_for(url)
        with asking("accept the reply"):
            answer = await hook.send_dict(body)
        if answer.status_code != 200:
            refused = any(word in (answer.body or "") for word in ("_blocks", "_attachments"))
            raise SlackTrouble(
                "accept the reply", "invalid_blocks" if refused else f"HTTP {answer.status_code}"
            )

    @asynccontextmanager
    async def turn(self, channel: str) -> AsyncIterator[None]:
        """Wait for a channel's turn and hold it while a message is sent."""
        queue = self._queues.setdefault(channel, _Queue())
        async with queue.lock:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, queue.next_at - loop.time()))
            try:
                yield
            finally:
                queue.next_at = loop.time() + self._pace_s

    def _client(self, handlers: list[Any]) -> AsyncWebClient:
        url = self.setup.api_url or SLACK_API
        client = AsyncWebClient(
            token=self.setup.bot_token.reveal(),
            base_url=url,
            logger=SDK_LOG,
            retry_handlers=handlers,
        )
        client.proxy = proxy_for(url)
        return client


class _ServerErrorRetryHandler(AsyncServerErrorRetryHandler):
    """Sends once more after any fault of the server; the SDK's own leaves 502 and 504 out."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return response is not None and response.status_code >= 500


class _Queue:
    __slots__ = ("lock", "next_at")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.next_at = 0.0
