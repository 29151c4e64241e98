"""What the quick look at a config takes for sound, pydantic takes as well."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from bot.config.schema import is_plain, view
from bot.config.shape import check_shape
from bot.errors import ConfigShapeError

SOUND: dict[str, Any] = {
    "agents": {
        "defaults": {
            "model": {"primary": "anthropic/a", "fallbacks": ["openai/b", "c"]},
            "models": {"anthropic/a": {"alias": "best"}, "openai/b": {}},
            "modelPolicy": {"allow": ["anthropic/a"]},
            "cliBackends": {"claude-cli": {}},
        },
        "list": [{"id": "one", "model": "openai/b"}, {"id": "two", "model": {"primary": "c"}}],
        "entries": {"three": {"id": "3", "model": {"fallbacks": []}}},
    },
    "models": {
        "providers": {
            "own": {
                "baseUrl": "http://x",
                "apiKey": "${KEY}",
                "api": "openai-completions",
                "headers": {"X-One": "1", "X-Two": {"source": "env"}},
                "models": [{"id": "m", "name": "M"}],
            }
        }
    },
    "meta": {"lastTouchedVersion": "2026.9.6"},
    "auth": {"profiles": {"anthropic:me": {"provider": "anthropic"}}},
}
OTHERS: tuple[Any, ...] = (
    None, 1, True, "", "x", [], [None], ["x"], [1], [{}], [{"id": None}], {}, {"x": None},
    {"x": "y"}, {"x": {}}, {"primary": 1}, {"fallbacks": None}, {"fallbacks": [None]}, {"alias": 1},
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside if isinstance(value, dict | list) else ():
        yield from places(one, (*path, key))


def having(path: tuple[Any, ...], other: Any) -> Any:
    """Return the sound config with another value at a path, or without it (`...`)."""
    if not path:
        return other
    config = deepcopy(SOUND)
    holder: Any = config
    for key in path[:-1]:
        holder = holder[key]
    if other is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = other
    return config


@pytest.mark.parametrize("path", [*places(SOUND)], ids=lambda path: ".".join(map(str, path)))
def test_what_looks_sound_is_sound(path: tuple[Any, ...]) -> None:
    for other in (*OTHERS, *([...] if path else [])):
        config = having(path, other)
        try:
            check_shape(config)
        except ConfigShapeError:
            assert not is_plain(config), other
            with pytest.raises(ConfigShapeError):
                view(config)
        else:
            view(config)


def test_a_usual_config_needs_no_second_look() -> None:
    assert is_plain(SOUND)
