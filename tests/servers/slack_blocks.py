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


MOST_CELLS = 10_000
NATIVE = ("table", "data_table", "data_visualization")


def fault_of_blocks(
    blocks: Json,
    most_blocks: int = 50,
    most_characters: int | None = MOST_CHARACTERS,
    *,
    native: bool = True,
) -> str:
    """Say what is wrong with blocks; nothing is the empty string.

    `native` is whether the place knows tables and charts.
    """
    if not isinstance(blocks, list) or len(blocks) > most_blocks:
        return f"{len(blocks)} blocks"
    own = [block for block in blocks if block["type"] in NATIVE]
    if own and not native:
        return f"unknown block {own[0]['type']}"
    cells = sum(_cells(block) for block in own)
    words = json.dumps([b for b in blocks if b not in own], ensure_ascii=False)
    if most_characters and len(words) + cells > most_characters:
        return "too long in all"
    kinds = [block["type"] for block in own]
    if kinds.count("table") + kinds.count("data_table") > 1:
        return "only_one_table_allowed"
    if kinds.count("data_visualization") > 2:
        return "more than two charts"
    return next(filter(None, (_fault(block) for block in blocks)), "")


def _cells(block: Json) -> int:
    return sum(len(_shown(cell)) for row in block.get("rows", ()) for cell in row)


def _shown(cell: Json) -> str:
    if cell["type"] != "rich_text":
        return str(cell["text"])
    parts = [e for section in cell["elements"] for e in section["elements"]]
    return "".join(str(e.get("text", e.get("fallback", ""))) for e in parts)


def _table(block: Json) -> str:
    sorts = block["type"] == "data_table"
    rows = block["rows"]
    if not (2 if sorts else 1) <= len(rows) <= (101 if sorts else 100):
        return f"{len(rows)} rows"
    if len({len(row) for row in rows}) > 1 or not 1 <= len(rows[0]) <= 20:
        return "columns"
    if _cells(block) > MOST_CELLS:
        return f"{_cells(block)} characters in cells"
    if sorts:
        if not block.get("caption") or not 1 <= block.get("page_size", 5) <= 100:
            return "caption or page size"
        if any(cell["type"] == "rich_text" for cell in rows[0]):
            return "rich text in the head"
        if "column_settings" in block or not 0 <= block.get("row_header_column_index", 0) < 20:
            return "settings"
    elif len(block.get("column_settings", ())) > 20 or any(
        one.keys() - {"align", "is_wrapped"} or one.get("align") not in ("left", "center", "right")
        for one in block.get("column_settings", ())
    ):
        return "column settings"
    return next(filter(None, (_cell(cell) for row in rows for cell in row)), "")


def _cell(cell: Json) -> str:
    if cell["type"] == "rich_text":
        return _rich(cell)
    if cell["type"] not in ("raw_text", "raw_number") or not cell["text"]:
        return f"cell {cell}"
    if cell["type"] == "raw_number" and not isinstance(cell["value"], int | float):
        return "a number that is none"
    return ""


def _rich(block: Json) -> str:
    if not block["elements"]:
        return "no elements"
    for section in block["elements"]:
        if section["type"] not in ("rich_text_section", "rich_text_preformatted"):
            return f"unknown element {section['type']}"
        if not section["elements"]:
            return "an empty section"
        fault = next(filter(None, map(_rich_element, section["elements"])), "")
        if fault:
            return fault
    return ""


def _rich_element(element: Json) -> str:
    style = element.get("style", {})
    if style.keys() - {"bold", "italic", "strike", "code"}:
        return "style"
    match element:
        case {"type": "text", "text": str(words)} if words:
            return ""
        case {"type": "link", "url": str(url), "text": str(words)} if words:
            return "" if re.match(r"https?://[^\s<>|]+$", url) else f"link {url!r}"
        case {"type": "date", "timestamp": int(), "format": str(form), "fallback": str()}:
            return "" if form.startswith("{") else "date"
        case {"type": "user", "user_id": str(id_)} | {
            "type": "usergroup",
            "usergroup_id": str(id_),
        }:
            return "" if re.fullmatch(r"[A-Z0-9]+", id_) else "id"
    return f"rich text element {element}"


def _visualization(block: Json) -> str:
    chart = block["chart"]
    if not 1 <= len(block["title"]) <= 50 or chart["type"] not in ("bar", "line", "area"):
        return "title or kind of chart"
    axes, series = chart["axis_config"], chart["series"]
    labels = axes["categories"]
    if not 1 <= len(labels) <= 20 or any(not 1 <= len(label) <= 20 for label in labels):
        return "categories"
    if any(not 1 <= len(axes[key]) <= 50 for key in ("x_label", "y_label") if key in axes):
        return "axis labels"
    names = [one["name"] for one in series]
    if not 1 <= len(series) <= 6 or len(set(names)) < len(names) or len(set(labels)) < len(labels):
        return "series"
    for one in series:
        if not 1 <= len(one["name"]) <= 20 or [p["label"] for p in one["data"]] != labels:
            return "data of a series"
        if not all(isinstance(point["value"], int | float) for point in one["data"]):
            return "a value that is no number"
    return ""


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
        case "rich_text":
            return _rich(block)
        case "table" | "data_table":
            return _table(block)
        case "data_visualization":
            return _visualization(block)
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
