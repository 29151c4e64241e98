"""The files that a config draws in with `$include`: read, and opened for writing where ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from posixpath import dirname, join, normpath

from adapters.storage.files.filesystem import explain
from adapters.storage.files.in_place import read_settled
from bot.errors import ConfigUneditableError

_DEEPEST = 11
_MOST_FILES = 200


def read_included(raw: bytes, folder: str, most_bytes: int) -> Mapping[str, bytes | str]:
    """Return each included file, named from the config's folder → its bytes, or what is wrong."""
    if b"$include" not in raw and b"\\" not in raw:
        return {}
    # Late: parsing is only needed for the rare config that includes something.
    from bot.config.document import include_targets

    found: dict[str, bytes | str] = {}
    level = [("", raw)]
    for _ in range(_DEEPEST):
        named = {
            normpath(join(dirname(file), name)): None
            for file, text in level
            for name in include_targets(text)
        }
        level = []
        for file in named:
            if file not in found and len(found) < _MOST_FILES:
                content = found[file] = _read(join(folder, file), most_bytes)
                if isinstance(content, bytes):
                    level.append((file, content))
    return found


def path_to_write(file: str, folder: str, config: str, others: Mapping[str, object]) -> str:
    """Return where an included file really is, if it may be written.

    Raises:
        ConfigUneditableError: it is outside the config's folder, somebody else's, or included
            under a second name, for which nothing was proved.
    """
    real = os.path.realpath(join(folder, file))
    tree = os.path.realpath(folder)
    if os.path.commonpath([real, tree]) != tree:
        why = f"it leads to {real}, outside the config's folder"
    elif real in (config, *(os.path.realpath(join(folder, one)) for one in others if one != file)):
        why = "the config includes it under two names"
    elif os.path.exists(real) and os.stat(real).st_uid not in (os.geteuid(), _owner(config)):
        why = "it belongs to another user than the config"
    else:
        return real
    raise ConfigUneditableError(f"{file} was not changed: {why}.", f"Edit {file} by hand.")


def _owner(path: str) -> int:
    try:
        return os.stat(path).st_uid
    except OSError:
        return os.geteuid()


def _read(path: str, most_bytes: int) -> bytes | str:
    if "\0" in path:
        return "its name has a NUL byte"
    try:
        return read_settled(path, most_bytes)
    except OSError as error:
        return explain(error, path).why
    except ValueError as error:
        return f"it {error}"
