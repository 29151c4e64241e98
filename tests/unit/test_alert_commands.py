"""/fallback status, events and the hidden ack, with alerts behind them."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

from bot.app import App
from bot.card import Visibility
from bot.commands.doctor import examine
from bot.errors import StorageError
from bot.incident import Incident, State
from bot.outage import AlertReason
from bot.ports import IncidentRow
from bot.ports.alerts import ChannelTrouble
from tests.support.fakes_alerts import FLASH, NOON, OPUS, FakeAlertStore, event
from tests.support.fakes_core import ANA, GUEST, OWNER, Bench
from tests.unit.test_model_commands import words

OPEN = Incident(
    OPUS,
    AlertReason.RATE_LIMIT,
    NOON,
    NOON,
    state=State.OPEN,
    rerouted=37,
    served=((FLASH, 37),),
    messages=1,
)


def bench_with(store: FakeAlertStore, *, quiet=None, **more) -> Bench:
    bench = Bench(**more)
    ports = replace(bench.app.ports, alerts=store)
    bench.app = App(ports, replace(bench.app.settings, quiet_hours=quiet))
    store.log = bench.log
    return bench


async def test_who_acknowledges_is_told_alone_and_stands_in_status():
    store = FakeAlertStore()
    bench = bench_with(store, operators="slack:U1")
    await store.commit((), [OPEN], (), NOON)
    card = await bench.app.handle(ANA, "fallback ack 1")
    assert card.visibility is Visibility.PRIVATE
    assert card.data == {"incident": 1, "acknowledged_by": "Ana"}
    status = await bench.say("/fallback status")
    assert f"Open incident 1: {OPUS} is rate limited since" in words(status)
    assert "37 requests, answered by deepseek/deepseek-flash. Acknowledged by Ana." in words(status)
    assert status.data["incidents"][0]["acknowledged_by"] == "Ana"
    again = await bench.app.handle(OWNER, "fallback ack 1")
    assert again.error is not None
    assert "already acknowledged" in again.error.message


async def test_acknowledging_needs_the_right_to_change_and_an_open_incident():
    store = FakeAlertStore()
    bench = bench_with(store, operators="slack:U1")
    await store.commit((), [OPEN], (), NOON)
    refused = await bench.app.handle(GUEST, "fallback ack 1")
    assert refused.error is not None
    assert refused.error.code == "permission"
    unknown = await bench.app.handle(ANA, "fallback ack 9")
    assert unknown.error is not None
    assert unknown.error.code == "nothing_to_do"
    nowhere = await Bench().say("/fallback ack 1")
    assert nowhere.error is not None


async def test_quiet_hours_are_named_where_somebody_might_wonder():
    bench = bench_with(FakeAlertStore(), quiet=(time(22), time(7)), operators="slack:U1")
    bench.clock.at = NOON.replace(hour=21)
    assert "Quiet hours 22:00 to 07:00: urgent" in words(await bench.say("/fallback status"))
    hour = await bench.app.handle(ANA, "fallback mute 30m")
    assert "Quiet hours" not in words(hour)
    longer = await bench.app.handle(ANA, "fallback mute 2h")
    assert "Quiet hours until 07:00" in words(longer)
    bench.clock.at = NOON.replace(hour=22, minute=30)
    assert "Quiet hours until 07:00" in words(await bench.say("/fallback status"))
    on = await bench.app.handle(ANA, "fallback unmute")
    assert "Alerts unmuted" in words(on)
    assert "Quiet hours until 07:00 UTC: urgent alerts only." in words(on)
    again = await bench.app.handle(ANA, "fallback unmute")
    assert "Quiet hours until 07:00" in words(again)
    doctor = await examine(bench.app.context(ANA), [])
    checks = {check["name"]: check["detail"] for check in doctor.data["checks"]}
    assert checks["quiet hours"] == "22:00 to 07:00 UTC: urgent alerts only."


async def test_ack_stands_in_the_help_as_every_command_does():
    bench = Bench()
    assert "/fallback ack N" in words(await bench.say("/fallback help"))
    assert "ack" in bench.app.complete("/fallback a")


async def test_status_names_what_is_not_told_yet_and_reasons_it_does_not_know():
    bench = Bench()
    now = bench.clock.now()
    bench.log.incident_rows += [
        IncidentRow(1, "pending", OPUS, "timeout", now, None, 1, None),
        IncidentRow(2, "open", OPUS, "sunspots", now, None, 1, None),
    ]
    status = words(await bench.say("/fallback status"))
    assert f"Incident 1 (alert held back): {OPUS} times out since" in status
    assert f"Open incident 2: {OPUS} fails (sunspots) since" in status


async def test_status_and_doctor_name_a_channel_that_takes_no_alerts():
    store = FakeAlertStore()
    bench = bench_with(store)
    trouble = ChannelTrouble("slack", NOON, "The channel is archived.", "Set SLACK_CHANNEL.")
    await store.set_trouble(trouble)
    status = await bench.say("/fallback status")
    [warning] = [w for w in status.data["warnings"] if w["code"] == "alert_channel"]
    assert warning["text"] == "Alerts do not reach Slack: The channel is archived."
    assert warning["hint"] == "Set SLACK_CHANNEL."
    assert status.data["channels_in_trouble"][0]["surface"] == "slack"
    doctor = await examine(bench.app.context(OWNER), [])
    [check] = [c for c in doctor.data["checks"] if c["name"] == "alerts"]
    assert (check["ok"], check["resolution"]) == (False, "Set SLACK_CHANNEL.")
    store.fail = StorageError("The database is away.")
    assert (await bench.say("/fallback status")).data["channels_in_trouble"] == []
    later = await examine(bench.app.context(OWNER), [])
    assert "alerts" not in [c["name"] for c in later.data["checks"]]


async def test_status_shows_quiet_hours_and_a_mute_that_is_in_force():
    bench = bench_with(FakeAlertStore(), quiet=(time(22), time(7, 30)))
    await bench.say("/fallback mute 1h")
    status = await bench.say("/fallback status")
    assert "Quiet hours 22:00 to 07:30: urgent alerts only." in words(status)
    assert status.data["quiet_hours"] == "22:00-07:30"
    assert status.data["muted_until"] == bench.clock.now() + timedelta(hours=1)
    bench.wait(hours=2)
    later = await bench.say("/fallback status")
    assert later.data["muted_until"] is None
    assert "muted" not in words(later)


async def test_events_say_when_there_are_more_than_are_shown():
    bench = Bench()
    now = bench.clock.now()
    await bench.log.add_events([event(n, now) for n in range(50)])
    card = await bench.say("/fallback events")
    assert (len(card.data["events"]), card.data["more"]) == (50, False)
    assert words(card).startswith("50 fallbacks in the last 24 h")
    await bench.log.add_events([event("last", now)])
    full = await bench.say("/fallback events")
    assert (len(full.data["events"]), full.data["more"]) == (50, True)
    assert words(full).startswith("The newest 50 fallbacks in the last 24 h")
