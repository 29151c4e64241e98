"""Reads a provider's stream on its way past: bytes in, events with the same bytes out.

Once the first content is seen, only events that might matter (usage, an end, an error) are
parsed; the others are told apart by a search for a few words.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from bot.dialects.events import Kind, Reading, read_event, said_bytes
from bot.dialects.frames import MOST_BYTES, Frames
from bot.dialects.usage import UsageReader
from bot.dialects.wire import load_json, model_name
from bot.models import Dialect, Usage
from bot.ports import Json

_BYTES_A_TOKEN = 4
_BOM = b"\xef\xbb\xbf"
_DELTAS = (
    b"output_text", b"function_call_arguments", b"custom_tool_call_input", b"reasoning_text",
    b"reasoning_summary_text", b"refusal",
)  # fmt: skip
# Events that begin and end like these hold content, unless a word of _MATTERS is in them.
_STARTS = {
    Dialect.OPENAI: (b"data:",),
    Dialect.ANTHROPIC: (b"event: content_block_delta\n", b'data: {"type":"content_block_delta"'),
    Dialect.RESPONSES: tuple(
        before % kind
        for before in (b"event: response.%s.delta\n", b'data: {"type":"response.%s.delta"')
        for kind in _DELTAS
    ),
    Dialect.GEMINI: (b"data:",),
    Dialect.OLLAMA: (b"{",),
}
_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d{1,15})')
_OWN_END = (Dialect.ANTHROPIC, Dialect.RESPONSES)
_ENDS = (b"}\n\n", b"}\n", b"}\r\n\r\n", b"}\r\n")
_MATTERS = {
    Dialect.OPENAI: re.compile(
        rb'"(?:(?:usage|error|x_groq)"\s*:\s*[^n\s]|finish_reason"\s*:\s*")'
    ),
    Dialect.ANTHROPIC: re.compile(rb'"error"'),
    Dialect.RESPONSES: re.compile(rb'"error"'),
    Dialect.GEMINI: re.compile(rb'"(?:usageMetadata|error|finishReason|promptFeedback)"'),
    Dialect.OLLAMA: re.compile(rb'"(?:error"|done"\s*:\s*t)'),
}

MAY_BE_EMPTY = frozenset(
    {"length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"}
    | {"content_filter", "refusal", "pause_turn", "stop_sequence"}
    | {"max_output_tokens", "max_messages", "steered", "incomplete", "cancelled"}
)
"""Why an answer may end without any content and yet be a good one."""


class StreamEvent(NamedTuple):
    """One event with its bytes as they came. A NamedTuple, since every token makes one.

    An ERROR has the provider's words in `body`, or, when the stream itself is at fault, None and
    a `detail`.
    """

    kind: Kind
    raw: bytes
    body: Json = None
    detail: str = ""


class Ending(StrEnum):
    """What became of a stream that is over."""

    WHOLE = "whole"
    EMPTY = "empty"
    CUT = "cut"
    ERROR = "error"


class StreamParser:
    """Follows one stream. Feed it what arrives, hand on `raw`, and `close` it at the end.

    `started` is True from the first content on, `over` after the terminal event or an error:
    what arrives later is dropped, but for the tokens that some count after `[DONE]`. `served_model`
    is the first model the stream names. `choices` is how many answers were asked for, `made` the
    ids by which a later request may refer to this one. The events do not depend on how the network
    cut the bytes.
    """

    __slots__ = (
        "_bytes", "_choices", "_dialect", "_events_said", "_finished", "_first", "_frames",
        "_framing", "_last", "_latest", "_matters", "_starts", "_thinking", "_usage",
        "ended", "failed", "finish_reason", "made", "served_model", "started",
    )  # fmt: skip

    def __init__(
        self,
        dialect: Dialect,
        provider_id: str,
        *,
        choices: int = 1,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._dialect = dialect
        self._choices = choices
        self._finished: set[Json] = set()
        self._last: bytes | None = None
        self._latest = b""
        self._thinking = False
        self._frames = Frames(lines=dialect is Dialect.OLLAMA, most_bytes=most_bytes)
        self._matters = _MATTERS[dialect]
        self._starts = _STARTS[dialect]
        self._usage = UsageReader(dialect, provider_id)
        self._first = True
        self._bytes = self._events_said = 0
        self._framing: int | None = None
        self.started = False
        self.ended = False
        self.failed = False
        self.finish_reason: str | None = None
        self.made: tuple[str, ...] = ()
        self.served_model: str | None = None

    @property
    def over(self) -> bool:
        """True when nothing more is expected."""
        return self.ended or self.failed

    @property
    def thinking(self) -> bool:
        """True while a thinking block is open, though it may say nothing for minutes."""
        if self._last is None or self._dialect is not Dialect.OPENAI:
            return self._thinking
        _, data = self._fields(self._last)
        try:
            return bool(read_event(self._dialect, "", load_json(data)).thinking)
        except ValueError:
            return False

    @property
    def usage(self) -> Usage | None:
        """The tokens as far as the stream has counted them."""
        return self._usage.usage

    @property
    def next_number(self) -> int:
        """What an event of ours is numbered where events have numbers; 0 where they have none."""
        found = _NUMBER.search(self._last or self._latest)
        return int(found[1]) + 1 if found else 0

    @property
    def said_bytes(self) -> int:
        """About how much text has come so far, by the framing of the first event that had any.

        An event says a token at least, however short its text.
        """
        framing = (self._framing or 0) * self._events_said
        return max(self._bytes - framing, self._events_said * _BYTES_A_TOKEN)

    @property
    def ending(self) -> Ending:
        """Judge the stream as if it ended here.

        OpenAI's is whole with a finish reason for each choice or `[DONE]`, Anthropic's and
        Responses' only with their last event.
        """
        if self.failed:
            return Ending.ERROR
        by_reason = self._dialect in (Dialect.OPENAI, Dialect.GEMINI)
        if not self.ended and not (by_reason and self.finish_reason and self._all_finished):
            return Ending.CUT
        if self.started or self.finish_reason in MAY_BE_EMPTY:
            return Ending.WHOLE
        return Ending.EMPTY

    @property
    def _all_finished(self) -> bool:
        return self._choices == 1 or len(self._finished) >= self._choices

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that this chunk completes."""
        return self._events(self._frames.feed(chunk))

    def close(self) -> list[StreamEvent]:
        """Return what the last bytes amount to once no more will come."""
        return self._events(self._frames.close())

    def _events(self, frames: list[bytes]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        over = self.over
        for raw in frames:
            if over:
                self._count(raw)
                continue
            if (
                self.started
                and raw.startswith(self._starts)
                and raw.endswith(_ENDS)
                and self._matters.search(raw) is None
            ):
                events.append(StreamEvent(Kind.CONTENT, raw))
                self._bytes += len(raw)
                self._events_said += 1
                self._last = raw
                continue
            events.append(self._read(raw))
            over = self.over
        if self._frames.overflowed and not over:
            self.failed = True
            events.append(StreamEvent(Kind.ERROR, b"", None, "an event of the stream is too large"))
        return events

    def _count(self, raw: bytes) -> None:
        """Take the tokens from an event that comes after the end."""
        if self.failed or self._dialect is not Dialect.OPENAI or b'"usage"' not in raw:
            return
        with suppress(ValueError):
            self._usage.add(load_json(self._fields(raw)[1]))

    def _read(self, raw: bytes) -> StreamEvent:
        self._latest = raw
        event, data = self._fields(raw)
        if not data and event != "error":
            return StreamEvent(Kind.SILENCE, raw)
        if data == b"[DONE]":
            self.ended = self._dialect not in _OWN_END
            return StreamEvent(Kind.END if self.ended else Kind.OTHER, raw)
        try:
            body = load_json(data)
        except ValueError:
            self.failed = True
            said = data.decode("utf-8", "replace") if event == "error" else None
            return StreamEvent(Kind.ERROR, raw, said, "an event of the stream is not JSON")
        reading = read_event(self._dialect, event, body)
        self._last = None
        self._usage.add(body)
        repeats = self.started and reading.kind in (Kind.OTHER, Kind.END)
        self._note(reading)
        if reading.content and not repeats:
            self._bytes += len(raw)
            self._events_said += 1
            if self._framing is None:
                self._framing = len(raw) - said_bytes(self._dialect, body)
        return StreamEvent(reading.kind, raw, body if reading.kind is Kind.ERROR else None)

    def _note(self, reading: Reading) -> None:
        self.started = self.started or reading.content
        self.finish_reason = reading.finish or self.finish_reason
        if reading.thinking is not None:
            self._thinking = reading.thinking
        if reading.finished and self._choices > 1:
            self._finished.update(index for index in reading.finished if isinstance(index, int))
        self.made = reading.made or self.made
        self.ended = reading.kind is Kind.END
        self.failed = reading.kind is Kind.ERROR
        if self.served_model is None and reading.model:
            self.served_model = model_name(reading.model)

    def _fields(self, raw: bytes) -> tuple[str, bytes]:
        """Return the event's name and its data lines, joined."""
        if self._first:
            raw, self._first = raw.removeprefix(_BOM), False
        if self._dialect is Dialect.OLLAMA:
            return "", raw.strip()
        event, data = b"", []
        for line in raw.splitlines():
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
            elif name == b"event":
                event = value.strip()
        return event.decode("ascii", "replace"), b"\n".join(data).strip()
