"""What a simulated model answers: one deterministic text, with token counts that add up.

Nothing here knows a wire format; the `wire_*` modules read a request into an `Ask` and write an
`Answer` out.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from adapters.simulated import models

Json = Any

_TOKEN = re.compile(r"\s?\w{1,6}|\s?[^\w\s]|\s")
_IMAGE_TYPES = frozenset({"image", "image_url", "input_image"})
_IMAGE_KEYS = frozenset({"inlineData", "inline_data", "fileData", "file_data"})
_TOKENS_AN_IMAGE = 765
_TOKENS_A_MESSAGE = 4
_PIECES_A_CHUNK = 4

_THOUGHT = "The question is simulated, so the thinking is too: weigh it, check it, answer it."
_SENTENCES = (
    "No model was called and nothing was paid.",
    "The token counts are worked out from the length of what was sent.",
    "The same question gets the same answer, so that runs can be compared.",
    "Break this provider and the next one in the chain takes over.",
    "A real answer would be longer, cost more and be more to the point.",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request, whichever dialect it came in.

    `head` is everything before the last message (what a prompt cache can keep), `tail` the last
    message. `thinking` is None when the caller left it to the model. `marks_cache` says that the
    caller asked for the head to be cached.
    """

    model: str
    head: str
    tail: str
    overhead_tokens: int = 0
    max_tokens: int | None = None
    stream: bool = False
    include_usage: bool = False
    thinking: bool | None = None
    marks_cache: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an ask: pieces of thought and text, one a token, and the counts.

    `input_tokens` is all input; cached and written tokens are parts of it.
    """

    serial: int
    created: datetime
    model: str
    thought: tuple[str, ...]
    text: tuple[str, ...]
    cut: bool
    input_tokens: int
    cached_tokens: int
    written_tokens: int
    cost_usd: Decimal

    @property
    def output_tokens(self) -> int:
        """All output, thinking included."""
        return len(self.thought) + len(self.text)


def pieces_of(text: str) -> list[str]:
    """Cut text into token-sized pieces that join to the very same text."""
    return _TOKEN.findall(text)


def chunks_of(pieces: Sequence[str]) -> Iterator[str]:
    """Join pieces into the portions a stream sends at once."""
    for start in range(0, len(pieces), _PIECES_A_CHUNK):
        yield "".join(pieces[start : start + _PIECES_A_CHUNK])


def readable(value: Json) -> tuple[str, int]:
    """Return the text in a message, a list of parts or a part, and how many images it holds."""
    if isinstance(value, str):
        return value, 0
    if isinstance(value, list):
        parts = [readable(part) for part in value]
        return "\n".join(text for text, _ in parts if text), sum(count for _, count in parts)
    if not isinstance(value, dict):
        return "", 0
    if value.get("type") in _IMAGE_TYPES or not _IMAGE_KEYS.isdisjoint(value):
        return "", 1
    images = value.get("images")
    beside = len(images) if isinstance(images, list) else 0
    for key in ("text", "content", "parts"):
        if key in value:
            text, count = readable(value[key])
            return text, count + beside
    return json.dumps(value, ensure_ascii=False), beside


def split_prompt(messages: Sequence[Json], *before: Json) -> tuple[str, str, int]:
    """Return a request's head, tail and overhead tokens.

    `before` is what stands ahead of the messages: a system prompt, tools.
    """
    ahead = [readable(part) for part in (*before, *messages[:-1]) if part]
    tail, tail_images = readable(messages[-1])
    images = tail_images + sum(count for _, count in ahead)
    overhead = images * _TOKENS_AN_IMAGE + len(messages) * _TOKENS_A_MESSAGE
    return "\n".join(text for text, _ in ahead if text), tail, overhead


class PromptCache:
    """Remembers prompt heads, as providers do that bill a repeated one at a lower price."""

    _MOST = 1024

    def __init__(self, policy: models.CachePolicy) -> None:
        self._policy = policy
        self._seen: set[tuple[str, int, int]] = set()

    def split(self, ask: Ask) -> tuple[int, int]:
        """Return how many tokens of the head are read from and written to the cache."""
        block = self._policy.block_tokens
        size = len(pieces_of(ask.head)) // block * block
        wanted = ask.marks_cache or not self._policy.on_request
        if size < self._policy.least_tokens or not wanted:
            return 0, 0
        key = (ask.model, len(ask.head), _digest(ask.head))
        if key in self._seen:
            return size, 0
        if len(self._seen) >= self._MOST:
            self._seen.clear()
        self._seen.add(key)
        return 0, size if self._policy.on_request else 0


def compose(
    provider: str, ask: Ask, cache: PromptCache | None, *, serial: int, created: datetime
) -> Answer:
    """Answer an ask as that provider's model would, in shape if not in wit."""
    name = models.served_as(provider, ask.model)
    thinks = models.thinks(provider, ask.model) if ask.thinking is None else ask.thinking
    thought = pieces_of(_THOUGHT) if thinks else []
    text = pieces_of(_prose(provider, ask))
    room = ask.max_tokens if ask.max_tokens is not None else len(thought) + len(text)
    kept_text = text[: max(0, room - len(thought))]
    read, written = cache.split(ask) if cache else (0, 0)
    prompt = len(pieces_of(ask.head)) + len(pieces_of(ask.tail)) + ask.overhead_tokens
    output = min(room, len(thought)) + len(kept_text)
    return Answer(
        serial=serial,
        created=created,
        model=name,
        thought=tuple(thought[:room]),
        text=tuple(kept_text),
        cut=output < len(thought) + len(text),
        input_tokens=prompt,
        cached_tokens=read,
        written_tokens=written,
        cost_usd=models.cost_usd(
            models.price(provider, ask.model),
            prompt=prompt,
            read=read,
            written=written,
            output=output,
        ),
    )


def _prose(provider: str, ask: Ask) -> str:
    seed = _digest(ask.tail)
    chosen = [_SENTENCES[(seed + i) % len(_SENTENCES)] for i in range(1 + seed % 4)]
    return " ".join([f"Simulated answer from {provider}/{ask.model}.", *chosen])


def _digest(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
