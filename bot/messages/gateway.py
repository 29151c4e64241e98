"""What the gateway says of who may call it."""

from __future__ import annotations

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
    "SLACK_SIGNING_SECRET is set without GATEWAY_TOKEN: the public URL that Slack calls may "
    "reach the models too."
)
HOW_TO_CLOSE_IT = "Set GATEWAY_TOKEN, for example to the output of openssl rand -hex 24."
