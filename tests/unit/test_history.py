"""Who owns a value: the rules behind undo and timed switches."""

from __future__ import annotations

import pytest

from bot.config.history import to_undo
from bot.config.notes import model_path, owner
from bot.errors import MovedOnError, NothingToDoError
from bot.ports import ABSENT, Change, Touched
from tests.support.fakes_storage import FakeClock

MODEL = ("agents", "defaults", "model")
PRIMARY = (*MODEL, "primary")


def change(id_: int, *touched: Touched, reverts: int | None = None, surface: str = "cli") -> Change:
    new = touched[0].after if touched else None
    return Change(
        id_, "/srv/x", FakeClock().now(), "cli:a", "Ana", surface, "use", "", None, new,
        touched, "r0", "r1", "", reverts,
    )  # fmt: skip


def test_the_last_change_of_a_primary_owns_it():
    first = change(1, Touched(PRIMARY, "a/a", "b/b"))
    second = change(2, Touched(PRIMARY, "b/b", "c/c"))
    assert owner([second, first], MODEL) == second
    taken_back = change(3, Touched(PRIMARY, "c/c", "b/b"), reverts=2)
    assert owner([taken_back, second, first], MODEL) == first
    assert owner([], MODEL) is None


def test_changes_of_other_values_own_nothing():
    mine = change(1, Touched(("agents",), ABSENT, {"defaults": {"model": {"primary": "a/a"}}}))
    chain = change(2, Touched((*MODEL, "fallbacks"), ABSENT, ["x/x"]))
    alias = change(3, Touched(("agents", "defaults", "models", "a/a"), ABSENT, {}))
    grown = change(4, Touched(MODEL, "a/a", {"primary": "a/a", "fallbacks": []}))
    assert owner([grown, alias, chain, mine], MODEL) == mine


@pytest.mark.parametrize(
    ("touched", "path"),
    [
        (Touched(PRIMARY, "a/a", "b/b"), MODEL),
        (Touched(MODEL, "a/a", "b/b"), MODEL),
        (Touched(("agents",), ABSENT, {"defaults": {"model": {"primary": "b/b"}}}), MODEL),
        (
            Touched(("agents", "entries", "ops", "model"), ABSENT, "b/b"),
            ("agents", "entries", "ops", "model"),
        ),
        (Touched((*MODEL, "fallbacks"), [], ["x/x"]), None),
    ],
)
def test_where_a_change_set_a_primary(touched, path):
    assert model_path(change(1, touched)) == path


def test_what_undo_takes_back():
    outside = change(3, Touched(PRIMARY, "b/b", "c/c"), surface="outside")
    mine = change(2, Touched(PRIMARY, "a/a", "b/b"))
    assert to_undo([outside, mine], None) == mine
    assert to_undo([outside, mine], 2) == mine
    with pytest.raises(NothingToDoError):
        to_undo([outside], None)
    with pytest.raises(NothingToDoError):
        to_undo([mine], 99)
    taken_back = change(4, Touched(PRIMARY, "b/b", "a/a"), reverts=2)
    with pytest.raises(MovedOnError, match="Ana"):
        to_undo([taken_back, mine], 2)
