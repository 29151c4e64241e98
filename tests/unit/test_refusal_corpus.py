"""Refusals as providers wrote them, each with its source, its date and where it was seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.dialects.error_body import read_error
from bot.models import Dialect, ModelRef
from bot.routing.failure import Verdict, classify
from bot.routing.refusals import LITERALS, Literal, Meaning
from bot.routing.signals import meaning_of

NOW = datetime(2026, 11, 30, tzinfo=UTC)
_FILE = Path(__file__).parents[1] / "data" / "refusals.jsonl"
CORPUS: list[dict[str, Any]] = [
    json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()
]


def _said(verdict: Verdict) -> str:
    if verdict.reason is not None:
        return str(verdict.reason)
    return f"{verdict.outcome}:{verdict.lack}" if verdict.lack else str(verdict.outcome)


def _judged(case: Mapping[str, Any]) -> Verdict:
    body = case["body"]
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    dialect = Dialect.ANTHROPIC if case["provider"] == "anthropic" else Dialect.OPENAI
    asked = ModelRef(case["provider"], case.get("model", "some-model"))
    return classify(asked, dialect, case["status"], {}, raw, now=NOW)


@pytest.mark.parametrize(
    "case", CORPUS, ids=[f"{n}-{c['provider']}-{c['status']}" for n, c in enumerate(CORPUS)]
)
def test_what_a_refusal_means(case: dict[str, Any]) -> None:
    verdict = _judged(case)
    assert _said(verdict) == case["expect"]
    assert verdict.retry_after_s == case.get("wait_s", verdict.retry_after_s)


_SEEN = {"issue", "docs", "code"}
"""Where a refusal's words were found: in a thread or on a page, whose address its source is; or
verbatim in public code. What was `made` is a control; `unseen` has its provider's documented shape,
and no public report of it was found.
"""


def test_every_refusal_has_a_source_and_a_date() -> None:
    assert all(case["source"] and case["as_of"][:2] == "20" for case in CORPUS)
    assert {case["seen"] for case in CORPUS} == _SEEN | {"made", "unseen"}
    addressed = [case for case in CORPUS if case["seen"] in ("issue", "docs")]
    assert [case["source"] for case in addressed if "/" not in case["source"]] == []
    assert sum(case["seen"] in _SEEN for case in CORPUS) >= 200


_EXPECTED = {
    Meaning.CONTEXT: (400, "unfit"),
    Meaning.IMAGES: (400, "unfit"),
    Meaning.REQUEST: (400, "unfit"),
    Meaning.MONEY: (400, "billing"),
    Meaning.RATE: (400, "rate_limit"),
    Meaning.AUTH: (400, "auth"),
    Meaning.REGION: (400, "auth"),
    Meaning.MODEL: (400, "model_not_found"),
    Meaning.ROUTE: (404, "bad_response"),
    Meaning.CONTENT: (403, "caller"),
}


@pytest.mark.parametrize(
    "literal", [one for one in LITERALS if one.meaning in _EXPECTED], ids=lambda one: one.words
)
def test_each_row_of_the_table_decides(literal: Literal) -> None:
    status, expected = _EXPECTED[literal.meaning]
    body = {"code": literal.words} if literal.code else {"message": f"{literal.words} (see docs)"}
    error = read_error({"error": body})
    meant = meaning_of(ModelRef("mine", "some-model"), status, error, error.message)
    assert (meant.reason or ("unfit" if meant.unfit else "caller")) == expected


@pytest.mark.parametrize(
    "literal",
    [one for one in LITERALS if one.meaning is Meaning.WAIT],
    ids=lambda one: one.words,
)
def test_a_time_to_wait_wins_over_money(literal: Literal) -> None:
    error = read_error({"error": {"message": f"Monthly quota reached, {literal.words}"}})
    meant = meaning_of(ModelRef("mine", "some-model"), 402, error, "")
    assert meant.reason == "rate_limit"


@pytest.mark.parametrize(
    "literal",
    [one for one in LITERALS if one.meaning is Meaning.ACCOUNT],
    ids=lambda one: one.words,
)
def test_a_refusal_that_names_the_account_reaches_the_key(literal: Literal) -> None:
    asked = ModelRef("mine", "gpt-5")
    error = read_error({"error": {"message": f"Rate limit of {literal.words} exceeded"}})
    assert meaning_of(asked, 429, error, "").reach == "key"
    error = read_error({"error": {"message": f"Rate limit of {literal.words} for gpt-5"}})
    assert meaning_of(asked, 429, error, "").reach is None


def test_every_row_has_a_source_and_a_date() -> None:
    assert all(one.source and one.as_of[:2] == "20" for one in LITERALS)
    assert len({(one.meaning, one.words) for one in LITERALS}) == len(LITERALS)


@pytest.mark.parametrize(
    "echo",
    [
        "x" * 1_000_000,
        "速率" * 300_000,
        "model " * 100_000,
        "'" * 200_000,
        "try again in " * 50_000,
        "[" * 100_000,
        "1 h " * 200_000,
    ],
    ids=["long", "chinese", "models", "quotes", "waits", "brackets", "spans"],
)
def test_a_refusal_of_a_megabyte_is_read_at_once(echo: str) -> None:
    body = json.dumps({"error": {"message": f"Bad request: {echo}"}}).encode()
    verdict = classify(ModelRef("mine", "gpt-5"), Dialect.OPENAI, 400, {}, body, now=NOW)
    assert len(verdict.detail) <= 200


def test_keys_inside_are_blacked_out() -> None:
    key = "sk-live-0123456789abcdef0123456789"
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}).encode()
    verdict = classify(
        ModelRef("openai", "gpt-5"), Dialect.OPENAI, 401, {}, body, now=NOW, secrets=[key]
    )
    assert key not in verdict.detail
