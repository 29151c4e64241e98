"""Streams: ask a candidate, and wait for the first content, so that a failure falls back unseen."""

from __future__ import annotations

from adapters.gateway.body import USUAL, Wording
from adapters.gateway.exchange import AttemptResult, UpstreamCall
from adapters.gateway.held_stream import HeldStream, left_s
from adapters.gateway.outgoing import outgoing
from adapters.gateway.reworded import reworded
from adapters.gateway.transport import Whole, begin
from adapters.gateway.whole import concluded, judge
from bot.models import FailureReason
from bot.routing.failure import Outcome, Verdict

_NO_STREAM = Verdict(
    Outcome.FAILED, FailureReason.BAD_RESPONSE, detail="a complete response instead of a stream"
)


async def open_stream(call: UpstreamCall) -> HeldStream | AttemptResult:
    """Ask a candidate for a stream; return what became of it where there will be no content.

    Raises:
        Broken, SettingsError: there was no usable answer.
    """
    wording = USUAL
    opened = await _open(call, wording)
    while isinstance(opened, Whole):
        changed = await reworded(call.request, wording, opened)
        if changed is None:
            return _no_stream(call, wording, opened)
        wording = changed
        opened = await _open(call, wording)
    return opened


async def _open(call: UpstreamCall, wording: Wording) -> HeldStream | AttemptResult | Whole:
    """Ask for a stream and read up to its first content; what is no stream is returned whole."""
    tools = call.tools
    asked = await outgoing(tools, call.request, call.candidate, wording)
    incoming = await begin(tools.session(), asked, tools.timeouts.first_token_s)
    held = None
    try:
        if incoming.status != 200 or "json" in incoming.kind:
            return await incoming.error(left_s(call))
        stream = HeldStream(call, wording, incoming)
        verdict = await stream.until_content()
        if verdict is None:
            held = stream
            return held
        return stream.came_instead(verdict) or stream.given_up(verdict)
    finally:
        if held is None:
            incoming.close()


def _no_stream(call: UpstreamCall, wording: Wording, answer: Whole) -> AttemptResult:
    verdict, document = judge(call, answer)
    if verdict.outcome is Outcome.OK:
        verdict = _NO_STREAM
    return concluded(call, wording, answer, verdict, document)
