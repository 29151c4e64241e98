"""Writes docs/commands.md from the registry and the command line's own tables.

Run it as `./scripts/docs`; `--check` writes nothing and fails when the file is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from adapters.main.demo import HELPS
from adapters.terminal.cli import FLAGS, VERBS, Flag
from bot.access import Permission
from bot.card import plain
from bot.catalog import shipped
from bot.commands.registry import Command, Danger, Kind, Param, Registry
from bot.commands.table import registry
from scripts import json_fields

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"

_WHO = {
    Permission.READ: "everybody",
    Permission.CHANGE: "operators",
    Permission.ADMIN: "admins",
}
_ALIKE_FROM = 3
"""So many neighbours that take the same arguments are described together."""
_MOST_EXAMPLES = 5

_INTRO = """\
# Every command

Made by `./scripts/docs` out of the tables that the program itself reads. Do not edit this page; a
test fails when it is stale.

## How to type them

| where | how |
|---|---|
| Slack, console | `/model cheap for 2h reason batch import` |
| Discord | `/model cheap`, the arguments as options of the same names |
| command line | `changeover model cheap for 2h reason batch import` |

- Words in capitals stand for a value. What is in brackets may stay out. `…` means one or more.
- Arguments without a word of their own stand in the order shown. Those with one (`for 2h`) may
  follow in any order.
- `reason TEXT` says why, for the channel and history. It takes the rest of the line, so it comes
  last.
- **MODEL** is an alias of the config file, a preset, or `provider/model`. The file's alias wins.
- **DURATION** is `30m`, `2h`, `1d`, `1h30m` or `until 18:00`, the latter in the zone of
  `CHANGEOVER_TIMEZONE`. The longest is 366 days.
- `CHANGEOVER_COMMAND_PREFIX=llm-` turns `/model` into `/llm-model`, for a workspace where another
  app has that name.
- A word that is no command is answered with the nearest one.

Who may: *everybody* who can write in the channel; *operators* are named in
`CHANGEOVER_OPERATORS`, *admins* in `CHANGEOVER_ADMINS` (left out: the operators). Who sits at the
server's own terminal may do everything. Buttons are checked like commands, at every click.

A change is told in the channel it was asked in, with an Undo button. Errors, help and questions go
to the one who asked. A primary more than `CHANGEOVER_CONFIRM_RATIO` times dearer (5 unless set;
from free to priced always) is asked about first; on the command line `--yes` confirms.
"""

_COMMAND_LINE = """\
## On the command line

In a clone, `./scripts/changeover` does what `changeover` does ([install](install.md)).
"""

_JSON = """\
Answers go to stdout, logs to stderr. Exit codes:

| code | meaning |
|---|---|
| 0 | done |
| 1 | answered, and the answer is bad: a dead chain, a failed check |
| 2 | wrong usage |
| 3 | refused: no permission, or a confirmation is wanted |
| 4 | the configuration cannot be used |

With `--json` stdout is one document; every figure of the card stands in `data` as a number:

```
{"ok": true, "command": "model status", "card": {…}, "data": {…}, "error": null}
{"ok": false, "command": "…", "card": {…}, "data": {…},
 "error": {"code": "usage", "message": "…", "hint": "…"}}
```
"""

_DATA = """\
What stands in `data`: times as ISO 8601 in UTC, money in USD, `null` for what is not there. More
fields may stand beside these. `[]` is a list, the names behind it are those of its members.
"""

_CONSOLE = """\
## In the console and the demo

The slash may stay out. `:help` lists what there is, `:quit` leaves.
"""


def page(commands: Registry) -> str:
    """Write the whole page."""
    parts = [_INTRO, *(_group(commands, group) for group in commands.groups)]
    parts += [_COMMAND_LINE, _verbs(), _flags(), _JSON, _DATA, _data(), _CONSOLE, _demo_words()]
    return "\n".join(parts)


def _group(commands: Registry, group: str) -> str:
    together = list(_alike(commands.of(group)))
    rows = [(f"`{_usage(some)}`", _WHO[some[0].permission], _does(some)) for some in together]
    lines = [
        f"## /{group}",
        "",
        f"`/{group}` alone is `/{group} {commands.default(group).name}`.",
        "",
        *_table(("command", "who", "does"), rows),
    ]
    for some in together:
        if _own_arguments(some[0]):
            lines += ["", *_section(some)]
    return "\n".join(lines) + "\n"


def _alike(commands: Sequence[Command]) -> Iterator[tuple[Command, ...]]:
    """Put neighbours together that differ in nothing but their name."""
    for _, found in groupby(commands, lambda c: (c.params, c.permission, c.danger, c.default)):
        together = tuple(found)
        if len(together) >= _ALIKE_FROM and together[0].params:
            yield together
        else:
            yield from ((command,) for command in together)


def _own_arguments(command: Command) -> tuple[Param, ...]:
    """Return the arguments that need words; what `reason` is stands at the top of the page."""
    return tuple(param for param in command.params if param.kind is not Kind.TEXT)


def _section(together: tuple[Command, ...]) -> Iterator[str]:
    first = together[0]
    yield f"### /{first.group} {', '.join(command.name for command in together)}"
    yield ""
    if len(together) > 1:
        yield from (f"- `{command.name}`: {command.help}." for command in together)
    else:
        yield f"{first.help}."
    if first.danger is Danger.COSTS:
        yield "It costs a few tokens at each provider that is asked."
    yield ""
    rows = [(f"`{shape}`", help_) for shape, help_ in _arguments(first)]
    yield from _table(("argument", "is"), rows)
    yield ""
    examples = dict.fromkeys(e for command in together for e in command.examples)
    yield from _fenced(list(examples)[:_MOST_EXAMPLES])


def _arguments(command: Command) -> Iterator[tuple[str, str]]:
    """Yield each argument as it is typed, and what it is."""
    stem = plain(replace(command, params=()).usage)
    for param in _own_arguments(command):
        shape = plain(replace(command, params=(param,)).usage).removeprefix(f"{stem} ")
        yield shape, param.help


def _usage(together: tuple[Command, ...]) -> str:
    first = together[0]
    names = "|".join(command.name for command in together)
    return plain(first.usage).replace(f"/{first.group} {first.name}", f"/{first.group} {names}", 1)


def _does(together: tuple[Command, ...]) -> str:
    if len(together) == 1:
        return together[0].help
    stems = {command.help.split(command.name)[0].strip() for command in together}
    return f"{stems.pop()} one of them" if len(stems) == 1 else "; ".join(c.help for c in together)


def _verbs() -> str:
    rows = [(f"`{f'changeover {v.name} {v.takes}'.rstrip()}`", _here(v.help)) for v in VERBS]
    return "\n".join(_table(("command", "does"), rows)) + "\n"


def _flags() -> str:
    rows = [(f"`{f'{flag.name} {flag.takes}'.rstrip()}`", _said(flag)) for flag in FLAGS]
    return "\n".join(_table(("option, before or after the command", "does"), rows)) + "\n"


def _said(flag: Flag) -> str:
    return f"{flag.help} (`changeover {flag.verb}`)" if flag.verb else _here(flag.help)


def _here(help_: str) -> str:
    """Say what the terminal's own help calls `this page`."""
    return help_.replace("this page", "the help page")


def _data() -> str:
    return "\n".join(_table(("command", "`data`"), json_fields.rows())) + "\n"


def _demo_words() -> str:
    rows = []
    for word, said in HELPS.items():
        takes = [part for part in said.split() if part.isupper() or part.startswith("[")]
        does = " ".join(part for part in said.split() if part not in takes)
        rows.append((f"`{' '.join([word, *takes])}`", does))
    return "\n".join(_table(("only in `changeover demo`", "does"), rows)) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]


def _fenced(lines: Sequence[str]) -> list[str]:
    return ["```", *lines, "```"]


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` say whether it is as it should be."""
    fresh = page(registry(shipped()))
    stands = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if stands == fresh:
        return 0
    if "--check" in arguments:
        print("docs/commands.md is stale: run ./scripts/docs", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(fresh, encoding="utf-8")
    print("wrote docs/commands.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
