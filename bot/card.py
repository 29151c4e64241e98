"""Card: the one answer shape. Every surface renders it, none of them decides what is in it.

A card's words are spans, so that each surface can escape text and show times in the reader's
own zone (Slack's `<!date^…>`, Discord's `<t:…>`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.errors import ErrorInfo, ExitCode


class Tone(StrEnum):
    """How a card is meant; a surface shows it as a colour and always as a word too."""

    NEUTRAL = "neutral"
    GOOD = "good"
    CHANGE = "change"
    QUESTION = "question"
    WARNING = "warning"
    BAD = "bad"


class Visibility(StrEnum):
    """Who sees the answer: the channel it was asked in, or the asker alone."""

    CHANNEL = "channel"
    PRIVATE = "private"


class WhenStyle(StrEnum):
    """How much of an instant is shown."""

    TIME = "time"
    DATE_TIME = "date_time"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class Code:
    """Something to type or copy: a command, a model name, a path."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that carry the line."""

    text: str


@dataclass(frozen=True, slots=True)
class When:
    """An instant (aware UTC), shown in the reader's zone."""

    at: datetime
    style: WhenStyle = WhenStyle.TIME


@dataclass(frozen=True, slots=True)
class Link:
    """A label that opens a page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by id on one surface (`slack`, `discord`) and by name everywhere else.

    `ping` is True only where the person is meant to be called; `group` makes it a Slack user
    group or a Discord role, everybody in it called.
    """

    surface: str
    id: str
    name: str
    ping: bool = False
    group: bool = False


Span = str | Code | Strong | When | Link | Person
Text = tuple[Span, ...]


def text(*spans: Span) -> Text:
    """Join spans into a text."""
    return spans


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value on one line."""

    label: str
    value: Text


@dataclass(frozen=True, slots=True)
class Column:
    """A table column; figures are aligned right."""

    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts, as many cells a row as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True, slots=True)
class Caution:
    """Something the reader should know, and the command that mends it.

    `code` is stable and stands in `--json`.
    """

    code: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture as SVG source, with the same figures in words for when it is off."""

    svg: str
    alt: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with the card."""

    filename: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Action:
    """What a button does: run `words` as the person who clicks, under these conditions.

    `confirmed` passes the price question; `expected_primary` refuses when the primary has
    changed since it was shown (`""` stands for none); `change_id` limits an undo to that
    change; `only` is the one actor (`surface:id`) who may click; after `expires_at` the button
    is dead; `once` lets only the first click count.
    """

    words: str
    confirmed: bool = False
    expected_primary: str | None = None
    change_id: int | None = None
    only: str | None = None
    expires_at: datetime | None = None
    once: bool = False


class ButtonStyle(StrEnum):
    """How a button presents itself."""

    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Button:
    """A label and what it does; `id` is set by `App.arm` before a chat shows it."""

    label: str
    action: Action
    style: ButtonStyle = ButtonStyle.PLAIN
    id: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One answer.

    `body` are paragraphs, `facts` labelled lines, `warnings` follow the table, `footer` is
    small print. `data` is the machine's copy: every figure the card shows stands in it as a
    number. `exit_code` is what a command line ends with.
    """

    title: Text
    tone: Tone = Tone.NEUTRAL
    body: tuple[Text, ...] = ()
    facts: tuple[Fact, ...] = ()
    table: Table | None = None
    warnings: tuple[Caution, ...] = ()
    chart: Chart | None = None
    attachment: Attachment | None = None
    buttons: tuple[Button, ...] = ()
    footer: Text = ()
    visibility: Visibility = Visibility.CHANNEL
    command: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    exit_code: ExitCode = ExitCode.DONE

    @property
    def ok(self) -> bool:
        """True when the command ran and its answer is good."""
        return self.exit_code is ExitCode.DONE

    def named(self, command: str) -> Card:
        """Return the same card as the answer to `command`."""
        return replace(self, command=command)


def plain(spans: Text) -> str:
    """Write a text without any markup, instants in UTC; for logs, alt texts and tests."""
    return "".join(_plain_span(span) for span in spans)


def _plain_span(span: Span) -> str:
    match span:
        case str():
            return span
        case Code(text=words) | Strong(text=words):
            return words
        case When(at=at, style=WhenStyle.TIME):
            return at.strftime("%H:%M UTC")
        case When(at=at):
            return at.strftime("%Y-%m-%d %H:%M UTC")
        case Link(label=label, url=url):
            return f"{label} ({url})"
        case Person(name=name):
            return name
