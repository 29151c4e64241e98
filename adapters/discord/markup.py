"""Discord's own markup: a card's texts, written so that nobody's words format or call anybody.

A backslash before any punctuation shows the character itself.
Source: https://discord.com/developers/docs/reference#message-formatting
"""

from __future__ import annotations

import re
from dataclasses import replace

from adapters.shared.chat import size, visible
from bot.card import Code, Command, Link, Person, Span, Strong, Text, When, WhenStyle, plain

_BLANK = re.compile("[\\s\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u2800\u3164]*")
_MARKS = re.compile(r"[\\`*_~|<>\[\]]")
_CALLS = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_ADDRESS = re.compile(r"(https?://[^\s<>`|\\]+)")
_OPEN_ADDRESS = re.compile(r"https?://[^\s<]*\Z")
_NUMBERED = re.compile(r"(?m)^([ \t]*\d{1,9})([.)])(?=[ \t])")
_LISTED = re.compile(r"(?m)^([ \t]*)([-+#])")
_ESCAPED = re.compile(r"\\([^0-9A-Za-z\s])")
_STYLES = {WhenStyle.TIME: "t", WhenStyle.DATE_TIME: "f", WhenStyle.RELATIVE: "R"}
_ODD = {" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\\": "%5C"}


def blank(words: str) -> bool:
    """Return whether Discord would take this for nothing at all."""
    return _BLANK.fullmatch(visible(words)) is not None


def inert(words: str) -> str:
    """Make words that can neither call, link under another name, nor format what follows."""
    seen = visible(words)
    seen = _CALLS.sub("@\u200b", seen) if "@" in seen else seen
    if "://" not in seen:
        return _MARKS.sub(r"\\\g<0>", seen)
    parts = _ADDRESS.split(seen)
    return "".join(part if i % 2 else _MARKS.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def unescaped(written: str) -> str:
    """Return the words as people see them, without the backslashes that keep them inert."""
    return _ESCAPED.sub(r"\1", written).replace("@\u200b", "@")


def code(words: str) -> str:
    """Write words to be copied; what is inside is never read as markup."""
    line = " ".join(visible(words).split())
    if not line:
        return ""
    if "`" not in line:
        return f"`{line}`"
    return f"`` {line.replace('``', 'ˋˋ')} ``"


def markup(spans: Text) -> str:
    """Write a text as Discord markdown."""
    written = ""
    for span in spans:
        # Discord reads an address up to the next blank: marks right behind it would be part of it.
        if isinstance(span, Strong | Code | Command) and _OPEN_ADDRESS.search(written):
            written += " "
        written += _span(span)
    return _at_line_starts(written)


def bare(spans: Text) -> str:
    """Write a text for places that know no markup (titles' fallbacks, footers, labels)."""
    return visible(plain(spans))


def simple(spans: Text) -> bool:
    """Return whether a text is words alone, so that nothing is lost without markup."""
    return all(isinstance(span, str | Code | Command | Strong) for span in spans)


def clip(spans: Text, most: int) -> str:
    """Write a text in at most `most` characters; one that is longer ends with `…`."""
    whole = markup(spans)
    if size(whole) <= most:
        return whole
    kept: Text = ()
    for span in spans:
        if size(markup((*kept, span))) <= most - 1:
            kept = (*kept, span)
            continue
        kept = (*kept, *_beginning(kept, span, most - 1))
        break
    return f"{markup(kept)}…"


def cut(words: str, most: int) -> str:
    """Cut bare words to at most `most` characters."""
    if size(words) <= most:
        return words
    kept = words[: most - 1]
    while size(kept) > most - 1:
        kept = kept[:-1]
    return f"{kept}…"


def _beginning(before: Text, span: Span, most: int) -> Text:
    """Return as much of a span as fits after `before`; only words can be cut."""
    if not isinstance(span, str | Code | Strong):
        return ()
    words = span if isinstance(span, str) else span.text
    low, high = 0, min(len(words), most)
    while low < high:
        middle = (low + high + 1) // 2
        fits = size(markup((*before, _shortened(span, middle)))) <= most
        low, high = (middle, high) if fits else (low, middle - 1)
    while low and size(markup((*before, _shortened(span, low)))) > most:
        low -= 1
    return (_shortened(span, low),) if low else ()


def _shortened(span: str | Code | Strong, length: int) -> Span:
    if isinstance(span, str):
        return span[:length]
    return replace(span, text=span.text[:length])


def _span(span: Span) -> str:
    match span:
        case str():
            return inert(span)
        case Code(text=words):
            return code(words)
        case Command():
            return code(span.in_chat())
        case Strong(text=words):
            return _bold(words)
        case When(at=at, style=style):
            return f"<t:{int(at.timestamp())}:{_STYLES[style]}>"
        case Link(label=label, url=url):
            return _link(label, url)
        case Person(surface="discord", id=id_, group=group) if id_.isascii() and id_.isdigit():
            return f"<@&{id_}>" if group else f"<@{id_}>"
        case Person(name=name):
            return inert(name)


def _bold(words: str) -> str:
    """Write bold words; blanks at their ends stay outside, or the stars would be shown."""
    if blank(words):
        return ""
    core = words.strip()
    start = words.index(core)
    bold = _ADDRESS.sub(lambda address: address[0].replace("*", "%2A"), inert(core))
    return f"{words[:start]}**{bold}**{words[start + len(core) :]}"


def _link(label: str, url: str) -> str:
    if not url.startswith(("https://", "http://")):
        return inert(label if label == url else f"{label} ({url})")
    address = "".join(_ODD.get(c, c) for c in visible(url) if not c.isspace() or c == " ")
    if blank(label) or label == url:
        return address
    return f"[{inert(label)}]({address})"


def _at_line_starts(words: str) -> str:
    r"""Keep `1. `, `- ` and `# ` at the start of a line from becoming lists and headings."""
    return _LISTED.sub(r"\1\\\2", _NUMBERED.sub(r"\1\\\2", words))
