"""Card → a terminal: plain text where there is none, colour (rich) where there is one."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TextIO

from adapters.terminal.as_json import render_json
from adapters.terminal.layout import Ink, Line, Reader, layout
from adapters.terminal.safe import cell_width, encodable, harmless
from bot.card import Card, Tone
from bot.errors import ChangeoverError

_STYLES = {
    Ink.PLAIN: "",
    Ink.TITLE: "bold",
    Ink.STRONG: "bold",
    Ink.CODE: "cyan",
    Ink.LABEL: "bold",
    Ink.DIM: "dim",
    Ink.GOOD: "bold green",
    Ink.CHANGE: "bold blue",
    Ink.QUESTION: "bold magenta",
    Ink.WARNING: "bold yellow",
    Ink.BAD: "bold red",
}
_NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Look:
    """How answers look: the reader's zone, the clock, JSON instead of text, the environment.

    `environ` is asked for NO_COLOR and TERM only.
    """

    zone: tzinfo
    now: Callable[[], datetime]
    environ: Mapping[str, str]
    json: bool = False


def plain_text(card: Card, reader: Reader | None = None) -> str:
    """Write a card as plain text, the same everywhere; nothing is cut to a width."""
    return _plain(layout(card, reader or Reader()))


def _plain(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines) + "\n"


def colour_text(card: Card, reader: Reader) -> str:
    """Write a card with colour, wrapped to the reader's width; commands stay in one piece."""
    from rich.console import Console
    from rich.text import Text as RichText

    width = max(reader.width or 80, _NARROWEST)
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    for line in layout(card, reader):
        inked = RichText()
        for piece in line.pieces:
            inked.append(piece.text, _STYLES[piece.ink])
        inked.rstrip()
        # What is wider than the terminal is left to it, so that it can be copied in one piece.
        fits = all(cell_width(word) <= width for word in line.text.split())
        console.print(inked, soft_wrap=not (line.wraps and fits))
    return file.getvalue()


def as_text(card: Card, out: TextIO, look: Look) -> str:
    """Write a card for a stream: colour for a terminal that has it, else plain text."""
    terminal = _is_terminal(out)
    width = _columns(out) if terminal else None
    reader = Reader(look.zone, look.now(), width)
    colour = terminal and not look.environ.get("NO_COLOR") and look.environ.get("TERM") != "dumb"
    return colour_text(card, reader) if colour else plain_text(card, reader)


def deliver(card: Card, out: TextIO, err: TextIO, look: Look) -> int:
    """Show an answer (errors on `err`, a JSON document always on `out`); return its exit code."""
    if look.json:
        write(out, render_json(card))
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
    return Card(
        title=(error.message,),
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


def _is_terminal(out: TextIO) -> bool:
    try:
        return out.isatty()
    except ValueError:
        return False


def _columns(out: TextIO) -> int:
    try:
        columns = os.get_terminal_size(out.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return columns or shutil.get_terminal_size().columns


def as_json_line(card: Card) -> str:
    """Write a card as one line of JSON, for sessions that answer several."""
    return render_json(card, one_line=True)


def shown(words: str) -> str:
    """Make words that are no card harmless to a terminal, line breaks and tabs kept."""
    return harmless(words, "\n\t")
