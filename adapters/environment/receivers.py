"""Environment → the settings of receivers: the webhook, PagerDuty, Alertmanager."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.environment.values import address, secret, value_of, wrong
from bot.errors import SettingsError
from bot.models import Secret

_HTTP = ("http", "https")
_ROUTING_KEY = re.compile(r"[0-9A-Za-z]{32}", re.ASCII)
_SECRET_BYTES = range(24, 65)
PAGERDUTY = "https://events.pagerduty.com"


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where events are posted, and what they are signed with."""

    url: Secret
    secret: Secret


@dataclass(frozen=True, slots=True)
class PagerDutySettings:
    """An integration of Events API v2."""

    routing_key: Secret
    api_url: str


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """The receivers that are configured; an Alertmanager by its URL, which may hold a password."""

    webhook: WebhookSettings | None = None
    pagerduty: PagerDutySettings | None = None
    alertmanager: Secret | None = None


def read_receivers(env: Mapping[str, str]) -> ReceiverSettings:
    """Read the variables of all receivers. Raises SettingsError."""
    url = _url(env, "ALERTMANAGER_URL", "http://127.0.0.1:9093")
    return ReceiverSettings(_webhook(env), _pagerduty(env), Secret(url) if url else None)


def _webhook(env: Mapping[str, str]) -> WebhookSettings | None:
    url = _url(env, "CHANGEOVER_WEBHOOK_URL", "https://ops.example.com/changeover")
    key = secret(env, "CHANGEOVER_WEBHOOK_SECRET")
    if url is None:
        return None
    if key is None:
        raise SettingsError(
            "CHANGEOVER_WEBHOOK_URL is set, but not CHANGEOVER_WEBHOOK_SECRET.", _HOW
        )
    try:
        size = len(base64.b64decode(key.reveal().removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size not in _SECRET_BYTES:
        raise wrong(
            "CHANGEOVER_WEBHOOK_SECRET", "", "must be 24 to 64 bytes in base64, after whsec_", _HOW
        )
    return WebhookSettings(Secret(url), key)


_HOW = 'To make a secret: echo "whsec_$(openssl rand -base64 32)"'


def _pagerduty(env: Mapping[str, str]) -> PagerDutySettings | None:
    key = secret(env, "PAGERDUTY_ROUTING_KEY")
    api_url = _url(env, "PAGERDUTY_API_URL", "https://events.eu.pagerduty.com")
    if key is None:
        return None
    if not _ROUTING_KEY.fullmatch(key.reveal()):
        raise wrong(
            "PAGERDUTY_ROUTING_KEY",
            "",
            "must be 32 letters and digits",
            "Copy the Integration Key of an Events API v2 integration.",
        )
    return PagerDutySettings(key, api_url or PAGERDUTY)


def _url(env: Mapping[str, str], name: str, example: str) -> str | None:
    url = address(env, name, _HTTP, example)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise wrong(name, value_of(env, name), "must be an http(s) URL", f"For example: {example}")
    return url
