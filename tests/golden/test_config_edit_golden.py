"""Real-looking configs, the edits a team makes, and the difference each one makes.

`CHANGEOVER_GOLDEN=write` writes the expected differences anew, to be read before they are kept.
"""

from __future__ import annotations

import os
from pathlib import Path as File
from typing import Any

import pytest

from bot.config.edit import (
    Edit,
    SetValue,
    apply_edits,
    edit_document,
    get,
    load,
    restore,
    touched,
    unified_diff,
)
from bot.config.values import expected, same
from bot.errors import ConfigError
from bot.ports import ABSENT, Document, Path

TESTS = File(__file__).parent.parent
CONFIGS = sorted((TESTS / "data" / "configs").iterdir())
EXPECTED = File(__file__).parent / "config_edits"
MODEL: Path = ("agents", "defaults", "model")
MODELS: Path = ("agents", "defaults", "models")
FLASH, GROQ = "deepseek/deepseek-flash", "groq/llama-3.3-70b"


def wishes(root: Any) -> dict[str, list[Edit]]:
    """What people ask for, as edits of this config."""
    model = get(root, MODEL)
    fallbacks = get(root, (*MODEL, "fallbacks"))
    chain = [] if fallbacks is ABSENT else fallbacks
    primary = (*MODEL, "primary") if isinstance(model, dict) or model is ABSENT else MODEL
    chain_path = (*MODEL, "fallbacks")

    def chained(names: list[str]) -> Edit:
        if isinstance(model, str) and model is not ABSENT:
            return SetValue(MODEL, {"primary": model, "fallbacks": names})
        return SetValue(chain_path, names)

    found: dict[str, list[Edit]] = {
        "switch": [SetValue(primary, FLASH)],
        "chain set": [chained([FLASH, "ollama/llama3.3"])],
        "chain add": [chained([*chain, GROQ])],
        "chain add first": [chained([GROQ, *chain])],
        "chain off": [chained([])],
        "alias": [SetValue((*MODELS, GROQ, "alias"), "quick")],
        "switch and allow": [SetValue(primary, FLASH), SetValue((*MODELS, FLASH), {})],
        "agent": [SetValue(("agents", "list", 0, "model"), FLASH)],
        "agent entry": [SetValue(("agents", "entries", "main", "model"), FLASH)],
    }
    if len(chain) > 1:
        found["chain remove first"] = [chained(chain[1:])]
        found["chain remove last"] = [chained(chain[:-1])]
        found["chain turned round"] = [chained(chain[::-1])]
    return found


def outcome(raw: bytes, edits: list[Edit]) -> str:
    try:
        edited = edit_document(Document.of(raw), edits).raw
    except ConfigError as error:
        return f"{type(error).__name__}: {error.message}\n  {error.hint}\n"
    return unified_diff(raw, edited, "config") or "unchanged\n"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_each_edit_makes_the_difference_it_should(config: File) -> None:
    raw = config.read_bytes()
    said = "".join(
        f"===== {name}\n{outcome(raw, edits)}" for name, edits in wishes(load(raw)).items()
    )
    golden = EXPECTED / f"{config.name}.txt"
    if os.environ.get("CHANGEOVER_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said, encoding="utf-8", newline="\n")
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_each_edit_is_right_and_can_be_taken_back(config: File) -> None:
    raw = config.read_bytes()
    before = load(raw)
    made = 0
    for edits in wishes(before).values():
        try:
            edited = apply_edits(raw, edits)
        except ConfigError:
            continue
        after = before
        for edit in edits:
            after = expected(after, edit)
        assert same(load(edited), after)
        back = apply_edits(edited, restore(touched(before, edits, after)))
        assert same(load(back), before)
        made += 1
    assert made or config.name == "twins.json5"


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_what_was_put_in_comes_out_without_a_trace(config: File) -> None:
    raw = config.read_bytes()
    before = load(raw)
    put = [SetValue((*MODELS, "groq/llama-3.3-70b", "alias"), "quick"), SetValue(("new", "a"), [1])]
    for edit in put:
        try:
            edited = apply_edits(raw, [edit])
        except ConfigError:
            continue
        back = apply_edits(edited, restore(touched(before, [edit], expected(before, edit))))
        assert back == (raw if before else b"{}\n")
