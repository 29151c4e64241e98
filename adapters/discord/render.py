"""Card → one embed with buttons and files, within every limit of Discord and of a phone.

6000 characters in all, 25 fields, titles 256, values 1024, a description 4096; 5 rows of 5
buttons. Source: https://discord.com/developers/docs/resources/message#embed-object-embed-limits
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters.discord.layout import Section, cautions, rows_of, share
from adapters.discord.markup import bare, blank, clip, cut, inert, markup, simple
from adapters.shared.chat import size, visible
from bot.card import Button, ButtonStyle, Card, Menu, Person, Span, Strong, Text, Tone, text

MOST_IN_ALL, MOST_TITLE, MOST_DESCRIPTION = 6000, 256, 4096
MOST_FIELDS, MOST_NAME, MOST_VALUE, MOST_IN_FIELDS = 25, 256, 1024, 2000
MOST_FOOTER, MOST_LABEL, MOST_ID, MOST_BUTTONS, IN_A_ROW = 300, 80, 100, 25, 5
MOST_FILE_BYTES = 10 * 1024 * 1024
MOST_OPTIONS, MOST_PLACEHOLDER, MOST_ROWS = 25, 150, 5
PREFIX = "changeover:"
"""What the `custom_id` of every button of ours begins with."""
CHART = "chart.png"

_TONES = {
    Tone.NEUTRAL: (0x5C6773, ""),
    Tone.GOOD: (0x2E8B57, "OK"),
    Tone.CHANGE: (0x3B6FD4, "Changed"),
    Tone.QUESTION: (0x8E5BC8, "Question"),
    Tone.WARNING: (0xD9A514, "Warning"),
    Tone.BAD: (0xC0392B, "Problem"),
}
_STYLES = {ButtonStyle.PRIMARY: 1, ButtonStyle.PLAIN: 2, ButtonStyle.DANGER: 4}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that goes with a message; `description` is what a picture shows, in words."""

    name: str
    content: bytes
    description: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What Discord's message routes take; `pings` and `roles` are who is meant to be called."""

    embeds: list[dict[str, Any]]
    components: list[dict[str, Any]]
    uploads: tuple[Upload, ...] = ()
    content: str = ""
    pings: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()


def render(card: Card, chart: bytes | None = None) -> Message:
    """Lay a card out; `chart` is its chart as PNG where there is one to show."""
    uploads = tuple(_uploads(card, chart))
    called = _called(card)
    return Message(
        embeds=[_embed(card, chart is not None)],
        components=_components(card),
        uploads=uploads,
        content=_content(card, called),
        pings=tuple(int(one.id) for one in called if not one.group),
        roles=tuple(int(one.id) for one in called if one.group),
    )


def _embed(card: Card, with_chart: bool) -> dict[str, Any]:
    colour, word = _TONES[card.tone]
    heading, lead = _title(card.title)
    footer, last = _footer(card.footer)
    fields = _fields(card)
    used = size(heading) + size(footer) + size(word)
    used += sum(size(field["name"]) + size(field["value"]) for field in fields)
    most = min(MOST_DESCRIPTION, MOST_IN_ALL - used)
    parts = {
        "author": {"name": word} if word else None,
        "title": heading,
        "description": _description(card, lead, last, with_chart, most),
        "fields": fields,
        "image": {"url": f"attachment://{CHART}"} if with_chart else None,
        "footer": {"text": footer} if footer else None,
    }
    return {"color": colour, **{name: part for name, part in parts.items() if part}}


def _title(title: Text) -> tuple[str, Text]:
    """Return an embed's title, and what of it has to stand in the description.

    A title shows neither times nor people, so one that has them is written as a first line.
    """
    if blank(markup(title)):
        return "-", ()
    if not simple(title):
        return "", _strong(title)
    words = tuple(span.text if isinstance(span, Strong) else span for span in title)
    whole = size(markup(words)) <= MOST_TITLE
    return clip(words, MOST_TITLE), () if whole else title


def _strong(title: Text) -> Text:
    """Make all words of a title bold, as one: stars that touch would be shown."""
    spans: list[Span] = []
    for span in title:
        words = span if isinstance(span, str) else span.text if isinstance(span, Strong) else None
        if words is None:
            spans.append(span)
        elif spans and isinstance(spans[-1], Strong):
            spans[-1] = Strong(spans[-1].text + words)
        else:
            spans.append(Strong(words))
    return tuple(spans)


def _footer(footer: Text) -> tuple[str, Text]:
    """Return an embed's footer, which knows no markup, or a last line where it has times."""
    if blank(bare(footer)):
        return "", ()
    if simple(footer):
        return cut(bare(footer), MOST_FOOTER), ()
    return "", footer


def _description(card: Card, lead: Text, last: Text, with_chart: bool, most: int) -> str:
    body = [lead, *card.body]
    if card.chart and not with_chart:
        body.append(text(card.chart.alt))
    end = [last]
    if card.attachment and len(card.attachment.content) > MOST_FILE_BYTES:
        end.append(text("The file exceeds Discord's size limit and was left out."))
    sections = (
        _said(body),
        rows_of(card.table) if card.table else Section("row", ()),
        cautions(card.warnings),
        _said(end),
    )
    return share(sections, most, card.command)


def _said(texts: list[Text]) -> Section:
    return Section("line", tuple(spans for spans in texts if not blank(markup(spans))))


def _fields(card: Card) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    left = MOST_IN_FIELDS
    for position, fact in enumerate(card.facts):
        name = cut(visible(fact.label), MOST_NAME)
        value = clip(fact.value, MOST_VALUE)
        name, value = ("-" if blank(name) else name), ("-" if blank(value) else value)
        left -= size(name) + size(value)
        missing = len(card.facts) - position
        if left < 0 or (len(fields) == MOST_FIELDS - 1 and missing > 1):
            fields.append(_field("…", f"{missing} more left out"))
            break
        fields.append(_field(name, value))
    return fields


def _field(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "inline": size(value) <= 40}


def _components(card: Card) -> list[dict[str, Any]]:
    menu = _menu(card.menu) if card.menu else []
    return [*menu, *_rows(card.buttons)[: MOST_ROWS - len(menu)]]


def _menu(menu: Menu) -> list[dict[str, Any]]:
    """Lay out a menu, a row of its own; each option carries the id that a button would."""
    named = {option.id: option for option in reversed(menu.options) if option.id}
    here = [o for o in menu.options if named.get(o.id) is o and size(o.id) <= MOST_ID]
    if not here:
        return []
    select = {
        "type": 3,
        "custom_id": f"{PREFIX}menu",
        "placeholder": cut(visible(menu.heading(MOST_OPTIONS)), MOST_PLACEHOLDER),
        "options": [_option(option) for option in here[:MOST_OPTIONS]],
    }
    return [{"type": 1, "components": [select]}]


def _option(option: Button) -> dict[str, Any]:
    found = {"label": cut(visible(option.label), MOST_ID), "value": option.id}
    note = cut(visible(option.note), MOST_ID)
    return found if blank(note) else found | {"description": note}


def _rows(buttons: tuple[Button, ...]) -> list[dict[str, Any]]:
    """Put the buttons in rows; one without an id, or with another's, would be refused."""
    named = {button.id: button for button in reversed(buttons) if button.id}
    shown_here = [b for b in buttons if named.get(b.id) is b and _fits(b)][:MOST_BUTTONS]
    return [
        {"type": 1, "components": [_button(button) for button in shown_here[i : i + IN_A_ROW]]}
        for i in range(0, len(shown_here), IN_A_ROW)
    ]


def _fits(button: Button) -> bool:
    return size(PREFIX + button.id) <= MOST_ID


def _button(button: Button) -> dict[str, Any]:
    label = cut(" ".join(visible(button.label).split()), MOST_LABEL)
    return {
        "type": 2,
        "style": _STYLES[button.style],
        "label": "-" if blank(label) else label,
        "custom_id": PREFIX + button.id,
    }


def _uploads(card: Card, chart: bytes | None) -> Iterator[Upload]:
    if chart is not None and card.chart is not None:
        yield Upload(CHART, chart, cut(visible(card.chart.alt), MOST_VALUE))
    if card.attachment and len(card.attachment.content) <= MOST_FILE_BYTES:
        yield Upload(card.attachment.filename, card.attachment.content)


def _called(card: Card) -> list[Person]:
    texts = (card.title, *card.body, *(fact.value for fact in card.facts), card.footer)
    return list(
        dict.fromkeys(
            span
            for spans in texts
            for span in spans
            if isinstance(span, Person) and span.ping and span.surface == "discord"
            if span.id.isascii() and span.id.isdigit()
        )
    )


def _content(card: Card, called: list[Person]) -> str:
    """Write the line that a phone shows when it rings: who is called, and why."""
    if not called:
        return ""
    mentions = " ".join(markup((one,)) for one in called)
    return f"{mentions} {inert(cut(bare(card.title), MOST_TITLE))}"
