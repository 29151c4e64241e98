"""`changeover db backup PATH`: the whole database, while it is in use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from adapters.environment import read_service_settings
from adapters.main.wiring import environment
from adapters.storage.backup import back_up
from adapters.terminal.answer import Look, deliver
from adapters.terminal.cli import Invocation
from bot.errors import UsageError
from bot.messages.database import backup_card
from bot.spans import Command, text


def run_db(invocation: Invocation, look: Look) -> int:
    """Back the database up. Raises ChangeoverError."""
    if len(invocation.words) != 2 or invocation.words[0] != "backup":
        raise UsageError(
            text(Command("db", program=True), " takes backup and a path."),
            Command("db backup changeover-backup.db", program=True),
        )
    service = read_service_settings(environment(invocation))
    path = Path.cwd() / Path(invocation.words[1]).expanduser()
    kind = back_up(service.database_url, path, os.environ)
    card = backup_card(str(path), path.stat().st_size, kind)
    return deliver(card, sys.stdout, sys.stderr, look)
