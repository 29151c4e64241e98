"""Spans: the words of a card and of an error, each kind of thing told apart.

So that each surface can escape text, show times in the reader's own zone (Slack's `<!date^…>`,
Discord's `<t:…>`) and write a command as it is typed there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

_BARE = frozenset("_@%+=:,./-")


class WhenStyle(StrEnum):
    """How much of an instant is shown."""

    TIME = "time"
    DATE_TIME = "date_time"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class Code:
    """Something to copy that reads the same everywhere: a model name, a path."""

    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command, its words without slash or program: each surface writes what is typed there.

    `program` ones exist on a command line alone (`doctor`); a `form` has places to fill in
    (`model use MODEL`), so that nothing in it is quoted.
    """

    words: str
    program: bool = False
    form: bool = False

    def in_chat(self, prefix: str = "") -> str:
        """Write it as it is typed in a chat whose commands have this prefix."""
        if not self.program:
            return f"/{prefix}{self.words}"
        return f"changeover {self.words if self.form else for_a_shell(self.words)}"


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
    """Somebody by id on one surface (`slack`, `discord`, `telegram`) and by name everywhere else.

    `ping` is True only where the person is meant to be called; `group` makes it a Slack user
    group or a Discord role, everybody in it called.
    """

    surface: str
    id: str
    name: str
    ping: bool = False
    group: bool = False


Span = str | Code | Command | Strong | When | Link | Person
Text = tuple[Span, ...]
Phrase = Span | Text
"""Words in whichever form is at hand; `spans_of` makes them a text."""


def text(*spans: Span) -> Text:
    """Join spans into a text."""
    return spans


def spans_of(phrase: Phrase) -> Text:
    """Return a phrase as a text; an empty one has no spans."""
    if isinstance(phrase, tuple):
        return phrase
    return (phrase,) if phrase else ()


def plain(phrase: Phrase) -> str:
    """Write words without any markup, instants in UTC; for logs, alt texts and tests."""
    return "".join(_plain_span(span) for span in spans_of(phrase))


def _plain_span(span: Span) -> str:
    match span:
        case str():
            return span
        case Code(text=words) | Strong(text=words):
            return words
        case Command():
            return span.in_chat()
        case When(at=at, style=WhenStyle.TIME):
            return at.strftime("%H:%M UTC")
        case When(at=at):
            return at.strftime("%Y-%m-%d %H:%M UTC")
        case Link(label=label, url=url):
            return f"{label} ({url})"
        case Person(name=name):
            return name


class Marker(str):
    """Words by which a message is found again after a crash, and which tell a reader nothing.

    Where messages have metadata they are kept there; elsewhere they are small print.
    """

    __slots__ = ()


class Sentence(str):
    """Plain words in a card's `data` that keep their spans, so that a surface can spell them."""

    __slots__ = ("phrase",)
    phrase: Phrase

    def __new__(cls, phrase: Phrase) -> Self:
        """Keep a phrase beside its plain words."""
        words = super().__new__(cls, plain(phrase))
        words.phrase = phrase
        return words


def kept(phrase: Phrase) -> str:
    """Write words for a database: as `plain` does, the commands between backticks."""
    return "".join(
        f"`{span.in_chat()}`" if isinstance(span, Command) else plain(span).replace("`", "'")
        for span in spans_of(phrase)
    )


def recalled(words: str) -> Text:
    """Read what `kept` wrote."""
    parts = words.split("`")
    if len(parts) % 2 == 0:
        return spans_of(words)
    return tuple(_command(part) if i % 2 else part for i, part in enumerate(parts) if part)


def _command(words: str) -> Command:
    chat = words.startswith("/")
    return Command(words[1:] if chat else words.removeprefix("changeover "), program=not chat)


Speller = Callable[[Command], str]
"""Writes a command as it is typed on one surface."""


def spelled(text: Text, speller: Speller) -> Text:
    """Return a text whose commands are written out, ready to copy."""
    return tuple(Code(speller(span)) if isinstance(span, Command) else span for span in text)


def for_a_shell(words: str) -> str:
    """Quote what a shell would take for its own; a reason, being free text, as one word."""
    parts = words.split()
    end = parts.pop() if parts[-1:] == ["--yes"] else ""
    at = next((i + 1 for i, part in enumerate(parts) if part.lower() == "reason"), len(parts))
    parts[at:] = [" ".join(parts[at:])] if parts[at:] else []
    return " ".join([*map(shell_word, parts), *([end] if end else [])])


def shell_word(word: str) -> str:
    """Quote a word where a shell needs it (`=x` is a path to zsh)."""
    if word and word[0] != "=" and all(c in _BARE or (c.isascii() and c.isalnum()) for c in word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"
