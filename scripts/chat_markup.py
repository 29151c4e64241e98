"""Slack's and Discord's markup, read back into pieces of one style, to be drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Run:
    """A piece of a line in one style."""

    words: str
    bold: bool = False
    code: bool = False
    colour: str = ""


_SLACK = re.compile(r"`([^`]+)`|\*([^*\n]+)\*|<!date\^[^|>]*\|([^>]*)>|<([^|>]+)\|([^>]*)>")
_DISCORD = re.compile(r"`([^`]+)`|\*\*([^*\n]+)\*\*|<t:(\d+):(\w)>|\[([^\]]+)\]\(([^)]*)\)")


def slack_runs(mrkdwn: str, link: str, colour: str = "") -> list[Run]:
    """Read Slack's markup; links get the colour `link`."""
    runs, end = [], 0
    for found in _SLACK.finditer(mrkdwn):
        runs.append(Run(mrkdwn[end : found.start()], colour=colour))
        code, bold, date, _, label = found.groups()
        runs.append(
            Run(code or bold or date or label, bold is not None, code is not None,
                link if label else colour)
        )  # fmt: skip
        end = found.end()
    runs.append(Run(mrkdwn[end:], colour=colour))
    entities = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
    return [Run(_replaced(r.words, entities), r.bold, r.code, r.colour) for r in runs if r.words]


def rich_runs(elements: Sequence[Any], link: str) -> list[Run]:
    """Read Slack's rich text; links get the colour `link`."""
    runs = []
    for element in elements:
        style = element.get("style", {})
        words = element.get("text") or element.get("fallback") or "@Ana"
        colour = link if element["type"] in ("link", "user", "usergroup") else ""
        runs.append(Run(words, "bold" in style, "code" in style, colour))
    return runs


def discord_runs(markdown: str, link: str, *, bold: bool = False) -> list[Run]:
    """Read Discord's markup; times are shown in UTC."""
    runs, end = [], 0
    for found in _DISCORD.finditer(markdown):
        runs.append(Run(markdown[end : found.start()], bold))
        code, strong, stamp, style, label, _ = found.groups()
        if stamp:
            at = datetime.fromtimestamp(int(stamp), UTC)
            runs.append(Run(f"{at:%H:%M}" if style == "t" else f"{at:%-d %B %Y %H:%M}", bold))
        else:
            runs.append(Run(code or strong or label, bold or bool(strong), code is not None,
                            link if label else ""))  # fmt: skip
        end = found.end()
    runs.append(Run(markdown[end:], bold))
    return [
        Run(re.sub(r"\\([^0-9A-Za-z\s])", r"\1", r.words), r.bold, r.code, r.colour)
        for r in runs
        if r.words
    ]


def _replaced(words: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        words = words.replace(old, new)
    return words
