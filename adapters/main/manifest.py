"""`changeover slack-manifest`: what to paste into Slack to make the app."""

from __future__ import annotations

import sys

from adapters.environment import read_settings
from adapters.main.wiring import environment
from adapters.slack.manifest import manifest
from adapters.terminal.cli import Invocation
from adapters.terminal.render import write
from bot.catalog import shipped
from bot.commands.table import registry


def run_manifest(invocation: Invocation) -> int:
    """Print the manifest; it is JSON, with and without --json. Raises SettingsError."""
    settings = read_settings(environment(invocation))
    write(sys.stdout, manifest(registry(shipped()), settings.prefix, invocation.http) + "\n")
    return 0
