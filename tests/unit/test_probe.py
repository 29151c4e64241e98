"""The chain test's questions and verdicts, with a scripted network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.catalog import shipped
from bot.dialects.custom import custom_provider
from bot.models import Dialect, FailureReason, ModelRef, Provider, Secret, Usage
from bot.ports import HttpAnswer, HttpRequest
from bot.ports.lifecycles import ListedModel, ModelListing
from bot.routing.near import nearest
from bot.routing.probe import HopVerdict, ProbeTarget, probe, probe_body

PROVIDERS = shipped().providers
KEY = Secret("secret-key-1234")


class Network:
    """Answers a URL's end with what was scripted, one after the other, and keeps the requests."""

    def __init__(self, **by_tail: HttpAnswer | list[HttpAnswer]) -> None:
        self.by_tail = {k: v if isinstance(v, list) else [v] for k, v in by_tail.items()}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.timeouts: list[float] = []

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        body = json.loads(request.body)
        self.asked.append((request.url, body))
        self.headers.append(dict(request.headers))
        self.timeouts.append(timeout_s)
        for tail, answers in self.by_tail.items():
            if request.url.endswith(tail):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        raise AssertionError(f"nobody answers at {request.url}")


class Lists:
    """A model list, perhaps a slow one."""

    def __init__(self, *ids: str, hangs: bool = False) -> None:
        self.ids = ids
        self.hangs = hangs
        self.asked: list[tuple[str, str, Secret | None]] = []

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        self.asked.append((provider.id, base_url, key))
        if self.hangs:
            await asyncio.Event().wait()
        return self.ids

    async def listing(self, provider: Provider, base_url: str, key: Secret | None) -> ModelListing:
        ids = await self.models(provider, base_url, key)
        return ModelListing(tuple(map(ListedModel, ids)), complete=True)


def said(status: int, body: object, elapsed_s: float = 0.01, **headers: str) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, headers, raw, elapsed_s)


CHAT = said(
    200,
    {
        "model": "served-1",
        "choices": [{"message": {"content": ""}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 1},
    },
)
GEMINI_CHAT = said(
    200,
    {
        "candidates": [{"finishReason": "MAX_TOKENS"}],
        "modelVersion": "served-2",
        "usageMetadata": {"promptTokenCount": 2},
    },
)
OLLAMA_CHAT = said(
    200, {"model": "served-3", "message": {"content": ""}, "done": True, "done_reason": "length"}
)
MESSAGE = said(
    200,
    {
        "type": "message",
        "model": "served-4",
        "content": [],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 8, "output_tokens": 1},
    },
)


def target(model: str, provider: Provider | None = None, **fields: Any) -> ProbeTarget:
    ref = ModelRef.parse(model)
    assert ref is not None
    fields = {"position": 0, "key": KEY, **fields}
    return ProbeTarget(ref=ref, provider=provider or PROVIDERS[ref.provider], **fields)


async def ask(
    network: Network, model: str, lists: Lists | None = None, timeout_s: float = 5, **fields: Any
) -> HopVerdict:
    found = await probe([target(model, **fields)], network, lists or Lists(), timeout_s=timeout_s)
    return found[0]


@pytest.mark.parametrize(
    ("provider", "dialect", "expected"),
    [
        ("anthropic", "anthropic", {"model": "m", "max_tokens": 1}),
        ("openai", "openai", {"model": "m", "max_completion_tokens": 16}),
        ("openrouter", "openai", {"model": "m", "max_tokens": 16}),
        ("deepseek", "openai", {"model": "m", "max_tokens": 1, "thinking": {"type": "disabled"}}),
        ("groq", "openai", {"model": "m", "max_tokens": 1}),
        ("gemini", "openai", {"model": "m", "max_tokens": 1}),
        ("gemini", "gemini", {"generationConfig": {"maxOutputTokens": 1}}),
        ("ollama", "openai", {"model": "m", "max_tokens": 1}),
        ("ollama", "ollama", {"model": "m", "stream": False, "options": {"num_predict": 1}}),
    ],
)
def test_the_smallest_request(provider, dialect, expected):
    body = probe_body(PROVIDERS[provider], Dialect(dialect), "m")
    assert {k: v for k, v in body.items() if k not in ("messages", "contents")} == expected
    assert "Hi" in json.dumps(body)


async def test_each_provider_is_asked_where_the_gateway_asks_it():
    network = Network(**{"/chat/completions": CHAT, "/messages": MESSAGE})
    models = [
        "anthropic/a", "openai/b", "openrouter/c/d", "deepseek/e", "groq/f", "gemini/g", "ollama/h",
    ]  # fmt: skip
    hops = [target(model, position=i) for i, model in enumerate(models)]
    found = await probe(hops, network, Lists(), timeout_s=5)
    assert [hop.verdict for hop in found] == ["ok"] * 7
    assert [hop.position for hop in found] == list(range(7))
    assert [hop.usage for hop in found] == [Usage(8, 1)] * 7
    assert [url for url, _ in network.asked] == [
        "https://api.anthropic.com/v1/messages",
        "https://api.openai.com/v1/chat/completions",
        "https://openrouter.ai/api/v1/chat/completions",
        "https://api.deepseek.com/chat/completions",
        "https://api.groq.com/openai/v1/chat/completions",
        "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        "http://127.0.0.1:11434/v1/chat/completions",
    ]
    assert [body["model"] for _, body in network.asked] == ["a", "b", "c/d", "e", "f", "g", "h"]
    assert network.headers[0]["x-api-key"] == KEY.reveal()
    assert network.headers[1]["authorization"] == f"Bearer {KEY.reveal()}"
    assert all(headers["content-type"] == "application/json" for headers in network.headers)


async def test_a_good_hop():
    hop = await ask(Network(**{"/chat/completions": CHAT}), "openai/gpt-5")
    assert hop == HopVerdict(
        position=0,
        ref=ModelRef("openai", "gpt-5"),
        verdict="ok",
        status=200,
        latency_ms=10.0,
        usage=Usage(8, 1),
        served_model="served-1",
    )


async def test_hops_that_are_not_asked():
    network = Network()
    unsupported = custom_provider("mine", {"baseUrl": "http://h", "api": "openai-codex-responses"})
    hops = [
        target("openai/x", position=0, skip="no_key"),
        replace(target("openai/x", position=1), provider=None),
        target("mine/x", unsupported, position=2),
    ]
    found = await probe(hops, network, Lists(), timeout_s=5)
    assert [(hop.verdict, hop.reason) for hop in found] == [
        ("skipped", "no_key"),
        ("skipped", "unknown_provider"),
        ("skipped", "unsupported"),
    ]
    assert all(hop.latency_ms is None and hop.status is None for hop in found)
    assert network.asked == []


async def test_what_cannot_even_be_sent():
    network = Network()
    hop = await ask(network, "openai/x", base_override="nowhere")
    assert (hop.verdict, hop.reason) == (FailureReason.NETWORK, "network")
    assert "OPENAI_BASE_URL" in hop.detail
    hop = await ask(network, "openai/x", key=Secret("two words"))
    assert hop.verdict is FailureReason.AUTH
    assert "OPENAI_API_KEY" in hop.detail
    assert network.asked == []


async def test_the_network_fails():
    refused = HttpAnswer(
        0, {}, b"", 0.5, FailureReason.NETWORK, f"connection refused at {KEY.reveal()}"
    )
    for model in ("openai/x", "ollama/x"):
        network = Network(**{"/chat/completions": refused})
        hop = await ask(network, model)
        assert (hop.verdict, hop.reason, hop.status) == (FailureReason.NETWORK, "network", None)
        assert hop.detail == "connection refused at …"
        assert hop.latency_ms == 500.0
        assert len(network.asked) == 1


async def test_a_refused_key():
    body = {"error": {"message": f"Incorrect API key provided: {KEY.reveal()}"}}
    hop = await ask(Network(**{"/chat/completions": said(401, body)}), "openai/x")
    assert (hop.verdict, hop.status) == (FailureReason.AUTH, 401)
    assert KEY.reveal() not in hop.detail
    assert hop.usage is None


@pytest.mark.parametrize("status", [400, 422])
async def test_a_callers_error_is_not_ours(status):
    body = {"error": {"message": "messages: unexpected role"}}
    hop = await ask(Network(**{"/chat/completions": said(status, body)}), "openai/x")
    assert (hop.verdict, hop.reason) == (FailureReason.BAD_RESPONSE, "bad_response")
    assert "unexpected role" in hop.detail


@pytest.mark.parametrize("body", [{}, [], b"", b"<html></html>", "hello", {"choices": []}])
async def test_a_200_that_is_no_answer(body):
    hop = await ask(Network(**{"/chat/completions": said(200, body)}), "groq/x")
    assert (hop.verdict, hop.status) == (FailureReason.BAD_RESPONSE, 200)


# ---- the limit's two names


async def test_a_limit_under_its_other_name():
    old = said(400, {"error": {"message": "Unrecognized argument: max_completion_tokens"}})
    network = Network(**{"/chat/completions": [old, CHAT]})
    hop = await ask(network, "openai/x")
    assert hop.verdict == "ok"
    assert [body.get("max_tokens") for _, body in network.asked] == [None, 16]
    assert "max_completion_tokens" not in network.asked[1][1]
    new = said(400, {"error": {"message": "'max_tokens' is not supported with this model."}})
    network = Network(**{"/chat/completions": [new, CHAT]})
    assert (await ask(network, "groq/x")).verdict == "ok"
    assert network.asked[1][1]["max_completion_tokens"] == 16


async def test_the_other_name_is_tried_once_and_only_when_it_was_the_complaint():
    new = said(400, {"error": {"message": "max_tokens and max_completion_tokens are both wrong"}})
    network = Network(**{"/chat/completions": new})
    assert (await ask(network, "groq/x")).verdict is FailureReason.BAD_RESPONSE
    assert len(network.asked) == 2
    network = Network(**{"/chat/completions": said(401, {"error": {"message": "max_tokens"}})})
    assert (await ask(network, "groq/x")).verdict is FailureReason.AUTH
    assert len(network.asked) == 1


async def test_no_second_try_without_time_for_it():
    slow = said(400, {"error": {"message": "max_tokens?"}}, elapsed_s=6.0)
    network = Network(**{"/chat/completions": slow})
    assert (await ask(network, "groq/x")).verdict is FailureReason.BAD_RESPONSE
    assert len(network.asked) == 1
    gone = said(404, b"404 page not found", elapsed_s=6.0)
    network = Network(**{"/v1/chat/completions": gone})
    assert (await ask(network, "ollama/x")).verdict is FailureReason.BAD_RESPONSE
    assert len(network.asked) == 1


async def test_a_model_that_spends_the_token_on_thinking_is_healthy():
    message = "Could not finish the message because max_tokens or model output limit was reached."
    for body in ({"error": {"message": message}}, message.encode()):
        network = Network(**{"/chat/completions": said(400, body)})
        hop = await ask(network, "openai/x")
        assert (hop.verdict, hop.status, hop.usage) == ("ok", 400, None)
        assert len(network.asked) == 1


# ---- servers that speak only their native format


@pytest.mark.parametrize(
    "missing",
    [
        said(404, b"404 page not found"),
        said(404, {"detail": "Not Found"}),
        said(404, b"<html></html>"),
        said(405, b""),
    ],
)
async def test_the_native_format_where_the_layer_is_missing(missing):
    network = Network(**{"/chat/completions": missing, ":generateContent": GEMINI_CHAT})
    hop = await ask(network, "gemini/gemini-2.5-flash")
    assert (hop.verdict, hop.served_model, hop.usage) == ("ok", "served-2", Usage(2, 0))
    assert network.headers[1]["x-goog-api-key"] == KEY.reveal()
    network = Network(**{"/chat/completions": missing, "/api/chat": OLLAMA_CHAT})
    hop = await ask(network, "ollama/llama3.3", base_override="http://h:1/v1")
    assert (hop.verdict, hop.served_model) == ("ok", "served-3")
    assert network.timeouts[1] < network.timeouts[0]


async def test_the_native_answer_counts_even_when_it_is_bad():
    gone = said(404, b"404 page not found")
    native = said(404, {"error": "model 'x' not found"})
    hop = await ask(Network(**{"/chat/completions": gone, "/api/chat": native}), "ollama/x")
    assert hop.verdict is FailureReason.MODEL_NOT_FOUND


async def test_a_missing_model_is_not_a_missing_route():
    body = {"error": {"message": 'model "x" not found, try pulling it first'}}
    network = Network(**{"/chat/completions": said(404, body)})
    assert (await ask(network, "ollama/x")).verdict is FailureReason.MODEL_NOT_FOUND
    assert len(network.asked) == 1


async def test_others_have_no_native_format_to_try():
    network = Network(**{"/chat/completions": said(404, b"404 page not found")})
    assert (await ask(network, "openai/x")).verdict is FailureReason.BAD_RESPONSE
    assert len(network.asked) == 1


async def test_custom_providers_by_their_api():
    for api, answer, served in (
        ("openai-completions", CHAT, "served-1"),
        ("anthropic-messages", MESSAGE, "served-4"),
    ):
        mine = custom_provider("mine", {"baseUrl": "http://h:1/v1", "api": api})
        network = Network(**{"/chat/completions": answer, "/messages": answer})
        hop = await ask(network, "mine/x", provider=mine)
        assert (hop.verdict, hop.served_model) == ("ok", served)
        assert network.asked[0][1]["max_tokens"] == 1


# ---- the name that was meant


async def test_a_missing_model_gets_the_nearest_name():
    body = {"error": {"message": "The model `gpt-5-mni` does not exist", "code": "model_not_found"}}
    lists = Lists("gpt-5", "gpt-5-mini", "whisper-1")
    network = Network(**{"/chat/completions": said(404, body)})
    hop = await ask(network, "openai/gpt-5-mni", lists, base_override="http://h:1/v1")
    assert (hop.verdict, hop.near) == (FailureReason.MODEL_NOT_FOUND, "gpt-5-mini")
    assert lists.asked == [("openai", "http://h:1/v1", KEY)]


async def test_a_list_that_does_not_come_costs_no_more_than_the_time_left():
    body = {"error": "model 'x' not found"}
    network = Network(**{"/chat/completions": said(404, body, elapsed_s=0.0)})
    hop = await ask(network, "ollama/x", Lists(hangs=True), timeout_s=0.01)
    assert (hop.verdict, hop.near) == (FailureReason.MODEL_NOT_FOUND, None)
    lists = Lists("x1")
    network = Network(**{"/chat/completions": said(404, body, elapsed_s=1.0)})
    hop = await ask(network, "ollama/x", lists, timeout_s=0.5)
    assert (hop.near, lists.asked) == (None, [])


async def test_other_failures_ask_for_no_list():
    lists = Lists("x")
    await ask(Network(**{"/chat/completions": said(500, b"")}), "openai/x", lists)
    assert lists.asked == []


async def test_all_are_asked_at_once():
    everyone = asyncio.Barrier(3)

    class Meeting(Network):
        async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
            await asyncio.wait_for(everyone.wait(), 5)
            return CHAT

    hops = [target("openai/x", position=i) for i in range(3)]
    found = await probe(hops, Meeting(), Lists(), timeout_s=5)
    assert [hop.verdict for hop in found] == ["ok"] * 3


async def test_an_empty_chain():
    assert await probe([], Network(), Lists(), timeout_s=5) == []


@pytest.mark.parametrize(
    ("name", "ids", "expected"),
    [
        ("gpt-5-mni", ["gpt-5", "gpt-5-mini"], "gpt-5-mini"),
        (
            "anthropic/claude-sonnet-4-5",
            ["anthropic/claude-sonnet-4.5", "x"],
            "anthropic/claude-sonnet-4.5",
        ),
        (
            "gemini-2.5-flsh",
            ["models/gemini-2.5-flash", "models/gemini-2.5-pro"],
            "gemini-2.5-flash",
        ),
        ("models/gemini-2.5-flash", ["models/gemini-2.5-flash"], "gemini-2.5-flash"),
        ("llama3.3", ["llama3.2:latest", "llama3.3:70b"], "llama3.3:70b"),
        ("llama3.3", ["llama3.3:latest"], "llama3.3:latest"),
        (
            "claude-opus-4-5",
            ["claude-opus-4-1", "claude-opus-4-5-20251101"],
            "claude-opus-4-5-20251101",
        ),
        ("gpt-5", ["gpt-5-2025-08-07", "gpt-5-mini", "gpt-4"], "gpt-5-2025-08-07"),
        ("gpt-5", ["gpt-5", "gpt-5-mini"], None),
        ("gpt-5", ["whisper-1", "dall-e-3"], None),
        ("gpt-5", [], None),
        ("GPT-5", ["gpt-5"], "gpt-5"),
    ],
)
def test_nearest(name, ids, expected):
    assert nearest(name, ids) == expected
