"""What `changeover config …` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.card import Card, Caution, Code, Column, Command, Fact, Strong, Table, Text, Tone, text
from bot.config.schema import ConfigView
from bot.messages.database import size_words
from bot.messages.words import counted
from bot.ports import KeptRevision
from bot.spans import When, WhenStyle

_SHOWN = 12


def _moved_along(moved: int) -> tuple[Text, ...]:
    return (text(f"{counted(moved, 'timed switch', 'timed switches')} moved along."),) * bool(moved)


def import_card(
    new: ConfigView,
    source: str,
    place: str,
    diff: str,
    moved: int,
    data: dict[str, Any],
    trouble: tuple[Caution, ...],
) -> Card:
    """Say what was taken over, or show what would be replaced."""
    data = {"source": source, "config_path": place, "reverts_moved": moved, **data}
    primary = Fact("Primary", text(Code(new.default.written[0] or "none")))
    follow: tuple[Text, ...] = _moved_along(moved)
    if not data["changed"]:
        title = f"This would replace the config in {place}" if diff else "Nothing to import"
        body = text(Code(diff.rstrip("\n"))) if diff else text(f"{place} is the same already.")
        return Card(
            text(Strong(title)), body=(body, *follow), warnings=trouble, command="config", data=data
        )
    return Card(
        text(Strong("Config imported"), f" from {source}"),
        tone=Tone.CHANGE,
        body=follow,
        facts=(primary,),
        warnings=trouble,
        footer=text(place, " · next: ", Command("doctor", program=True)),
        command="config",
        data=data,
    )


def restored_card(
    action: str, source: str, place: str, data: dict[str, Any], trouble: tuple[Caution, ...]
) -> Card:
    """Say that another text is in place now, and how the former one is had again."""
    data = {"config_path": place, **data}
    if not data["changed"]:
        return Card(
            text(Strong("Nothing to restore"), f": {source} is what {place} has."),
            command="config",
            data=data,
        )
    done = "Config imported" if action == "import" else "Revision restored"
    back = Command(f"config restore {data['revision_before'][:_SHOWN]}", program=True)
    return Card(
        text(Strong(done), f": {source}"),
        tone=Tone.CHANGE,
        body=(
            *((text(Code(data["diff"].rstrip("\n"))),) if data["diff"] else ()),
            *_moved_along(data.get("reverts_moved", 0)),
        ),
        facts=(Fact("Primary", text(Code(str(data["old"])), " → ", Code(str(data["new"])))),)
        if data["old"] != data["new"]
        else (),
        warnings=trouble,
        footer=text(place, " · undo: ", back),
        command="config",
        data=data,
    )


def revisions_card(kept: Sequence[KeptRevision], place: str) -> Card:
    """List the versions that can be had."""
    rows = tuple(
        (
            text(Code(one.revision[:_SHOWN])),
            text(When(one.at, WhenStyle.DATE_TIME)),
            text(size_words(len(one.raw))),
            text("in force" if position == 0 else ""),
        )
        for position, one in enumerate(kept)
    )
    columns = (Column("revision"), Column("when"), Column("size", right=True), Column(""))
    return Card(
        text(Strong(counted(len(kept), "revision")), f" of {place}"),
        table=Table(columns, rows),
        footer=text(
            Command("config diff REVISION", program=True, form=True),
            " · ",
            Command("config restore REVISION", program=True, form=True),
        ),
        command="config",
        data={
            "config_path": place,
            "revisions": [
                {"revision": one.revision, "at": one.at, "bytes": len(one.raw)} for one in kept
            ],
        },
    )


def diff_card(old: KeptRevision, new: KeptRevision, diff: str) -> Card:
    """Show what changed between a version and the present one."""
    return Card(
        text(Strong(f"{old.revision[:_SHOWN]} → {new.revision[:_SHOWN]}")),
        body=(text(Code(diff.rstrip("\n"))) if diff else text("No difference."),),
        command="config",
        data={"from": old.revision, "to": new.revision, "diff": diff},
    )


def show_card(words: str, revision: str, place: str) -> Card:
    """Show the text itself."""
    return Card(
        text(Strong(place), f" at revision {revision[:_SHOWN]}"),
        body=(text(Code(words.rstrip("\n"))),),
        footer=text(
            "Secrets are hidden. Complete: ",
            Command("config export PATH", program=True, form=True),
        ),
        command="config",
        data={"config_path": place, "revision": revision, "text": words},
    )


def exported_card(path: str, place: str, pending: int) -> Card:
    """Say where the copy is, and what does not come along."""
    left = counted(pending, "timed switch", "timed switches")
    return Card(
        text(Strong("Config exported")),
        tone=Tone.GOOD,
        body=(text(Code(path)),),
        warnings=(
            Caution(
                "reverts_stay",
                f"{left} will revert in {place}, not in the copy.",
                text("To move with history: ", Command(f"config import {place}", program=True)),
            ),
        )
        if pending
        else (),
        command="config",
        data={"path": path, "config_path": place, "reverts_pending": pending},
    )
