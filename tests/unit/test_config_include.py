"""`$include`: read through, refused where an edit would go to the wrong file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adapters.storage.config_file import FileConfigStore
from bot.config.commit import begin_history, look
from bot.config.include import resolve_includes
from bot.errors import ConfigUnreadableError
from bot.ports import Document, revision_of
from tests.fakes_core import Bench


def document(raw: bytes, **files: bytes | None) -> Document:
    names = {f"./{name}.json5": held for name, held in files.items()}
    return Document(raw, revision_of(raw), names)


def test_own_keys_win_and_lists_are_joined():
    doc = document(
        b'{agents: {$include: ["./a.json5", "./b.json5"], x: 1, l: [3]}}',
        a=b"{x: 0, l: [1], d: {p: 1}}",
        b=b"{l: [2], d: {q: 2}}",
    )
    assert resolve_includes(doc) == {"agents": {"x": 1, "l": [1, 2, 3], "d": {"p": 1, "q": 2}}}


def test_an_include_may_include():
    doc = document(b'{$include: "./a.json5"}', a=b'{b: {$include: "./b.json5"}}', b=b"{c: 1}")
    assert resolve_includes(doc) == {"b": {"c": 1}}


def test_a_file_that_is_gone_is_named():
    with pytest.raises(ConfigUnreadableError, match=r"\./a\.json5"):
        resolve_includes(document(b'{$include: "./a.json5"}', a=None))


def test_a_circle_ends():
    with pytest.raises(ConfigUnreadableError, match="in a loop"):
        resolve_includes(document(b'{$include: "./a.json5"}', a=b'{$include: "./a.json5"}'))


def bench(raw: bytes, **files: bytes) -> Bench:
    made = Bench(raw)
    made.store.included = {f"./{name}.json5": held for name, held in files.items()}
    return made


async def test_a_model_that_stands_in_an_include_is_shown_and_not_shadowed():
    made = bench(
        b'{agents: {$include: "./a.json5"}}',
        a=b'{defaults: {model: {primary: "anthropic/claude-opus-4-5"}}}',
    )
    assert (await made.say("/model status")).data["primary"] == "anthropic/claude-opus-4-5"
    card = await made.say("/model cheap")
    assert card.error.code == "config_uneditable"
    assert "a.json5" in card.error.message + card.error.hint


async def test_a_chain_that_an_include_adds_to_is_not_set_wrong():
    made = bench(
        b'{agents: {defaults: {model: {$include: "./a.json5", fallbacks: ["groq/x"]}}}}',
        a=b'{primary: "openai/gpt-5", fallbacks: ["deepseek/deepseek-flash"]}',
    )
    before = made.store.raw
    card = await made.say("/fallback set local")
    assert card.error.code == "config_uneditable"
    assert made.store.raw == before


async def test_an_edit_of_an_included_file_is_noticed_and_history(tmp_path: Path):
    folder = tmp_path / "parts"
    folder.mkdir()
    part = folder / "model.json5"
    part.write_text('{primary: "openai/gpt-5"}')
    file = tmp_path / "openclaw.json"
    file.write_text('{agents: {defaults: {model: {$include: "./parts/model.json5"}}}}')
    store = FileConfigStore(file, poll_s=0.05)
    bench = Bench(b"{}")
    journal = bench.app.ports.journal
    await begin_history(store, journal, bench.clock.now())
    first = await store.read()
    watch = store.watch(first.state)
    assert isinstance(watch, AsyncGenerator)
    seen = asyncio.ensure_future(anext(watch))
    part.write_text('{primary: "groq/x"}')
    document = await asyncio.wait_for(seen, 20)
    assert (document.revision, document.included) == (
        first.revision,
        {"./parts/model.json5": part.read_bytes()},
    )
    await look(store, journal, bench.clock.now())
    await look(store, journal, bench.clock.now())
    (change,) = await journal.changes(store.location, 10)
    assert (change.surface, change.old, change.new) == ("outside", "openai/gpt-5", "groq/x")
    await watch.aclose()
