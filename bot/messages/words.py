"""The small words that every card uses: money, percentages, tokens, prices, lists."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from bot.card import Span, Text
from bot.models import Dialect, Price


def money(amount_usd: Decimal) -> str:
    """Write USD: `$0.93`, `$12,345.60`; below a cent with its first two figures."""
    sign = "-" if amount_usd < 0 else ""
    size = abs(amount_usd)
    if size == 0 or size >= Decimal("0.01"):
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    if size < Decimal("0.000001"):
        return f"{sign}<$0.000001"
    places = Decimal(1).scaleb(size.adjusted() - 1)
    return f"{sign}${size.quantize(places, ROUND_HALF_UP).normalize():f}"


def unit(amount_usd: Decimal) -> str:
    """Write a unit price without needless zeros: `$5`, `$0.15`, `$0.435`."""
    plain = f"{amount_usd.normalize():f}"
    whole, _, fraction = plain.partition(".")
    return f"${whole}.{fraction.ljust(2, '0')}" if fraction else f"${whole}"


def per_million(price: Price | None) -> str:
    """Write a price as one phrase."""
    if price is None:
        return "price unknown"
    if price.free:
        return "free"
    return f"{unit(price.input_usd_per_1m)} in / {unit(price.output_usd_per_1m)} out per 1M"


def short_price(price: Price | None) -> str:
    """Write a price for a table cell: `$5 / $25`."""
    if price is None:
        return "unknown"
    if price.free:
        return "free"
    return f"{unit(price.input_usd_per_1m)} / {unit(price.output_usd_per_1m)}"


def tokens(count: int | None) -> str:
    """Write a context window: `200K`, `1M`."""
    if count is None:
        return "unknown"
    if count >= 1_000_000:
        millions = Decimal(count) / 1_000_000
        return f"{millions.quantize(Decimal('0.1')).normalize():f}M"
    return f"{count // 1000}K" if count >= 1000 else str(count)


def change_in_price(old: Price | None, new: Price | None) -> str | None:
    """Say how a price compares with the one before: `97% cheaper`, `38× the price`."""
    if old is None or new is None:
        return None
    before, after = old.blended_usd_per_1m, new.blended_usd_per_1m
    if before == after:
        return "the same price"
    if not before:
        return "free before"
    if not after:
        return "free now"
    if after < before:
        return f"{percent((1 - after / before) * 100)} cheaper"
    times = after / before
    if times < 2:
        return f"{percent((times - 1) * 100)} more"
    places = Decimal("0.1") if times < 10 else Decimal(1)
    return f"{times.quantize(places, ROUND_HALF_UP).normalize():,f}× the price"


def percent(value: Decimal) -> str:
    """Write a percentage, finely where it is near to nothing or to all."""
    if 0 < value < 1:
        return f"{max(value.quantize(Decimal('0.1'), ROUND_HALF_UP), Decimal('0.1'))}%"
    if Decimal("99.5") <= value < 100:
        return "99.9%" if value >= Decimal("99.9") else f"{value.quantize(Decimal('0.1'))}%"
    return f"{value.quantize(Decimal(1), ROUND_HALF_UP):,}%"


def on(day: date) -> str:
    """Write a date."""
    return day.isoformat()


def joined(spans: list[Span], separator: str = " · ") -> Text:
    """Put a separator between spans."""
    parts: list[Span] = []
    for span in spans:
        if parts:
            parts.append(separator)
        parts.append(span)
    return tuple(parts)


def listed(names: list[str]) -> str:
    """Write names as a sentence does: `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


FORMATS = {
    Dialect.OPENAI: "OpenAI",
    Dialect.ANTHROPIC: "Anthropic",
    Dialect.RESPONSES: "Responses",
    Dialect.GEMINI: "Gemini",
    Dialect.OLLAMA: "Ollama",
}
