"""Who may do what: actors, permissions, and the rules of CHANGEOVER_OPERATORS and _ADMINS."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from bot.errors import PermissionDeniedError, SettingsError, StrangerError
from bot.spans import Command, text


class Permission(StrEnum):
    """What a command needs."""

    READ = "read"
    CHANGE = "change"
    ADMIN = "admin"


class Surface(StrEnum):
    """Where a command came from."""

    SLACK = "slack"
    DISCORD = "discord"
    TELEGRAM = "telegram"
    CONSOLE = "console"
    CLI = "cli"
    SCRIPT = "script"
    SERVICE = "service"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who gives a command.

    `groups` are rule words the surface vouches for (`slack-group:S1`, `discord-role:7`);
    `owner` is the one at the server's own terminal, who may do everything. `home` is the team,
    guild or chat that somebody belongs to; for a `stranger` it is not the one served here.
    """

    surface: Surface
    id: str
    name: str
    groups: frozenset[str] = frozenset()
    owner: bool = False
    home: str = ""
    stranger: bool = False

    @property
    def key(self) -> str:
        """`surface:id`, as the rules and the journal write it."""
        return f"{self.surface}:{self.id}"


SERVICE = Actor(Surface.SERVICE, "changeover", "Changeover", owner=True)
"""The program itself, where it acts by itself."""

_RULES = "Use dearer:5, cloud, agent:ID, trial or all, separated by commas."
_RULE_KINDS = ("slack:", "slack-group:", "discord:", "discord-role:", "telegram:")


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Parsed CHANGEOVER_OPERATORS and CHANGEOVER_ADMINS; empty admins are the operators."""

    operators: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, operators: str, admins: str) -> AccessRules:
        """Read both comma lists.

        Raises:
            SettingsError: a rule is of no known kind.
        """
        return cls(_rules("CHANGEOVER_OPERATORS", operators), _rules("CHANGEOVER_ADMINS", admins))

    def allows(self, actor: Actor, permission: Permission) -> bool:
        """Return whether the actor may do what needs the permission."""
        if actor.stranger:
            return False
        if actor.owner or permission is Permission.READ:
            return True
        rules = self.operators
        if permission is Permission.ADMIN and self.admins:
            rules = self.admins
        return "*" in rules or actor.key in rules or not actor.groups.isdisjoint(rules)

    def check(self, actor: Actor, permission: Permission, command: Command) -> None:
        """Refuse what the actor may not do, and say how it can be allowed.

        Raises:
            PermissionDeniedError: the actor may not do it.
        """
        check_home(actor)
        if self.allows(actor, permission):
            return
        admin = permission is Permission.ADMIN and bool(self.admins)
        variable = "CHANGEOVER_ADMINS" if admin else "CHANGEOVER_OPERATORS"
        rules = self.admins if admin else self.operators
        who = f"{variable} is empty" if not rules else f"you are not in {variable}"
        raise PermissionDeniedError(
            text(command, f" needs the {permission.value} permission, but {who}."),
            f"On the server, add {actor.key} to {variable} and restart Changeover.",
        )


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Parsed CHANGEOVER_APPROVAL: which changes a second operator must approve; empty: none.

    `dearer` is a primary that costs more than so many times the one before, `cloud` a vendor's
    model where none was used, `agents` are ids whose model changes, `trial` the start of a trial.
    """

    dearer: Decimal | None = None
    cloud: bool = False
    agents: frozenset[str] = frozenset()
    trial: bool = False
    all: bool = False

    @classmethod
    def parse(cls, value: str) -> ApprovalRules:
        """Read a comma list of rules.

        Raises:
            SettingsError: a rule is none.
        """
        dearer: Decimal | None = None
        words, agents = set(), set()
        for rule in (part.strip() for part in value.split(",") if part.strip()):
            kind, colon, rest = rule.partition(":")
            if rule in ("cloud", "trial", "all"):
                words.add(rule)
            elif kind == "agent" and rest:
                agents.add(rest)
            elif kind == "dearer" and colon:
                limit = _ratio(rest)
                dearer = limit if dearer is None else min(dearer, limit)
            else:
                raise SettingsError(f"CHANGEOVER_APPROVAL has an invalid rule: {rule!r}.", _RULES)
        return cls(dearer, "cloud" in words, frozenset(agents), "trial" in words, "all" in words)

    @property
    def any(self) -> bool:
        """True where some change may have to wait."""
        return self != ApprovalRules()


def _ratio(words: str) -> Decimal:
    try:
        number = Decimal(words)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or number < 1:
        raise SettingsError(
            f"CHANGEOVER_APPROVAL: dearer needs a number from 1 upwards, not {words[:20]!r}.",
            _RULES,
        )
    return number


def check_home(actor: Actor) -> None:
    """Refuse somebody from another team or guild, whatever is asked.

    Raises:
        StrangerError: the actor is a stranger here.
    """
    if actor.stranger:
        raise StrangerError("Changeover answers only the team it belongs to.")


def _rules(variable: str, value: str) -> frozenset[str]:
    rules = {part.strip() for part in value.split(",") if part.strip()}
    for rule in rules:
        kind = next((k for k in _RULE_KINDS if rule.startswith(k)), None)
        if rule != "*" and (kind is None or len(rule) == len(kind)):
            raise SettingsError(
                f"{variable} has an invalid entry: {rule!r}.",
                "Use slack:U…, slack-group:S…, discord:ID, discord-role:ID, telegram:ID or *.",
            )
    return frozenset(rules)
