"""The migrations are one line: no number twice, none without the one before it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from adapters.storage import migrations
from adapters.storage.codec import REVISIONS

FOLDER = Path(migrations.__file__).parent / "versions"


def test_the_migrations_are_one_line_without_a_number_twice():
    names = sorted(path.stem for path in FOLDER.glob("r*.py"))
    found = [import_module(f"adapters.storage.migrations.versions.{name}") for name in names]
    assert [name[1:5] for name in names] == [module.revision for module in found]
    assert tuple(module.revision for module in found) == REVISIONS
    assert tuple(f"{number:04}" for number in range(1, len(names) + 1)) == REVISIONS
    assert [module.down_revision for module in found] == [None, *REVISIONS[:-1]]
