"""The response object of Responses, with every field that its schema wants."""

from __future__ import annotations

from bot.ports import Json


def response_body(
    id_: str, created_at_s: int, model: str, status: str, **more: Json
) -> dict[str, Json]:
    """Return a response with nothing in it but what is given.

    Source: https://www.openresponses.org/specification
    """
    body: dict[str, Json] = {
        "id": id_,
        "object": "response",
        "created_at": created_at_s,
        "completed_at": None,
        "status": status,
        "model": model,
        "output": [],
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "truncation": "disabled",
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "service_tier": "default",
        "store": False,
        "background": False,
        "metadata": {},
    }
    unset = (
        "error", "incomplete_details", "previous_response_id", "instructions", "reasoning", "user",
        "usage", "max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key",
    )  # fmt: skip
    return body | dict.fromkeys(unset) | more
