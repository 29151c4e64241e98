"""The same hop once more, in other words: what a refusal asks for, where that is ours to change."""

from __future__ import annotations

from dataclasses import replace

from adapters.gateway.body import Body, Wording
from adapters.gateway.exchange import ChatRequest
from adapters.gateway.outgoing import off_loop
from adapters.gateway.transport import Whole
from bot.dialects.history import edit_for, wants_short_ids
from bot.models import Dialect

# A 404 is for an item of reasoning that another account keeps.
_REFUSED = (400, 404, 422)
_READ_BYTES = 64 * 1024


async def reworded(request: ChatRequest, known: Wording, answer: Whole) -> Wording | None:
    """Return how to ask the hop again, None for not at all; each kind of change is tried once."""
    if answer.status not in _REFUSED:
        return None
    refusal = answer.body[:_READ_BYTES].decode("utf-8", "replace")
    return await off_loop(request.body, _other_words, request.body, request.dialect, known, refusal)


def _other_words(body: Body, dialect: Dialect, known: Wording, refusal: str) -> Wording | None:
    if dialect is Dialect.OPENAI:
        ours = body.stream and "stream_options" not in body.document
        if known.counted and ours and "stream_options" in refusal:
            return replace(known, counted=False)
        limit = next(iter(body.renamed_limit().items()), None)
        # Either the refused name alone is named, or the other one is what it asks for.
        if limit and not known.renamed and _refuses_name(refusal, *limit):
            return replace(known, renamed=True)
    edit = edit_for(refusal)
    if edit is None or edit in known.edits:
        return None
    changed = replace(
        known, edits=(*known.edits, edit), short_ids=known.short_ids or wants_short_ids(refusal)
    )
    return changed if body.edited(dialect, changed) != body.edited(dialect, known) else None


def _refuses_name(refusal: str, given: str, other: str) -> bool:
    words = refusal.lower()
    unknown = any(word in words for word in ("unsupported", "not supported", "unrecognized"))
    named = given in words.replace(other, "")
    return named and (other in words or unknown)
