"""The scheduled chain test speaks when it fails or changes, and not otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.alerts.chain_test import ChainResult, News, compare
from bot.card import Tone
from tests.support.fakes_alerts import FLASH, LLAMA, NOON, OPUS, AlertBench
from tests.support.fakes_core import Bench

GOOD = ChainResult(((OPUS, "ok"), (FLASH, "ok")), OPUS, ("", ""))
BAD = ChainResult(((OPUS, "auth"), (FLASH, "ok")), FLASH, ("Renew the key.", ""))
LONGER = ChainResult(((OPUS, "ok"), (FLASH, "ok"), (LLAMA, "ok")), OPUS, ("", "", ""))
EMPTY = ChainResult((), None, trouble=("The chain is empty.", "/model best"))


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (None, GOOD, News.FIRST),
        (None, BAD, News.FAILED),
        (GOOD, GOOD, News.SAME),
        (GOOD, BAD, News.FAILED),
        (BAD, BAD, News.FAILED),
        (BAD, GOOD, News.MENDED),
        (GOOD, LONGER, News.CHANGED),
        (LONGER, GOOD, News.CHANGED),
        (GOOD, EMPTY, News.FAILED),
    ],
)
def test_what_is_news(before, after, news):
    assert compare(before, after) is news


async def once_more(bench: AlertBench, result: ChainResult) -> News:
    news = await bench.pipeline.chain_tests.report(result, bench.now)
    await bench.wait(minutes=1)
    return news


async def test_a_chain_that_stays_well_says_nothing():
    bench = AlertBench()
    for _ in range(3):
        await once_more(bench, GOOD)
    assert bench.slack.calls == 0


async def test_a_chain_from_well_to_ill_to_well():
    bench = AlertBench("slack", "discord")
    assert await once_more(bench, GOOD) is News.FIRST
    assert await once_more(bench, BAD) is News.FAILED
    assert await once_more(bench, BAD) is News.FAILED
    assert await once_more(bench, GOOD) is News.MENDED
    assert await once_more(bench, LONGER) is News.CHANGED
    assert await once_more(bench, GOOD) is News.CHANGED
    assert bench.slack.titles == [
        "Scheduled chain test: degraded, 1 of 2 hops answered",
        "Scheduled chain test: degraded, 1 of 2 hops answered",
        "Scheduled chain test: OK, 2 of 2 hops answered",
        "Scheduled chain test: OK, 3 of 3 hops answered",
        "Scheduled chain test: OK, 2 of 2 hops answered",
    ]
    texts = [shown.text for shown in bench.slack.main]
    assert f"{OPUS}: API key rejected (was: ok). Renew the key." in texts[0]
    assert f"{OPUS}: API key rejected (unchanged). Renew the key." in texts[1]
    assert f"{OPUS}: ok (was: API key rejected)." in texts[2]
    assert f"{LLAMA}: ok (new in the chain)." in texts[3]
    assert f"{LLAMA} is no longer in the chain." in texts[4]
    assert bench.discord.titles == bench.slack.titles
    assert bench.slack.main[0].card.tone is Tone.WARNING


DEAD = ChainResult(((OPUS, "auth"), (FLASH, "auth")), None, ("Renew the key.", ""))


@pytest.mark.parametrize("muted", [False, True])
async def test_what_a_test_finds_at_night_or_muted_is_told_once_afterwards(muted: bool):
    bench = AlertBench("slack", "discord", quiet="" if muted else "22:00-07:00")
    await once_more(bench, GOOD)
    bench.clock.at = NOON.replace(hour=23)
    if muted:
        await bench.log.mute(NOON.replace(day=3, hour=7))
    await once_more(bench, BAD)
    await once_more(bench, BAD)
    await bench.wait(hours=7, step_s=600)
    assert bench.slack.calls == 0
    bench.start()
    await bench.wait(hours=2, step_s=600)
    assert bench.slack.titles == ["Scheduled chain test: degraded, 1 of 2 hops answered"]
    assert bench.discord.titles == bench.slack.titles
    assert bench.slack.made == 1


async def test_a_test_in_which_nobody_answered_is_told_at_night():
    bench = AlertBench(quiet="22:00-07:00", at=NOON.replace(hour=23))
    await once_more(bench, BAD)
    await once_more(bench, DEAD)
    await bench.wait(hours=9, step_s=600)
    # It stands for the one before it as well.
    assert bench.slack.titles == ["Scheduled chain test: down, none of 2 hops answered"]


async def test_a_first_test_that_fails_is_told():
    bench = AlertBench()
    assert await once_more(bench, BAD) is News.FAILED
    assert f"{OPUS}: API key rejected. Renew the key." in bench.slack.main[0].text


async def test_a_test_that_could_not_be_made_is_told_and_not_compared_with():
    bench = AlertBench()
    await once_more(bench, GOOD)
    assert await once_more(bench, EMPTY) is News.FAILED
    assert bench.slack.titles == ["Scheduled chain test: could not run"]
    assert "The chain is empty." in bench.slack.main[0].text
    assert await once_more(bench, GOOD) is News.SAME


async def test_the_scheduled_test_asks_as_the_command_does():
    bench = Bench()
    result = await bench.app.test_chain()
    assert result.verdicts[0] == (OPUS, "ok")
    assert len(result.hints) == len(result.verdicts)
    assert result.would_serve == OPUS
    answer = await bench.say("/fallback test")
    assert [(hop["model"], hop["verdict"]) for hop in answer.data["hops"]] == [*result.verdicts]
    assert result.would_serve == answer.data["would_serve"]


async def test_a_scheduled_test_of_an_unusable_config_says_why_it_could_not_run():
    bench = Bench("{ nonsense")
    result = await bench.app.test_chain()
    assert result.trouble is not None
    assert result.trouble[0]
    assert not result.chain_ok


async def test_a_defect_of_ours_is_reported_as_a_test_that_could_not_run(caplog):
    bench = Bench()
    bench.app.ports = replace(bench.app.ports, upstream=object())  # type: ignore[arg-type]
    result = await bench.app.test_chain()
    assert result.trouble == (
        "Internal error in Changeover. The config file is intact.",
        "See the server's log for details, or run `changeover doctor`",
    )
    assert "AttributeError" in caplog.text
