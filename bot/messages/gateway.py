"""What the gateway says of who may call it, and of what a request refers to."""

from __future__ import annotations

from bot.durations import shorten
from bot.messages.words import listed

_LONGEST_ID = 80
_NO_OTHER = "and no model knows those of another"

WRONG_CREDENTIALS = (
    "The gateway's token is missing or wrong. Send it as Authorization: Bearer, or as x-api-key."
)
OPEN_TO_THIS_MACHINE = (
    "This gateway has no token, so it serves only programs on its own machine that call a "
    "loopback address, without a proxy. Set GATEWAY_TOKEN on the server, restart it, and send the "
    "token as Authorization: Bearer."
)
NO_UPGRADES = "This gateway serves no WebSockets. Send the same request as an HTTP POST."
OPEN_TO_THE_PUBLIC = (
    "SLACK_SIGNING_SECRET or TELEGRAM_WEBHOOK_URL is set without GATEWAY_TOKEN: the public URL "
    "that the chat calls may reach the models too."
)
HOW_TO_CLOSE_IT = "Set GATEWAY_TOKEN, for example to the output of openssl rand -hex 24."
SEND_IT_WHOLE = (
    "Send the whole conversation in input instead, without previous_response_id, conversation and "
    "item references."
)
NO_CONVERSATIONS = (
    "No model in the chain keeps conversations. Send the whole conversation in input instead."
)
BOTH_GIVEN = "previous_response_id and conversation exclude each other. Send one of them."


def not_made_here(param: str, id_: str) -> str:
    """Say of an id that nobody here has made it for this caller."""
    return (
        f"{param}: {shorten(id_, _LONGEST_ID)} is unknown. The gateway knows what it handed to the "
        f"same token in the last 30 days. {SEND_IT_WHOLE}"
    )


def made_by_several(models: list[str]) -> str:
    """Say that no single model knows all that a request refers to."""
    return f"The request refers to responses of {listed(models)}, {_NO_OTHER}. {SEND_IT_WHOLE}"


def kept_nothing(param: str, id_: str, model: str) -> str:
    """Say of an id that its model's provider does not store responses."""
    return (
        f"{param}: {shorten(id_, _LONGEST_ID)} was answered by {model}, whose provider stores no "
        f"responses. {SEND_IT_WHOLE}"
    )


def maker_down(param: str, id_: str, hops: str) -> str:
    """Say that only one model can go on with a turn, and that it did not answer."""
    return (
        f"{param}: {shorten(id_, _LONGEST_ID)} is known only to the model that made it. {hops}. "
        f"{SEND_IT_WHOLE} Or retry later."
    )
