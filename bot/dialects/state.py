"""What an answer of Responses leaves with its provider, and what a request wants back from there.

A response, an item or a conversation that is named by its id is known to nobody else, and neither
is the encrypted content of a compaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.dialects.wire import rows, table, words
from bot.ports import Json

MOST_IDS = 500
PREVIOUS = "previous_response_id"
CONVERSATION = "conversation"
_COMPACTIONS = ("compaction", "compaction_summary", "context_compaction")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a request refers to: the field it stands in, and its id or encrypted content.

    One that is not `own` is carried along whole: who does not know where it is from may still ask.
    """

    param: str
    id: str
    own: bool = True


def references(document: Mapping[str, Json]) -> tuple[Reference, ...]:
    """Return what a request refers to, of each kind the first ones alone."""
    return tuple(_references(document))[:MOST_IDS]


def _references(document: Mapping[str, Json]) -> Iterator[Reference]:
    if previous := words(document.get(PREVIOUS)):
        yield Reference(PREVIOUS, previous)
    if conversation := _conversation(document):
        yield Reference(CONVERSATION, conversation)
    for number, value in enumerate(rows(document.get("input"))):
        item = table(value)
        kind, id_ = words(item.get("type")), words(item.get("id"))
        if kind == "item_reference" or (not kind and id_ and not item.get("role")):
            yield Reference(f"input[{number}]", id_)
        elif kind in _COMPACTIONS and (sealed := words(item.get("encrypted_content"))):
            yield Reference(f"input[{number}]", sealed, own=False)


def made_by(answer: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the ids by which a later request may refer to a response and its items.

    Items that are not stored can only be referred to by what they carry.
    """
    made = [words(answer.get("id")), _conversation(answer)]
    for item in map(table, rows(answer.get("output"))):
        if answer.get("store") is not False:
            made.append(words(item.get("id")))
        if words(item.get("type")) in _COMPACTIONS:
            made.append(words(item.get("encrypted_content")))
    return tuple(id_ for id_ in made if id_)[:MOST_IDS]


def _conversation(document: Mapping[str, Json]) -> str:
    given = document.get(CONVERSATION)
    return words(given) or words(table(given).get("id"))
