"""Buttons, timed switches, edits from outside, the doctor: what the App adds to commands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.access import Permission
from bot.card import Link, Person, When, WhenStyle, plain, text
from bot.commands.doctor import Check, Level, examine
from bot.commands.registry import Command
from bot.errors import ConfigSyntaxError, ExitCode, StorageError
from bot.ports import Document
from tests.support.fakes_core import ANA, GUEST, GUIDE, OWNER, Bench
from tests.unit.test_model_commands import words


async def armed(bench: Bench, line: str, actor=ANA):
    return await bench.app.persist_buttons(await bench.say(line, actor, yes=False))


async def test_an_undo_button_counts_once_and_the_second_is_told_who_was_first():
    bench = Bench(operators="*")
    undo = (await armed(bench, "/model local")).buttons[0]
    assert undo.id.startswith("s:")
    assert (await bench.app.click(GUEST, undo.id)).data["changed"] is True
    second = await bench.app.click(ANA, undo.id)
    assert second.error.code == "clicked"
    assert "Guest" in second.error.message
    assert bench.config == GUIDE


async def test_a_click_without_the_right_does_not_use_the_button_up():
    bench = Bench(operators="slack:U1")
    undo = (await armed(bench, "/model local")).buttons[0]
    assert (await bench.app.click(GUEST, undo.id)).error.code == "permission"
    assert (await bench.app.click(ANA, undo.id)).data["changed"] is True


async def test_a_confirm_button_is_the_askers_and_expires():
    bench = Bench(operators="*")
    await bench.say("/model cheap", ANA)
    confirm = (await armed(bench, "/model best")).buttons[0]
    assert (await bench.app.click(GUEST, confirm.id)).error.code == "refused"
    bench.wait(minutes=6)
    assert "expired" in (await bench.app.click(ANA, confirm.id)).error.message


async def test_plain_buttons_carry_their_command():
    bench = Bench()
    button = (await armed(bench, "/model status")).buttons[0]
    assert button.id == "w:fallback test"
    assert (await bench.app.click(GUEST, "w:model status")).ok


@pytest.mark.parametrize("id_", ["s:gone", "x", "", "s:", "q:model cheap"])
async def test_a_button_of_long_ago(id_):
    card = await Bench(operators="*").app.click(ANA, id_)
    assert card.error.code == "refused"
    assert card.error.hint


async def test_without_a_database_conditional_buttons_are_left_out():
    bench = Bench(operators="*")
    card = await bench.say("/model local", ANA)

    bench.buttons.fail = StorageError("away", "")
    assert (await bench.app.persist_buttons(card)).buttons == ()


async def test_a_timed_switch_goes_back_when_it_is_due():
    bench = Bench()
    await bench.say("/model local for 2h")
    status = (await bench.say("/model status")).data
    assert status["pending_revert"]["to"] == "anthropic/claude-opus-4-5"
    assert await bench.outbox.run_due(bench.app) == []
    bench.wait(hours=2, seconds=1)
    (card,) = await bench.outbox.run_due(bench.app)
    assert "ollama/llama3.3 → anthropic/claude-opus-4-5" in plain(card.title)
    assert bench.config == GUIDE
    assert await bench.outbox.run_due(bench.app) == []
    assert (await bench.say("/model history")).data["changes"][0]["surface"] == "service"


async def test_a_timed_switch_stays_when_somebody_changed_it_since():
    bench = Bench()
    await bench.say("/model local for 2h")
    await bench.say("/model cheap")
    await bench.say("/model local")
    bench.wait(hours=3)
    (card,) = await bench.outbox.run_due(bench.app)
    assert "not reverted" in plain(card.title)
    assert bench.primary == "ollama/llama3.3"
    assert (await bench.say("/model status")).data["pending_revert"] is None


async def test_a_switch_inside_a_switch_unwinds_in_order():
    bench = Bench()
    await bench.say("/model cheap for 2h")
    await bench.say("/model local for 1h")
    bench.wait(hours=1, seconds=1)
    await bench.outbox.run_due(bench.app)
    assert bench.primary == "deepseek/deepseek-chat"
    bench.wait(hours=1)
    await bench.outbox.run_due(bench.app)
    assert bench.primary == "anthropic/claude-opus-4-5"


async def test_both_overdue_unwind_at_once():
    bench = Bench()
    await bench.say("/model cheap for 2h")
    await bench.say("/model local for 1h")
    bench.wait(hours=9)
    assert len(await bench.outbox.run_due(bench.app)) == 2
    assert bench.primary == "anthropic/claude-opus-4-5"


async def test_the_same_switch_again_puts_the_return_off_or_calls_it_off():
    bench = Bench()
    await bench.say("/model cheap for 2h")
    later = await bench.say("/model cheap for 4h")
    assert later.data["changed"] is False
    assert later.data["revert_at"] == bench.clock.now() + timedelta(hours=4)
    forever = await bench.say("/model cheap")
    assert "is cancelled" in words(forever)
    bench.wait(hours=9)
    assert await bench.outbox.run_due(bench.app) == []
    assert bench.primary == "deepseek/deepseek-chat"


async def test_a_chain_edit_in_between_does_not_hold_the_return_up():
    bench = Bench({})
    await bench.say("/model best")
    await bench.say("/model cheap for 1h")
    await bench.say("/fallback set local")
    bench.wait(hours=2)
    await bench.outbox.run_due(bench.app)
    assert bench.primary == "anthropic/claude-opus-4-5"
    assert bench.chain == ["ollama/llama3.3"]


async def test_a_string_model_that_became_an_object_still_goes_back():
    bench = Bench({"agents": {"defaults": {"model": "anthropic/claude-opus-4-5"}}})
    await bench.say("/model cheap for 1h")
    await bench.say("/fallback set local")
    bench.wait(hours=2)
    (card,) = await bench.outbox.run_due(bench.app)
    assert bench.primary == "anthropic/claude-opus-4-5"
    assert bench.chain == ["ollama/llama3.3"]
    assert "anthropic/claude-opus-4-5" in plain(card.title)


async def test_a_held_lock_leaves_the_return_for_later():
    bench = Bench()
    await bench.say("/model local for 1h")
    bench.wait(hours=2)
    bench.store.locked = True
    assert await bench.outbox.run_due(bench.app) == []
    bench.store.locked = False
    assert len(await bench.outbox.run_due(bench.app)) == 1


async def test_an_edit_from_outside_goes_into_history_once():
    bench = Bench()
    await bench.app.begin()
    assert bench.store.raw is not None
    other = bench.store.raw.replace(b"anthropic/claude-opus-4-5", b"openai/gpt-5", 1)
    for raw in (other, other, other + b"\n"):
        bench.store.edit_outside(raw)
        await bench.app.record_outside_edit(await bench.store.read())
    changes = (await bench.say("/model history")).data["changes"]
    assert [(c["actor"], c["new"]) for c in changes] == [("outside", "openai/gpt-5")]


async def test_our_own_change_is_not_from_outside():
    bench = Bench()
    await bench.app.begin()
    await bench.say("/model local")
    await bench.app.record_outside_edit(await bench.store.read())
    changes = (await bench.say("/model history")).data["changes"]
    assert [c["actor"] for c in changes] == ["Ana"]


async def test_a_file_that_breaks_is_told():
    with pytest.raises(ConfigSyntaxError):
        await Bench().app.record_outside_edit(Document.of(b"{"))


async def test_names_for_completion_come_from_the_file():
    bench = Bench()
    assert "cheap" in bench.app.complete("model use ch")
    await bench.app.refresh_names()
    assert bench.app.complete("model use openrouter")[0].startswith("openrouter/")
    bench.store.raw = None
    assert await bench.app.refresh_names()


async def test_what_nobody_foresaw_shows_nothing_of_its_inside(caplog):
    bench = Bench()
    command = bench.app.registry.find("model", "status")
    assert isinstance(command, Command)

    async def broken(ctx: object, args: object):
        raise RuntimeError("sk-secret in a traceback")

    from bot.commands.grammar import Call
    from bot.commands.registry import Args

    call = Call(replace(command, handler=broken), Args())
    card = await bench.app.call(OWNER, call, "model status")
    assert card.error.code == "internal"
    assert "sk-secret" not in words(card)
    assert "sk-secret" in caplog.text


async def test_a_refusal_is_kept_even_if_the_audit_trail_is_away():
    bench = Bench()
    bench.journal.fail = StorageError("away", "")
    assert (await bench.say("/model local", GUEST)).error.code == "permission"


async def test_the_doctor():
    bench = Bench()
    context = bench.app.context(OWNER)
    card = await examine(context, [Check("more", True, Level.INFO, "fine")])
    checks = {c["name"]: c for c in card.data["checks"]}
    assert checks["config"]["ok"] is True
    assert checks["more"]["detail"] == "fine"
    assert card.ok
    broken = await examine(Bench(b"{").app.context(OWNER), [])
    assert broken.exit_code is ExitCode.BAD_ANSWER
    keyless = await examine(Bench(env={}).app.context(OWNER), [])
    assert keyless.exit_code is ExitCode.BAD_ANSWER
    model = {"primary": "openai/gpt-5", "fallbacks": ["ollama/x"]}
    healthy = Bench(
        {"agents": {"defaults": {"model": model}}},
        env={"OPENAI_API_KEY": "k", "OLLAMA_API_KEY": "x"},
    )
    checks = (await examine(healthy.app.context(OWNER), [])).data["checks"]
    assert any(c["name"] == "chain" and c["ok"] for c in checks)
    away = Bench()
    away.journal.fail = StorageError("The database is away.", "Start it.")
    names = {c["name"]: c for c in (await examine(away.app.context(OWNER), [])).data["checks"]}
    assert names["database"]["ok"] is False


def test_plain_text():
    bench = Bench()
    now = bench.clock.now()
    spans = text(
        "a ", When(now), " ", When(now, WhenStyle.DATE_TIME), " ", Link("page", "https://x"), " ",
        Person("slack", "U1", "Ana"),
    )  # fmt: skip
    assert plain(spans) == "a 09:00 UTC 2026-03-02 09:00 UTC page (https://x) Ana"


def test_permissions_of_the_declared_commands():
    registry = Bench().app.registry
    reading = {"status", "list", "history", "help", "events", "pending"}
    for group in ("model", "fallback"):
        for command in registry.of(group):
            expected = Permission.READ if command.name in reading else Permission.CHANGE
            expected = Permission.ADMIN if command.name == "override" else expected
            if not getattr(command, "hidden", False):
                assert command.permission is expected, command.full_name
