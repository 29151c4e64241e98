"""Changes that a second operator approves: which wait, who may decide, what is checked again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.access import Actor, ApprovalRules, Surface
from bot.card import Card, Visibility, plain
from bot.errors import ConfigLockedError, SettingsError, StorageError
from bot.models import FailureReason, ModelRef
from bot.ports import IncidentRow
from tests.support.fakes_core import OWNER, Bench
from tests.unit.test_plans import CONFIG, FLASH, LLAMA, OPUS
from tests.unit.test_switch_kills import Fate, Mortal, every_death, lives

ANA = Actor(Surface.SLACK, "U1", "Ana")
BO = Actor(Surface.DISCORD, "2", "Bo", frozenset({"discord-role:7"}))
CY = Actor(Surface.SLACK, "U3", "Cy")
BOSS = Actor(Surface.SLACK, "U4", "Dee")
GUEST = Actor(Surface.SLACK, "U9", "Guest")
OPERATORS = "slack:U1,discord-role:7,slack:U3,slack:U4"
PRICES = {OPUS: ("5", "25"), FLASH: ("0.5", "1")}
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
BEST = "/model best reason release"


def bench_with(approval: str, **more: Any) -> Bench:
    config = {
        "agents": {
            "defaults": {**CONFIG["agents"]["defaults"], "model": {"primary": FLASH}},
            "list": [{"id": "prod"}, {"id": "lab", "model": LLAMA}],
        }
    }
    bench = Bench(config, operators=OPERATORS, prices=PRICES, approval=approval, **more)
    bench.clock.at = NOW
    return bench


def said(card: Card) -> str:
    return "\n".join(plain(words) for words in (card.title, *card.body))


async def posted(bench: Bench) -> list[Card]:
    """Let a service run, and return what it posts or edits."""
    return await bench.outbox.run_due(bench.app)


async def states(bench: Bench) -> Sequence[str]:
    return [one.state for one in await bench.approvals.recent(bench.store.location, 10)][::-1]


async def test_a_change_under_a_rule_waits_as_a_card_with_diff_price_and_reason():
    bench = bench_with("dearer:5")
    card = await bench.say(BEST, ANA, yes=False)
    assert bench.primary == FLASH
    assert card.visibility is Visibility.PRIVATE
    assert said(card) == (
        f"Waiting for approval 1: {FLASH} → {OPUS}\n"
        "Another operator has to approve it: it costs more than 5× as much.\n"
        "Nothing has changed yet. The request is in the channel and expires in 30 min."
    )
    [request] = await posted(bench)
    words = said(request)
    assert words.startswith(
        f"Approval needed: {FLASH} → {OPUS}\n"
        "/model best reason release by Ana.\n"
        "Price: $0.50 in / $1 out per 1M → $5 in / $25 out per 1M (16× the price).\n"
        "Reason: release\n"
        "It waits for another operator: it costs more than 5× as much.\n"
    )
    assert f'- "primary": "{FLASH}"' in words
    assert f'+ "primary": "{OPUS}"' in words
    assert "Expires at 12:30" in words
    assert [button.label for button in request.buttons] == ["Approve", "Reject"]
    # Said once.
    assert await posted(bench) == []


async def test_another_operator_approves_it_and_history_knows_both():
    bench = bench_with("dearer:5")
    await bench.say(BEST, ANA)
    [request] = await posted(bench)
    bench.wait(minutes=5)
    done = await bench.app.handle(BO, request.buttons[0].action.words)
    assert done.ok
    assert bench.primary == OPUS
    assert "Approved by Bo." in said(done)
    [edited] = await posted(bench)
    assert said(edited).startswith(f"Approved: {FLASH} → {OPUS}\n")
    assert "Approved by Bo at 2026-12-01 12:05 UTC." in said(edited)
    assert edited.buttons == ()
    [change] = await bench.journal.changes(bench.store.location, 9)
    assert (change.actor_name, change.actor_key, change.reason) == ("Ana", "slack:U1", "release")
    [kept] = await bench.approvals.recent(bench.store.location, 9)
    assert (kept.state, kept.decided_by, kept.change_id) == ("done", "Bo", change.id)
    # An undo never waits.
    assert (await bench.say("/model undo", CY)).ok
    assert bench.primary == FLASH


@pytest.mark.parametrize(
    ("rules", "line", "waits"),
    [
        ("", "/model best", False),
        ("dearer:20", "/model best", False),
        ("dearer:5", "/model best", True),
        ("dearer:5", "/model local", False),
        ("dearer:5", "/model use local agent lab", False),
        ("dearer:5", "/model best agent lab", True),
        ("dearer:5", f"/fallback set {OPUS}", False),
        ("cloud", "/model local", False),
        ("cloud", "/model best", True),
        ("cloud", f"/fallback add {OPUS}", True),
        ("cloud", "/fallback add local", False),
        ("cloud", "/model strategy local-first", False),
        ("cloud", "/model cheap agent lab", True),
        # An agent without a model of its own has the default one.
        ("agent:prod", "/model local", True),
        ("agent:prod", "/fallback add local", True),
        ("agent:prod", "/model cheap agent lab", False),
        ("agent:lab", "/model cheap agent lab", True),
        ("agent:lab", "/model best", False),
        ("all", "/model local", True),
        ("all", "/model preset night local", True),
        ("all", "/model cheap", False),
        ("trial", "/model best", False),
        ("all", "/fallback mute 1h", False),
    ],
)
async def test_which_changes_wait(rules: str, line: str, waits: bool):
    bench = bench_with(rules)
    before = bench.store.raw
    card = await bench.say(line, ANA)
    assert (await states(bench) == ["waiting"]) is waits, said(card)
    if waits:
        assert bench.store.raw == before
    else:
        assert card.ok or card.error is None


async def test_an_alias_of_the_primary_that_is_pointed_elsewhere_is_a_switch():
    bench = bench_with("dearer:5")
    bench.store.edit_outside(
        bench.store.raw.replace(f'"primary": "{FLASH}"'.encode(), b'"primary": "cheap"')
        if bench.store.raw
        else b""
    )
    await bench.say(f"/model preset cheap {OPUS}", ANA)
    assert await states(bench) == ["waiting"]


@pytest.mark.parametrize("surface", [Surface.CLI, Surface.CONSOLE])
async def test_the_servers_owner_does_not_wait(surface: Surface):
    bench = bench_with("all")
    assert (await bench.say(BEST, replace(OWNER, surface=surface))).ok
    assert bench.primary == OPUS
    assert await states(bench) == []


async def test_undo_timed_reverts_and_budgets_never_wait():
    bench = bench_with("all")
    await bench.say("/model best for 1h", OWNER)
    bench.wait(hours=1)
    await posted(bench)
    assert bench.primary == FLASH
    assert (await bench.say("/model undo", ANA)).ok


async def test_nobody_approves_their_own_request_and_a_guest_none():
    bench = bench_with("all", admins="slack:U4")
    await bench.say(BEST, ANA)
    own = await bench.say("/model approve 1", ANA)
    assert own.error is not None
    assert own.error.message == "Request 1 is your own: another operator has to approve it."
    assert (await bench.say("/model approve 1", GUEST)).error is not None
    assert bench.primary == FLASH
    assert next(one.why for one in bench.journal.refusals).startswith("Request 1 is your own")
    # An admin's may be approved by an admin alone.
    await bench.say("/model local", BOSS)
    lesser = await bench.say("/model approve 2", ANA)
    assert lesser.error is not None
    assert "only another admin can approve it" in lesser.error.message
    assert await states(bench) == ["waiting", "waiting"]
    # The owner at the server's terminal may approve anybody's.
    assert (await bench.say("/model approve 2", OWNER)).ok


async def test_a_rejection_says_why_and_ones_own_is_withdrawn():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    assert "rejected" in said(await bench.say("/model reject 1 reason not before Friday", BO))
    [edited] = await posted(bench)
    assert "Rejected by Bo at 2026-12-01 12:00 UTC: not before Friday" in said(edited)
    late = await bench.say("/model approve 1", CY)
    assert late.error is not None
    assert late.error.message == "Bo rejected request 1 already."
    await bench.say("/model local", ANA)
    assert "withdrawn" in said(await bench.say("/model reject 2", ANA))
    assert await states(bench) == ["rejected", "rejected"]


async def test_a_request_expires_and_its_card_says_so():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    await posted(bench)
    bench.wait(minutes=30)
    late = await bench.say("/model approve 1", BO)
    assert late.error is not None
    assert late.error.message == "Request 1 has expired. Nothing changed."
    assert late.error.hint == "Request it again: /model best reason release"
    [edited] = await posted(bench)
    assert said(edited).startswith("Expired: ")
    assert edited.buttons == ()
    assert bench.primary == FLASH
    # A clock put back makes no request last longer.
    await bench.say("/model local", ANA)
    bench.wait(days=-2)
    await posted(bench)
    assert await states(bench) == ["expired", "expired"]


async def test_a_click_after_the_file_moved_on_changes_nothing():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    await bench.say("/fallback add local", OWNER)
    card = await bench.say("/model approve 1", BO)
    assert card.error is not None
    assert card.error.code == "moved_on"
    assert card.error.message == (
        "The config changed after this was requested; nothing was changed."
    )
    assert bench.primary == FLASH
    assert await states(bench) == ["void"]
    [edited] = await posted(bench)
    assert said(edited).startswith("Not made: ")
    # The same words are a new request.
    await bench.say(BEST, ANA)
    assert (await bench.say("/model approve 2", BO)).ok


async def test_a_price_that_changed_needs_a_new_approval():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    prices: Any = bench.app.ports.prices
    ref = ModelRef("anthropic", "claude-opus-4-8")
    prices.own[ref] = replace(prices.own[ref], output_usd_per_1m=prices.own[ref].input_usd_per_1m)
    card = await bench.say("/model approve 1", BO)
    assert card.error is not None
    assert card.error.message == "A price changed after this was requested; nothing was changed."
    assert (bench.primary, await states(bench)) == (FLASH, ["void"])


async def test_until_a_time_that_has_passed_is_another_request():
    bench = bench_with("all")
    await bench.say("/model best until 12:10", ANA)
    await bench.say("/model local for 2h", CY)
    bench.wait(minutes=15)
    card = await bench.say("/model approve 1", BO)
    assert card.error is not None
    assert card.error.message.startswith("The request would do something else now")
    # A duration begins with the approval.
    done = await bench.say("/model approve 2", BO)
    assert done.data["revert_at"] == NOW + timedelta(hours=2, minutes=15)


async def test_an_operator_who_lost_the_right_meanwhile_neither_approves_nor_is_approved():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    await bench.say("/model local", CY)
    left = replace(BO, groups=frozenset())
    assert (await bench.say("/model approve 1", left)).error is not None
    assert await states(bench) == ["waiting", "waiting"]
    access = replace(bench.app.settings.access, operators=frozenset({"discord-role:7", "slack:U3"}))
    bench.app.settings = replace(bench.app.settings, access=access)
    card = await bench.say("/model approve 1", BO)
    assert card.error is not None
    assert card.error.code == "permission"
    assert (bench.primary, await states(bench)) == (FLASH, ["void", "waiting"])


async def test_a_second_click_is_answered_and_changes_nothing():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    cards = await asyncio.gather(
        bench.say("/model approve 1", BO), bench.say("/model approve 1", CY)
    )
    assert sorted(card.ok for card in cards) == [False, True]
    [late] = [card for card in cards if not card.ok]
    assert late.error is not None
    assert late.error.message in (
        "Bo approved request 1 already.",
        "Cy approved request 1 already.",
    )
    assert len(await bench.journal.changes(bench.store.location, 9)) == 1


async def test_the_same_request_twice_is_one():
    bench = bench_with("all")
    first, second = await bench.say(BEST, ANA), await bench.say(BEST, ANA)
    assert (first.data["approval"], second.data["approval"]) == (1, 1)
    assert (await bench.say(BEST, CY)).data["approval"] == 2


async def test_what_cannot_be_written_now_waits_again():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    bench.store.locked = True
    card = await bench.say("/model approve 1", BO)
    assert card.error is not None
    assert card.error.code == ConfigLockedError.code
    bench.store.locked = False
    assert await states(bench) == ["waiting"]
    assert (await bench.say("/model approve 1", CY)).ok
    [kept] = await bench.approvals.recent(bench.store.location, 9)
    assert kept.decided_by == "Cy"


async def test_without_the_database_nothing_is_changed_behind_the_rules():
    bench = bench_with("all")
    bench.approvals.fail = StorageError("The database is down.", "Try again.")
    card = await bench.say(BEST, ANA)
    assert card.error is not None
    assert bench.primary == FLASH


async def test_pending_lists_what_waits():
    bench = bench_with("all")
    assert "Nothing waits for approval" in said(await bench.say("/model pending", GUEST))
    await bench.say(BEST, ANA)
    one = await bench.say("/model pending", GUEST)
    assert [button.label for button in one.buttons] == ["Approve", "Reject"]
    await bench.say("/model local", CY)
    card = await bench.say("/model pending", GUEST)
    first = card.data["approvals"][0]
    assert (first["approval"], first["requested_by"], first["rules"]) == (1, "Ana", ["all"])
    assert (first["old"], first["new"], first["state"]) == (FLASH, OPUS, "waiting")
    assert len(card.data["approvals"]) == 2
    unknown = await bench.say("/model approve 7", BO)
    assert unknown.error is not None
    assert unknown.error.message == "There is no request 7."


async def test_who_is_alone_is_told_so():
    bench = Bench(CONFIG, operators="slack:U1", approval="all")
    card = await bench.say("/model local", ANA)
    assert [one.code for one in card.warnings] == ["no_approver"]


def incident(bench: Bench) -> None:
    bench.log.incident_rows.append(
        IncidentRow(12, "open", FLASH, FailureReason.RATE_LIMIT.value, NOW, None, 3, OPUS)
    )


async def test_an_override_is_for_admins_in_an_incident_with_a_reason():
    bench = bench_with("all", admins="slack:U4")
    await bench.say(BEST, ANA)
    line = "/model override 1 reason deepseek is down"
    for actor, words, said_ in (
        (CY, line, "needs the admin permission"),
        (BOSS, "/model override 1", "An override needs a reason."),
        (BOSS, line, "No incident is open"),
    ):
        card = await bench.say(words, actor)
        assert card.error is not None
        assert said_ in card.error.message
    incident(bench)
    done = await bench.say(line, BOSS)
    assert done.ok
    assert "Approval overridden by Dee: deepseek is down" in said(done)
    assert bench.primary == OPUS
    loud, edited = await posted(bench)
    assert loud.tone == "bad"
    assert "Dee made it without approval: deepseek is down" in said(loud)
    assert "Overridden by Dee at" in said(edited)
    [kept] = await bench.approvals.recent(bench.store.location, 9)
    assert (kept.overridden, kept.note, kept.state) == (True, "deepseek is down", "done")


async def test_an_admin_may_override_their_own_request():
    bench = bench_with("all", admins="slack:U4")
    await bench.say(BEST, BOSS)
    incident(bench)
    assert (await bench.say("/model override 1 reason down", BOSS)).ok


async def test_a_plan_waits_too_and_is_set_once_approved():
    bench = bench_with("dearer:5")
    card = await bench.say("/model plan best weekdays 14:00-15:00 reason demo", ANA)
    assert card.data["approval"] == 1
    assert bench.plans.kept == {}
    [request] = await posted(bench)
    assert said(request).startswith(f"Approval needed: {FLASH} → best, weekdays 14:00-15:00\n")
    assert (await bench.say("/model approve 1", BO)).ok
    [plan] = bench.plans.kept.values()
    assert (plan.set_by, plan.approved) == ("Ana", "dearer:5")
    bench.wait(hours=2)
    await posted(bench)
    assert bench.primary == OPUS


async def test_a_plan_that_was_never_approved_as_it_would_switch_now_does_not():
    bench = bench_with("dearer:5")
    await bench.say("/model plan local weekdays 14:00-15:00", ANA)
    assert len(bench.plans.kept) == 1
    # Its name means a model now that somebody would have to approve.
    await bench.say(f"/model preset local {OPUS}", ANA)
    bench.wait(hours=2)
    [held] = await posted(bench)
    assert bench.primary == FLASH
    assert held.warnings[0].text == (
        f"The switch to {OPUS} has to be approved: it costs more than 5× as much."
    )
    assert await posted(bench) == []


async def test_a_process_that_dies_at_any_write_of_an_approval_leaves_it_done_once():
    async def run(fate: Fate) -> bool:
        bench = bench_with("all")
        await bench.say(BEST, ANA)
        ports = bench.app.ports
        writes = {"decide", "finish", "set_posted", "add"}
        bench.app.ports = replace(ports, approvals=Mortal(ports.approvals, fate, writes))

        async def work(outbox: Any) -> None:
            await bench.say("/model approve 1", BO)
            await bench.app.run_due(outbox)

        alive = await lives(bench, fate, work)
        bench.app.ports = ports
        # Another process: at once nothing is doubled, after a minute all is done.
        for seconds in (1, 61, 1):
            bench.wait(seconds=seconds)
            await bench.outbox.run_due(bench.app)
        [state] = await states(bench)
        changes = await bench.journal.changes(bench.store.location, 9)
        if state == "waiting":
            assert (bench.primary, changes) == (FLASH, []), fate
            await bench.say("/model approve 1", CY)
            await bench.outbox.run_due(bench.app)
            [state] = await states(bench)
        assert (bench.primary, state) == (OPUS, "done"), fate
        changes = await bench.journal.changes(bench.store.location, 9)
        [kept] = await bench.approvals.recent(bench.store.location, 9)
        assert [one.id for one in changes] == [kept.change_id], fate
        [notice] = bench.outbox.kept.values()
        assert notice.data["state"] == "done", fate
        return alive

    assert await every_death(run) >= 12


async def test_what_was_approved_by_a_dead_process_is_not_made_after_its_time():
    bench = bench_with("all")
    await bench.say(BEST, ANA)
    fate, ports = Fate(1, after=True), bench.app.ports
    bench.app.ports = replace(ports, approvals=Mortal(ports.approvals, fate, {"decide"}))
    await lives(bench, fate, lambda _: bench.say("/model approve 1", BO))
    bench.app.ports = ports
    bench.wait(minutes=31)
    [card] = await posted(bench)
    assert "but not made: It was approved, but not made before it expired." in said(card)
    assert (bench.primary, await states(bench)) == (FLASH, ["void"])


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("dearer", "'dearer'"),
        ("dearer:0.5", "'0.5'"),
        ("dearer:x", "'x'"),
        ("agent:", "'agent:'"),
        ("clouds", "'clouds'"),
        ("all,always", "'always'"),
    ],
)
def test_a_wrong_rule_is_named(value: str, part: str):
    with pytest.raises(SettingsError) as caught:
        ApprovalRules.parse(value)
    assert part in caught.value.message
    assert "dearer:5" in caught.value.hint
    assert caught.value.exit_code == 4
