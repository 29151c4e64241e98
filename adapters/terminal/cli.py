"""The command line, declared once: parsing, `--help` and did-you-mean derive from two tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bot.durations import shorten
from bot.errors import UsageError
from bot.spans import Command, Phrase, text

if TYPE_CHECKING:
    from pathlib import Path


class Verb(NamedTuple):
    """A command: what follows it and what it does; `chat` ones take a chat command's words.

    `words` are the words one of which may follow.
    """

    name: str
    takes: str
    help: str
    chat: bool = False
    words: tuple[str, ...] = ()


class Flag(NamedTuple):
    """An option: `takes` names its value, `verb` the one command it belongs to."""

    name: str
    takes: str
    help: str
    verb: str = ""


VERBS = (
    Verb("run", "", "gateway and bot in one process: everything configured"),
    Verb("bot", "", "all but the gateway: chat, alerts, timed switches, digests"),
    Verb("gateway", "", "only the gateway"),
    Verb("console", "", "an interactive terminal, or lines from a pipe"),
    Verb("demo", "[--say TEXT]…", "a console with simulated providers; needs no API key"),
    Verb("model", "WORDS…", "a /model command, for example: model cheap for 2h", True),
    Verb("fallback", "WORDS…", "a /fallback command, for example: fallback test", True),
    Verb("cost", "WORDS…", "a /cost command, for example: cost week by model", True),
    Verb("doctor", "", "check config, keys, storage, chat and gateway"),
    Verb(
        "config",
        "WORD [WHAT]",
        "import, export, show, diff, list revisions or restore one",
        words=("import", "export", "show", "diff", "revisions", "restore"),
    ),
    Verb("db", "backup PATH", "copy the database while it is in use", words=("backup",)),
    Verb("init", "[--openclaw]", "create .env and moltbot.json where missing"),
    Verb("slack-manifest", "[--http URL]", "print the manifest for the Slack app"),
    Verb("completion", "bash|zsh|fish", "print a completion script", words=("bash", "zsh", "fish")),
    Verb("version", "", "print the version"),
    Verb("help", "[COMMAND]", "this page"),
)

FLAGS = (
    Flag("--config", "PATH", "the config file, or db:"),
    Flag("--env-file", "PATH", "use another file than ./.env"),
    Flag("--json", "", "one JSON document on stdout"),
    Flag("--yes", "", "confirm a switch to a model that costs much more"),
    Flag("--help", "", "this page, or a command's"),
    Flag("--version", "", "print the version"),
    Flag("--say", "TEXT", "run a line without a terminal; repeatable", "demo"),
    Flag("--openclaw", "", "write the config for a running OpenClaw", "init"),
    Flag("--http", "URL", "for HTTP mode, Slack calling URL", "slack-manifest"),
)

_VERBS = {verb.name: verb for verb in VERBS}
_FLAGS = {flag.name: flag for flag in FLAGS}
_AT_THE_END = ("--json", "--yes")
_EXITS = "Exit codes: 0 done, 1 bad result, 2 wrong usage, 3 refused, 4 unusable configuration."


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of the program as it was asked for; `command` is empty when nothing was."""

    command: str = ""
    words: tuple[str, ...] = ()
    config: str | None = None
    env_file: Path | None = None
    json: bool = False
    yes: bool = False
    say: tuple[str, ...] = ()
    openclaw: bool = False
    http: str | None = None

    @property
    def line(self) -> str:
        """Return a chat command as it would be typed, without the slash."""
        return " ".join((self.command, *self.words))


@dataclass(slots=True)
class _Found:
    """What parsing has seen so far."""

    words: list[str] = field(default_factory=list)
    flags: dict[str, list[str]] = field(default_factory=dict)


def parse_arguments(arguments: Sequence[str]) -> Invocation:
    """Read a command line (without the program's name).

    Flags may be before or after the command; `--` ends them. The words of a chat command
    are kept as they are: only the exact global flags are taken out of them, and after the word
    `reason` only `--json` and `--yes` at the very end.

    Raises:
        UsageError: it is none; the hint names the nearest command or flag.
    """
    found = _Found()
    rest = list(arguments)
    while rest and not found.words:
        _step(rest, found, chat=False)
    command = _command(found, rest)
    verb = _VERBS.get(command)
    if verb is not None and verb.chat:
        _chat_words(rest, found)
    else:
        while rest:
            _step(rest, found, chat=False)
    return _invocation(command, found)


def _command(found: _Found, rest: list[str]) -> str:
    """Take the command off; chat's leading slash is optional, also around a whole quoted line."""
    if not found.words:
        return ""
    first, *more = found.words.pop(0).split() or [""]
    name = first.removeprefix("/")
    if name not in _VERBS:
        raise _unknown_command(first, [*more, *found.words, *rest])
    rest[:0] = more
    return name


def _step(rest: list[str], found: _Found, *, chat: bool) -> None:
    """Take one word or flag off the front."""
    word = rest.pop(0)
    if word == "--":
        found.words += rest
        rest.clear()
        return
    name, equals, value = word.partition("=")
    name = "--help" if name == "-h" else name
    flag = _FLAGS.get(name)
    if chat and (flag is None or flag.verb):
        found.words.append(word)
        return
    if flag is None:
        if word.startswith("-") and word != "-":
            raise _unknown_flag(name)
        found.words.append(word)
        return
    if flag.takes and not equals:
        if not rest or rest[0] in _FLAGS:
            raise UsageError(f"{name} needs a value.", f"Use {name} {flag.takes}.")
        value = rest.pop(0)
    elif equals and not flag.takes:
        raise UsageError(f"{name} takes no value.", f"Use {name} alone.")
    if flag.takes and not value:
        raise UsageError(f"{name} has an empty value.", f"Use {name} {flag.takes}.")
    found.flags.setdefault(name, []).append(value)


def _chat_words(rest: list[str], found: _Found) -> None:
    while rest:
        if rest[0].lower() == "reason":
            while rest[-1] in _AT_THE_END:
                found.flags.setdefault(rest.pop(), []).append("")
            found.words += rest
            return
        _step(rest, found, chat=True)


def _invocation(command: str, found: _Found) -> Invocation:
    for name in found.flags:
        verb = _FLAGS[name].verb
        if verb and verb != command:
            raise UsageError(
                text(f"{name} works only with ", _typed(verb), "."),
                text("Usage: ", _typed(f"{verb} {name} {_FLAGS[name].takes}".rstrip(), form=True)),
            )
    command, words = _asked(command, tuple(found.words), found)
    if words and command != "help" and not _takes(_VERBS[command], words):
        raise UsageError(
            text(_typed(command), f" does not take {shorten(words[0])!r}."),
            _typed(f"{command} --help"),
        )
    return Invocation(
        command=command,
        words=words,
        config=_last(found, "--config"),
        env_file=_path(_last(found, "--env-file")),
        json="--json" in found.flags,
        yes="--yes" in found.flags,
        say=tuple(found.flags.get("--say", ())),
        openclaw="--openclaw" in found.flags,
        http=_last(found, "--http"),
    )


def _takes(verb: Verb, words: tuple[str, ...]) -> bool:
    most = len(verb.takes.split())
    return verb.chat or (len(words) <= most and words[0] in verb.words)


def _asked(command: str, words: tuple[str, ...], found: _Found) -> tuple[str, tuple[str, ...]]:
    """Turn `--help` and `--version` into the commands of that name."""
    if "--help" in found.flags:
        if command and _VERBS[command].chat:
            return command, ("help", *(word for word in words[:1] if word != "help"))
        return "help", words if command == "help" else (command,) if command else ()
    if "--version" in found.flags:
        return "version", ()
    return command, words


def _path(name: str | None) -> Path | None:
    if not name:
        return None
    from pathlib import Path

    return Path(name)


def _last(found: _Found, name: str) -> str | None:
    values = found.flags.get(name)
    return values[-1] if values else None


def _unknown_command(word: str, more: Sequence[str]) -> UsageError:
    return UsageError(f"{shorten(word)!r} is not a command.", _meant(word.removeprefix("/"), more))


def _meant(word: str, more: Sequence[str]) -> Phrase:
    """Suggest what was probably meant: another command, or a chat command without its first word.

    `changeover cheap` stands for `changeover model cheap`, `switch cheap` too.
    """
    from bot.catalog import shipped
    from bot.commands.table import registry

    known = registry(shipped())
    words = [part for part in (word, *more) if part not in _FLAGS]
    for start in range(min(2, len(words))):
        for group in known.groups:
            if known.find(group, words[start].lower()):
                return text("Did you mean ", _typed(" ".join((group, *words[start:]))), "?")
    guess = near(word, _VERBS)
    if guess is None:
        names = {c.name: c.group for group in known.groups for c in known.of(group)}
        name = near(word, names)
        guess = f"{names[name]} {name}" if name else None
    return text("Did you mean ", _typed(guess), "?") if guess else _all_commands()


def _typed(words: str, *, form: bool = False) -> Command:
    return Command(words, program=True, form=form)


def _all_commands() -> Phrase:
    return text("All commands: ", _typed("--help"))


def _unknown_flag(name: str) -> UsageError:
    guess = near(name, _FLAGS)
    return UsageError(
        f"{shorten(name)!r} is not an option.",
        f"Did you mean {guess}?" if guess else _all_commands(),
    )


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    from bot.config import naming

    return naming.near(word, known)


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether an answer is wanted as JSON, even where the arguments make no sense."""
    words = list(arguments)
    return "--json" in words[: words.index("--") if "--" in words else None]


def help_text(topic: str = "", program: str = "changeover") -> str:
    """Write the help page, or one command's part of it, under the name the program is called by."""
    verb = _VERBS.get(topic)
    if verb is None:
        verbs = [(f"{v.name} {v.takes}".rstrip(), v.help) for v in VERBS]
        head = f"usage: {program} [OPTIONS] COMMAND\n\n" + _columns(verbs)
    else:
        head = f"usage: {program} {verb.name} {verb.takes}".rstrip() + f"\n\n  {verb.help}\n"
    flags = [f for f in FLAGS if f.verb == topic or not f.verb or verb is None]
    shown = [(f"{f.name} {f.takes}".rstrip(), _flag_help(f)) for f in flags]
    return f"{head}\noptions, before or after the command:\n{_columns(shown)}\n{_EXITS}\n"


def _flag_help(flag: Flag) -> str:
    return f"{flag.help} ({flag.verb})" if flag.verb else flag.help


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "".join(f"  {left.ljust(width)}  {right}\n" for left, right in rows)
