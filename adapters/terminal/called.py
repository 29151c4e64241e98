"""How commands are typed at this terminal: under the name the program was called by, quoted."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from bot.spans import Command, Speller, for_a_shell, shell_word

_MODULE = "__main__.py"


def in_chat(command: Command) -> str:
    """Write a command as the console takes it."""
    return command.in_chat()


def program_name(
    environ: Mapping[str, str],
    arguments: Sequence[str] | None = None,
    original: Sequence[str] | None = None,
) -> str:
    """Return what was typed to call the program: `changeover`, a path, `python -m adapters.main`.

    `CHANGEOVER_CALLED` is how a script that starts the program was called itself.
    """
    arguments = sys.argv if arguments is None else arguments
    original = sys.orig_argv if original is None else original
    called = environ.get("CHANGEOVER_CALLED") or (arguments[0] if arguments else "")
    if os.path.basename(called) == _MODULE:
        return " ".join(map(shell_word, original[: len(original) - len(arguments) + 1]))
    name = os.path.basename(called)
    if os.path.isabs(called) and _found(name, environ) == called:
        return name
    return shell_word(called) if called and name != "-c" else "changeover"


def _found(name: str, environ: Mapping[str, str]) -> str | None:
    """Return what a shell runs by that name (`shutil.which` takes long to load)."""
    paths = (os.path.join(folder, name) for folder in environ.get("PATH", "").split(os.pathsep))
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def in_shell(program: str) -> Speller:
    """Return what writes a command for a shell: it can be typed as it stands."""

    def spell(command: Command) -> str:
        words = command.words if command.form else for_a_shell(command.words)
        return f"{program} {words}"

    return spell


def at_prompt(shell: Speller) -> Speller:
    """Return what writes a command for the console: with a slash, the program's own by `shell`."""
    return lambda command: shell(command) if command.program else command.in_chat()
