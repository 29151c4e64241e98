"""Small providers on loopback, each speaking one provider's format, and servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Run an aiohttp application on a free port and yield its address."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(talk: Talk) -> AsyncIterator[str]:
    """Run a server that reads one request's head and then says what it likes."""
    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection with a RST instead of an orderly end."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Wire:
    """One provider's chat endpoint and model list; it notes what it was asked, and by whom.

    `answers` are handed out first (status, body), then the good one.
    """

    key = "good-key"

    def __init__(self, chat: str, listing: str, list_body: Any, *, bearer: bool = True) -> None:
        self.chat, self.listing, self.list_body, self.bearer = chat, listing, list_body, bearer
        self.asked: list[dict[str, Any]] = []
        self.answers: list[tuple[int, Any]] = []
        self.models = {"known"}

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_post(self.chat, self._chat)
        app.router.add_get(self.listing, self._list)
        return app

    def authorized(self, request: web.Request) -> bool:
        """Check the key where this provider wants it."""
        if self.bearer:
            return request.headers.get("authorization") == f"Bearer {self.key}"
        return request.headers.get("x-api-key") == self.key and (
            request.headers.get("anthropic-version") == "2023-06-01"
        )

    def unauthorized(self) -> web.Response:
        """Refuse a key."""
        return web.json_response({"error": {"message": "bad key", "code": None}}, status=401)

    def unknown(self, model: str) -> web.Response:
        """Refuse a model."""
        message = f"The model `{model}` does not exist"
        body = {"error": {"message": message, "code": "model_not_found"}}
        return web.json_response(body, status=404)

    def good(self, model: str, body: dict[str, Any]) -> Any:
        """Answer a chat completion of no words."""
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        assert limit, body
        return {
            "model": f"{model}-served",
            "choices": [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
        }

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        """Read which model is asked."""
        return str(body["model"])

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        if not self.authorized(request):
            return self.unauthorized()
        if self.answers:
            status, answer = self.answers.pop(0)
            if isinstance(answer, bytes):
                return web.Response(status=status, body=answer)
            return web.json_response(answer, status=status)
        model = self.model_of(request, body)
        if model not in self.models:
            return self.unknown(model)
        return web.json_response(self.good(model, body))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.list_body)


class AnthropicWire(Wire):
    """`/v1/messages`."""

    def good(self, model: str, body: dict[str, Any]) -> Any:
        assert body["max_tokens"] == 1
        usage = {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}
        return {
            "type": "message",
            "role": "assistant",
            "model": f"{model}-served",
            "content": [],
            "stop_reason": "max_tokens",
            "usage": usage,
        }

    def unknown(self, model: str) -> web.Response:
        error = {"type": "not_found_error", "message": f"model: {model}"}
        return web.json_response({"type": "error", "error": error}, status=404)

    def unauthorized(self) -> web.Response:
        error = {"type": "authentication_error", "message": "invalid x-api-key"}
        return web.json_response({"type": "error", "error": error}, status=401)


class DeepSeekWire(Wire):
    """Blank lines before the JSON; an unknown model is a 400."""

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._chat(request)
        assert isinstance(answer, web.Response)
        body = answer.body
        assert isinstance(body, bytes)
        padded = b"\n\n\n" + body
        return web.Response(status=answer.status, body=padded, content_type="application/json")

    def unknown(self, model: str) -> web.Response:
        return web.json_response({"error": {"message": "Model Not Exist"}}, status=400)


class OpenAIWire(Wire):
    """Wants the limit's newer name."""

    def good(self, model: str, body: dict[str, Any]) -> Any:
        assert "max_tokens" not in body
        return super().good(model, body)


class GeminiWire(Wire):
    """`:generateContent` only: the OpenAI layer does not exist."""

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("x-goog-api-key") == self.key and not request.query

    def unauthorized(self) -> web.Response:
        reason = {"reason": "API_KEY_INVALID"}
        error = {"code": 400, "message": "API key not valid.", "details": [reason]}
        return web.json_response({"error": error}, status=400)

    def unknown(self, model: str) -> web.Response:
        message = f"models/{model} is not found for API version v1beta"
        return web.json_response({"error": {"code": 404, "message": message}}, status=404)

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return request.match_info["model"]

    def good(self, model: str, body: dict[str, Any]) -> Any:
        assert body["generationConfig"] == {"maxOutputTokens": 1}
        return {
            "candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}],
            "usageMetadata": {"promptTokenCount": 5, "thoughtsTokenCount": 1},
            "modelVersion": f"{model}-served",
        }


class OllamaWire(Wire):
    """`/api/chat` only, without a key."""

    def authorized(self, request: web.Request) -> bool:
        return "authorization" not in request.headers

    def unknown(self, model: str) -> web.Response:
        return web.json_response({"error": f"model '{model}' not found"}, status=404)

    def good(self, model: str, body: dict[str, Any]) -> Any:
        assert (body["stream"], body["options"]) == (False, {"num_predict": 1})
        return {
            "model": f"{model}-served",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 5,
            "eval_count": 1,
        }


def _ids(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


def _names(*names: str) -> dict[str, Any]:
    return {"models": [{"name": name} for name in names]}


def seven() -> dict[str, Wire]:
    """Make one small server a provider."""
    return {
        "anthropic": AnthropicWire("/v1/messages", "/v1/models", _ids("known"), bearer=False),
        "openai": OpenAIWire("/v1/chat/completions", "/v1/models", _ids("known")),
        "openrouter": Wire("/api/v1/chat/completions", "/api/v1/models", _ids("known")),
        "deepseek": DeepSeekWire("/chat/completions", "/models", _ids("known")),
        "groq": Wire("/openai/v1/chat/completions", "/openai/v1/models", _ids("known")),
        "gemini": GeminiWire(
            "/v1beta/models/{model}:generateContent", "/v1beta/models", _names("models/known")
        ),
        "ollama": OllamaWire("/api/chat", "/api/tags", _names("known:latest")),
    }
