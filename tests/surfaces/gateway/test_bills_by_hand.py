"""Bills of all seven providers worked out by hand, beside what a gateway books and shows."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bot.access import SERVICE
from bot.card import Card
from bot.messages.words import money
from tests.servers.chaos import Call, Chaos, answer, chunk, head, http, sse
from tests.support.bench_costs import said
from tests.support.fakes_gateway import CHAT, MESSAGES, Gate, HandClock
from tests.surfaces.gateway.conftest import Start

NANO = 10**9
OPUS, NEWER = "anthropic/claude-opus-4-5", "anthropic/claude-opus-5-5"
SONNET = "openrouter/anthropic/claude-sonnet-4.5"
FLASH, PRO = "deepseek/deepseek-flash", "deepseek/deepseek-v4-pro"
LUNA, GEMINI = "openai/gpt-6-luna", "gemini/gemini-2.5-pro"
KEYS = ("ANTHROPIC", "OPENROUTER", "DEEPSEEK", "OPENAI", "GEMINI", "GROQ")


def usd(*pairs: tuple[float, str]) -> Decimal:
    """So many tokens at so many dollars a million, added up."""
    return sum((Decimal(n) * Decimal(rate) for n, rate in pairs), Decimal(0)) / 1_000_000


def chat(given: int, output: int, tier: str = "", **more: Any) -> bytes:
    counts = {"prompt_tokens": given, "completion_tokens": output}
    counts |= {"total_tokens": given + output} | more
    document = answer(usage=counts)
    del document["model"]
    return http(json.dumps(document | ({"service_tier": tier} if tier else {})).encode())


def cached(count: int, **more: int) -> dict[str, Any]:
    return {"prompt_tokens_details": {"cached_tokens": count, **more}}


def message(given: int, output: int, **more: Any) -> bytes:
    counts = {"input_tokens": given, "output_tokens": output, **more}
    document = {"type": "message", "role": "assistant", "stop_reason": "end_turn", "usage": counts}
    return http(json.dumps(document | {"content": [{"type": "text", "text": "Hi"}]}).encode())


WRITES = {"ephemeral_5m_input_tokens": 3000, "ephemeral_1h_input_tokens": 2000}
COMPACTED = [
    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
    {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
]
STREAMED: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 100, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "Hi"},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 100, "cache_read_input_tokens": 1000, "output_tokens": 50},
    },
    {"type": "message_stop"},
]
HITS: dict[str, Any] = {"prompt_cache_hit_tokens": 300, "prompt_cache_miss_tokens": 700}
LATE = {"x_groq": {"usage": {"prompt_tokens": 1000, "completion_tokens": 100}}}
GROQ = [chunk("Hi"), sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **LATE})]

# When, what is asked, what the provider answers, what it bills.
CASES: list[tuple[str, str, list[bytes], Decimal]] = [
    # DeepSeek: Thursday's peaks 01 to 04 and 06 to 10 UTC, Friday a Chinese holiday, Saturday.
    ("31T02:00", FLASH, [chat(1000, 200, **HITS)], usd((700, "0.3"), (300, ".006"), (200, "1.2"))),
    ("31T04:00", FLASH, [chat(1000, 200, **HITS)], usd((700, ".15"), (300, ".003"), (200, ".6"))),
    ("31T06:00", PRO, [chat(1000, 500)], usd((1000, "1.32"), (500, "3.96"))),
    ("31T10:00", PRO, [chat(1000, 500)], usd((1000, "0.66"), (500, "1.98"))),
    # OpenAI: caches, tiers, reasoning within the output, long context.
    ("", "openai/gpt-5", [chat(10_000, 900, **cached(6000))],
     usd((4000, "1.25"), (6000, ".125"), (900, "10"))),
    ("", "openai/gpt-5", [chat(1000, 100, "flex")], usd((1000, ".625"), (100, "5"))),
    ("", "openai/gpt-5", [chat(1000, 100, "priority")], usd((1000, "2.5"), (100, "20"))),
    ("", "openai/gpt-5-mini", [chat(50, 2000)], usd((50, ".25"), (2000, "2"))),
    ("", "openai/gpt-4o", [chat(2000, 10, **cached(1500))],
     usd((500, "2.5"), (1500, "1.25"), (10, "10"))),
    ("", LUNA, [chat(300_000, 1000, **cached(20_000))],
     usd((280_000, ".2"), (20_000, ".02"), (1000, ".75"))),
    ("", LUNA, [chat(272_000, 10)], usd((272_000, ".1"), (10, ".5"))),
    ("", LUNA, [chat(5000, 10, **cached(0, cache_write_tokens=1000))],
     usd((4000, ".1"), (1000, ".125"), (10, ".5"))),
    # Anthropic: caches of both lengths, terms, searches, compaction, a stream in two parts.
    ("", OPUS, [message(1000, 500, cache_read_input_tokens=20_000,
                        cache_creation_input_tokens=5000, cache_creation=WRITES)],
     usd((1000, "5"), (20_000, ".5"), (3000, "6.25"), (2000, "10"), (500, "25"))),
    ("", OPUS, [message(1000, 100, service_tier="batch")], usd((1000, "2.5"), (100, "12.5"))),
    ("", OPUS, [message(1000, 100, server_tool_use={"web_search_requests": 3})],
     usd((1000, "5"), (100, "25")) + Decimal("0.03")),
    ("", OPUS, [message(1000, 100, inference_geo="us")], usd((1000, "5.5"), (100, "27.5"))),
    ("", NEWER, [message(1000, 100, speed="fast", inference_geo="us")],
     usd((1000, "8.8"), (100, "44"))),
    ("", NEWER, [message(23_000, 1000, iterations=COMPACTED)], usd((203_000, "4"), (4500, "20"))),
    ("", OPUS, [head(), *(sse(e, e["type"]) for e in STREAMED)],
     usd((100, "5"), (1000, ".5"), (50, "25"))),
    # OpenRouter: its own word, a key of one's own, no word, a free name.
    ("", SONNET, [chat(1000, 100, cost=0.0123)], Decimal("0.0123")),
    ("", SONNET, [chat(1000, 100, cost=0.0005, is_byok=True,
                       cost_details={"upstream_inference_cost": 0.01})], Decimal("0.0105")),
    ("", SONNET, [chat(1000, 100)], usd((1000, "3"), (100, "15"))),
    ("", SONNET, [chat(250_000, 100)], usd((250_000, "6"), (100, "22.5"))),
    ("", "openrouter/meta-llama/llama-4:free", [chat(1000, 100)], Decimal(0)),
    # Groq: a count that comes late, a cache.
    ("", "groq/llama-3.3-70b-versatile", [head(), *GROQ, b"data: [DONE]\n\n"],
     usd((1000, ".59"), (100, ".79"))),
    ("", "groq/openai/gpt-oss-120b", [chat(1000, 100, **cached(400))],
     usd((600, ".15"), (400, ".075"), (100, ".6"))),
    # Gemini: thoughts are in the total alone, long context, audio.
    ("", GEMINI, [chat(1000, 100, total_tokens=1500)], usd((1000, "1.25"), (500, "10"))),
    ("", GEMINI, [chat(250_000, 100)], usd((250_000, "2.5"), (100, "15"))),
    ("", "gemini/gemini-2.5-flash", [chat(1000, 50, **cached(0, audio_tokens=400))],
     usd((600, ".3"), (400, "1"), (50, "2.5"))),
    ("", "ollama/llama3.3", [chat(5000, 500)], Decimal(0)),
    ("01T02:00", FLASH, [chat(1000, 200)], usd((1000, ".15"), (200, ".6"))),
    ("02T02:00", FLASH, [chat(1000, 200)], usd((1000, ".15"), (200, ".6"))),
]  # fmt: skip


async def ask(gate: Gate, model: str, parts: list[bytes], clock: HandClock, when: str) -> None:
    if when:
        day, _, hour = when.partition("T")
        month = "2026-12" if day == "31" else "2027-01"
        clock.at = datetime.fromisoformat(f"{month}-{day}T{hour}:00+00:00")
    path = MESSAGES if model.startswith("anthropic/") else CHAT
    streams = len(parts) > 1
    told = {"x-changeover-fallback": "none"}
    answered = await gate.ask(path, headers=told, model=model, stream=streams)
    assert answered.status == 200, (model, answered.text)


def in_csv(card: Card) -> Decimal:
    assert card.attachment is not None
    rows = csv.DictReader(io.StringIO(card.attachment.content.decode()))
    return sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0))


async def test_thirty_bills_to_the_nano_dollar_in_card_json_csv_and_digest(start: Start) -> None:
    clock, answers = HandClock(), [parts for _, _, parts, _ in CASES]

    async def script(call: Call) -> None:
        await call.send(*(answers.pop(0) if answers else [head()]))

    async with Chaos(script) as chaos:
        place = {f"{name}_BASE_URL": chaos.url for name in (*KEYS, "OLLAMA")}
        gate = await start(more={"clock": clock}, **place)
        for when, model, parts, _ in CASES:
            await ask(gate, model, parts, clock, when)
        rows = await gate.attempts()
    wrong = [
        (model, number, row.cost_nano_usd, row.estimated)
        for number, ((_, model, _, bill), row) in enumerate(zip(CASES, rows, strict=True))
        if row.cost_nano_usd != bill * NANO or row.estimated
    ]
    assert wrong == []
    bills: dict[str, Decimal] = defaultdict(Decimal)
    for _, model, _, bill in CASES:
        bills[model] += bill
    total = sum(bills.values())
    app = gate.wired.app
    clock.jump(hours=1)
    week = await app.handle(SERVICE, "cost week by model")
    assert week.data["total_usd"] == total
    assert {g["key"]: g["cost_usd"] for g in week.data["groups"]} == bills
    assert money(Decimal(total)) in said(week)
    assert in_csv(await app.handle(SERVICE, "cost export 7d")) == total
    digest = await app.handle(SERVICE, "cost digest")
    assert digest.data["total_usd"] == total
    assert digest.data["estimated_usd"] == 0
    assert money(Decimal(total)) in said(digest)


async def test_a_cut_stream_and_a_caller_who_leaves_are_estimated_and_marked(start: Start) -> None:
    gone = asyncio.Event()

    async def script(call: Call) -> None:
        await call.send(head(), chunk("x" * 400))
        if len(chaos.calls) > 1:
            gone.set()
            await call.hang()

    async with Chaos(script) as chaos:
        gate = await start(OPENAI_BASE_URL=chaos.url, more={"clock": HandClock()})
        told = {"x-changeover-fallback": "none"}
        await gate.ask(headers=told, model=LUNA, stream=True)
        leaver = asyncio.create_task(gate.ask(headers=told, model=LUNA, stream=True))
        await gone.wait()
        await asyncio.sleep(0.2)
        leaver.cancel()
        async with asyncio.timeout(60):
            while len(rows := await gate.attempts()) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    for row in rows:
        # The 400 characters at 4 a token, beside the request's own.
        assert row.estimated
        assert row.usage.output_tokens >= 100
        assert row.cost_nano_usd
    assert rows[0].at.tzinfo is UTC
