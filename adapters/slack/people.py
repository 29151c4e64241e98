"""Who somebody is: the name the channel knows, the team, the user groups that the rules mention."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.slack.api import Api, SlackTrouble, asking, log
from bot.access import AccessRules, Actor, Surface

NAME_TTL_S = 3600.0
GROUP_TTL_S = 2.0
"""Short, since the rights are checked again at every click; Slack allows 20 such calls a minute."""
GROUP_KEEP_S = 60.0
"""How long an older answer counts while Slack gives no new one."""
GROUP_WAIT_S = 8.0
MOST_NAMES = 5000
_KIND = "slack-group:"


@dataclass(frozen=True, slots=True)
class Person:
    """What Slack tells of somebody; `teams` are the workspaces and the organization they are in."""

    name: str
    teams: frozenset[str] = frozenset()
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Home:
    """The workspace that the bot is installed in, and its organization where it has one."""

    team: str
    enterprise: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """Both, as far as there are any."""
        return frozenset(filter(None, (self.team, self.enterprise)))


def came_from(payload: Mapping[str, Any]) -> frozenset[str]:
    """Return the workspace, and the organization, that a payload names for whoever sent it.

    In a channel shared with another workspace the payload's own team is the app's; whose click it
    was stands with the user.
    """
    user, event = payload.get("user"), payload.get("event")
    own = (user.get("team_id") if isinstance(user, Mapping) else None) or (
        payload if event is None else event
    ).get("user_team")
    if own:
        return frozenset({str(own)})
    team, enterprise = payload.get("team") or {}, payload.get("enterprise") or {}
    ids = (payload.get("team_id"), payload.get("enterprise_id"))
    return frozenset(str(id_) for id_ in (*ids, team.get("id"), enterprise.get("id")) if id_)


def is_stranger(home: Home, sent_from: frozenset[str], person: Person | None) -> bool:
    """Return whether somebody is from elsewhere, by the payload or by Slack's own word.

    Of an organization with several workspaces all are at home.
    """
    teams = person.teams if person else frozenset()
    if (person is not None and person.stranger) or (teams and teams.isdisjoint(home.ids)):
        return True
    return sent_from.isdisjoint(home.ids) and home.enterprise not in teams


class People:
    """Actors out of Slack's user ids; `home` returns the bot's own team once that is known."""

    def __init__(
        self,
        api: Api,
        rules: AccessRules,
        home: Callable[[], Awaitable[Home]],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._home = home
        rule_words = sorted(rules.operators | rules.admins)
        self._group_ids = [r.removeprefix(_KIND) for r in rule_words if r.startswith(_KIND)]
        self._now_s = now_s
        self._known: dict[str, tuple[float, Person]] = {}
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def actor(self, user: str, typed_name: str, sent_from: frozenset[str]) -> Actor:
        """Describe whoever gave a command, sent from these teams.

        Raises:
            ChatError: Slack has not told yet whose the bot is.
        """
        home = await self._home()
        person = await self._look(user)
        name = (person.name if person else typed_name) or user
        if is_stranger(home, sent_from, person):
            teams = (person.teams if person else frozenset()) - home.ids or sent_from
            return Actor(Surface.SLACK, user, name, home=",".join(sorted(teams)), stranger=True)
        member = [group for group in self._group_ids if user in await self._members_of(group)]
        groups = frozenset(_KIND + group for group in member)
        return Actor(Surface.SLACK, user, name, groups, home=home.team)

    async def name(self, user: str) -> str:
        """Return the name that Slack shows for a person, else the id."""
        person = await self._look(user)
        return (person.name if person else "") or user

    async def _look(self, user: str) -> Person | None:
        """Ask who somebody is; None where Slack does not say."""
        async with self._lock(user):
            known = self._known.get(user)
            if known and known[0] > self._now_s():
                return known[1]
            try:
                with asking("identify the user"):
                    answer = await self._api.quick.users_info(user=user)
            except SlackTrouble as trouble:
                log.info("%s is shown by the name in the request: %s", user, trouble.message)
                return known[1] if known else None
            person = _person(answer.get("user") or {})
            if len(self._known) >= MOST_NAMES:
                self._known.clear()
            self._known[user] = (self._now_s() + NAME_TTL_S, person)
            return person

    async def _members_of(self, group: str) -> frozenset[str]:
        """Return a user group's members; nobody when Slack will not say."""
        async with self._lock(group):
            read_at, members = self._members.get(group, (float("-inf"), frozenset()))
            age_s = self._now_s() - read_at
            if age_s < GROUP_TTL_S:
                return members
            try:
                with asking(f"list the members of user group {group}"):
                    # Patiently, for a while: an operator is not refused for one hiccup of Slack's.
                    async with asyncio.timeout(GROUP_WAIT_S):
                        answer = await self._api.web.usergroups_users_list(usergroup=group)
            except SlackTrouble as trouble:
                log.warning("%s", trouble.message)
                return members if age_s < GROUP_KEEP_S else frozenset()
            members = frozenset(map(str, answer.get("users") or ()))
            self._members[group] = (self._now_s(), members)
            return members

    def _lock(self, key: str) -> asyncio.Lock:
        if len(self._locks) > 2 * MOST_NAMES:
            self._locks = {k: lock for k, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(key, asyncio.Lock())


def _person(found: Mapping[str, Any]) -> Person:
    profile, of = found.get("profile") or {}, found.get("enterprise_user") or {}
    names = (profile.get("display_name"), profile.get("real_name"), found.get("name"))
    teams = (found.get("team_id"), of.get("enterprise_id"), *(of.get("teams") or ()))
    return Person(
        next((name for name in names if name), ""),
        frozenset(str(team) for team in teams if team),
        found.get("is_stranger") is True,
    )
