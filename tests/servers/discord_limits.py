"""What Discord refuses: the limits of messages, commands and choices, counted strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
NAME = re.compile(r"[-_'\w]{1,32}")
PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15


def size(words: Any) -> int:
    """Characters as JavaScript counts them."""
    return len(str(words).encode("utf-16-le")) // 2


def between(what: str, words: Any, least: int, most: int) -> Iterator[str]:
    """A text that Discord trims, then measures."""
    if not isinstance(words, str):
        yield f"{what} is no text"
    elif not least <= size(words.strip()) or size(words) > most:
        yield f"{what} has {size(words.strip())} characters, not {least} to {most}"


def message_faults(payload: Json, files: Sequence[str]) -> list[str]:
    """Everything Discord would refuse in a message."""
    faults = [*between("content", payload.get("content") or "", 0, 2000)]
    embeds = payload.get("embeds") or []
    if len(embeds) > 10:
        faults.append("more than 10 embeds")
    for embed in embeds:
        faults += _embed_faults(embed, files)
    if sum(map(_embed_size, embeds)) > 6000:
        faults.append("embeds have more than 6000 characters")
    faults += _component_faults(payload.get("components") or [])
    if not (payload.get("content") or embeds or files):
        faults.append("an empty message")
    for attachment in payload.get("attachments") or []:
        faults += between("description", attachment.get("description") or "", 0, 1024)
    if len(files) > 10:
        faults.append("more than 10 files")
    mentions = payload.get("allowed_mentions")
    if mentions is None or mentions.get("parse", ["all"]):
        faults.append("mentions are not disarmed")
    return faults


def _embed_size(embed: Json) -> int:
    words = [embed.get("title"), embed.get("description")]
    words += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    words += [w for field in embed.get("fields") or [] for w in (field["name"], field["value"])]
    return sum(size(word) for word in words if word)


def _embed_faults(embed: Json, files: Sequence[str]) -> Iterator[str]:
    if "title" in embed:
        yield from between("title", embed["title"], 1, 256)
    if "description" in embed:
        yield from between("description", embed["description"], 1, 4096)
    if embed.get("footer"):
        yield from between("footer", embed["footer"]["text"], 1, 2048)
    if embed.get("author"):
        yield from between("author", embed["author"]["name"], 1, 256)
    fields = embed.get("fields") or []
    if len(fields) > 25:
        yield "more than 25 fields"
    for field in fields:
        yield from between("field name", field["name"], 1, 256)
        yield from between("field value", field["value"], 1, 1024)
    if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
        yield "no colour"
    url = (embed.get("image") or {}).get("url", "")
    if url and url.removeprefix("attachment://") not in files:
        yield f"{url} is not attached"
    if not any(embed.get(part) for part in ("title", "description", "fields", "image", "author")):
        yield "an empty embed"


def _component_faults(rows: Sequence[Json]) -> Iterator[str]:
    if len(rows) > 5:
        yield "more than 5 rows"
    ids: list[str] = []
    for row in rows:
        if row["type"] != 1 or not 1 <= len(row["components"]) <= 5:
            yield "a row has 1 to 5 buttons"
        for button in row["components"]:
            if button["type"] == 3:
                yield from _select_faults(button, row)
                ids.append(button.get("custom_id", ""))
                continue
            if button["type"] != 2 or button["style"] not in range(1, 5):
                yield "no button"
            yield from between("label", button.get("label"), 1, 80)
            yield from between("custom_id", button.get("custom_id"), 1, 100)
            ids.append(button.get("custom_id", ""))
    if len(set(ids)) < len(ids):
        yield "custom_id is there twice"


def _select_faults(select: Json, row: Json) -> Iterator[str]:
    if len(row["components"]) != 1:
        yield "a select has its row to itself"
    yield from between("custom_id", select.get("custom_id"), 1, 100)
    yield from between("placeholder", select.get("placeholder", ""), 0, 150)
    options = select.get("options") or []
    if not 1 <= len(options) <= 25:
        yield f"{len(options)} options, not 1 to 25"
    if len({option["value"] for option in options}) < len(options):
        yield "two options of one value"
    for option in options:
        yield from between("option label", option["label"], 1, 100)
        yield from between("option value", option["value"], 1, 100)
        if "description" in option:
            yield from between("option description", option["description"], 1, 100)


def command_faults(commands: Sequence[Json]) -> list[str]:
    """Everything Discord would refuse in a list of commands."""
    faults = ["more than 100 commands"] if len(commands) > 100 else []
    names = [command["name"] for command in commands]
    if len(set(names)) < len(names):
        faults.append("two commands of one name")
    for command in commands:
        faults += _option_faults(command)
        if sum(_characters(command)) > 8000:
            faults.append(f"{command['name']} has more than 8000 characters")
    return faults


def _option_faults(option: Json) -> Iterator[str]:
    name = option["name"]
    if not NAME.fullmatch(name) or name != name.lower():
        yield f"{name!r} is no name"
    yield from between(f"description of {name}", option["description"], 1, 100)
    inner = option.get("options") or []
    if len(inner) > 25 or len({o["name"] for o in inner}) < len(inner):
        yield f"{name} has too many options, or two of one name"
    required = [o.get("required", False) for o in inner]
    if required != sorted(required, reverse=True):
        yield f"{name} has a required option after an optional one"
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        yield f"{name} has choices and autocomplete"
    yield from choice_faults(choices)
    for each in inner:
        yield from _option_faults(each)


def choice_faults(choices: Sequence[Json]) -> Iterator[str]:
    """Everything Discord would refuse in a list of choices."""
    if len(choices) > 25:
        yield "more than 25 choices"
    for choice in choices:
        yield from between("choice name", choice["name"], 1, 100)
        if isinstance(choice["value"], str):
            yield from between("choice value", choice["value"], 1, 100)


def _characters(option: Json) -> Iterator[int]:
    yield size(option["name"]) + size(option["description"])
    yield from (size(c["name"]) + size(c["value"]) for c in option.get("choices") or [])
    for each in option.get("options") or []:
        yield from _characters(each)
