"""Card: the one answer shape. Every surface renders it, none of them decides what is in it.

Its words are spans (`bot.spans`), which are to be had here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.errors import ErrorInfo, ExitCode
from bot.spans import (
    Code,
    Command,
    Link,
    Person,
    Phrase,
    Span,
    Speller,
    Strong,
    Text,
    When,
    WhenStyle,
    plain,
    spans_of,
    spelled,
    text,
)

__all__ = [
    "Action", "Attachment", "Button", "ButtonStyle", "Card", "Caution", "Chart", "Code", "Column",
    "Command", "Fact", "Link", "Menu", "Person", "Phrase", "Span", "Speller", "Strong", "Table",
    "Text", "Tone", "Visibility", "When", "WhenStyle", "plain", "spans_of", "spelled_card", "text",
]  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value on one line."""

    label: str
    value: Text


@dataclass(frozen=True, slots=True)
class Column:
    """A table column; figures are aligned right.

    Where there is no room the column of the highest `priority` leaves the grid first, 0 never.
    """

    title: str
    right: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts, as many cells a row as there are columns.

    `sortable` where the reader may want another order than the rows have.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    sortable: bool = False


@dataclass(frozen=True, slots=True)
class Caution:
    """Something the reader should know, and the command that fixes it.

    `code` is stable and stands in `--json`.
    """

    code: str
    said: Phrase
    step: Phrase = ""

    @property
    def text(self) -> str:
        """What the reader should know, as plain words."""
        return plain(self.said)

    @property
    def hint(self) -> str:
        """The next step, as plain words."""
        return plain(self.step)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture as SVG source, with the same figures in words for when it is off.

    `bars` are its totals, one for each of `labels`, for a chat that draws bars by itself.
    """

    svg: str
    alt: str
    title: str = ""
    unit: str = ""
    labels: tuple[str, ...] = ()
    bars: tuple[Decimal, ...] = ()


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
    changed since it was shown (`""` stands for none); `shown` limits what is changed in OpenClaw
    itself to what was shown; `change_id` limits an undo to that change; `only` is the one actor
    (`surface:id`) who may click; after `expires_at` the button is dead; `once` lets only the
    first click count. `ask` makes a switch ask first whatever it costs, as a click may be a slip.
    """

    words: str
    confirmed: bool = False
    expected_primary: str | None = None
    shown: tuple[str, ...] | None = None
    change_id: int | None = None
    only: str | None = None
    expires_at: datetime | None = None
    once: bool = False
    ask: bool = False


class ButtonStyle(StrEnum):
    """How a button presents itself."""

    PLAIN = "plain"
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Button:
    """A label and what it does.

    `id` is set by `App.persist_buttons` before a chat shows it, and `confirm`, the question that a
    platform with a dialog of its own asks first; `note` is small print of a menu's option.
    """

    label: str
    action: Action
    style: ButtonStyle = ButtonStyle.PLAIN
    id: str = ""
    confirm: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Menu:
    """Options of which one is picked; `rest` says how to reach those a chat has no room for."""

    label: str
    options: tuple[Button, ...]
    rest: str = ""

    def heading(self, most: int) -> str:
        """Return the label, with a word on what is left out where only `most` options fit."""
        if len(self.options) <= most:
            return self.label
        left = f"first {most} of {len(self.options)}"
        return f"{self.label} ({left}{self.rest and f'; all: {self.rest}'})"


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
    menu: Menu | None = None
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


def spelled_card(card: Card, speller: Speller) -> Card:
    """Return a card whose commands are written as they are typed on one surface."""

    def words(phrase: Phrase) -> Text:
        return spelled(spans_of(phrase), speller)

    table = card.table
    if table is not None:
        table = replace(table, rows=tuple(tuple(map(words, row)) for row in table.rows))
    return replace(
        card,
        title=words(card.title),
        body=tuple(map(words, card.body)),
        facts=tuple(replace(fact, value=words(fact.value)) for fact in card.facts),
        table=table,
        warnings=tuple(
            replace(one, said=words(one.said), step=words(one.step)) for one in card.warnings
        ),
        footer=words(card.footer),
    )
