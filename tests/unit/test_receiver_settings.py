"""The receivers' variables, and the page about what they are sent."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from adapters.environment.receivers import read_receivers
from adapters.environment.sources import secret_values
from adapters.receivers.schema import DATA, json_schema
from bot.errors import SettingsError
from bot.ports.receivers import EventType

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOOK = {"CHANGEOVER_WEBHOOK_URL": "https://hook.example/p4th", "CHANGEOVER_WEBHOOK_SECRET": SECRET}


def test_nothing_is_configured_by_default() -> None:
    settings = read_receivers({"CHANGEOVER_WEBHOOK_SECRET": "of-something-else"})
    assert settings.webhook is None


def test_a_webhook_is_an_address_and_a_secret() -> None:
    webhook = read_receivers(HOOK).webhook
    assert webhook is not None
    assert webhook.url.reveal() == "https://hook.example/p4th"
    assert "p4th" not in repr(webhook)
    assert {"https://hook.example/p4th", SECRET} <= secret_values(HOOK)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"CHANGEOVER_WEBHOOK_SECRET": ""}, "CHANGEOVER_WEBHOOK_URL is set, but not CHANGE"),
        ({"CHANGEOVER_WEBHOOK_SECRET": "whsec_s3cr3t"}, "CHANGEOVER_WEBHOOK_SECRET must be 24 to"),
        ({"CHANGEOVER_WEBHOOK_SECRET": "whsec_" + "é" * 40}, "CHANGEOVER_WEBHOOK_SECRET must be"),
        ({"CHANGEOVER_WEBHOOK_URL": "hook.example/p4th"}, "CHANGEOVER_WEBHOOK_URL must be a URL"),
        ({"CHANGEOVER_WEBHOOK_URL": "http://[::1/p4th"}, "CHANGEOVER_WEBHOOK_URL must be an http"),
        ({"CHANGEOVER_WEBHOOK_URL": "http://h:99999/p4th"}, "CHANGEOVER_WEBHOOK_URL must be an"),
    ],
)
def test_a_wrong_value_is_refused_without_being_shown(env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=r"must be|is set") as raised:
        read_receivers(HOOK | env)
    assert raised.value.message.startswith(message)
    assert "p4th" not in raised.value.message + raised.value.hint
    assert "s3cr3t" not in raised.value.message + raised.value.hint


def test_a_pager_is_a_key_and_an_alertmanager_an_address() -> None:
    settings = read_receivers(
        {"PAGERDUTY_ROUTING_KEY": "k3y" * 10 + "ab", "ALERTMANAGER_URL": "http://me:p4ss@am:9093/"}
    )
    assert settings.pagerduty is not None
    assert settings.pagerduty.api_url == "https://events.pagerduty.com"
    assert settings.alertmanager is not None
    assert settings.alertmanager.reveal() == "http://me:p4ss@am:9093"
    assert "k3y" not in repr(settings) + str(settings)
    assert "p4ss" not in repr(settings)


@pytest.mark.parametrize(
    "env",
    [
        {"PAGERDUTY_ROUTING_KEY": "s3cr3t"},
        {"PAGERDUTY_ROUTING_KEY": "a" * 32, "PAGERDUTY_API_URL": "events.pagerduty.com"},
        {"ALERTMANAGER_URL": "am:9093/s3cr3t"},
    ],
)
def test_a_wrong_pager_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=list(env)[-1]) as raised:
        read_receivers(env)
    assert "s3cr3t" not in raised.value.message


def test_the_page_and_the_schema_name_every_event() -> None:
    page = (DOCS / "webhooks.md").read_text()
    assert set(DATA) == set(EventType)
    assert [kind for kind in EventType if f"| `{kind}` |" not in page] == []
    file = DOCS / "webhooks.schema.json"
    wanted = json.dumps(json_schema(), indent=2) + "\n"
    if os.environ.get("CHANGEOVER_GOLDEN") == "write":
        file.write_text(wanted)
    assert file.read_text() == wanted
