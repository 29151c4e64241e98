"""An answer on its way out: to which stream, in which form, with which exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, TextIO

from adapters.terminal.called import in_chat
from adapters.terminal.safe import encodable, harmless
from bot.errors import ChangeoverError
from bot.spans import Speller, spans_of

if TYPE_CHECKING:
    from bot.card import Card

_NARROWEST, _USUAL = 20, 80


@dataclass(frozen=True, slots=True)
class Look:
    """How answers look: the reader's zone, the clock, JSON instead of text, the environment.

    `environ` is asked for NO_COLOR and TERM only; `speller` writes commands as they are typed here.
    """

    zone: tzinfo
    now: Callable[[], datetime]
    environ: Mapping[str, str]
    json: bool = False
    speller: Speller = in_chat


def as_text(card: Card, out: TextIO, look: Look) -> str:
    """Write a card for a stream: colour for a terminal that has it, else plain text."""
    from adapters.terminal.layout import Reader
    from adapters.terminal.render import colour_text, plain_text

    terminal = on_terminal(out)
    width = max(_columns(out), _NARROWEST) if terminal else None
    reader = Reader(look.zone, look.now(), width, look.speller)
    colour = terminal and not look.environ.get("NO_COLOR") and look.environ.get("TERM") != "dumb"
    return colour_text(card, reader) if colour else plain_text(card, reader)


def deliver(card: Card, out: TextIO, err: TextIO, look: Look) -> int:
    """Show an answer (errors on `err`, a JSON document always on `out`); return its exit code."""
    if look.json:
        write(out, _json(card, look))
    elif card.error is not None:
        write(err, as_text(card, err, look))
    elif card.attachment is not None:
        write(err, as_text(card, err, look))
        write(out, card.attachment.content.decode("utf-8", "replace"))
    else:
        write(out, as_text(card, out, look))
    return int(card.exit_code)


def failure(error: ChangeoverError, command: str = "") -> Card:
    """Make a card of an error that came up before the core could."""
    from bot.card import Card, Tone

    return Card(
        title=spans_of(error.said),
        tone=Tone.BAD,
        command=command,
        error=error.info,
        exit_code=error.exit_code,
    )


def write(out: TextIO, words: str) -> None:
    """Write and flush; a reader that has gone away (`… | head`) is no error."""
    try:
        out.write(encodable(words, out.encoding))
        out.flush()
    except BrokenPipeError:
        _silence(out)


def _silence(out: TextIO) -> None:
    """Point a broken stream at nothing, so that Python's own flush at exit is quiet too."""
    try:
        target = out.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)


def on_terminal(out: TextIO) -> bool:
    """Return whether a person reads the stream at a terminal."""
    try:
        return out.isatty()
    except ValueError:
        return False


def _columns(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL


def as_json_line(card: Card, look: Look) -> str:
    """Write a card as one line of JSON, for sessions that answer several."""
    return _json(card, look, one_line=True)


def _json(card: Card, look: Look, *, one_line: bool = False) -> str:
    from adapters.terminal.as_json import render_json

    return render_json(card, look.speller, one_line=one_line)


def shown(words: str) -> str:
    """Make words that are no card harmless to a terminal, line breaks and tabs kept."""
    return harmless(words, "\n\t")
