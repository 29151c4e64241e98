"""Who somebody is: the name the channel knows, and the user groups that the rules mention."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

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


class People:
    """Actors out of Slack's user ids."""

    def __init__(
        self, api: Api, rules: AccessRules, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        rule_words = sorted(rules.operators | rules.admins)
        self._group_ids = [r.removeprefix(_KIND) for r in rule_words if r.startswith(_KIND)]
        self._now_s = now_s
        self._names: dict[str, tuple[float, str]] = {}
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def actor(self, user: str, typed_name: str) -> Actor:
        """Describe whoever gave a command."""
        name = await self.name(user, typed_name)
        member = [group for group in self._group_ids if user in await self._members_of(group)]
        return Actor(Surface.SLACK, user, name, frozenset(_KIND + group for group in member))

    async def name(self, user: str, otherwise: str = "") -> str:
        """Return the name that Slack shows for a person, else what is known without asking."""
        async with self._lock(user):
            known = self._names.get(user)
            if known and known[0] > self._now_s():
                return known[1]
            try:
                with asking("say who that is"):
                    answer = await self._api.quick.users_info(user=user)
            except SlackTrouble as trouble:
                log.info("%s is called by the name that came along: %s", user, trouble.message)
                return (known[1] if known else otherwise) or user
            found = answer.get("user") or {}
            profile = found.get("profile") or {}
            names = (profile.get("display_name"), profile.get("real_name"), found.get("name"))
            name = next((n for n in names if n), otherwise) or user
            if len(self._names) >= MOST_NAMES:
                self._names.clear()
            self._names[user] = (self._now_s() + NAME_TTL_S, name)
            return name

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
