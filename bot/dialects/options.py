"""Options that callers send, with a value of our own for each: what a test asks a hop to take.

Only their names are noted of callers' requests; which of them are known is fixed here.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from bot.models import Dialect
from bot.ports import Json

REMEMBERED = timedelta(days=7)
_PARAMETERS = {"type": "object", "properties": {}}
_FUNCTION = {"name": "noop", "description": "Does nothing.", "parameters": _PARAMETERS}
_OF_OPENAI: Mapping[str, Json] = {
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "temperature": 1,
    "top_p": 1,
    "metadata": {},
    "user": "changeover",
    "prompt_cache_key": "changeover",
    "safety_identifier": "changeover",
    "service_tier": "auto",
    "store": False,
}

SAMPLES: Mapping[Dialect, Mapping[str, Json]] = {
    Dialect.OPENAI: {
        **_OF_OPENAI,
        "tools": [{"type": "function", "function": _FUNCTION}],
        "response_format": {"type": "text"},
        "reasoning_effort": "low",
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "n": 1,
        "seed": 1,
        "logprobs": False,
    },
    Dialect.ANTHROPIC: {
        "tools": [{"name": "noop", "description": "Does nothing.", "input_schema": _PARAMETERS}],
        "tool_choice": {"type": "auto"},
        "system": "Answer briefly.",
        "temperature": 1,
        "metadata": {"user_id": "changeover"},
        "service_tier": "auto",
    },
    Dialect.RESPONSES: {
        **_OF_OPENAI,
        "tools": [{"type": "function", "strict": False, **_FUNCTION}],
        "instructions": "Answer briefly.",
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "client_metadata": {},
    },
}
"""Of the dialects that callers speak: an option's name and a value that asks for little."""

_NEEDS = {"tool_choice": "tools", "parallel_tool_calls": "tools"}


def sample_of(dialect: Dialect, names: Iterable[str]) -> dict[str, Json]:
    """Return the options of these names with our own values; one that needs another brings it."""
    known = SAMPLES.get(dialect, {})
    wanted = set(names) & known.keys()
    wanted |= {_NEEDS[name] for name in wanted if name in _NEEDS}
    return {name: value for name, value in known.items() if name in wanted}


@dataclass(slots=True)
class Used:
    """The dialects that callers used, and the options, each with its last day.

    `news` is True when there is something that a report did not hold.
    """

    days: dict[str, dict[str, date]] = field(default_factory=dict)
    news: bool = False

    def note(self, dialect: Dialect, names: KeysView[str], day: date) -> None:
        """Note one request by the names of its fields."""
        options = self.days.setdefault(dialect, {})
        # The dialect itself goes by the empty name.
        known = {"", *(names & SAMPLES[dialect].keys())}
        if any(options.get(name) != day for name in known):
            options.update(dict.fromkeys(known, day))
            self.news = True
