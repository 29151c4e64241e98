"""One card of every kind, as the core makes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from bot.card import (
    Action,
    Attachment,
    Button,
    ButtonStyle,
    Card,
    Caution,
    Chart,
    Code,
    Column,
    Command,
    Fact,
    Link,
    Menu,
    Person,
    Strong,
    Table,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.costs.chart_svg import Series, SpendChart
from bot.errors import UsageError
from bot.messages.cost_digest import chart_card
from bot.messages.errors import already_card, error_card, unexpected_card
from bot.ports import Claim

NOW = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)
LATER = NOW + timedelta(minutes=22)
OPUS, SONNET = "anthropic/claude-opus-4-5", "openrouter/anthropic/claude-sonnet-4-5"


def button(label: str, words: str, style: ButtonStyle = ButtonStyle.PLAIN) -> Button:
    """A button as `App.persist_buttons` leaves it."""
    return Button(label, Action(words), style, id=f"w:{words}")


STATUS = Card(
    title=text(Strong("best"), " · ", OPUS, " · $5 in / $25 out per 1M"),
    tone=Tone.WARNING,
    body=(
        text("1 ", Code(OPUS), " · best · ready · $5 in / $25 out per 1M"),
        text("2 ", Code(SONNET), " · skipped: not in agents.defaults.models · price unknown"),
        text("3 ", Code("deepseek/deepseek-chat"), " · cooling down until ", When(LATER)),
        text("Changed ", When(NOW, WhenStyle.DATE_TIME), " by Ana: fast → best, “release week”"),
    ),
    facts=(
        Fact("Config", text(Code("/srv/moltbot.json"))),
        Fact("Reverts", text(When(LATER, WhenStyle.RELATIVE))),
        Fact("Asked by", text(Person("discord", "11", "Ana"))),
    ),
    warnings=(
        Caution("not_allowed", f"{SONNET} would be skipped.", Command(f"fallback add {SONNET}")),
        Caution("retired", "deepseek-chat was retired on 2026-07-24."),
    ),
    buttons=(button("Test chain", "fallback test"), button("Switch to cheap", "model cheap")),
    footer=text("/srv/moltbot.json"),
    command="model status",
)
CHANGE = Card(
    title=text(Strong("Primary"), ": best → cheap"),
    tone=Tone.CHANGE,
    body=(
        text(Code(OPUS), " → ", Code("deepseek/deepseek-flash")),
        text("Price: $5 in / $25 out per 1M → $0.15 in / $0.60 out per 1M (97% cheaper)."),
        text("Reason: *batch* import @everyone <@&1> ||x|| https://jira.example/a_b_c"),
        text("By Ana_B."),
    ),
    buttons=(Button("Undo", Action("model undo", change_id=3, once=True), id="s:b3"),),
    footer=text("/srv/moltbot.json"),
    command="model cheap",
)
QUESTION = Card(
    title=text(Strong("Confirm"), ": local → best"),
    tone=Tone.QUESTION,
    body=(text("Nothing has changed yet. The button expires in 5 min."),),
    buttons=(Button("Confirm", Action("model best"), ButtonStyle.DANGER, id="s:b4"),),
    footer=text("In a terminal: ", Command("model best --yes", program=True)),
    visibility=Visibility.PRIVATE,
)
TEST = Card(
    title=text(Strong("Chain degraded"), ": 1 of 2 hops answered"),
    tone=Tone.WARNING,
    body=(text("A request now would be served by ", Code(OPUS), "."),),
    table=Table(
        (
            Column("#", right=True),
            Column("model"),
            Column("verdict"),
            Column("time", right=True),
            Column("says"),
        ),
        (
            (text("1"), text(Code(OPUS)), text("ok"), text("412 ms"), text("-")),
            (
                text("2"),
                text(Code("deepseek/deepseek-chat")),
                text("failed: model not found"),
                text("88 ms"),
                text("Model Not Exist"),
            ),
        ),
    ),
    warnings=(
        Caution(
            "repair",
            "deepseek/deepseek-chat: Model Not Exist",
            Command("fallback set deepseek/deepseek-flash"),
        ),
    ),
    buttons=(button("Test again", "fallback test"),),
    footer=text("Tested in parallel in 415 ms for $0.0003."),
    command="fallback test",
)
LIST = Card(
    title=text(Strong("2 models"), " configured"),
    table=Table(
        (
            Column("model"),
            Column("names"),
            Column("in / out per 1M"),
            Column("context", right=True),
            Column("allowed"),
        ),
        (
            (text(Code(OPUS)), text("best"), text("$5 / $25"), text("200K"), text("yes")),
            (text(Code("ollama/llama3.3")), text("-"), text("free"), text("unknown"), text("no")),
        ),
        sortable=True,
    ),
    footer=text("Switch, for example: ", Command("model use fast")),
    command="model list",
)
HISTORY = Card(
    title=text(Strong("1 change")),
    table=Table(
        tuple(Column(name) for name in ("id", "when", "who", "action", "change", "reason")),
        (
            (
                text("12"),
                text(When(NOW, WhenStyle.DATE_TIME)),
                text("Ana (discord)"),
                text("switched the primary"),
                text(f"{OPUS} → ollama/llama3.3"),
                text("-"),
            ),
        ),
        sortable=True,
    ),
    command="model history",
)
COSTS = Card(
    title=text(Strong("$12.40"), " in the last 7 days"),
    table=Table(
        (Column("model"), Column("requests", right=True), Column("cost", right=True)),
        (
            (text("opus-4-5"), text("1,204"), text("$11.90")),
            (text("deepseek-flash"), text("88"), text("$0.50")),
            (text("模型"), text("1"), text("free")),
        ),
        sortable=True,
    ),
    facts=(Fact("Week before", text("$9.10 (+36%)")), Fact("Fallbacks", text("$0.93"))),
    chart=Chart("<svg/>", "Spend by day: Mon $1.20, Tue $3.40"),
    footer=text("As of ", When(NOW, WhenStyle.DATE_TIME), "."),
    command="cost week",
)
EXPORT = Card(
    title=text(Strong("31 days"), " as CSV"),
    attachment=Attachment("cost.csv", "text/csv", b"day,usd\n2026-11-23,1.5\n"),
    command="cost export",
)
ALERT = Card(
    title=text(Strong("Fallback"), ": anthropic is rate limited"),
    tone=Tone.WARNING,
    body=(
        text(
            "37 requests since ", When(NOW), " were answered by ", Code("deepseek/deepseek-flash")
        ),
        text("$0.93 less so far; no images. See ", Link("status", "https://status.example/a(b)")),
        text("Call ", Person("discord", "11", "Ana", ping=True), Person("slack", "U1", "Bo")),
    ),
    buttons=(
        button("Test chain", "fallback test", ButtonStyle.PRIMARY),
        button("Switch to cheap", "model cheap"),
        button("Mute 1 h", "fallback mute 1h"),
    ),
)
RECOVERED = Card(
    title=text(Strong("Recovered"), ": anthropic responds again"),
    tone=Tone.GOOD,
    body=(text("Down 22 min (", When(NOW), " to ", When(LATER), "), 214 requests rerouted."),),
)
MUTED = Card(
    title=text(Strong("Muted"), " until ", When(LATER, WhenStyle.DATE_TIME)),
    tone=Tone.CHANGE,
    body=(text("By Ana."),),
)
HELP = Card(
    title=text(Command("model")),
    body=(
        text(
            Command("model use MODEL [for DURATION] [reason TEXT]", form=True),
            " Switch the primary",
        ),
        text(Command("model history [N]", form=True), " Show who changed what"),
    ),
    footer=text("For example: ", Command("model cheap for 2h")),
    visibility=Visibility.PRIVATE,
)
DOCTOR = Card(
    title=text(Strong("1 problem"), " in 2 checks"),
    tone=Tone.BAD,
    table=Table(
        (Column("result"), Column("check"), Column("detail"), Column("next step")),
        (
            (text("ok"), text("config"), text("/srv/moltbot.json reads well."), text("-")),
            (text("error"), text("no_key"), text("No key."), text("Set DEEPSEEK_API_KEY.")),
        ),
    ),
    visibility=Visibility.PRIVATE,
)
LONG = Card(
    title=text(Strong("Chain"), ": ", " → ".join(f"provider/model-{i}" for i in range(30))),
    tone=Tone.CHANGE,
    body=tuple(text(f"line {i} ", "word " * 30) for i in range(30)),
    facts=tuple(Fact(f"fact {i}", text("value " * 10)) for i in range(40)),
    table=Table(
        (Column("model"), Column("says")),
        tuple((text(Code(f"p/m{i}")), text("says " * 20)) for i in range(60)),
    ),
    warnings=tuple(Caution("c", f"warning {i} " * 8, Command("model status")) for i in range(20)),
    buttons=tuple(button(f"B{i} " * 30, f"model b{i}") for i in range(30)),
    footer=text("small print " * 200),
    command="model list",
)
FLASH = "deepseek/deepseek-flash"
SPEND_CENTS = {
    OPUS: (142, 131, 188, 97, 163, 22, 18),
    FLASH: (9, 12, 31, 64, 18, 5, 4),
}
SHOWN = {
    "shown-status": Card(
        title=text(Strong("best"), " · ", OPUS, " · $5 in / $25 out per 1M"),
        tone=Tone.GOOD,
        body=(
            text("1 ", Code(OPUS), " · best · ready · $5 in / $25 out per 1M"),
            text("2 ", Code(FLASH), " · cheap · ready · $0.15 in / $0.60 out per 1M"),
            text("3 ", Code("ollama/llama3.3"), " · local · ready, local · free"),
            text("Changed ", When(NOW, WhenStyle.DATE_TIME), " by Ana: cheap → best"),
        ),
        buttons=(button("Test chain", "fallback test"), button("Switch to cheap", "model cheap")),
        footer=text("/srv/moltbot.json"),
        command="model status",
    ),
    "shown-switch": Card(
        title=text(Strong("Primary"), ": best → cheap"),
        tone=Tone.CHANGE,
        body=(
            text(Code(OPUS), " → ", Code(FLASH)),
            text("Price: $5 in / $25 out per 1M → $0.15 in / $0.60 out per 1M (98% cheaper)."),
            text("Reason: nightly batch import"),
            text("By Ana."),
        ),
        facts=(Fact("Reverts", text(When(LATER, WhenStyle.DATE_TIME))),),
        buttons=(button("Undo", "model undo"),),
        footer=text("/srv/moltbot.json"),
        command="model cheap",
    ),
    "shown-test": Card(
        title=text(Strong("Chain degraded"), ": 2 of 3 hops answered"),
        tone=Tone.WARNING,
        body=(text("A request now would be served by ", Code(OPUS), "."),),
        table=Table(
            (Column("#"), Column("model"), Column("verdict"), Column("time"), Column("detail")),
            (
                (text("1"), text(Code(OPUS)), text("ok"), text("412 ms"), text("-")),
                (
                    text("2"), text(Code("deepseek/deepseek-chat")), text("model not found"),
                    text("88 ms"), text("Model Not Exist"),
                ),
                (text("3"), text(Code("ollama/llama3.3")), text("ok"), text("35 ms"), text("-")),
            ),
        ),
        warnings=(
            Caution(
                "retired",
                f"deepseek/deepseek-chat was retired on 2026-07-24. Successor: {FLASH}.",
                Command(f"fallback set {FLASH} ollama/llama3.3"),
            ),
        ),
        buttons=(button("Test again", "fallback test"),),
        footer=text("Tested in parallel in 415 ms for $0.0003."),
        command="fallback test",
    ),
    "shown-incident": Card(
        title=text(Strong("Fallback"), ": anthropic is rate limited"),
        tone=Tone.WARNING,
        body=(
            text("37 requests since ", When(NOW), " were answered by ", Code(FLASH), "."),
            text("$0.93 less so far. Not available meanwhile: images."),
        ),
        facts=(
            Fact("Back by", text("about 13:24, judging by the last three outages")),
            Fact("Chain", text("both remaining hops are ready")),
        ),
        buttons=(
            button("Test chain", "fallback test", ButtonStyle.PRIMARY),
            button("Switch to cheap", "model cheap"),
            button("Mute 1 h", "fallback mute 1h"),
        ),
        footer=text("incident 41"),
    ),
    "shown-week": Card(
        title=text(Strong("$9.04"), " last week, 12% less than the week before"),
        facts=(
            Fact("Most", text(Code(OPUS), " $7.61")),
            Fact("Fallbacks", text("88 requests, $0.93 less")),
        ),
        table=Table(
            (
                Column("model"),
                Column("cost", right=True),
                Column("share", right=True),
                Column("requests", right=True),
            ),
            (
                (text(Code(OPUS)), text("$7.61"), text("84%"), text("1,204")),
                (text(Code(FLASH)), text("$1.43"), text("16%"), text("88")),
            ),
            sortable=True,
        ),
        chart=chart_card(
            SpendChart(
                tuple(date(2026, 11, 16) + timedelta(days=n) for n in range(7)),
                tuple(
                    Series(name, tuple(cents * 10_000_000 for cents in days))
                    for name, days in SPEND_CENTS.items()
                ),
            )
        ),
        footer=text("week 2026-11-16 to 2026-11-22"),
        command="cost week",
    ),
}  # fmt: skip
DIALOG = "The primary model switches for everyone who uses this config."
PICKER = replace(
    STATUS,
    buttons=(replace(button("Switch to cheap", "model cheap"), confirm=DIALOG),),
    menu=Menu(
        "Switch to a preset or alias",
        tuple(
            replace(
                button(f"alias-{n}", f"model use alias-{n}"), confirm=DIALOG, note=f"{OPUS} · $5"
            )
            for n in range(120)
        ),
        "/model list",
    ),
)

CARDS = {
    **SHOWN,
    "status": STATUS,
    "picker": PICKER,
    "change": CHANGE,
    "question": QUESTION,
    "test": TEST,
    "list": LIST,
    "history": HISTORY,
    "costs": COSTS,
    "export": EXPORT,
    "alert": ALERT,
    "recovered": RECOVERED,
    "muted": MUTED,
    "help": HELP,
    "doctor": DOCTOR,
    "long": LONG,
    "error": error_card(UsageError("/modl is not a command.", "Did you mean /model?"), ""),
    "unexpected": unexpected_card("model best"),
    "clicked": already_card(Claim("Bo", NOW), "model undo"),
}
