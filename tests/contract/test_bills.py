"""What providers bill, read over real HTTP from servers that answer as theirs do, and badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from aiohttp import web

from adapters.main.doctor_does import examine_bills
from adapters.providers.bills import Account, HttpxBills, bill_sources, read_openai
from bot.catalog import shipped
from bot.commands.doctor import Level
from bot.models import Secret
from bot.ports import Bill, BillAnswer, BillSource

START, END = date(2026, 2, 27), date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DOLLAR = 10**9
Answer = Callable[[web.Request], web.Response]


@dataclass
class Server:
    """Answers by path; `asked` are the requests it had."""

    url: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        page = self.pages.get(request.path)
        return page(request) if page else web.Response(status=404)

    def serve(self, path: str, body: Any, status: int = 200) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.pages[path] = lambda request: web.Response(text=text, status=status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    one = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


def source(provider: str, server: Server, key: str = "k-secret", path: str = "") -> BillSource:
    keys = {
        "openai": "OPENAI_ADMIN_KEY",
        "anthropic": "ANTHROPIC_ADMIN_KEY",
        "openrouter": "OPENROUTER_MANAGEMENT_KEY",
        "deepseek": "DEEPSEEK_API_KEY",
    }
    env = {keys[provider]: key, f"{provider.upper()}_BASE_URL": server.url + path}
    (one,) = bill_sources(env, shipped())
    return one


async def read(provider: str, server: Server, **more: str) -> BillAnswer:
    answer = await source(provider, server, **more).read(START, END, NOW)
    assert "k-secret" not in repr(answer)
    return answer


def bills(provider: str, *amounts: int | None) -> tuple[Bill, ...]:
    days = (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1))
    known = ((d, a) for d, a in zip(days, amounts, strict=True) if a is not None)
    return tuple(Bill(provider, d, a, NOW) for d, a in known)


# --- OpenAI ---------------------------------------------------------------------------------------

COSTS = "/v1/organization/costs"


def bucket(day: int, *amounts: Any, currency: str = "usd") -> dict[str, Any]:
    at = int(datetime(2026, 2, day, tzinfo=UTC).timestamp()) if day > 20 else day
    return {
        "object": "bucket",
        "start_time": at,
        "results": [{"amount": {"value": a, "currency": currency}} for a in amounts],
    }


async def test_openai_tells_dollars_a_day_page_by_page(server: Server) -> None:
    first = {"data": [bucket(27, 0.1, 0.2, "1.005")], "has_more": True, "next_page": "p2"}
    second = {"data": [bucket(28, 3), bucket(26, 99)], "has_more": False, "next_page": None}
    server.pages[COSTS] = lambda request: web.json_response(
        second if request.query.get("page") == "p2" else first
    )
    answer = await read("openai", server)
    assert answer.bills == bills("openai", 1_305_000_000, 3 * DOLLAR, None)
    assert answer.trouble == ""
    query = server.asked[0].query
    assert query["start_time"] == "1772150400"
    assert query["bucket_width"] == "1d"
    assert server.asked[0].headers["authorization"] == "Bearer k-secret"


async def test_a_base_with_a_path_is_used_as_it_is(server: Server) -> None:
    server.serve("/proxy/v1/organization/costs", {"data": [bucket(27), bucket(28), bucket(26)]})
    answer = await read("openai", server, path="/proxy/v1/")
    # A day without results cost nothing; a day that is not told of is unknown.
    assert answer.bills == bills("openai", 0, 0, None)


# --- Anthropic ------------------------------------------------------------------------------------

REPORT = "/v1/organizations/cost_report"


async def test_anthropic_tells_cents(server: Server) -> None:
    results = [{"currency": "USD", "amount": "123.456"}, {"amount": "0.00001"}]
    server.serve(
        REPORT,
        {"data": [{"starting_at": "2026-02-28T00:00:00Z", "results": results}], "has_more": False},
    )
    answer = await read("anthropic", server)
    assert answer.bills == bills("anthropic", None, 1_234_560_100, None)
    asked = server.asked[0]
    assert asked.headers["x-api-key"] == "k-secret"
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.query["starting_at"] == "2026-02-27T00:00:00Z"
    assert asked.query["group_by[]"] == "description"


async def test_anthropic_pages_too(server: Server) -> None:
    row = {"starting_at": "2026-02-27", "results": [{"amount": "100"}]}
    server.pages[REPORT] = lambda request: web.json_response(
        {"data": [row], "has_more": "page" not in request.query, "next_page": "p2"}
    )
    assert (await read("anthropic", server)).bills == bills("anthropic", 2 * DOLLAR, None, None)


# --- OpenRouter -----------------------------------------------------------------------------------


async def test_openrouter_tells_each_day_and_model(server: Server) -> None:
    rows = [
        {"date": "2026-02-27", "model": "a/b", "usage": 0.015},
        {"date": "2026-02-27 00:00:00", "model": "c/d", "usage": 1},
        {"date": "2026-03-01", "model": "a/b", "usage": 0.000000001},
    ]
    server.serve("/api/v1/activity", {"data": rows})
    assert (await read("openrouter", server)).bills == bills("openrouter", 1_015_000_000, 0, 1)


async def test_openrouters_fee_and_the_bill_of_ones_own_key_are_one_sum(server: Server) -> None:
    rows = [
        {"date": "2026-02-27", "usage": 0.05, "byok_usage_inference": 0.95},
        {"date": "2026-02-28", "usage": 2, "byok_usage_inference": None},
    ]
    server.serve("/api/v1/activity", {"data": rows})
    expected = bills("openrouter", DOLLAR, 2 * DOLLAR, None)
    assert (await read("openrouter", server)).bills == expected
    server.serve("/api/v1/key", {"data": {"usage": 3.5, "byok_usage": 6.5}})
    env = {"OPENROUTER_API_KEY": "k-secret", "OPENROUTER_BASE_URL": server.url}
    (one,) = bill_sources(env, shipped())
    meter = (await one.read(START, END, NOW)).meter
    assert meter is not None
    assert meter.amount_nano == 10 * DOLLAR


async def test_a_day_that_is_not_over_is_no_bill(server: Server) -> None:
    server.serve(COSTS, {"data": [bucket(28, 1), bucket(27, 1)]})
    early = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
    answer = await source("openai", server).read(START, END, early)
    assert [bill.day for bill in answer.bills] == [date(2026, 2, 27)]


async def test_openrouter_without_activity_tells_its_total(server: Server) -> None:
    server.serve("/api/v1/credits", {"data": {"total_credits": 50, "total_usage": 25.75}})
    answer = await read("openrouter", server)
    assert answer.bills == ()
    assert answer.meter is not None
    assert (answer.meter.amount_nano, answer.meter.rises) == (25_750_000_000, True)


async def test_an_ordinary_openrouter_key_has_a_meter_of_its_own(server: Server) -> None:
    server.serve("/api/v1/key", {"data": {"usage": 3.5, "usage_daily": 1, "limit": None}})
    env = {"OPENROUTER_API_KEY": "k-secret", "OPENROUTER_BASE_URL": server.url}
    (one,) = bill_sources(env, shipped())
    answer = await one.read(START, END, NOW)
    assert one.metered
    assert answer.meter is not None
    assert (answer.meter.amount_nano, answer.meter.at) == (3_500_000_000, NOW)
    assert "k-secret" not in answer.meter.account


# --- DeepSeek -------------------------------------------------------------------------------------


async def test_deepseek_tells_what_is_left(server: Server) -> None:
    infos = [
        {"currency": "CNY", "total_balance": "110.00"},
        {"currency": "USD", "total_balance": "12.34", "granted_balance": "0.00"},
    ]
    server.serve("/user/balance", {"is_available": True, "balance_infos": infos})
    for path in ("", "/v1", "/anthropic"):
        answer = await read("deepseek", server, path=path)
        assert answer.meter is not None
        assert (answer.meter.amount_nano, answer.meter.rises) == (12_340_000_000, False)


async def test_yuan_are_not_counted(server: Server) -> None:
    server.serve("/user/balance", {"balance_infos": [{"currency": "CNY", "total_balance": "1"}]})
    answer = await read("deepseek", server)
    assert answer.meter is None
    assert answer.trouble == "It bills in CNY, but only USD is supported."


# --- trouble --------------------------------------------------------------------------------------

PATHS = {
    "openai": COSTS,
    "anthropic": REPORT,
    "openrouter": "/api/v1/activity",
    "deepseek": "/user/balance",
}


@pytest.mark.parametrize("provider", PATHS)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "rejected the API key"),
        (403, "rejected the API key"),
        (429, "ate limited"),
        (500, "returned HTTP 500"),
    ],
)
async def test_a_refusal_is_told_in_words(
    server: Server, provider: str, status: int, said: str
) -> None:
    server.serve(PATHS[provider], {"error": {"message": "k-secret is wrong"}}, status)
    answer = await read(provider, server)
    assert said in answer.trouble
    assert answer.hint
    assert (answer.bills, answer.meter) == ((), None)


@pytest.mark.parametrize("provider", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        "<html>busy</html>",
        "",
        "[]",
        "null",
        "{}",
        '{"data": 3, "balance_infos": 3}',
        "[" * 100_000,
        '{"data": "x", "balance_infos": null}',
    ],
)
async def test_rubbish_is_no_bill(server: Server, provider: str, body: str) -> None:
    server.serve(PATHS[provider], body)
    answer = await read(provider, server)
    assert answer.trouble
    assert (answer.bills, answer.meter) == ((), None)


@pytest.mark.parametrize(
    ("provider", "body", "said"),
    [
        ("openai", {"data": [bucket(27, 1, currency="eur")]}, "bills in eur"),
        ("openai", {"data": [bucket(27, "abc")]}, "'abc' as an amount"),
        ("openai", {"data": [bucket(27, 1e30)]}, "as an amount"),
        ("openai", {"data": [bucket(27, True)]}, "as an amount"),
        ("openai", {"data": [{"start_time": -5, "results": [{}]}]}, "an invalid date"),
        ("openai", {"data": [{"start_time": "x"}]}, "an invalid date"),
        ("openai", {"data": [bucket(27, 1)], "has_more": True, "next_page": "p"}, "too many pages"),
        ("anthropic", {"data": [], "has_more": True, "next_page": "p"}, "too many pages"),
        ("openai", {"data": [bucket(27, 1)], "has_more": True}, "is incomplete"),
        ("anthropic", {"data": [], "has_more": True, "next_page": None}, "is incomplete"),
        ("anthropic", {"data": [{"starting_at": "soon"}]}, "an invalid date"),
        (
            "anthropic",
            {"data": [{"starting_at": "2026-02-27", "results": [{"currency": "EUR"}]}]},
            "bills in EUR",
        ),
        ("openrouter", {"data": [{"date": "2026-02-27"}]}, "None"),
        ("deepseek", {"balance_infos": []}, "an unnamed currency"),
        ("deepseek", {"balance_infos": [{"currency": "USD", "total_balance": "NaN"}]}, "amount"),
    ],
)
async def test_what_is_no_amount_in_usd_counts_nothing(
    server: Server, provider: str, body: Any, said: str
) -> None:
    server.serve(PATHS[provider], body)
    answer = await read(provider, server)
    assert said in answer.trouble
    assert (answer.bills, answer.meter) == ((), None)


async def test_a_page_that_fails_later_counts_nothing(server: Server) -> None:
    first = {"data": [bucket(27, 5)], "has_more": True, "next_page": "p2"}
    server.pages[COSTS] = lambda request: (
        web.Response(status=500) if "page" in request.query else web.json_response(first)
    )
    answer = await read("openai", server)
    assert (answer.bills, answer.trouble) == ((), "It returned HTTP 500.")


async def test_a_server_that_is_not_there(server: Server) -> None:
    server.url = "http://127.0.0.1:9"
    assert (await read("openai", server)).trouble == "It is unreachable."


async def test_a_server_that_does_not_answer(server: Server) -> None:
    hang = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        await hang.wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{tail:.*}", wait)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    account = Account("openai", url, Secret("k"), "OPENAI_ADMIN_KEY")
    slow = HttpxBills(account, read_openai, metered=False, timeout_s=0.05)
    assert (await slow.read(START, END, NOW)).trouble == "It timed out."
    hang.set()
    await runner.cleanup()


async def test_an_answer_without_end_is_cut_off(server: Server) -> None:
    server.serve(COSTS, " " * (9 << 20))
    assert "too long" in (await read("openai", server)).trouble


@pytest.mark.parametrize("base", ["nonsense", "ftp://x", "http://", "http://[::1"])
async def test_a_base_that_is_no_address(server: Server, base: str) -> None:
    server.url = base
    assert "not an http(s) URL" in (await read("openai", server)).trouble


async def test_a_key_that_no_header_can_carry(server: Server) -> None:
    answer = await read("openai", server, key="k-secret with spaces")
    assert "OPENAI_ADMIN_KEY contains invalid characters." in answer.trouble


def test_no_key_no_source() -> None:
    assert bill_sources({}, shipped()) == []
    both = {"OPENROUTER_MANAGEMENT_KEY": "m", "OPENROUTER_API_KEY": "k", "OPENAI_API_KEY": "k"}
    (one,) = bill_sources(both, shipped())
    assert (one.provider, one.metered) == ("openrouter", False)


async def test_the_doctor_tries_the_keys_that_are_for_bills(server: Server) -> None:
    server.serve("/v1/organization/costs", {"data": [], "has_more": False})
    server.serve("/v1/organizations/cost_report", {"error": {}}, 401)
    env = {
        "OPENAI_ADMIN_KEY": "k",
        "ANTHROPIC_ADMIN_KEY": "k",
        # An ordinary key is not for bills.
        "DEEPSEEK_API_KEY": "k",
        "OPENAI_BASE_URL": server.url,
        "ANTHROPIC_BASE_URL": server.url,
        "DEEPSEEK_BASE_URL": server.url,
    }
    good, bad = await examine_bills(env, shipped(), NOW)
    assert (good.name, good.ok) == ("bill_openai", True)
    assert (bad.name, bad.ok, bad.level) == ("bill_anthropic", False, Level.WARNING)
    assert "rejected the API key (401)" in bad.detail
    assert "ANTHROPIC_ADMIN_KEY" in bad.resolution
    assert len(server.asked) == 2
    assert await examine_bills({"OPENAI_API_KEY": "k"}, shipped(), NOW) == []
