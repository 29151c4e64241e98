"""Cards that name commands, where commands have a prefix."""

from __future__ import annotations

from bot.card import Card, Caution, Code, Column, Fact, Link, Strong, Table, text
from bot.messages.prefixed import prefixed

GROUPS = ("model", "fallback", "cost")
CARD = Card(
    title=text(Strong("/model")),
    body=(
        text("Type ", Code("/model best"), " or /fallback test. (/cost week) /models /model/x"),
        text("/srv/model/x https://a.example/model a/model /co-model ./model"),
        text(Link("/model", "https://a.example/model")),
        text("In that conversation, to OpenClaw: /model default"),
    ),
    facts=(Fact("Next", text(Code("/cost"))),),
    table=Table((Column("command"),), ((text(Code("/model use MODEL")),),)),
    warnings=(Caution("x", "See /model list.", "/fallback add a/b"),),
    footer=text("For example: ", Code("/model cheap for 2h")),
)


def test_every_command_gets_the_prefix_once() -> None:
    card = prefixed(CARD, "co-", GROUPS)
    assert card.title == text(Strong("/co-model"))
    assert card.body[0] == text(
        "Type ", Code("/co-model best"), " or /co-fallback test. (/co-cost week) /models /model/x"
    )
    assert card.body[1:] == CARD.body[1:]
    assert card.facts[0].value == text(Code("/co-cost"))
    assert card.table is not None
    assert card.table.rows == ((text(Code("/co-model use MODEL")),),)
    assert card.warnings == (Caution("x", "See /co-model list.", "/co-fallback add a/b"),)
    assert card.footer == text("For example: ", Code("/co-model cheap for 2h"))
    assert prefixed(card, "co-", GROUPS) == card


def test_without_a_prefix_nothing_changes() -> None:
    assert prefixed(CARD, "", GROUPS) is CARD
    assert prefixed(Card(text("/model")), "x-", GROUPS) == Card(text("/x-model"))
