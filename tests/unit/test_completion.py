"""What a shell completes: asked of a real bash, which every machine of ours has."""

from __future__ import annotations

import subprocess

import pytest

from adapters.terminal.cli import VERBS
from adapters.terminal.completion import script
from bot.catalog import shipped
from bot.commands.table import registry

CATALOG = shipped()
REGISTRY = registry(CATALOG)
ASK = """
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_changeover
echo "${COMPREPLY[*]}"
"""


def offered(*typed: str) -> list[str]:
    words = script("bash", REGISTRY, list(CATALOG.presets))
    asked = ["bash", "-c", words + ASK, "bash", "changeover", *typed]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("mo",), ["model"]),
        (("/model", "str"), ["strategy"]),
        (("--config", "x", "model", "strategy", "q"), ["quality"]),
        (("model", "cheap", "f"), ["for"]),
        (("cost", "week", "by", "p"), ["provider"]),
        (("fallback", "a"), ["add", "ack"]),
        (("model", "help", "ch"), ["cheap"]),
        (("completion", "b"), ["bash"]),
        (("model", "nope", ""), []),
        (("demo", "--s"), ["--say"]),
    ],
)
def test_bash_offers_what_the_registry_has(typed, words):
    assert offered(*typed) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_stands_in_the_script(shell):
    words = script(shell, REGISTRY, [])
    for command in [c for group in REGISTRY.groups for c in REGISTRY.of(group)]:
        assert f"'{command.full_name}'" in words
    assert all(verb.name in words for verb in VERBS)
    assert "@" not in words.replace('"$@"', "")
