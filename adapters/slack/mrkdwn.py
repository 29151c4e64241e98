"""Slack's own markup: a card's texts out, a typed line in.

Whatever a person typed is shown and never acts: no ping, no link, no formatting that swallows
what follows. Source: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from adapters.shared.chat import size, visible
from bot.card import Code, Command, Link, Person, Span, Strong, Text, When, WhenStyle, plain
from bot.spans import Marker

MOST_LINE = 1000
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_CALL = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_FORMAT = re.compile(r"(?<![0-9A-Za-z])[*_~](?=\S)")
"""What would begin bold, italic or struck-out words."""
_ALIKE = {"*": "∗", "_": "ˍ", "~": "∼"}
_EMOJI = re.compile(r"(?<![0-9A-Za-z]):(?=[\w+'-]+:)")
_PAGE = re.compile(r"https?://[^\s/<>|]")
_ID = re.compile(r"[A-Z0-9]+")
_MENTION = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
DATE_FORMATS = {
    WhenStyle.TIME: "{time}",
    WhenStyle.DATE_TIME: "{date_short_pretty} {time}",
    WhenStyle.RELATIVE: "{ago}",
}


def is_page(url: str) -> bool:
    """Return whether a URL opens a page, rather than running something."""
    return _PAGE.match(url) is not None


def is_id(words: str) -> bool:
    """Return whether words have the form of a person's or a group's id."""
    return _ID.fullmatch(words) is not None


def inert(words: str) -> str:
    """Make words that can neither ping, link, format nor turn the line around."""
    shown = visible(words).replace("`", "ˋ")
    shown = _FORMAT.sub(lambda mark: _ALIKE[mark[0]], _EMOJI.sub(":\u2060", shown))
    return _CALL.sub("@\u2060", shown).translate(_ENTITIES)


def write(spans: Text, most: int = MOST_LINE, *, bare: bool = False) -> str:
    """Write a text as mrkdwn of at most `most` characters, cut at the end with `…`.

    `bare` leaves out what only a message's body understands: bold, code, dates.
    """
    spans = tuple(span for span in spans if not isinstance(span, Marker))
    pieces = [_span(span, bare) for span in spans]
    if sum(map(size, pieces)) <= most:
        return "".join(pieces)
    left, kept = most - 1, []
    for span, piece in zip(spans, pieces, strict=True):
        if size(piece) > left:
            kept.append(_cut(span, left, bare))
            break
        kept.append(piece)
        left -= size(piece)
    return "".join(kept) + "…"


def _span(span: Span, bare: bool) -> str:
    match span:
        case str():
            return inert(span)
        case Code(text=words) if not bare and words.strip():
            return f"`{_one_line(words)}`"
        case Command() if not bare:
            return f"`{_one_line(span.in_chat())}`"
        case Strong(text=words) if not bare and words.strip():
            return f"*{_one_line(words).replace('*', '∗').strip()}*"
        case When(at=at, style=style) if not bare:
            return f"<!date^{int(at.timestamp())}^{DATE_FORMATS[style]}|{plain((span,))}>"
        case Link(label=label, url=url) if not bare and is_page(url):
            return f"<{_address(url)}|{_one_line(label).replace('|', '¦').strip() or 'link'}>"
        case Person(surface="slack", id=id_, ping=True, group=group) if is_id(id_):
            return f"<!subteam^{id_}>" if group else f"<@{id_}>"
        case _:
            return inert(plain((span,)))


def _cut(span: Span, most: int, bare: bool) -> str:
    """Write as much of a span as fits; a date, link or mention fits whole or not at all."""
    if not isinstance(span, str | Code | Strong):
        return ""
    words = span if isinstance(span, str) else span.text
    for end in range(min(len(words), most), 0, -1):
        part = words[:end]
        piece = _span(part if isinstance(span, str) else replace(span, text=part), bare)
        if size(piece) <= most:
            return piece
    return ""


def _one_line(words: str) -> str:
    return inert(" ".join(words.split("\n")))


def _address(url: str) -> str:
    return re.sub(r"[<>|\s]", lambda odd: f"%{ord(odd[0]):02X}", url).replace("&", "&amp;")


def lines(texts: Sequence[Text], *, bare: bool = False) -> list[str]:
    """Write texts, one a line, leaving out the empty ones."""
    return [line for line in (write(text, bare=bare) for text in texts) if line.strip()]


def mentioned(typed: str) -> list[str]:
    """Return the ids of the people that a typed line mentions without their names."""
    return [m[2] for m in _MENTION.finditer(typed) if m[1] == "@" and not m[3]]


def read(typed: str, names: dict[str, str] | None = None) -> str:
    """Turn a line as Slack sends it into what the person typed.

    People come as `<@U1|name>` or `<@U1>` (looked up in `names`), channels as `<#C1|name>`,
    links as `<url|label>`, and `& < >` as entities.
    """

    def shown(found: re.Match[str]) -> str:
        kind, value, label = found[1], found[2], found[3]
        if kind == "!":
            return label or "@" + value.partition("^")[0]
        if kind:
            return kind + (label or (names or {}).get(value, value))
        return label or value

    line = _MENTION.sub(shown, typed)
    return line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
