"""What holds for every edit of every document; run short by the tests, long by the soak."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from bot.config.edit import (
    Edit,
    Remove,
    SetValue,
    apply_edits,
    get,
    load,
    restore,
    touched,
    unified_diff,
)
from bot.config.values import expected, same
from bot.errors import ChangeoverError, ConfigUneditableError
from bot.ports import ABSENT, Path
from tests.properties.json5_documents import KEYS, ROOTS, SEEDS, VALUES, Writer, comments_in

WRITERS = st.builds(Writer, SEEDS, tidy=st.booleans())


def paths_in(value: Any, path: Path = ()) -> list[Path]:
    found = [path]
    if isinstance(value, dict):
        for key, held in value.items():
            found += paths_in(held, (*path, key))
    elif isinstance(value, list):
        for at, held in enumerate(value):
            found += paths_in(held, (*path, at))
    return found


@st.composite
def edits_of(draw: st.DrawFn, root: dict[str, Any]) -> Edit:
    """Draw an edit that can be made: of what is there, or of what is not there yet."""
    paths = paths_in(root)
    what = draw(st.sampled_from(["set", "insert", "remove", "list"]))
    if what == "insert":
        parents = [path for path in paths if isinstance(get(root, path), dict)]
        return SetValue((*draw(st.sampled_from(parents)), *draw(NEW_KEYS)), draw(VALUES))
    if what == "list":
        lists = [path for path in paths if isinstance(get(root, path), list)]
        assume(lists)
        path = draw(st.sampled_from(lists))
        old = get(root, path)
        mixed = st.lists(st.one_of(st.sampled_from(old), VALUES) if old else VALUES, max_size=6)
        return SetValue(path, draw(st.one_of(mixed, st.permutations(old))))
    inner = paths[1:]
    assume(inner)
    path = draw(st.sampled_from(inner))
    return Remove(path) if what == "remove" else SetValue(path, draw(VALUES))


NEW_KEYS = st.lists(st.one_of(KEYS, st.just("new")), min_size=1, max_size=3).map(tuple)


def every_edit_is_made_and_proved(data: st.DataObject) -> None:
    root, writer = data.draw(ROOTS), data.draw(WRITERS)
    raw = writer.document(root)
    before = load(raw)
    assert same(before, root)
    edits = []
    value = root
    for _ in range(data.draw(st.integers(1, 3))):
        edit = data.draw(edits_of(value))
        try:
            value = expected(value, edit)
        except ChangeoverError:
            assume(False)
        edits.append(edit)
    edited = apply_edits(raw, edits)
    assert same(load(edited), value)
    assert same(load(apply_edits(edited, restore(touched(before, edits, value)))), before)


def an_insertion_keeps_every_character(data: st.DataObject) -> None:
    root, writer = data.draw(ROOTS), data.draw(WRITERS)
    raw = writer.document(root)
    parents = [path for path in paths_in(root) if isinstance(get(root, path), dict)]
    path = (*data.draw(st.sampled_from(parents)), *data.draw(NEW_KEYS))
    assume(get(root, path) is ABSENT)
    edit = SetValue(path, data.draw(VALUES))
    try:
        after = expected(root, edit)
    except ChangeoverError:
        assume(False)
    edited = apply_edits(raw, [edit])
    assert comments_in(edited) == comments_in(raw)
    (change,) = touched(root, [edit], after)
    parent = get(root, change.path[:-1])
    back = apply_edits(edited, restore([change]))
    if parent:
        assert is_subsequence(raw, edited)
        assert back == raw
    else:
        assert same(load(back), root)
        assert comments_in(back) == comments_in(raw)


def is_subsequence(part: bytes, whole: bytes) -> bool:
    rest = iter(whole)
    return all(byte in rest for byte in part)


def without_blanks(raw: bytes) -> bytes:
    """A comment that ends its line may need another line break when what followed is gone."""
    return re.sub(r"[\s\ufeff]", "", raw.decode("utf-8")).encode("utf-8")


def a_list_keeps_the_comments_of_what_stays(data: st.DataObject) -> None:
    names = [f"m{at}" for at in range(data.draw(st.integers(1, 5)))]
    writer = data.draw(WRITERS)
    raw = writer.document({"chain": names})
    new = data.draw(st.lists(st.sampled_from([*names, "x", "y"]), max_size=6, unique=True))
    edited = apply_edits(raw, [SetValue(("chain",), new)])
    assert load(edited) == {"chain": new}
    if set(names) <= set(new):
        assert sorted(comments_in(edited)) == sorted(comments_in(raw))
    if [name for name in new if name in names] == names:
        assert is_subsequence(raw, edited)


def twins_off_the_path_do_not_matter(data: st.DataObject) -> None:
    root, seed = data.draw(ROOTS), data.draw(SEEDS)
    raw = Writer(seed, tidy=data.draw(st.booleans()), twins=True).document(root)
    before = load(raw)
    edit = data.draw(edits_of(before))
    try:
        after = expected(before, edit)
    except ChangeoverError:
        assume(False)
    try:
        edited = apply_edits(raw, [edit])
    except ConfigUneditableError as error:
        refusal = error.message
        edited = b""
    else:
        refusal = ""
    assert "lines" in refusal if refusal else same(load(edited), after)


def only_our_errors_come_out(data: st.DataObject) -> None:
    raw = data.draw(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.text(st.sampled_from("{}[]:,\"'\\/*\n\r ax1.+-e\u2028\ufeff$"), max_size=40).map(
                lambda text: ("{" + text + "}").encode()
            ),
        )
    )
    path = data.draw(st.lists(st.one_of(KEYS, st.integers(-2, 3)), max_size=3).map(tuple))
    for edit in (SetValue(path, data.draw(VALUES)), Remove(path)):
        try:
            edited = apply_edits(raw, [edit])
        except ChangeoverError as error:
            said = [error.message, error.hint]
        else:
            said = []
            assert same(load(edited), expected(load(raw), edit))
        assert all(said)


def a_scalar_gives_way_to_a_scalar_and_nothing_else(data: st.DataObject) -> None:
    root, writer = data.draw(ROOTS), data.draw(WRITERS)
    places = paths_in(root)[1:]
    assume(places)
    path = data.draw(st.sampled_from(places))
    raw = writer.document(expected(root, SetValue(path, MARK)))
    assume(re.search(rb"[\"']" + MARK_WRITTEN + rb"[\"']", raw))
    new = data.draw(st.sampled_from(["openai/gpt", "", "x y"]))
    edited = apply_edits(raw, [SetValue(path, new)])
    assert edited == raw.replace(MARK_WRITTEN, new.encode())


def a_removal_keeps_the_other_members(data: st.DataObject) -> None:
    root, writer = data.draw(ROOTS), data.draw(WRITERS)
    places = paths_in(root)[1:]
    assume(places)
    path = data.draw(st.sampled_from(places))
    raw = writer.document(root)
    edited = apply_edits(raw, [Remove(path)])
    assert is_subsequence(without_blanks(edited), raw)
    parent = get(load(edited), path[:-1])
    assert len(parent) == len(get(root, path[:-1])) - 1


def a_diff_shows_every_line_that_changed(data: st.DataObject) -> None:
    old = data.draw(st.lists(LINES, max_size=12))
    new = data.draw(st.one_of(st.lists(LINES, max_size=12), st.permutations(old)))
    shown = unified_diff("\n".join(old).encode(), "\n".join(new).encode(), "x").split("\n")
    plus = [line[1:] for line in shown[2:] if line[:1] == "+"]
    minus = [line[1:] for line in shown[2:] if line[:1] == "-"]
    before, after = (Counter(lines if lines[-1:] != [""] else lines[:-1]) for lines in (old, new))
    assert after - before == Counter(plus) - Counter(minus)
    assert before - after == Counter(minus) - Counter(plus)


LINES = st.sampled_from(["a", "b", "c", "d e", "{", "}", ""])
MARK = "7130719471"
MARK_WRITTEN = MARK.encode()

PROPERTIES = (
    every_edit_is_made_and_proved,
    an_insertion_keeps_every_character,
    a_list_keeps_the_comments_of_what_stays,
    twins_off_the_path_do_not_matter,
    only_our_errors_come_out,
    a_scalar_gives_way_to_a_scalar_and_nothing_else,
    a_removal_keeps_the_other_members,
    a_diff_shows_every_line_that_changed,
)
