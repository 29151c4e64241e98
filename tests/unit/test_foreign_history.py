"""A history that another model wrote: which refusals are of it, and what is put right."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.gateway.body import Body, Wording
from bot.dialects.history import COMPLAINTS, Edit, edit_for, edited, wants_short_ids
from bot.models import Dialect

OPENAI, ANTHROPIC = Dialect.OPENAI, Dialect.ANTHROPIC

REFUSALS = [
    ("messages.1.content.0: Invalid `signature` in `thinking` block", Edit.NO_THINKING),
    (
        "messages.3.content.8: `thinking` or `redacted_thinking` blocks in the latest assistant "
        "message cannot be modified. These blocks must remain as they were.",
        Edit.NO_THINKING,
    ),
    ("messages.1.content.0.thinking.signature: Field required", Edit.NO_THINKING),
    ("messages[2]: unknown variant `thinking`, expected `text`", Edit.NO_THINKING),
    (
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        "`tool_use`. When `thinking` is enabled, a final `assistant` message must start with a "
        "thinking block",
        Edit.NO_THINKING,
    ),
    ('{"error":{"code":"invalid_encrypted_content"}}', Edit.NO_THINKING),
    (
        "The encrypted content gAAA...x could not be verified. Reason: Encrypted content could "
        "not be decrypted or parsed.",
        Edit.NO_THINKING,
    ),
    (
        "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : "
        "property 'reasoning_content' is unsupported)]",
        Edit.NO_THINKING,
    ),
    (
        "Item 'rs_0c38' of type 'reasoning' was provided without its required following item.",
        Edit.NO_THINKING,
    ),
    (
        "Item 'fc_07' of type 'function_call' was provided without its required 'reasoning' item: "
        "'rs_07'.",
        Edit.NO_THINKING,
    ),
    (
        "Item with id 'rs_01' not found. Items are not persisted when `store` is set to false.",
        Edit.NO_THINKING,
    ),
    (
        "Invalid 'input[3].call_id': string too long. Expected a string with maximum length 64",
        Edit.TOOL_IDS,
    ),
    ("property 'reasoning' is unsupported", Edit.NO_THINKING),
    ("Mismatch type []*open_platform_oai.ReasoningDetail", Edit.NO_THINKING),
    (
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        Edit.EMPTY_THINKING,
    ),
    (
        "The `content[].thinking` in the thinking mode must be passed back to the API.",
        Edit.EMPTY_THINKING,
    ),
    (
        "thinking is enabled but reasoning_content is missing in assistant tool call message at "
        "index 2",
        Edit.EMPTY_THINKING,
    ),
    ("Function call is missing a thought_signature in functionCall parts.", Edit.SIGNATURES),
    ("Corrupted thought signature.", Edit.SIGNATURES),
    (
        "messages.3.content.1.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        Edit.TOOL_IDS,
    ),
    ("messages.4.content.0.tool_result.tool_use_id: String should match pattern", Edit.TOOL_IDS),
    (
        "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum "
        "length 40",
        Edit.TOOL_IDS,
    ),
    (
        "Tool call id was functions.Bash:4 but must be a-z, A-Z, 0-9, with a length of 9.",
        Edit.TOOL_IDS,
    ),
]


@pytest.mark.parametrize(("refusal", "edit"), REFUSALS)
def test_refusals_of_a_foreign_history(refusal: str, edit: Edit):
    assert edit_for(refusal) is edit


def test_every_row_is_used_and_has_a_source():
    import re

    for row in COMPLAINTS:
        assert row.source.startswith("https://")
        assert any(re.search(row.literal, text, re.IGNORECASE) for text, _ in REFUSALS)


@pytest.mark.parametrize(
    "refusal",
    [
        "messages: at least one message is required",
        "max_tokens: 100000 > 64000, which is the maximum",
        "Item with id 'msg_01' not found.",
        "`temperature` may only be set to 1 when thinking is enabled.",
        "thinking.budget_tokens: Input should be greater than or equal to 1024",
        "tools.0.name: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "",
    ],
)
def test_other_refusals(refusal: str):
    assert edit_for(refusal) is None


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "of another"}
CALL = {"type": "tool_use", "id": "functions.Bash:4", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "functions.Bash:4", "content": "ok"}
USER = {"role": "user", "content": "Go."}


def _turn(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def test_thinking_is_left_out_and_nothing_else():
    text = {"type": "text", "text": "Done.", "cache_control": {"type": "ephemeral"}}
    redacted = {"type": "redacted_thinking", "data": "x"}
    document = {"messages": [USER, _turn(THOUGHT, redacted, text), USER, _turn(THOUGHT), USER]}
    assert edited(ANTHROPIC, document, [Edit.NO_THINKING]) == {
        "messages": [USER, _turn(text), USER, USER]
    }


def test_a_budget_is_taken_off_where_the_last_turn_goes_on_after_tools():
    clearing = {"type": "clear_thinking_20251015"}
    other = {"type": "clear_tool_uses_20250919"}
    document = {
        "thinking": {"type": "enabled", "budget_tokens": 4000},
        "context_management": {"edits": [clearing, other]},
        "messages": [USER, _turn(THOUGHT, CALL), {"role": "user", "content": [RESULT]}],
    }
    changes = edited(ANTHROPIC, document, [Edit.NO_THINKING])
    assert changes["thinking"] == {"type": "disabled"}
    assert changes["context_management"] == {"edits": [other]}
    document["context_management"] = {"edits": [clearing]}
    assert edited(ANTHROPIC, document, [Edit.NO_THINKING])["context_management"] is None


@pytest.mark.parametrize(
    ("thinking", "last"),
    [
        ({"type": "adaptive"}, {"role": "user", "content": [RESULT]}),
        ({"type": "enabled", "budget_tokens": 4000}, USER),
    ],
)
def test_thinking_stays_on_where_nothing_forbids_it(thinking: Any, last: Any):
    document = {"thinking": thinking, "messages": [USER, _turn(THOUGHT, CALL), last]}
    assert set(edited(ANTHROPIC, document, [Edit.NO_THINKING])) == {"messages"}


def test_missing_thinking_is_put_in_empty():
    said = {"role": "assistant", "content": "Done."}
    changes = edited(ANTHROPIC, {"messages": [USER, said, _turn(THOUGHT)]}, [Edit.EMPTY_THINKING])
    empty = {"type": "thinking", "thinking": "", "signature": ""}
    assert changes["messages"][1] == _turn(empty, {"type": "text", "text": "Done."})
    assert changes["messages"][2] == _turn(THOUGHT)
    kept = {"role": "assistant", "content": "a", "reasoning_content": "b"}
    changes = edited(OPENAI, {"messages": [said, kept]}, [Edit.EMPTY_THINKING])
    assert changes["messages"] == [said | {"reasoning_content": ""}, kept]


def test_reasoning_is_left_out_in_openais_dialect():
    said = {"role": "assistant", "content": "Done.", "reasoning_details": [{}], "reasoning": "hm"}
    changes = edited(OPENAI, {"messages": [USER, said]}, [Edit.NO_THINKING])
    assert changes["messages"] == [USER, {"role": "assistant", "content": "Done."}]


def test_geminis_first_call_of_a_turn_is_signed_as_foreign():
    calls = [{"id": "a", "extra_content": {"google": {"thought_signature": "bad"}}}, {"id": "b"}]
    said = {"role": "assistant", "tool_calls": calls}
    changes = edited(OPENAI, {"messages": [said, USER]}, [Edit.SIGNATURES])
    first, second = changes["messages"][0]["tool_calls"]
    assert first["extra_content"]["google"] == {
        "thought_signature": "skip_thought_signature_validator"
    }
    assert second == {"id": "b"}


def test_call_and_result_keep_the_same_new_id():
    document = {"messages": [USER, _turn(CALL), {"role": "user", "content": [RESULT]}]}
    changes = edited(ANTHROPIC, document, [Edit.TOOL_IDS])
    call, result = changes["messages"][1]["content"][0], changes["messages"][2]["content"][0]
    assert call["id"] == result["tool_use_id"]
    assert call["id"].startswith("functions_Bash_4_")
    assert changes == edited(ANTHROPIC, document, [Edit.TOOL_IDS])


def test_ids_that_differ_in_a_sign_stay_apart():
    turns = [_turn({**CALL, "id": id_}) for id_ in ("a.b", "a:b", "toolu_1")]
    changes = edited(ANTHROPIC, {"messages": turns}, [Edit.TOOL_IDS])
    ids = [turn["content"][0]["id"] for turn in changes["messages"]]
    assert len(set(ids)) == 3
    assert ids[2] == "toolu_1"


def test_nine_letters_for_who_wants_them():
    assert wants_short_ids("Tool call id was x but must be a-z, A-Z, 0-9, with a length of 9.")
    said = {"role": "assistant", "tool_calls": [{"id": "call_123456789"}, {"id": "abcdefghi"}]}
    back = {"role": "tool", "tool_call_id": "call_123456789", "content": "ok"}
    document = {"messages": [said, back]}
    messages = edited(OPENAI, document, [Edit.TOOL_IDS], short_ids=True)["messages"]
    ids = [call["id"] for call in messages[0]["tool_calls"]]
    assert ids[0].isalnum()
    assert [len(id_) for id_ in ids] == [9, 9]
    assert ids[1] == "abcdefghi"
    assert messages[1]["tool_call_id"] == ids[0]


@pytest.mark.parametrize(
    "messages", [[], [None, 5, "x"], [{"role": "assistant", "content": 5, "tool_calls": "x"}]]
)
@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC])
def test_what_has_nothing_to_put_right(messages: Any, dialect: Dialect):
    for edit in (Edit.NO_THINKING, Edit.SIGNATURES, Edit.TOOL_IDS):
        assert edited(dialect, {"messages": messages}, [edit]) == {}


def test_every_other_byte_stays():
    raw = (
        '{ "n":1.0, "messages" : [{"role":"assistant","content":"a","reasoning":"b"}], '
        '"big":12345678901234567890123}'
    )
    wording = Wording(edits=(Edit.NO_THINKING,))
    after = Body.read(raw.encode()).for_model("M", OPENAI, wording).decode()
    assert after == (
        '{"model":"M", "n":1.0, "messages" : [{"role":"assistant","content":"a"}], '
        '"big":12345678901234567890123}'
    )


@pytest.mark.parametrize(
    ("raw", "after"),
    [
        (
            '{"messages":[],"model":"M","max_tokens": 5}',
            '{"messages":[],"model":"M","max_completion_tokens": 5}',
        ),
        (
            '{"max_completion_tokens":5,"messages":[],"model":"M"}',
            '{"max_tokens":5,"messages":[],"model":"M"}',
        ),
        (
            '{"max_completion_tokens":5,"max_tokens":5,"messages":[],"model":"M"}',
            '{"max_completion_tokens":5,"max_tokens":5,"messages":[],"model":"M"}',
        ),
    ],
)
def test_the_limit_is_called_by_its_other_name(raw: str, after: str):
    wording = Wording(renamed=True)
    assert Body.read(raw.encode()).for_model("M", OPENAI, wording).decode() == after
