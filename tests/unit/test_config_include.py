"""`$include`: read as OpenClaw reads it, and edited in the file that holds the value."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import pyjson5
import pytest

from adapters.storage.files.config_file import FileConfigStore
from bot.card import plain
from bot.config.edit import Edit, Remove, SetValue, edit_document
from bot.config.include import MOST, resolve, resolve_includes
from bot.config.present import begin_history, read_config
from bot.config.values import expected, get, same
from bot.errors import ConfigConflictError, ConfigError, ConfigUneditableError
from bot.ports import Document, revision_of
from bot.ports.reloads import ReloadOutcome
from tests.support.fakes_core import Bench
from tests.unit.test_serve import FakeOwner

OPUS, FLASH = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"


def document(raw: bytes, **files: bytes | str) -> Document:
    names = {f"{name}.json5": held for name, held in files.items()}
    return Document(raw, revision_of(raw), names)


def put(words: str, to: object) -> SetValue:
    return SetValue(tuple(int(w) if w.isdigit() else w for w in words.split(".")), to)


def test_own_keys_win_and_lists_are_joined():
    doc = document(
        b'{agents: {$include: ["./a.json5", "./b.json5"], x: 1, l: [3]}}',
        a=b"{x: 0, l: [1], d: {p: 1}}",
        b=b"{l: [2], d: {q: 2}}",
    )
    assert resolve_includes(doc) == {"agents": {"x": 1, "l": [1, 2, 3], "d": {"p": 1, "q": 2}}}


def test_an_include_may_include_from_its_own_folder_and_need_not_be_an_object():
    doc = Document(
        b'{l: {$include: "./p/a.json5"}}',
        "",
        {"p/a.json5": b'[1, {$include: "b.json5"}]', "p/b.json5": b"{c: 1}", "b.json5": b"{c: 2}"},
    )
    assert resolve_includes(doc) == {"l": [1, {"c": 1}]}


@pytest.mark.parametrize(
    ("raw", "files", "says"),
    [
        (b'{x: {$include: "a.json5"}}', {"a": "permission denied"}, "a.json5 cannot be read: perm"),
        (b'{x: {$include: "./a.json5"}}', {"a": b"{\n,}"}, "a.json5 is not valid JSON5 at line 2"),
        (b'{x: {$include: "a.json5", y: 1}}', {"a": b"[]"}, "a.json5 is a list, but must be an ob"),
        (b'{x: {$include: "a.json5"}}', {"a": b'{$include: "a.json5"}'}, "itself: a.json5 → a"),
        (
            b'{x: {$include: "a.json5"}}',
            {"a": b'{z: {$include: "b.json5"}}', "b": b'{$include: "./a.json5"}'},
            "a.json5 includes itself: a.json5 → b.json5 → a.json5.",
        ),
        (b"{x: {$include: 7}}", {}, "The $include of x is a number, but must be a file name"),
        (b"{x: {$include: [null]}}", {}, "The $include of x is null, but must be a file name"),
        (
            b'{x: {$include: "d0.json5"}}',
            {f"d{n}": f'{{y: {{$include: "d{n + 1}.json5"}}}}'.encode() for n in range(11)},
            "d10.json5 is included more than 10 files deep.",
        ),
    ],
)
async def test_what_gives_nothing_is_said_and_stops_nothing_else(
    raw: bytes, files: dict[str, Any], says: str
):
    raw = b'{agents: {defaults: {model: {primary: "%s"}}},' % OPUS.encode() + raw[1:]
    (fault,) = resolve(document(raw, **files)).faults
    assert says in fault.says
    made = bench(raw, **files)
    card = await made.say("/model status")
    assert card.data["primary"] == OPUS
    (caution,) = [w for w in card.data["warnings"] if w["code"] == "include"]
    assert says in caution["text"]
    assert (await made.say("/model cheap")).error is None


async def test_what_gives_nothing_and_may_hold_the_models_is_refused():
    made = bench(b'{agents: {$include: "a.json5"}}', a="no such file or directory")
    card = await made.say("/model status")
    assert (card.error.code, card.error.message) == (
        "config_unreadable",
        "a.json5 cannot be read: no such file or directory. It may hold agents.defaults.model.",
    )
    assert card.error.hint == "Fix a.json5, or remove that $include."


def test_files_that_multiply_come_to_an_end():
    names = ",".join('"n.json5"' for _ in range(40))
    files = {f"n{d}": f"{{$include: [{names.replace('n.', f'n{d + 1}.')}]}}" for d in range(9)}
    doc = document(b'{x: {$include: "n0.json5"}}', **{k: v.encode() for k, v in files.items()})
    assert any(f"more than {MOST} times" in fault.says for fault in resolve(doc).faults)


# --- which file is edited ------------------------------------------------------------------------

PARTS = {
    "a": b"{\n  // ours\n"
    b"  defaults: {model: {primary: 'x/old', fallbacks: ['x/1']}, models: {}}\n}\n",
    "b": b"{list: [{id: 'ops', model: 'x/ops'}]}\n",
}
ROOT = b'{agents: {$include: ["./a.json5", "./b.json5"], list: [{id: "own", model: "x/own"}]}}\n'


@pytest.mark.parametrize(
    ("edits", "file"),
    [
        ([put("agents.defaults.model.primary", "x/new")], "a.json5"),
        (
            [put("agents.defaults.model.primary", "n"), put("agents.defaults.models.n", {})],
            "a.json5",
        ),
        ([put("agents.defaults.model", "x/new")], "a.json5"),
        ([put("agents.defaults.heartbeat.model", "x/new")], "a.json5"),
        ([put("agents.list.0.model", "x/new")], "b.json5"),
        ([put("agents.list.1.model", "x/new")], ""),
        ([put("agents.list.2", {"id": "third"})], ""),
        ([Remove(("agents", "defaults", "model", "fallbacks"))], "a.json5"),
        ([put("agents.defaults.model.primary", "x/old")], ""),
        ([put("hooks.gmail.model", "x")], ""),
    ],
)
def test_an_edit_goes_where_the_value_is(edits: list[Edit], file: str):
    before = document(ROOT, **PARTS)
    edited = edit_document(before, edits)
    assert edited.file == file
    wanted = resolve_includes(before)
    for edit in edits:
        wanted = (
            wanted
            if same(get(wanted, edit.path), getattr(edit, "value", 0))
            else expected(wanted, edit)
        )
    assert same(resolve_includes(edited.document), wanted)
    assert b"// ours" in edited.document.bytes_of("a.json5")


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        (
            [put("agents.defaults.model.primary", "n"), put("agents.list.0.model", "n")],
            "This would change agents.defaults.model.primary in a.json5 and agents.list[0].model in"
            " b.json5, but one change edits one file.",
        ),
        (
            [put("agents.list", [])],
            "agents.list is put together from the config itself and b.json5",
        ),
    ],
)
def test_what_no_single_file_can_give_is_refused(edits: list[Edit], says: str):
    with pytest.raises(ConfigUneditableError) as caught:
        edit_document(document(ROOT, **PARTS), edits)
    assert says in caught.value.message


def test_a_file_that_is_included_twice_is_not_edited_for_one_place():
    doc = document(b'{x: {$include: "a.json5"}, y: {$include: "./a.json5"}}', a=b"{m: 1}")
    with pytest.raises(ConfigUneditableError, match=r"x\.m is put together"):
        edit_document(doc, [put("x.m", 2)])


def peer(value: Any, folder: str, files: dict[str, bytes]) -> Any:
    """Resolve as OpenClaw's own code does, line by line."""
    if isinstance(value, list):
        return [peer(one, folder, files) for one in value]
    if not isinstance(value, dict):
        return value
    rest = {key: peer(held, folder, files) for key, held in value.items() if key != "$include"}
    if "$include" not in value:
        return rest
    merged: Any = {}
    names = value["$include"]
    for name in names if isinstance(names, list) else [names]:
        file = normpath(join(folder, name))
        merged = merge(merged, peer(pyjson5.decode(files[file].decode()), dirname(file), files))
    return merge(merged, rest) if rest else merged


def merge(one: Any, other: Any) -> Any:
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *other]
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{k: merge(one[k], v) if k in one else v for k, v in other.items()}}
    return other


def grown(dice: random.Random, depth: int, files: dict[str, bytes], folder: str) -> Any:
    """Grow a value of which parts are in files of their own."""
    if depth == 0:
        return dice.choice([1, "x", None, "y/z"])
    if dice.random() < 0.2:
        return [grown(dice, depth - 1, files, folder) for _ in range(dice.randrange(3))]
    value: dict[str, Any] = {
        key: grown(dice, depth - 1, files, folder) for key in dice.sample("abcd", dice.randrange(4))
    }
    if dice.random() < 0.5:
        names = []
        for _ in range(dice.randrange(1, 3)):
            inside = dice.choice(["", "p"])
            file = normpath(join(folder, inside, f"f{len(files)}.json5"))
            files[file] = b""
            held = grown(dice, depth - 1, files, dirname(file))
            held = held if isinstance(held, dict) else {"a": held}
            files[file] = json.dumps(held).encode()
            names.append(join(".", os.path.relpath(file, folder or ".")))
        value["$include"] = names if len(names) > 1 or dice.random() < 0.3 else names[0]
    return value


@pytest.mark.parametrize("seed", range(120))
def test_grown_trees_are_read_and_edited_as_a_peer_reads_them(seed: int):
    files: dict[str, bytes] = {}
    dice = random.Random(seed)
    root = {"r": grown(dice, 4, files, "")}
    doc = Document(json.dumps(root).encode(), "", dict(files))
    whole = peer(root, "", files)
    assert same(resolve_includes(doc), whole)
    for _ in range(20):
        path: tuple[str | int, ...] = ("r",)
        while dice.random() < 0.8:
            at = get(whole, path)
            if isinstance(at, list) and at:
                path = (*path, dice.randrange(len(at)))
            elif isinstance(at, dict):
                path = (*path, dice.choice([*at, "new"]))
            else:
                break
        edit = SetValue(path, dice.choice(["set", {"k": 1}, [2]]))
        try:
            edited = edit_document(doc, [edit])
        except ConfigError:
            continue
        held = {file: edited.document.bytes_of(file) for file in files}
        assert (
            sum(held[file] != files[file] for file in files) + (edited.document.raw != doc.raw) <= 1
        )
        after = peer(pyjson5.decode(edited.document.raw.decode()), "", held)
        assert same(after, whole if same(get(whole, path), edit.value) else expected(whole, edit))


# --- through the commands ------------------------------------------------------------------------


def bench(raw: bytes, **files: bytes | str) -> Bench:
    made = Bench(raw)
    made.store.included = {f"{name}.json5": held for name, held in files.items()}
    return made


async def test_a_switch_is_made_in_the_included_file_and_undone_there():
    made = bench(b'{agents: {$include: "./a.json5"}}\n', a=PARTS["a"])
    card = await made.say("/model use groq/new")
    assert card.error is None
    assert "Edited in a.json5, which the config includes." in [plain(line) for line in card.body]
    held = made.store.included["a.json5"]
    assert b"primary: 'groq/new'" in held
    assert made.store.raw == b'{agents: {$include: "./a.json5"}}\n'
    (change, *_) = (await made.say("/model history")).data["changes"]
    assert (change["old"], change["new"]) == ("x/old", "groq/new")
    assert (await made.say("/model undo")).error is None
    assert made.store.included["a.json5"] == PARTS["a"]


async def test_openclaws_word_is_waited_for_on_an_included_file_too():
    owner = FakeOwner(ReloadOutcome.REJECTED, detail="models: no such key")
    raw = b'{meta: {lastTouchedVersion: "2026.5.28"}, agents: {$include: "./a.json5"}}'
    made = Bench(raw, reloads=owner)
    made.store.included = {"a.json5": PARTS["a"]}
    card = await made.say("/model use anthropic/claude-opus-4-8")
    assert card.error.code == "config_refused"
    assert made.store.included["a.json5"] == PARTS["a"]


async def test_a_chain_that_an_include_adds_to_is_not_set_wrong():
    made = bench(
        b'{agents: {defaults: {model: {$include: "./a.json5", fallbacks: ["groq/x"]}}}}',
        a=b'{primary: "openai/gpt-5", fallbacks: ["deepseek/deepseek-flash"]}',
    )
    before = made.store.raw
    card = await made.say("/fallback set local")
    assert card.error.code == "config_uneditable"
    assert made.store.raw == before


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "model.json5").write_bytes(b"{primary: 'openai/gpt-5'}\n")
    (tmp_path / "openclaw.json").write_bytes(
        b'{agents: {defaults: {model: {$include: "./parts/model.json5"}}}}\n'
    )
    return tmp_path


async def test_an_edit_of_an_included_file_is_noticed_and_history(tree: Path):
    part = tree / "parts" / "model.json5"
    store = FileConfigStore(tree / "openclaw.json", poll_s=0.05)
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
        {"parts/model.json5": part.read_bytes()},
    )
    await read_config(store, journal, bench.clock.now())
    await read_config(store, journal, bench.clock.now())
    (change,) = await journal.changes(store.location, 10)
    assert (change.surface, change.old, change.new) == ("outside", "openai/gpt-5", "groq/x")
    await watch.aclose()


NEW = b"{primary: 'groq/x'}\n"


async def write(tree: Path, raw: bytes = NEW, file: str = "parts/model.json5") -> Document:
    store = FileConfigStore(tree / "openclaw.json")
    before = revision_of((tree / file).read_bytes())
    async with store.exclusive(raw, file) as session:
        return await session.write(raw, expected_revision=before, into=file)


async def test_an_included_file_is_written_as_safely_as_the_config(tree: Path):
    part = tree / "parts" / "model.json5"
    part.chmod(0o640)
    touched = (tree / "openclaw.json").stat().st_mtime_ns
    document = await write(tree)
    assert document.included == {"parts/model.json5": NEW}
    assert (part.read_bytes(), part.stat().st_mode & 0o777) == (NEW, 0o640)
    backup = tree / "parts" / "model.json5.changeover-bak.1"
    assert backup.read_bytes() == b"{primary: 'openai/gpt-5'}\n"
    assert not [name for name in os.listdir(tree / "parts") if name.endswith(".tmp")]
    # Whoever watches the config alone looks again.
    assert (tree / "openclaw.json").stat().st_mtime_ns > touched


async def test_an_included_file_that_moved_on_is_not_overwritten(tree: Path):
    store = FileConfigStore(tree / "openclaw.json")
    with pytest.raises(ConfigConflictError):
        async with store.exclusive(NEW, "parts/model.json5") as session:
            await session.write(NEW, expected_revision="other", into="parts/model.json5")
    assert (tree / "parts" / "model.json5").read_bytes() == b"{primary: 'openai/gpt-5'}\n"


def _outside(tree: Path) -> None:
    (tree.parent / f"{tree.name}-other.json5").write_bytes(NEW)
    (tree / "parts" / "model.json5").unlink()
    (tree / "parts" / "model.json5").symlink_to(tree.parent / f"{tree.name}-other.json5")


def _twice(tree: Path) -> None:
    (tree / "again.json5").symlink_to(tree / "parts" / "model.json5")
    (tree / "openclaw.json").write_bytes(b'{$include: ["parts/model.json5", "again.json5"]}')


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_outside, "outside the config's folder"),
        (_twice, "the config includes it under two names"),
        (lambda tree: os.chown(tree / "parts" / "model.json5", 4711, -1), "another user"),
    ],
)
async def test_a_file_that_is_not_ours_is_not_written(
    tree: Path, change: Callable[[Path], None], why: str
):
    change(tree)
    held = (tree / "parts" / "model.json5").read_bytes()
    with pytest.raises(ConfigUneditableError) as caught:
        await write(tree, b"{}")
    assert why in caught.value.message
    assert caught.value.message.startswith("parts/model.json5 was not changed: ")
    assert (tree / "parts" / "model.json5").read_bytes() == held


async def test_a_symlink_inside_the_tree_stays_one(tree: Path):
    (tree / "real.json5").write_bytes(b"{primary: 'a/b'}\n")
    (tree / "parts" / "model.json5").unlink()
    (tree / "parts" / "model.json5").symlink_to("../real.json5")
    await write(tree)
    assert (tree / "parts" / "model.json5").is_symlink()
    assert (tree / "real.json5").read_bytes() == NEW


async def test_includes_are_looked_for_beside_the_link_that_names_the_config(tmp_path: Path):
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "config.json").write_bytes(b'{$include: "a.json5"}')
    (tmp_path / "openclaw.json").symlink_to("dotfiles/config.json")
    (tmp_path / "a.json5").write_bytes(b"{}")
    document = await FileConfigStore(tmp_path / "openclaw.json").read()
    assert document.included == {"a.json5": b"{}"}
