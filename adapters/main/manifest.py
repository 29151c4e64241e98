"""`changeover slack-manifest`: what to paste into Slack to make the app."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from adapters.environment import read_settings
from adapters.main.wiring import environment
from adapters.slack.manifest import manifest
from adapters.terminal.answer import write
from adapters.terminal.cli import Invocation
from bot.catalog import shipped
from bot.commands.table import registry
from bot.errors import UsageError
from bot.spans import Command, text


def run_manifest(invocation: Invocation) -> int:
    """Print the manifest; it is JSON, with and without --json. Raises ChangeoverError."""
    settings = read_settings(environment(invocation))
    _check(invocation.http)
    write(sys.stdout, manifest(registry(shipped()), settings.prefix, invocation.http) + "\n")
    return 0


def _check(url: str | None) -> None:
    """Refuse what Slack cannot call. Raises UsageError."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f"{url[:100]!r} is not an https URL that Slack can call.",
            text(
                "For example: ",
                Command("slack-manifest --http https://bot.example.com", program=True),
            ),
        )
