"""The one place that knows both sides: a command line in, an exit code out."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from adapters.terminal.answer import Look
from adapters.terminal.called import in_shell, program_name
from adapters.terminal.cli import Invocation, parse_arguments
from adapters.terminal.one_shot import report, run_static
from bot.errors import ChangeoverError

VERSION = "0.1.0"
GC_EVERY = 50_000
"""Objects made before the collector looks: a command is over by then, and its imports no cycles."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    look = Look(UTC, _now, os.environ, speller=in_shell(program_name(os.environ)))
    try:
        invocation = parse_arguments(arguments)
        look = replace(look, json=invocation.json)
        code = run_static(invocation, VERSION, sys.stdout, sys.stderr, look)
        return _dispatch(invocation, look) if code is None else code
    except ChangeoverError as error:
        return report(error, arguments, sys.stdout, sys.stderr, look)
    except KeyboardInterrupt:
        return 130


def _dispatch(invocation: Invocation, look: Look) -> int:
    """Hand over to what the command needs; imports are late, for a cold start."""
    match invocation.command:
        case "demo":
            from adapters.main.demo import run_demo

            return run_demo(invocation)
        case "init":
            from adapters.main.init import run_init

            return run_init(invocation)
        case "db":
            from adapters.main.backup import run_db

            return run_db(invocation, look)
        case "config":
            from adapters.main.config import run_config

            return run_config(invocation)
        case "run" | "bot" | "gateway":
            from adapters.main.heap import skip_httpx_cli

            skip_httpx_cli()
            from adapters.main.service import run_service

            return run_service(invocation)
        case "slack-manifest":
            from adapters.main.manifest import run_manifest

            return run_manifest(invocation)
        case _:
            gc.set_threshold(GC_EVERY)
            from adapters.main.terminal import run_terminal

            return run_terminal(invocation)


def _now() -> datetime:
    return datetime.now(UTC)
