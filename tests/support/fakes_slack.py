"""A core of a few lines for the Slack surface's own tests: cards by line, clicks by id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.access import AccessRules, Actor, Permission
from bot.card import Action, Button, Card, Tone, Visibility, text
from bot.commands.registry import Args, Command, Registry
from bot.errors import ErrorInfo
from bot.models import Secret
from bot.settings import Settings
from tests.servers.slack import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET


async def _nothing(ctx: Any, args: Args) -> Card:
    raise AssertionError("the stand-in core carries nothing out")


def small_registry() -> Registry:
    """Two groups, enough for the manifest and the Home tab."""
    return Registry(
        (
            Command("model", "status", "Show", Permission.READ, _nothing, default=True),
            Command("model", "history", "Show", Permission.READ, _nothing),
            Command("fallback", "status", "Show", Permission.READ, _nothing, default=True),
        )
    )


def public(title: str, *buttons: Button, tone: Tone = Tone.NEUTRAL) -> Card:
    """An answer that the channel sees."""
    return Card(title=text(title), tone=tone, buttons=buttons)


def private(title: str, *buttons: Button) -> Card:
    """An answer for the asker alone."""
    return Card(title=text(title), visibility=Visibility.PRIVATE, buttons=buttons)


def refused(title: str) -> Card:
    """An error."""
    return replace(private(title), tone=Tone.BAD, error=ErrorInfo("refused", title))


def button(label: str, words: str = "model undo") -> Button:
    """A button without an id yet."""
    return Button(label, Action(words))


@dataclass
class FakeCore:
    """Answers lines and clicks from `lines` and `clicks`; everything asked of it is kept.

    While `gate` is closed, nothing is answered: a slow core.
    """

    settings: Settings = field(default_factory=Settings)
    registry: Registry = field(default_factory=small_registry)
    lines: dict[str, Card] = field(default_factory=dict)
    clicks: Callable[[Actor, str], Card] = lambda actor, id_: refused(f"unknown button {id_!r}")
    handled: list[tuple[Actor, str]] = field(default_factory=list)
    clicked: list[tuple[Actor, str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def handle(self, actor: Actor, words: str) -> Card:
        self.handled.append((actor, words))
        await self.gate.wait()
        line = words.removeprefix("/").removeprefix(self.settings.prefix)
        return self.lines.get(line, refused(f"unknown line: {line}"))

    async def persist_buttons(self, card: Card) -> Card:
        buttons = tuple(replace(b, id=b.id or f"w:{b.action.words}") for b in card.buttons)
        return replace(card, buttons=buttons)

    async def click(
        self,
        actor: Actor,
        button_id: str,
        *,
        shown_at: datetime | None = None,
        asked: bool = True,
    ) -> Card:
        self.clicked.append((actor, button_id))
        await self.gate.wait()
        return self.clicks(actor, button_id)


_BOT, _APP = Secret(BOT_TOKEN), Secret(APP_TOKEN)


@dataclass(frozen=True)
class Setup:
    """What the environment would say."""

    bot_token: Secret = _BOT
    app_token: Secret | None = _APP
    signing_secret: Secret | None = None
    api_url: str | None = None
    channel: str | None = "#llm-ops"


HTTP = Setup(app_token=None, signing_secret=Secret(SIGNING_SECRET))


def ruled(operators: str) -> Settings:
    """Settings with operators."""
    return Settings(access=AccessRules.parse(operators, ""))
