"""What the demo starts with, and the requests it sends through its gateway."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from bot.card import Card, Code, Column, Strong, Table, Tone, text

MOST_SENT = 1000
_AT_ONCE = 8
_PATH = "/v1/chat/completions"

DEMO_CONFIG = """\
{
  // The demo's own file, in a temporary folder: change it with commands or by hand.
  agents: {
    defaults: {
      model: {
        // Every request is tried here first …
        primary: "anthropic/claude-opus-4-5",
        // … and, when that fails, here, from top to bottom.
        fallbacks: [
          "openrouter/anthropic/claude-sonnet-4.5",
          "deepseek/deepseek-flash",
          "ollama/llama3.3",
        ],
      },
      // What may be used. An alias is a preset: /model cheap follows what stands here.
      models: {
        "anthropic/claude-opus-4-5": { alias: "best" },
        "anthropic/claude-haiku-4-5": { alias: "fast" },
        "deepseek/deepseek-flash": { alias: "cheap" },
        "deepseek/deepseek-v4-pro": { alias: "think" },
        "ollama/llama3.3": { alias: "local" },
        "openrouter/anthropic/claude-sonnet-4.5": {}, // a fallback, without a short name
      },
    },
  },
}
"""
"""JSON5 text of the demo's `moltbot.json`: the usual presets with ids that exist today."""


@dataclass(slots=True)
class Sent:
    """How many requests each model served, how many fell back and why, how many were refused."""

    served: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    words: str = ""

    @property
    def count(self) -> int:
        """All of them."""
        return self.served.total() + self.refused


async def send(base_url: str, count: int, model: str) -> Sent:
    """Send `count` small chats, a few at a time."""
    sent = Sent()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        # Each begins a conversation of its own, so that a trial gets its share.
        question = f"What is a changeover? Give example {number}."
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 64,
        }
        async with gate, session.post(base_url + _PATH, json=body) as response:
            if response.status != 200:
                sent.refused += 1
                document = await response.json()
                sent.words = str(document["error"]["message"])
                return
            sent.served[response.headers["x-changeover-model"]] += 1
            reason = response.headers.get("x-changeover-reason")
            if reason:
                sent.reasons[reason] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session, number) for number in range(1, count + 1)))
    return sent


def sent_card(sent: Sent) -> Card:
    """Tell who answered."""
    fell_back = sent.reasons.total()
    why = ", ".join(f"{count} for {reason}" for reason, count in sent.reasons.items())
    rows = tuple(
        (text(Code(model)), text(str(count))) for model, count in sent.served.most_common()
    )
    lines = []
    if fell_back:
        lines.append(text(f"{fell_back} by a fallback ({why})."))
    if sent.refused:
        lines.append(text(f"{sent.refused} refused: {sent.words}"))
    return Card(
        title=text(Strong(f"{sent.served.total()} of {sent.count}"), " requests answered"),
        tone=Tone.BAD if sent.refused else Tone.WARNING if fell_back else Tone.GOOD,
        body=tuple(lines),
        table=Table((Column("served by"), Column("requests", right=True)), rows) if rows else None,
        data={
            "served": dict(sent.served),
            "fallbacks": dict(sent.reasons),
            "refused": sent.refused,
        },
    )
