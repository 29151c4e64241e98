"""When a model ends, as its row of a provider's list or an answer of its own says."""

from __future__ import annotations

from datetime import UTC, date, datetime

from bot.dialects.wire import table
from bot.ports import Json

_FIELDS = ("retires_at", "shutdown_date", "expiration_date")
"""Anthropic's, OpenAI's and OpenRouter's field."""

# Earlier dates (1970) and later ones (9999) are placeholders, not plans.
_FIRST, _LAST = date(2023, 1, 1), date(2050, 1, 1)


def retirement_of(row: Json) -> tuple[date | None, bool]:
    """Return a model's last date, and whether the row says anything of its end.

    A field that is null says that no end is planned; a value that makes no date says nothing.
    Gemini's `modelStatus.retirementTime` is the same in lists and in answers.
    """
    values = table(row)
    status = table(values.get("modelStatus"))
    if status:
        values = {"retires_at": status.get("retirementTime")}
    for name in _FIELDS:
        if name in values:
            day = _day(values[name])
            return day, day is not None or values[name] is None
    return None, False


def _day(value: Json) -> date | None:
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            day = at.astimezone(UTC).date() if at.tzinfo else at.date()
        elif isinstance(value, int | float) and not isinstance(value, bool):
            day = datetime.fromtimestamp(value, UTC).date()
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return day if _FIRST <= day < _LAST else None
