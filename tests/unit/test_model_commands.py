"""/model: switching, undoing, naming, as a person sees it."""

from __future__ import annotations

import json
import shlex

import pytest

from bot.card import Action, Command, plain
from bot.errors import ExitCode, StorageError
from tests.support.fakes_core import ANA, GUEST, GUIDE, Bench
from tests.support.fakes_core import OWNER as ANA_OWNER


def words(card) -> str:
    """Everything a card says."""
    lines = [plain(card.title), *map(plain, card.body), plain(card.footer)]
    lines += [f"{w.text} {w.hint}" for w in card.warnings]
    for row in card.table.rows if card.table else ():
        lines.append(" | ".join(map(plain, row)))
    return "\n".join(lines)


async def test_status_shows_primary_and_the_whole_chain():
    card = await Bench().say("/model status")
    assert card.ok
    assert card.data["primary"] == "anthropic/claude-opus-4-5"
    assert card.data["preset"] == "best"
    assert [hop["model"] for hop in card.data["chain"]] == [
        "anthropic/claude-opus-4-5",
        "openrouter/anthropic/claude-sonnet-4-5",
        "deepseek/deepseek-chat",
        "ollama/llama3.3",
    ]
    assert [hop["position"] for hop in card.data["chain"]] == [0, 1, 2, 3]
    assert card.data["chain"][0]["price"]["output_usd_per_1m"] == 25


async def test_status_names_each_fault_with_the_command_that_mends_it():
    card = await Bench().say("model")
    hints = {w["code"]: w["hint"] for w in card.data["warnings"]}
    assert hints["retired"].startswith("/fallback set ")
    assert hints["misspelt"].startswith("/fallback set openrouter/anthropic/claude-sonnet-4.5 ")
    assert hints["not_allowed"] == "/fallback add openrouter/anthropic/claude-sonnet-4-5"
    assert hints["retired_alias"].startswith("/model preset ")


async def test_an_old_release_skips_what_is_not_allowed():
    config = GUIDE | {"meta": {"lastTouchedVersion": "2026.1.29"}}
    hop = (await Bench(config).say("/model status")).data["chain"][1]
    assert (hop["allowed"], hop["walked"], hop["skip_reason"]) == (False, False, "not_allowed")


async def test_the_state_folder_tells_an_old_release():
    bench = Bench(location="/home/x/.moltbot/moltbot.json")
    assert (await bench.say("/model status")).data["chain"][1]["walked"] is False


async def test_a_new_release_lets_fallbacks_through():
    config = GUIDE | {"meta": {"lastTouchedVersion": "2026.9.6"}}
    hop = (await Bench(config).say("/model status")).data["chain"][1]
    assert (hop["allowed"], hop["walked"]) == (True, True)


async def test_a_missing_key_is_named():
    bench = Bench(env={"ANTHROPIC_API_KEY": "x"})
    card = await bench.say("/model status")
    assert card.data["chain"][2]["key_present"] is False
    assert "no API key (DEEPSEEK_API_KEY)" in words(card)


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("/model best", "anthropic/claude-opus-4-5"),
        ("/model fast", "anthropic/claude-haiku-3-5"),
        ("/model cheap", "deepseek/deepseek-chat"),
        ("/model local", "ollama/llama3.3"),
        ("/model use CHEAP", "deepseek/deepseek-chat"),
        ("/model use groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("/model use google/gemini-2.5-flash", "google/gemini-2.5-flash"),
    ],
)
async def test_a_switch_follows_the_teams_aliases(line, model):
    bench = Bench()
    card = await bench.say(line)
    assert card.data["new"] == bench.primary == model
    assert bench.chain == GUIDE["agents"]["defaults"]["model"]["fallbacks"]


async def test_without_an_alias_the_successor_is_taken_and_said():
    bench = Bench({})
    card = await bench.say("/model cheap")
    assert bench.primary == "deepseek/deepseek-flash"
    assert "deepseek/deepseek-chat, which is retired" in words(card)
    assert "models" not in bench.config["agents"]["defaults"]


async def test_a_retired_alias_is_followed_with_a_warning():
    card = await Bench().say("/model cheap")
    assert "retired" in [w["code"] for w in card.data["warnings"]]


async def test_a_switch_adds_its_model_to_a_non_empty_allowlist():
    bench = Bench()
    await bench.say("/model use openai/gpt-5")
    assert bench.config["agents"]["defaults"]["models"]["openai/gpt-5"] == {}


async def test_the_same_switch_again_changes_nothing():
    bench = Bench()
    before = bench.store.raw
    card = await bench.say("/model best")
    assert card.ok
    assert card.data["changed"] is False
    assert bench.store.raw == before
    assert card.data["revision"] == card.data["revision_before"]


async def test_a_change_says_who_what_and_why():
    card = await Bench().say("/model cheap for 2h reason batch “import”")
    said = words(card)
    assert "best → cheap" in said
    assert "By Ana." in said
    assert 'batch "import"' in said
    assert "% cheaper" in said
    assert card.data["revert_at"].isoformat() == "2026-03-02T11:00:00+00:00"
    assert card.data["old"] == "anthropic/claude-opus-4-5"
    assert card.data["actor"] == "Ana"
    assert "+++ moltbot.json" in card.data["diff"]
    assert card.data["price_ratio"] < 1


async def test_a_much_dearer_primary_is_asked_about_first():
    bench = Bench()
    await bench.say("/model cheap")
    card = await bench.say("/model best", yes=False)
    assert card.exit_code is ExitCode.REFUSED
    assert card.error is not None
    assert card.error.code == "confirmation"
    assert "--yes" in card.error.hint
    assert bench.primary == "deepseek/deepseek-chat"
    button = card.buttons[0].action
    assert button.confirmed
    again = await bench.app.handle(ANA_OWNER, button.words, action=button)
    assert again.data["changed"] is True
    assert bench.primary == "anthropic/claude-opus-4-5"


async def test_from_free_to_priced_always_asks():
    bench = Bench()
    await bench.say("/model local")
    assert (await bench.say("/model cheap", yes=False)).error.code == "confirmation"


async def test_the_question_can_be_pasted_into_a_shell():
    bench = Bench()
    await bench.say("/model cheap")
    card = await bench.say("/model best reason it's $(id)", yes=False)
    typed = plain(card.footer).removeprefix("In a terminal: changeover ")
    assert shlex.split(typed) == ["model", "best", "reason", "it's $(id)", "--yes"]


async def test_an_old_chain_is_told_from_the_new():
    bench = Bench()
    await bench.say("/fallback set deepseek/deepseek-flash ollama/llama3.3")
    card = await bench.say("/fallback off")
    assert plain(card.title) == "Chain: deepseek/deepseek-flash, ollama/llama3.3 → empty"


async def test_a_confirmation_is_void_once_the_primary_has_moved_on():
    bench = Bench()
    await bench.say("/model cheap")
    button = (await bench.say("/model best", yes=False)).buttons[0].action
    await bench.say("/model local")
    card = await bench.app.handle(ANA_OWNER, button.words, action=button)
    assert card.error.code == "moved_on"
    assert bench.primary == "ollama/llama3.3"


async def test_a_confirmation_expires_and_is_one_persons():
    bench = Bench(operators="*")
    await bench.say("/model cheap", ANA)
    button = (await bench.say("/model best", ANA, yes=False)).buttons[0].action
    other = await bench.app.handle(GUEST, button.words, action=button)
    assert other.error.code == "refused"
    bench.wait(minutes=6)
    late = await bench.app.handle(ANA, button.words, action=button)
    assert "expired" in late.error.message
    assert bench.primary == "deepseek/deepseek-chat"


async def test_reading_is_open_and_changing_is_closed():
    bench = Bench()
    assert (await bench.say("/model status", GUEST)).ok
    card = await bench.say("/model cheap", GUEST)
    assert card.exit_code is ExitCode.REFUSED
    assert card.error.code == "permission"
    assert "CHANGEOVER_OPERATORS" in card.error.hint
    assert "slack:U9" in card.error.hint
    assert bench.config == GUIDE
    assert [r.command for r in bench.journal.refusals] == ["model cheap"]


async def test_undo_puts_everything_back_byte_for_byte():
    bench = Bench()
    before = bench.store.raw
    await bench.say("/model use openai/gpt-5")
    card = await bench.say("/model undo")
    assert card.data["changed"] is True
    assert card.data["new"] == "anthropic/claude-opus-4-5"
    assert bench.store.raw == before


async def test_undo_twice_does_it_again():
    bench = Bench()
    await bench.say("/model local")
    await bench.say("/model undo")
    await bench.say("/model undo")
    assert bench.primary == "ollama/llama3.3"


async def test_undo_never_asks_about_the_price():
    bench = Bench()
    await bench.say("/model cheap")
    assert (await bench.say("/model undo", yes=False)).data["changed"] is True


async def test_undo_refuses_when_the_value_moved_on():
    bench = Bench()
    await bench.say("/model cheap")
    raw = bench.store.raw.replace(b'"primary": "deepseek/deepseek-chat"', b'"primary": "x/y"')
    bench.store.edit_outside(raw)
    card = await bench.say("/model undo")
    assert card.error.code == "moved_on"
    assert card.exit_code is ExitCode.REFUSED
    assert bench.store.raw == raw


async def test_undo_minds_only_what_it_touched():
    bench = Bench()
    await bench.say("/model cheap")
    bench.store.edit_outside(bench.store.raw.replace(b"{\n", b'{\n  "gateway": {},\n', 1))
    assert (await bench.say("/model undo")).data["changed"] is True
    assert bench.config["gateway"] == {}
    assert bench.primary == "anthropic/claude-opus-4-5"


async def test_undo_of_an_insertion_keeps_what_came_after():
    bench = Bench({})
    await bench.say("/model cheap")
    first = (await bench.say("/model history")).data["changes"][0]["id"]
    await bench.say("/fallback set local")
    await bench.app.handle(ANA_OWNER, "model undo", action=Action("model undo", change_id=first))
    assert bench.config["agents"]["defaults"]["model"] == {"fallbacks": ["ollama/llama3.3"]}


async def test_nothing_to_undo():
    card = await Bench().say("/model undo")
    assert (card.error.code, card.exit_code) == ("nothing_to_do", ExitCode.BAD_ANSWER)


async def test_history_tells_edits_from_outside():
    bench = Bench()
    await bench.say("/model cheap reason cost")
    bench.wait(minutes=5)
    bench.store.edit_outside(bench.store.raw.replace(b"deepseek/deepseek-chat", b"openai/gpt-5", 1))
    changes = (await bench.say("/model history")).data["changes"]
    assert [c["actor"] for c in changes] == ["outside", "Ana"]
    assert changes[1]["reason"] == "cost"
    assert changes[1]["new"] == "deepseek/deepseek-chat"
    assert (await bench.say("/model history 1")).data["changes"] == changes[:1]


async def test_strategies_set_primary_and_chain_at_once():
    bench = Bench({})
    await bench.say("/model strategy tiered")
    assert bench.primary == "anthropic/claude-haiku-4-5"
    assert bench.chain == ["deepseek/deepseek-flash", "ollama/llama3.3"]
    await bench.say("/model strategy local-first")
    assert (bench.primary, bench.chain) == ("ollama/llama3.3", [])
    await bench.say("/model undo")
    assert bench.primary == "anthropic/claude-haiku-4-5"
    assert len(bench.chain) == 2


@pytest.mark.parametrize(
    ("target", "env", "said"),
    [
        ("ollama/kimi-k2.6:cloud", {}, "one of Ollama's cloud models"),
        ("ollama/llama3.3", {"OLLAMA_BASE_URL": "https://ollama.com"}, "CHANGEOVER_PRIVATE=ollama"),
        ("litellm/gpt-5", {}, "CHANGEOVER_PRIVATE=litellm"),
    ],
)
async def test_local_first_refuses_what_is_not_private(target, env, said):
    config = {
        "agents": {
            "defaults": {
                "model": {"primary": "openai/gpt-5"},
                "models": {target: {"alias": "local"}},
            }
        },
        "models": {"providers": {"litellm": {"baseUrl": "http://127.0.0.1:4000"}}},
    }
    bench = Bench(config, env=env)
    card = await bench.say("/model strategy local-first")
    assert card.error
    assert said in f"{card.error.message} {card.error.hint}"
    assert bench.primary == "openai/gpt-5"


async def test_what_may_forward_is_never_called_local():
    config = {
        "agents": {"defaults": {"model": "litellm/gpt-5"}},
        "models": {"providers": {"litellm": {"baseUrl": "http://127.0.0.1:4000"}}},
    }
    data = (await Bench(config).say("/model status")).data
    assert "may_forward" in [w["code"] for w in data["warnings"]]
    assert (data["chain"][0]["near"], data["chain"][0]["private"]) == (True, False)
    vouched = (await Bench(config, env={"CHANGEOVER_PRIVATE": "litellm"}).say("/model")).data
    assert "may_forward" not in [w["code"] for w in vouched["warnings"]]
    assert vouched["chain"][0]["private"] is True


async def test_local_with_a_cloud_behind_it_is_warned_about():
    card = await Bench().say("/model local")
    caution = next(w for w in card.data["warnings"] if w["code"] == "cloud_fallback")
    assert caution["hint"] == "/model strategy local-first"
    status = await Bench({"agents": {"defaults": {"model": "ollama/llama3.3"}}}).say("/model")
    assert "cloud_fallback" not in [w["code"] for w in status.data["warnings"]]


async def test_the_preset_chain():
    bench = Bench({"agents": {"defaults": {"model": "anthropic/claude-opus-4-5"}}})
    card = await bench.say("/model fallback")
    assert bench.config["agents"]["defaults"]["model"] == {
        "primary": "anthropic/claude-opus-4-5",
        "fallbacks": [
            "openrouter/anthropic/claude-sonnet-4.5",
            "deepseek/deepseek-flash",
            "ollama/llama3.3",
        ],
    }
    assert card.data["old"] == []


async def test_a_string_model_stays_a_string_for_a_switch():
    bench = Bench({"agents": {"defaults": {"model": "anthropic/claude-opus-4-5"}}})
    await bench.say("/model local")
    assert bench.config["agents"]["defaults"]["model"] == "ollama/llama3.3"


@pytest.mark.parametrize(
    ("agents", "path"),
    [
        ({"list": [{"id": "ops", "model": "a/b"}]}, ("list", 0, "model")),
        ({"list": [{"id": "ops"}]}, ("list", 0, "model")),
        ({"entries": {"ops": {"model": "a/b"}}}, ("entries", "ops", "model")),
        (
            {"entries": {"ops": {"model": {"primary": "a/b"}}}},
            ("entries", "ops", "model", "primary"),
        ),
    ],
)
async def test_an_agents_own_model(agents, path):
    bench = Bench({"agents": agents})
    card = await bench.say("/model cheap agent ops")
    assert card.ok
    value = bench.config["agents"]
    for step in path:
        value = value[step]
    assert value == "deepseek/deepseek-flash"


async def test_an_unknown_agent_is_named():
    card = await Bench({"agents": {"list": [{"id": "ops"}]}}).say("/model cheap agent opps")
    assert card.exit_code is ExitCode.USAGE
    assert "ops" in card.error.hint


async def test_naming_a_model_moves_the_name():
    bench = Bench()
    card = await bench.say("/model preset cheap deepseek/deepseek-flash")
    models = bench.config["agents"]["defaults"]["models"]
    assert models["deepseek/deepseek-flash"] == {"alias": "cheap"}
    assert models["deepseek/deepseek-chat"] == {}
    assert card.data["old"] == "deepseek/deepseek-chat"
    await bench.say("/model preset cheap remove")
    assert bench.config["agents"]["defaults"]["models"]["deepseek/deepseek-flash"] == {}


async def test_a_first_alias_does_not_shut_the_others_out():
    bench = Bench(
        {"agents": {"defaults": {"model": {"primary": "openai/gpt-5", "fallbacks": ["groq/x"]}}}}
    )
    await bench.say("/model preset nightly deepseek/deepseek-flash")
    assert bench.config["agents"]["defaults"]["models"] == {
        "deepseek/deepseek-flash": {"alias": "nightly"},
        "openai/gpt-5": {},
        "groq/x": {},
    }


@pytest.mark.parametrize("name", ["status", "use", "Ü!", "a" * 40])
async def test_names_that_cannot_be(name):
    assert (await Bench().say(f"/model preset {name} openai/gpt-5")).exit_code is ExitCode.USAGE


async def test_removing_a_name_nobody_has():
    assert (await Bench().say("/model preset nightly remove")).error.code == "nothing_to_do"
    assert "built in" in (await Bench({}).say("/model preset cheap remove")).error.message


async def test_the_list_shows_names_prices_and_keys():
    card = await Bench(env={"ANTHROPIC_API_KEY": "x"}).say("/model list")
    rows = {row["model"]: row for row in card.data["models"]}
    assert rows["anthropic/claude-opus-4-5"]["aliases"] == ["best"]
    assert rows["anthropic/claude-opus-4-5"]["presets"] == ["best"]
    assert rows["deepseek/deepseek-chat"]["key_present"] is False
    assert rows["ollama/llama3.3"]["price"]["source"] == "local"
    only = await Bench().say("/model list deepseek")
    assert {row["provider"] for row in only.data["models"]} == {"deepseek"}
    assert (await Bench().say("/model list depseek")).error.hint == "Did you mean deepseek?"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/model chaep", "/model cheap"),
        ("/modle status", "/model"),
        ("/model use chepa", "cheap"),
        ("/model use deepseek-chat", "deepseek/deepseek-chat"),
        ("/model strategy qualty", "quality"),
        ("/fallback tset", "/fallback test"),
    ],
)
async def test_did_you_mean(line, hint):
    card = await Bench().say(line)
    assert card.exit_code is ExitCode.USAGE
    assert "Did you mean" in card.error.hint
    assert hint in card.error.hint


@pytest.mark.parametrize(
    "line",
    [
        "",
        "/",
        "/model use",
        "/model use nosuch/model",
        "/model cheap for",
        "/model cheap for banana",
        "/model cheap for 9999d",
        "/model cheap until 25:00",
        "/model cheap extra",
        "/model history 0",
        "/model history -3",
        "/model strategy",
        "/model " + "x" * 10_000,
        "/model \x00\x1b[31m",
    ],
)
async def test_bad_words_are_usage_errors_and_harm_nothing(line):
    bench = Bench()
    card = await bench.say(line)
    assert card.exit_code is ExitCode.USAGE
    assert card.error.hint
    assert len(card.error.message) < 300
    assert bench.config == GUIDE


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "config_syntax"),
        (b"", "config_syntax"),
        (b"[]", "config_shape"),
        (b'{"agents": 3}', "config_shape"),
        (b'{"agents": {"defaults": {"model": {"fallbacks": "x"}}}}', "config_shape"),
        (b'{"a": "\x00"}', "config_syntax"),
    ],
)
async def test_a_broken_file_is_told_and_left_alone(raw, code):
    bench = Bench(raw)
    for line in ("/model status", "/model cheap", "/fallback test"):
        card = await bench.say(line)
        assert (card.error.code, card.exit_code) == (code, ExitCode.CONFIG_UNUSABLE)
        assert card.error.hint
    assert bench.store.raw == raw


async def test_a_variable_is_shown_resolved_and_never_overwritten():
    raw = b'{"agents": {"defaults": {"model": {"primary": "${MODEL}"}}}}'
    bench = Bench(raw, env={"MODEL": "openai/gpt-5", "OPENAI_API_KEY": "k"})
    assert (await bench.say("/model status")).data["primary"] == "openai/gpt-5"
    card = await bench.say("/model cheap")
    assert card.error.code == "config_uneditable"
    assert "MODEL" in card.error.message
    unset = await Bench(raw, env={}).say("/model status")
    assert "variable" in [w["code"] for w in unset.data["warnings"]]


async def test_rubbish_in_a_reason_is_kept_harmless():
    card = await Bench().say("/model cheap reason <!channel> @everyone \x1b[2J\u202e" + "x" * 900)
    assert card.ok
    assert "\x1b" not in words(card)
    assert "\u202e" not in words(card)
    assert len(card.data["reason"]) <= 500


async def test_help_is_derived_from_the_declarations():
    card = await Bench().say("/model help")
    form = "model use MODEL [for DURATION] [agent NAME] [everywhere] [reason TEXT]"
    assert Command(form, form=True) in [span for line in card.body for span in line]
    declared = [command.full_name for command in Bench().app.registry.of("model")]
    assert [command["name"] for command in card.data["commands"]] == declared


async def test_help_of_one_command_shows_its_own_form_alone():
    card = await Bench().say("/model help cheap")
    assert [command["name"] for command in card.data["commands"]] == ["model cheap"]
    assert card.data["commands"][0]["usage"].startswith("/model cheap [for DURATION]")
    assert "for · A duration" in words(card)


async def test_the_prefix_is_understood():
    assert (await Bench(prefix="llm-").say("/llm-model status")).ok


async def test_a_database_that_is_away_hides_history_but_not_the_config():
    bench = Bench()
    bench.journal.fail = StorageError("The database is away.", "Start it.")
    status = await bench.say("/model status")
    assert status.ok
    assert "database" in [w["code"] for w in status.data["warnings"]]
    card = await bench.say("/model cheap")
    assert card.data["changed"] is True
    assert bench.primary == "deepseek/deepseek-chat"
    assert "unrecorded" in [w["code"] for w in card.data["warnings"]]
    assert (await bench.say("/model undo")).error.code == "storage"


async def test_a_conflict_is_tried_again():
    bench = Bench()
    edits = iter([b"{}", json.dumps(GUIDE).encode()])

    def before_write() -> None:
        raw = next(edits, None)
        if raw is not None:
            bench.store.edit_outside(raw)

    bench.store.before_write = before_write
    assert (await bench.say("/model cheap")).data["changed"] is True
    assert bench.primary == "deepseek/deepseek-chat"
