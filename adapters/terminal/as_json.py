"""Card → one JSON document, as `--json` promises it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from adapters.terminal.called import in_chat
from bot.card import Attachment, Card, Phrase, Speller, Table, plain, spans_of
from bot.spans import Sentence, spelled

Json = Any
Said = Callable[[Phrase], str]
_EXACT = 2**53


def render_json(card: Card, speller: Speller = in_chat, *, one_line: bool = False) -> str:
    """Write a card's answer as one document; ASCII only, so that no stream can spoil it.

    Commands are written by `speller`: what a script reads can be typed where the script runs.
    """

    def said(phrase: Phrase) -> str:
        return plain(spelled(spans_of(phrase), speller))

    error = card.error
    document = {
        "ok": card.ok,
        "command": card.command,
        "card": _card(card, said),
        "data": card.data,
        "error": (
            {"code": error.code, "message": said(error.said), "hint": said(error.step)}
            if error
            else None
        ),
    }
    plain_values = to_json(document, said)
    return json.dumps(plain_values, indent=None if one_line else 2, allow_nan=False) + "\n"


def _card(card: Card, said: Said) -> dict[str, Json]:
    """Return what a person would have read, as plain strings with times in UTC."""
    return {
        "title": said(card.title),
        "tone": card.tone,
        "body": [said(part) for part in card.body],
        "facts": [{"label": fact.label, "value": said(fact.value)} for fact in card.facts],
        "table": _table(card.table, said),
        "warnings": [
            {"code": one.code, "text": said(one.said), "hint": said(one.step)}
            for one in card.warnings
        ],
        "buttons": [{"label": b.label, "command": b.action.words} for b in card.buttons],
        "footer": said(card.footer),
        "chart": card.chart.alt if card.chart else None,
        "attachment": _attachment(card.attachment),
    }


def _table(table: Table | None, said: Said) -> Json:
    if table is None:
        return None
    return {
        "columns": [column.title for column in table.columns],
        "rows": [[said(cell) for cell in row] for row in table.rows],
    }


def _attachment(attachment: Attachment | None) -> Json:
    if attachment is None:
        return None
    return {
        "filename": attachment.filename,
        "media_type": attachment.media_type,
        "content": attachment.content.decode("utf-8", "replace"),
    }


def to_json(value: Any, said: Said = plain) -> Json:
    """Turn our values into JSON's: Decimal → number, instant → ISO 8601 with Z, enum → value.

    What no JSON number can say (infinity, not a number) becomes null.
    """
    match value:
        case Sentence():
            return to_json(said(value.phrase), said)
        case Enum():
            return to_json(value.value, said)
        case None | bool() | int():
            return value
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float() | Decimal():
            return _number(value)
        case datetime() | date() | timedelta():
            return _time(value)
        case _:
            return _compound(value, said)


def _compound(value: Any, said: Said) -> Json:
    match value:
        case Mapping():
            return {str(to_json(key, said)): to_json(item, said) for key, item in value.items()}
        case list() | tuple():
            return [to_json(item, said) for item in value]
        case set() | frozenset():
            return sorted((to_json(item, said) for item in value), key=str)
        case _ if is_dataclass(value) and type(value).__str__ is object.__str__:
            return {f.name: to_json(getattr(value, f.name), said) for f in fields(value)}
        case _:
            return to_json(str(value), said)


def _number(value: float | Decimal) -> int | float | None:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        return None
    if isinstance(value, Decimal) and abs(value) < _EXACT and value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None


def _time(value: datetime | date | timedelta) -> str | float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if not isinstance(value, datetime):
        return value.isoformat()
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
