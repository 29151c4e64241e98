"""What providers say was spent: cost reports of OpenAI and Anthropic, OpenRouter's activity or
usage, DeepSeek's balance.

Whatever comes back that is not plainly an amount in USD for a UTC day is no bill: the answer then
says in words what was wrong, and nothing of it counts. Sources: the providers' API references of
2026-11.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from adapters.providers.bill_http import (
    BillClient,
    BillError,
    base_of,
    bearer,
    checked_key,
    in_usd,
    money,
    nano,
)
from bot.catalog import Catalog
from bot.dialects.endpoint import ANTHROPIC_VERSION
from bot.dialects.wire import rows, table, words
from bot.models import Secret
from bot.ports import Bill, BillAnswer, BillSource, Json, MeterReading

TIMEOUT_S = 30.0
MOST_PAGES = 40
_DAY = timedelta(days=1)
_NO_BASES = ("/anthropic/v1", "/anthropic", "/v1")

Days = dict[date, Decimal]


@dataclass(frozen=True, slots=True)
class Account:
    """A provider as it is asked for bills: where, with which key, what the key is called."""

    provider: str
    base_url: str
    key: Secret
    key_name: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: the whole UTC days in [start, end), now."""

    start: date
    end: date
    now: datetime


Reader = Callable[[Account, Asked], Awaitable[Days | MeterReading]]


class HttpxBills:
    """Implements `bot.ports.BillSource` for one provider."""

    def __init__(
        self, account: Account, reader: Reader, *, metered: bool, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._account = account
        self._reader = reader
        self._timeout_s = timeout_s
        self.metered = metered

    @property
    def provider(self) -> str:
        """The provider's id."""
        return self._account.provider

    async def read(self, start: date, end: date, now: datetime) -> BillAnswer:
        """Return what the whole UTC days in [start, end) cost, or why that is not known."""
        asked = Asked(start, end, now)
        try:
            async with asyncio.timeout(self._timeout_s):
                told = await self._reader(self._account, asked)
        except BillError as error:
            return BillAnswer(self.provider, trouble=_sentence(error.words), hint=error.hint)
        except TimeoutError:
            return BillAnswer(self.provider, trouble="It timed out.", hint="It will be retried.")
        if isinstance(told, MeterReading):
            return BillAnswer(self.provider, meter=told)
        # A day that the provider does not tell of is unknown, and today's is not over.
        last = min(end, now.astimezone(UTC).date())
        known = sorted(day for day in told if start <= day < last)
        return BillAnswer(
            self.provider, tuple(Bill(self.provider, day, nano(told[day]), now) for day in known)
        )


def bill_sources(env: Mapping[str, str], catalog: Catalog) -> list[BillSource]:
    """Return a source for each provider whose bill the environment's keys can read."""
    wanted: list[tuple[str, str, Reader, bool]] = [
        ("openai", "OPENAI_ADMIN_KEY", read_openai, False),
        ("anthropic", "ANTHROPIC_ADMIN_KEY", read_anthropic, False),
        ("openrouter", "OPENROUTER_MANAGEMENT_KEY", read_openrouter_activity, False),
        ("openrouter", "OPENROUTER_API_KEY", read_openrouter_key, True),
        ("deepseek", "DEEPSEEK_API_KEY", read_deepseek, True),
    ]
    sources: dict[str, BillSource] = {}
    for id_, key_name, reader, metered in wanted:
        provider = catalog.provider(id_)
        key = env.get(key_name, "").strip()
        if provider is None or not key or id_ in sources:
            continue
        base = env.get(provider.base_url_env or "") or provider.base_url
        account = Account(id_, base, Secret(key), key_name)
        sources[id_] = HttpxBills(account, reader, metered=metered)
    return list(sources.values())


async def read_openai(account: Account, asked: Asked) -> Days:
    """Read `/v1/organization/costs`: daily buckets, amounts in dollars."""
    headers = bearer(account.key.reveal(), account.key_name)
    params: dict[str, str | int | list[str]] = {
        "start_time": _epoch(asked.start),
        "end_time": _epoch(asked.end),
        "bucket_width": "1d",
        "limit": 31,
        "group_by": "line_item",
    }
    days: Days = {}
    async with _client(account, base_of(account.base_url, "/v1"), headers) as client:
        for _ in range(MOST_PAGES):
            page = _page(await client.get("/organization/costs", params))
            for bucket in map(table, rows(page.get("data"))):
                day = _day_of_epoch(bucket.get("start_time"))
                days.setdefault(day, Decimal())
                for result in map(table, rows(bucket.get("results"))):
                    amount = table(result.get("amount"))
                    in_usd(amount.get("currency"))
                    days[day] = days.get(day, Decimal()) + money(amount.get("value"))
            following = _next_page(page)
            if following is None:
                return days
            params = params | {"page": following}
    raise BillError("its bill has too many pages.")


async def read_anthropic(account: Account, asked: Asked) -> Days:
    """Read `/v1/organizations/cost_report`: daily buckets, amounts in cents as text."""
    headers = {
        "x-api-key": checked_key(account.key.reveal(), account.key_name),
        "anthropic-version": ANTHROPIC_VERSION,
    }
    params: dict[str, str | int | list[str]] = {
        "starting_at": f"{asked.start.isoformat()}T00:00:00Z",
        "ending_at": f"{asked.end.isoformat()}T00:00:00Z",
        "group_by[]": ["description"],
        "limit": 31,
    }
    days: Days = {}
    async with _client(account, base_of(account.base_url, "/v1"), headers) as client:
        for _ in range(MOST_PAGES):
            page = _page(await client.get("/organizations/cost_report", params))
            for bucket in map(table, rows(page.get("data"))):
                day = _day_of_text(bucket.get("starting_at"))
                days.setdefault(day, Decimal())
                for result in map(table, rows(bucket.get("results"))):
                    in_usd(result.get("currency", "USD"))
                    cents = money(result.get("amount"))
                    days[day] = days.get(day, Decimal()) + cents / 100
            following = _next_page(page)
            if following is None:
                return days
            params = params | {"page": following}
    raise BillError("its bill has too many pages.")


async def read_openrouter_activity(account: Account, asked: Asked) -> Days | MeterReading:
    """Read `/api/v1/activity`: a row a day and model; without it, the account's total usage.

    What a call cost with a provider key of one's own is listed beside OpenRouter's fee, and the
    ledger has both.
    """
    headers = bearer(account.key.reveal(), account.key_name)
    days: Days = {}
    async with _client(account, base_of(account.base_url, "/api/v1"), headers) as client:
        try:
            page = _page(await client.get("/activity", {}))
        except BillError as error:
            if error.status != 404:
                raise
            credits_ = table(_page(await client.get("/credits", {})).get("data"))
            return _meter(account, asked, credits_.get("total_usage"))
        for row in map(table, rows(page.get("data"))):
            day = _day_of_text(row.get("date"))
            spent = money(row.get("usage")) + _own_keys_part(row, "byok_usage_inference")
            days[day] = days.get(day, Decimal()) + spent
    if days:
        # It has a row for each day with traffic; those between without one cost nothing.
        first, last = min(days), max(days)
        for n in range((last - first).days):
            days.setdefault(first + n * _DAY, Decimal())
    return days


async def read_openrouter_key(account: Account, asked: Asked) -> MeterReading:
    """Read `/api/v1/key`: what this key has ever used."""
    headers = bearer(account.key.reveal(), account.key_name)
    async with _client(account, base_of(account.base_url, "/api/v1"), headers) as client:
        data = table(_page(await client.get("/key", {}), "data").get("data"))
    return _meter(account, asked, data.get("usage"), _own_keys_part(data, "byok_usage"))


async def read_deepseek(account: Account, asked: Asked) -> MeterReading:
    """Read `/user/balance`: the credit left, as text, in USD or CNY."""
    headers = bearer(account.key.reveal(), account.key_name)
    async with _client(account, base_of(account.base_url, "", _NO_BASES), headers) as client:
        page = _page(await client.get("/user/balance", {}), "balance_infos")
    balances = [table(row) for row in rows(page.get("balance_infos"))]
    dollars = [row for row in balances if words(row.get("currency")).upper() == "USD"]
    if not dollars:
        in_usd(balances[0].get("currency") if balances else None)
    left = nano(money(dollars[0].get("total_balance")))
    return MeterReading("deepseek", asked.now, left, account=_account_name(account))


def _own_keys_part(row: Mapping[str, Json], name: str) -> Decimal:
    part = row.get(name)
    return Decimal() if part is None else money(part)


def _meter(
    account: Account, asked: Asked, usage: Json, own_keys: Decimal = Decimal()
) -> MeterReading:
    used = nano(money(usage) + own_keys)
    name = _account_name(account)
    return MeterReading(account.provider, asked.now, used, rises=True, account=name)


def _account_name(account: Account) -> str:
    """Name a key without telling it, so that the readings of two keys are never compared."""
    digest = hashlib.sha256(account.key.reveal().encode()).hexdigest()
    return f"{account.key_name}#{digest[:8]}"


def _client(account: Account, base: str, headers: Mapping[str, str]) -> BillClient:
    return BillClient(base, headers, account.key_name, TIMEOUT_S)


def _page(body: Json, expected: str = "data") -> Mapping[str, Json]:
    page = table(body)
    if not isinstance(page.get(expected), list | dict):
        raise BillError("its response is not a bill.", "It will be retried.")
    return page


def _next_page(page: Mapping[str, Json]) -> str | None:
    """Return the name of the page that follows; None after the last."""
    if page.get("has_more") is not True:
        return None
    following = words(page.get("next_page"))
    if not following:
        raise BillError("its bill is incomplete: it has more pages but names none.")
    return following


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), tzinfo=UTC).timestamp())


def _day_of_epoch(value: Json) -> date:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**11:
        raise BillError("it gave an invalid date.")
    return datetime.fromtimestamp(value, UTC).date()


def _day_of_text(value: Json) -> date:
    try:
        return date.fromisoformat(words(value)[:10])
    except ValueError:
        raise BillError("it gave an invalid date.") from None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
