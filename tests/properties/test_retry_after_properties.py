"""Whatever a provider says of when to come back, it is read the same or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.dialects.error_body import ErrorBody
from bot.routing.retry_after import LONGEST_RETRY_AFTER_S, retry_after_s, span_s, wait_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECONDS = st.integers(1, int(LONGEST_RETRY_AFTER_S))
_NAMES = st.sampled_from(
    [
        "retry-after",
        "Retry-After-Ms",
        "x-ratelimit-reset",
        "x-ratelimit-reset-requests",
        "X-RateLimit-Remaining-Requests",
        "anthropic-ratelimit-tokens-reset",
        "anthropic-ratelimit-unified-5h-reset",
        "anthropic-ratelimit-unified-5h-status",
    ]
)
_VALUES = st.text(max_size=40) | st.from_regex(r"[0-9hms. -]{1,20}", fullmatch=True)


def _written(wait_s: int) -> list[str]:
    """Write a wait in each form."""
    then = NOW + timedelta(seconds=wait_s)
    hours, rest = divmod(wait_s, 3600)
    return [
        str(wait_s),
        f"{wait_s}s",
        f"{wait_s * 1000}ms",
        f"{hours}h{rest // 60}m{rest % 60}s",
        f"{wait_s} seconds",
        format_datetime(then, usegmt=True),
        then.isoformat(),
        then.isoformat().replace("+00:00", "Z"),
        str(int(then.timestamp())),
        str(int(then.timestamp()) * 1000),
    ]


@given(SECONDS)
def test_every_form_says_the_same(wait_s: int) -> None:
    for form in _written(wait_s):
        assert wait_of(form, NOW) == wait_s, form
        assert retry_after_s({"Retry-After": form}, ErrorBody(), NOW) == wait_s, form
        reset = {"x-ratelimit-reset-tokens": form, "x-ratelimit-remaining-tokens": "0"}
        assert retry_after_s(reset, ErrorBody(), NOW) == wait_s, form
        kept = ErrorBody(metadata={"headers": {"X-RateLimit-Reset": form}})
        assert retry_after_s({}, kept, NOW) == wait_s, form


@given(SECONDS)
def test_words_say_it_too(wait_s: int) -> None:
    for words in (
        f"Please try again in {wait_s}s.",
        f"Please retry after {wait_s} seconds",
        f"Please wait {wait_s} seconds before retrying.",
        f"Your limit resets in {wait_s} s",
    ):
        assert retry_after_s({}, ErrorBody(words), NOW) == wait_s, words


@given(st.dictionaries(_NAMES, _VALUES), st.text(max_size=200), st.none() | st.just(NOW))
def test_whatever_it_says_the_wait_is_none_or_up_to_a_week(
    headers: dict[str, str], message: str, now: datetime | None
) -> None:
    wait_s = retry_after_s(headers, ErrorBody(message), now)
    assert wait_s is None or 0 <= wait_s <= LONGEST_RETRY_AFTER_S


@given(st.text(max_size=60))
def test_what_is_no_span_is_none(text: str) -> None:
    found = span_s(text)
    assert found is None or found >= 0


@given(st.lists(SECONDS, min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_used_up_decides_and_else_the_shortest(waits: list[int], spent: int) -> None:
    kinds = ("requests", "tokens", "input-tokens", "output-tokens")[: len(waits)]
    headers = {
        f"anthropic-ratelimit-{kind}-reset": f"{wait_s}s"
        for kind, wait_s in zip(kinds, waits, strict=True)
    }
    assert retry_after_s(headers, ErrorBody(), NOW) == min(waits)
    if spent < len(waits):
        headers |= {f"anthropic-ratelimit-{kind}-remaining": "9" for kind in kinds}
        headers[f"anthropic-ratelimit-{kinds[spent]}-remaining"] = "0"
        assert retry_after_s(headers, ErrorBody(), NOW) == waits[spent]
