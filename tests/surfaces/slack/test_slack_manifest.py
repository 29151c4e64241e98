"""The manifest: everything the app needs, out of the registry."""

from __future__ import annotations

import json
from typing import Any

from adapters.slack.manifest import SCOPES, manifest
from tests.servers.slack import SCOPES as WANTED
from tests.support.fakes_slack import small_registry


def written(*arguments: Any) -> Any:
    return json.loads(manifest(small_registry(), *arguments))


def test_socket_mode_needs_no_address() -> None:
    found = written()
    assert "http" not in json.dumps(found)
    assert found["settings"]["socket_mode_enabled"] is True
    assert found["settings"]["interactivity"] == {"is_enabled": True}
    assert found["settings"]["event_subscriptions"] == {"bot_events": ["app_home_opened"]}


def test_http_mode_sends_everything_to_one_address() -> None:
    for given in ("https://x.test", "https://x.test/", "https://x.test/slack/events"):
        found = written("", given)
        url = "https://x.test/slack/events"
        assert found["settings"]["socket_mode_enabled"] is False
        assert found["settings"]["interactivity"]["request_url"] == url
        assert found["settings"]["event_subscriptions"]["request_url"] == url
        assert {c["url"] for c in found["features"]["slash_commands"]} == {url}


def test_each_group_is_a_command_with_the_prefix() -> None:
    found = written("llm-")["features"]["slash_commands"]
    assert [c["command"] for c in found] == ["/llm-model", "/llm-fallback"]
    assert found[0]["usage_hint"] == "status | history"
    assert found[0]["description"] == "Show"


def test_every_scope_is_asked_for_and_the_home_tab_is_on() -> None:
    found = written()
    assert found["oauth_config"]["scopes"]["bot"] == list(SCOPES) == list(WANTED)
    assert found["oauth_config"]["scopes"]["bot_optional"] == ["files:write"]
    assert found["features"]["app_home"]["home_tab_enabled"] is True
    assert found["features"]["app_home"]["messages_tab_read_only_enabled"] is False
    assert found["features"]["bot_user"]["display_name"] == "Changeover"
