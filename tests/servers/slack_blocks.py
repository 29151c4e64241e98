"""Block Kit's limits, read strictly: what Slack would answer `invalid_blocks` to."""

from __future__ import annotations

import json
import re
from typing import Any

Json = Any

MOST_CHARACTERS = 13_200
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
_MARK = re.compile(r"<[^<>]*>")
_MEANT = re.compile(r"<(?:@[A-Z0-9]+|!date\^-?\d+\^[^|<>]+\|[^|<>]+|https?://[^|<>\s]+\|[^|<>]+)>")


def fault_of_blocks(
    blocks: Json, most_blocks: int = 50, most_characters: int | None = MOST_CHARACTERS
) -> str:
    """Say what is wrong with blocks; nothing is the empty string."""
    if not isinstance(blocks, list) or len(blocks) > most_blocks:
        return f"{len(blocks)} blocks"
    if most_characters and len(json.dumps(blocks, ensure_ascii=False)) > most_characters:
        return "too long in all"
    return next(filter(None, (_fault(block) for block in blocks)), "")


def _fault(block: Json) -> str:
    match block.get("type"):
        case "divider":
            return ""
        case "section":
            fields = block.get("fields")
            if fields is None:
                return _text(block["text"], 3000)
            if not 1 <= len(fields) <= 10:
                return f"{len(fields)} fields"
            return next(filter(None, (_text(field, 2000) for field in fields)), "")
        case "context":
            elements = block["elements"]
            if not 1 <= len(elements) <= 10:
                return f"{len(elements)} context elements"
            return next(filter(None, (_text(element, 3000) for element in elements)), "")
        case "actions":
            return _actions(block["elements"])
        case "image":
            if not 1 <= len(block.get("alt_text", "")) <= 2000 or "slack_file" not in block:
                return "image without alt_text or file"
            return ""
        case "header":
            return _text(block["text"], 150, "plain_text")
    return f"unknown block {block.get('type')}"


def _text(text: Json, most: int, kind: str = "mrkdwn") -> str:
    words = text["text"]
    if text["type"] != kind or not 1 <= len(words) <= most:
        return f"{text['type']} of {len(words)} characters"
    if kind == "mrkdwn":
        left = _MEANT.sub("", words)
        if _ENTITY.search(left) or _MARK.search(left) or "<" in left:
            return f"unescaped: {words!r}"
    return ""


def _actions(elements: Json) -> str:
    if not 1 <= len(elements) <= 25:
        return f"{len(elements)} actions"
    ids = [element["action_id"] for element in elements]
    if len(set(ids)) != len(ids) or any(not 1 <= len(id_) <= 255 for id_ in ids):
        return "action ids"
    for element in elements:
        if "confirm" in element and (fault := _confirm(element["confirm"])):
            return fault
        if element["type"] == "static_select":
            if fault := _select(element):
                return fault
            continue
        if element["type"] != "button" or len(element["value"]) > 2000:
            return "button value"
        if element.get("style", "primary") not in ("primary", "danger"):
            return "button style"
        fault = _text(element["text"], 75, "plain_text")
        if fault:
            return fault
    return ""


def _confirm(dialog: Json) -> str:
    most = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
    if set(dialog) - {"style"} != set(most):
        return f"confirm with {sorted(dialog)}"
    return next(filter(None, (_text(dialog[n], m, "plain_text") for n, m in most.items())), "")


def _select(element: Json) -> str:
    if not 1 <= len(element["options"]) <= 100:
        return f"{len(element['options'])} options"
    if "value" in element or "style" in element:
        return "a select has no value and no style"
    for option in element["options"]:
        if set(option) - {"text", "value", "description"} or not 1 <= len(option["value"]) <= 150:
            return "option"
        if "description" in option and (fault := _text(option["description"], 75, "plain_text")):
            return fault
        if fault := _text(option["text"], 75, "plain_text"):
            return fault
    return _text(element["placeholder"], 150, "plain_text")
