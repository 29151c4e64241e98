"""Commands as spans: one card, each surface's own way to type them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.terminal.called import at_prompt, in_shell, program_name
from bot.card import (
    Card,
    Caution,
    Code,
    Column,
    Command,
    Fact,
    Strong,
    Table,
    plain,
    spelled_card,
    text,
)
from bot.errors import UsageError
from bot.spans import Sentence, kept, recalled, spans_of

UNDO = Command("model undo")
DOCTOR = Command("doctor", program=True)
CARD = Card(
    title=text(Strong("Primary"), " ", UNDO),
    body=(text("Reason: type /model undo or changeover doctor"),),
    facts=(Fact("Next", text(UNDO)),),
    table=Table((Column("next"),), ((text("See ", DOCTOR),),)),
    warnings=(Caution("x", text(UNDO, " failed."), DOCTOR),),
    footer=text("Undo: ", UNDO),
)


def test_a_chat_writes_every_command_under_its_prefix_and_leaves_peoples_words_alone():
    card = spelled_card(CARD, lambda command: command.in_chat("llm-"))
    assert card.title == text(Strong("Primary"), " ", Code("/llm-model undo"))
    assert card.body == CARD.body
    assert card.facts[0].value == text(Code("/llm-model undo"))
    assert card.table is not None
    assert card.table.rows == ((text("See ", Code("changeover doctor")),),)
    assert (card.warnings[0].text, card.warnings[0].hint) == (
        "/llm-model undo failed.",
        "changeover doctor",
    )
    assert plain(card.footer) == "Undo: /llm-model undo"


def test_a_prompt_has_the_slash_and_the_programs_own_commands_under_its_name():
    speller = at_prompt(in_shell("./scripts/changeover"))
    assert speller(UNDO) == "/model undo"
    assert speller(DOCTOR) == "./scripts/changeover doctor"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("model undo", "co model undo"),
        ("fallback add ollama/llama3.3:70b", "co fallback add ollama/llama3.3:70b"),
        ("model use ${X}", "co model use '${X}'"),
        ("model cheap reason it's late; rm", "co model cheap reason 'it'\"'\"'s late; rm'"),
        ("model cheap reason drop --json", "co model cheap reason 'drop --json'"),
        ("model best --yes", "co model best --yes"),
        ("model best reason it's new --yes", "co model best reason 'it'\"'\"'s new' --yes"),
    ],
)
def test_in_a_shell_a_hint_can_be_typed_as_it_stands(words, typed):
    assert in_shell("co")(Command(words)) == typed


def test_a_form_is_shown_and_not_quoted():
    assert in_shell("co")(Command("model list [PROVIDER]", form=True)) == "co model list [PROVIDER]"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_a_shell_reads_back_the_words_whatever_they_are(reason):
    line = in_shell("co")(Command(f"model best reason {reason}"))
    assert " ".join(shlex.split(line)).split() == ["co", "model", "best", "reason", *reason.split()]


@pytest.mark.parametrize(
    ("environ", "arguments", "original", "name"),
    [
        ({"CHANGEOVER_CALLED": "./bin/co"}, ["/x/__main__.py"], [], "./bin/co"),
        ({"CHANGEOVER_CALLED": "../my co/changeover"}, [], [], "'../my co/changeover'"),
        ({}, ["/nowhere/bin/changeover", "model"], [], "/nowhere/bin/changeover"),
        ({}, ["changeover"], [], "changeover"),
        ({}, ["-c"], [], "changeover"),
        ({}, [], [], "changeover"),
        (
            {},
            ["/x/adapters/main/__main__.py", "model", "undo"],
            ["python3", "-P", "-m", "adapters.main", "model", "undo"],
            "python3 -P -m adapters.main",
        ),
    ],
)  # fmt: skip
def test_the_name_is_the_one_it_was_called_by(environ, arguments, original, name):
    assert program_name(environ, arguments, original) == name


def test_one_that_was_found_in_the_path_needs_no_path(tmp_path):
    program = tmp_path / "changeover"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert program_name({"PATH": str(tmp_path)}, [str(program)], []) == "changeover"


@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_characters="`"), min_size=1).map(str),
            st.just(UNDO),
            st.just(DOCTOR),
        )
    )
)
def test_words_kept_in_a_database_come_back_with_their_commands(spans):
    back = recalled(kept(tuple(spans)))
    assert plain(back) == plain(tuple(spans))
    assert [s for s in back if isinstance(s, Command)] == [
        s for s in spans if isinstance(s, Command)
    ]


def test_what_was_kept_before_there_were_commands_reads_as_it_stands():
    assert recalled("odd ` mark") == ("odd ` mark",)
    assert recalled("") == ()


def test_an_error_has_its_words_plain_and_as_spans():
    error = UsageError(text(UNDO, " takes no arguments."), DOCTOR)
    assert (str(error), error.message) == ("/model undo takes no arguments.",) * 2
    assert (error.hint, error.info.step) == ("changeover doctor", DOCTOR)


def test_data_is_plain_words_that_remember_their_spans():
    sentence = Sentence(text("See ", DOCTOR))
    assert sentence == "See changeover doctor"
    assert spans_of(sentence.phrase) == ("See ", DOCTOR)
