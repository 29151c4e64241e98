"""Variables, `.env` and the config's place."""

from __future__ import annotations

import io
import json
import logging
import sys
import time as time_module
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.environment import (
    find_config,
    read_environment,
    read_settings,
    read_timezone,
    secret_values,
)
from adapters.environment.chats import SlackMode
from adapters.environment.service import read_service_settings
from adapters.logs import setup_logging
from bot.blackout import Blackout
from bot.errors import ConfigMissingError, SettingsError
from bot.models import Secret

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME = Path("/home/ana")
CWD = Path("/srv/bot")


# --- where the values come from ---------------------------------------------------------------


def test_the_real_environment_wins_and_empty_is_unset(tmp_path):
    (tmp_path / ".env").write_text(
        "A=file\nB=file\nC=\nD='  '\nexport E=\"two words\"\nF=#x\nG = a # remark\nH\nI=${A}$\n",
        "utf-8",
    )
    real = {"A": "real", "B": "", "Z": " ", "HOME": "/root"}
    assert read_environment(None, real, tmp_path) == {
        "A": "real",
        "B": "file",
        "E": "two words",
        "F": "#x",
        "G": "a",
        "I": "${A}$",
        "HOME": "/root",
    }


def test_without_a_file_it_is_the_real_environment(tmp_path):
    assert read_environment(None, {"A": "1"}, tmp_path) == {"A": "1"}
    (tmp_path / ".env").mkdir()
    assert read_environment(None, {"A": "1"}, tmp_path) == {"A": "1"}


def test_the_current_folder_is_looked_at_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(b"\xef\xbb\xbfA=1\r\nB=2\r\n")
    assert read_environment(None, {}) == {"A": "1", "B": "2"}


def test_a_named_file_counts(tmp_path):
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "prod.env").write_text("B=2\n")
    assert read_environment(Path("prod.env"), {}, tmp_path) == {"B": "2"}


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"There is no file .*no\.env") as caught:
        read_environment(Path("no.env"), {}, tmp_path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"A=1\n\nsk-ant-secret is no line\nB=2\n", "Line 3 of "),
        (b"A='never closed\n", "Line 1 of "),
        (b"A=\xff\n", "is not UTF-8"),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path, content, says):
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsError, match=says) as caught:
        read_environment(None, {}, tmp_path)
    assert "sk-ant" not in caught.value.message + caught.value.hint


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: is a directory"):
        read_environment(tmp_path, {}, tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(SettingsError, match="cannot be read: no such file"):
        read_environment(Path("dangling"), {}, tmp_path)


def test_what_is_secret():
    env = {
        "OPENAI_API_KEY": "sk-0123456789",
        "OLLAMA_API_KEY": "ollama",
        "HTTPS_PROXY": "http://me:by-proxy@proxy:3128",
        "GATEWAY_TOKENS": "ana:token-of-ana, batch:token-of-batch",
        "DATABASE_URL": "postgresql://bot:pass:word1@db/x",
        "SLACK_CHANNEL": "#llm-ops-long",
    }
    assert secret_values(env) == {
        "sk-0123456789",
        "token-of-ana",
        "token-of-batch",
        # Also in parts: an address with such a password is easily read wrong.
        "pass:word1",
        "pass",
        "word1",
        "bot:pass:word1",
        "by-proxy",
        "me:by-proxy",
    }


# --- the core's settings ----------------------------------------------------------------------


def test_nothing_set_gives_the_contracts_defaults():
    settings = read_settings({"TZ": ":Europe/Berlin"})
    assert settings.confirm_ratio == 5
    assert settings.timezone == ZoneInfo("Europe/Berlin")
    assert settings.prefix == ""
    times = settings.timeouts
    assert (times.total_s, times.first_token_s, times.idle_s, times.probe_s) == (120, 30, 60, 20)
    assert settings.access.operators == frozenset()


def test_everything_set():
    env = {
        "CHANGEOVER_OPERATORS": "slack:U1, discord-role:7",
        "CHANGEOVER_ADMINS": "slack:U2",
        "CHANGEOVER_CONFIRM_RATIO": "1.5",
        "CHANGEOVER_TIMEZONE": "America/New_York",
        "CHANGEOVER_COMMAND_PREFIX": "llm-",
        "CHANGEOVER_TIMEOUT_S": "90",
        "CHANGEOVER_FIRST_TOKEN_TIMEOUT_S": "0.5",
        "CHANGEOVER_IDLE_TIMEOUT_S": " 10 ",
        "CHANGEOVER_PROBE_TIMEOUT_S": "5",
        "CHANGEOVER_THINKING_TIMEOUT_S": "90",
        "CHANGEOVER_STICKY": "Off",
        "OLLAMA_BASE_URL": "http://127.0.0.1:4011",
    }
    settings = read_settings(env)
    assert settings.env is env
    assert settings.access.operators == {"slack:U1", "discord-role:7"}
    assert settings.access.admins == {"slack:U2"}
    assert settings.confirm_ratio == Decimal("1.5")
    assert settings.timezone == ZoneInfo("America/New_York")
    assert settings.prefix == "llm-"
    times = settings.timeouts
    assert (times.total_s, times.first_token_s, times.idle_s, times.probe_s) == (90, 0.5, 10, 5)
    assert times.thinking_s == 90
    assert settings.sticky is None
    assert read_settings({"CHANGEOVER_STICKY": "30m"}).sticky == timedelta(minutes=30)


WRONG = [
    ("CHANGEOVER_OPERATORS", "U123"),
    ("CHANGEOVER_ADMINS", "slack:"),
    *(("CHANGEOVER_CONFIRM_RATIO", v) for v in ("five", "0.5", "nan", "inf", "sNaN", "-1")),
    *(("CHANGEOVER_TIMEZONE", v) for v in ("Mars/Base", "../etc", "Europe", "x\0y", "/etc/x")),
    *(("CHANGEOVER_COMMAND_PREFIX", v) for v in ("LLM", "a b", "/x", "x" * 21, "ä")),
    *(("CHANGEOVER_TIMEOUT_S", v) for v in ("0", "-1", "nan", "inf", "2h", "86401", "1e400")),
    ("CHANGEOVER_FIRST_TOKEN_TIMEOUT_S", "x"),
    ("CHANGEOVER_IDLE_TIMEOUT_S", "x"),
    ("CHANGEOVER_PROBE_TIMEOUT_S", "x"),
    ("CHANGEOVER_THINKING_TIMEOUT_S", "x"),
    *(("CHANGEOVER_STICKY", v) for v in ("x", "0", "-5m")),
    *(("OLLAMA_BASE_URL", v) for v in ("127.0.0.1:11434", "ftp://x", "http://", "http://a b")),
    ("OPENAI_BASE_URL", "https:/api.openai.com"),
    ("DATABASE_URL", "mysql://x"),
    ("DATABASE_URL", "changeover.db"),
    ("GATEWAY_HOST", "a b"),
    ("GATEWAY_WORKERS", "0"),
    ("GATEWAY_WORKERS", "-1"),
    ("GATEWAY_WORKERS", "1.5"),
    ("GATEWAY_WORKERS", "abc"),
    ("GATEWAY_WORKERS", "1000"),
    *(("PORT", v) for v in ("http", "-1", "65536", "1.5", "٣")),
    *(("GATEWAY_TOKENS", v) for v in ("tok", "ana:", ":x", "a:1,a:2", "a b:1")),
    *(("DISCORD_CHANNEL_ID", v) for v in ("#llm-ops", "9" * 21, "٣")),
    ("DISCORD_GUILD_ID", "x"),
    ("DISCORD_API_URL", "discord.com"),
    ("DISCORD_GATEWAY_URL", "https://x"),
    ("SLACK_API_URL", "https://slack.com"),
    ("SLACK_API_URL", "slack.com/api/"),
    ("OPENCLAW_GATEWAY_URL", "127.0.0.1:18789"),
    ("OPENCLAW_LOG", "a\0b"),
    ("CHANGEOVER_DIGEST", "mondays"),
    ("CHANGEOVER_CHAIN_TEST", "* * *"),
    *(("CHANGEOVER_QUIET_HOURS", v) for v in ("22-7", "25:00-07:00", "07:00-07:00", "x")),
    ("CHANGEOVER_LOG_FORMAT", "xml"),
    ("CHANGEOVER_LOG_LEVEL", "loud"),
]
CHATS = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "DISCORD_BOT_TOKEN": "discord-1",
    "TZ": "UTC",
}


def read_all(env: dict[str, str]) -> None:
    read_settings(env)
    read_service_settings(env, CWD, HOME)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named_with_what_would_be_right(name, value):
    env = {**CHATS, name: value}
    with pytest.raises(SettingsError) as caught:
        read_all(env)
    assert name in caught.value.message or "\0" in value
    assert caught.value.hint
    assert caught.value.exit_code == 4
    assert (caught.value.message + caught.value.hint).isprintable()


@given(st.sampled_from([name for name, _ in WRONG]), st.text(max_size=30))
def test_any_value_is_taken_or_refused(name, value):
    with suppress(SettingsError):
        read_all({**CHATS, name: value})


def test_a_secret_is_never_quoted():
    for name, value in (
        ("GATEWAY_TOKENS", "hush-hush-hush"),
        ("DATABASE_URL", "oracle://u:hush-hush@x"),
    ):
        with pytest.raises(SettingsError) as caught:
            read_service_settings({name: value}, CWD, HOME)
        assert "hush" not in f"{caught.value.message} {caught.value.hint}"


def test_a_misspelt_zone_gets_a_suggestion():
    with pytest.raises(SettingsError) as caught:
        read_timezone({"CHANGEOVER_TIMEZONE": "europe/berln"})
    assert caught.value.hint == "Did you mean Europe/Berlin?"


def test_the_machines_zone_is_the_default():
    assert read_timezone({"TZ": ":Asia/Tokyo"}) == ZoneInfo("Asia/Tokyo")
    assert read_timezone({"TZ": "No/Where"}) == ZoneInfo("UTC")
    machine = read_timezone({})
    assert NOON.astimezone(machine).timetuple()[:5] == time_module.localtime(NOON.timestamp())[:5]


# --- the service's settings -------------------------------------------------------------------


def test_an_empty_environment_is_a_service_on_loopback():
    service = read_service_settings({}, CWD, HOME)
    assert service.database_url == "sqlite:///changeover.db"
    assert service.prices is None
    assert (service.gateway.host, service.gateway.port) == ("127.0.0.1", 8787)
    assert service.gateway.token is None
    assert service.gateway.callers == ()
    service.gateway.check()
    assert service.slack is None
    assert service.discord is None
    assert service.openclaw.state_dir is None
    assert service.schedule.digest_cron == "0 9 * * mon"
    assert service.schedule.chain_test_cron is None
    assert service.schedule.quiet_hours is None
    assert (service.log_format, service.log_level) == ("text", "INFO")


def test_a_service_with_everything():
    env = {
        **CHATS,
        "DATABASE_URL": "postgresql+psycopg://u:hush@h/d",
        "CHANGEOVER_PRICES": "prices.toml",
        "GATEWAY_HOST": "[::1]",
        "PORT": "0",
        "GATEWAY_TOKEN": "hush",
        "GATEWAY_TOKENS": "ana:t:1, batch:t2,",
        "SLACK_API_URL": "http://127.0.0.1:1/api",
        "SLACK_CHANNEL": "#llm-ops",
        "DISCORD_CHANNEL_ID": "112233445566778899",
        "DISCORD_API_URL": "http://127.0.0.1:2/api/v10/",
        "DISCORD_GATEWAY_URL": "ws://127.0.0.1:3",
        "OPENCLAW_STATE_DIR": "~/.openclaw",
        "OPENCLAW_LOG": "/var/log/openclaw",
        "OPENCLAW_GATEWAY_URL": "ws://127.0.0.1:18789",
        "OPENCLAW_GATEWAY_TOKEN": "hush",
        "CHANGEOVER_DIGEST": "off",
        "CHANGEOVER_CHAIN_TEST": "0  6 * * *",
        "CHANGEOVER_QUIET_HOURS": "22:00 - 7:30",
        "CHANGEOVER_LOG_FORMAT": "JSON",
        "CHANGEOVER_LOG_LEVEL": "Debug",
    }
    service = read_service_settings(env, CWD, HOME)
    assert service.prices == CWD / "prices.toml"
    assert (service.gateway.host, service.gateway.port) == ("::1", 0)
    assert service.gateway.callers == (("ana", Secret("t:1")), ("batch", Secret("t2")))
    assert service.slack is not None
    assert service.slack.mode is SlackMode.SOCKET
    assert service.slack.api_url == "http://127.0.0.1:1/api/"
    assert service.discord is not None
    assert service.discord.channel_id == 112233445566778899
    assert service.discord.guild_id is None
    assert service.discord.api_url == "http://127.0.0.1:2/api/v10"
    assert service.openclaw.state_dir == HOME / ".openclaw"
    assert service.openclaw.log == Path("/var/log/openclaw")
    assert service.schedule.digest_cron is None
    assert service.schedule.chain_test_cron == "0 6 * * *"
    assert service.schedule.quiet_hours == (time(22), time(7, 30))
    assert (service.log_format, service.log_level) == ("json", "DEBUG")
    assert "hush" not in repr(service)
    assert "discord-1" not in repr(service)


def test_slack_over_http_and_by_halves():
    env = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}
    slack = read_service_settings(env, CWD, HOME).slack
    assert slack is not None
    assert slack.mode is SlackMode.HTTP
    for half in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
        with pytest.raises(SettingsError, match=f"{half} is set, but"):
            read_service_settings({half: "x"}, CWD, HOME)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "db.internal"])
def test_a_gateway_beyond_this_machine_needs_a_token(host):
    with pytest.raises(SettingsError, match="GATEWAY_HOST"):
        read_service_settings({"GATEWAY_HOST": host}, CWD, HOME).gateway.check()
    read_service_settings({"GATEWAY_HOST": host, "GATEWAY_TOKEN": "x"}, CWD, HOME).gateway.check()
    read_service_settings(
        {"GATEWAY_HOST": host, "GATEWAY_TOKENS": "a:x"}, CWD, HOME
    ).gateway.check()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "::1"])
def test_a_gateway_on_this_machine_needs_none(host):
    read_service_settings({"GATEWAY_HOST": host}, CWD, HOME).gateway.check()


# --- where the config is ----------------------------------------------------------------------

ORDER = ["CHANGEOVER_CONFIG", "OPENCLAW_CONFIG_PATH", "MOLTBOT_CONFIG_PATH", "CLAWDBOT_CONFIG_PATH"]
STATES = ["OPENCLAW_STATE_DIR", "MOLTBOT_STATE_DIR", "CLAWDBOT_STATE_DIR"]


@pytest.fixture
def places(tmp_path):
    cwd, home = tmp_path / "cwd", tmp_path / "home"
    for folder in (cwd / "data", home):
        folder.mkdir(parents=True)
    return cwd, home


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_the_order_of_the_contract(places):
    cwd, home = places
    env = {name: f"/x/{name}" for name in ORDER}
    env |= {name: f"~/{name}" for name in STATES}
    make(cwd / "moltbot.json")
    make(cwd / "data" / "moltbot.json")
    make(home / ".openclaw" / "openclaw.json")
    assert find_config(env, cwd, home, "a.json") == (cwd / "a.json", "--config")
    for name in ORDER:
        assert find_config(env, cwd, home) == (Path("/x") / name, name)
        env[name] = ""
    for name in ("moltbot.json", "data/moltbot.json"):
        assert find_config(env, cwd, home) == (cwd / name, "the current folder")
        (cwd / name).unlink()
    for name in STATES:
        kind = name.partition("_")[0].lower()
        assert find_config(env, cwd, home) == (home / name / f"{kind}.json", name)
        make(home / name / "clawdbot.json")
        assert find_config(env, cwd, home) == (home / name / "clawdbot.json", name)
        del env[name]
    found = home / ".openclaw" / "openclaw.json"
    assert find_config(env, cwd, home) == (found, "the home folder")


def test_the_home_folders_in_turn(places):
    cwd, home = places
    older_first = [
        ".moltbot/clawdbot.json",
        ".moltbot/moltbot.json",
        ".clawdbot/clawdbot.json",
        ".clawdbot/moltbot.json",
        ".openclaw/clawdbot.json",
        ".openclaw/moltbot.json",
        ".openclaw/openclaw.json",
    ]
    for name in older_first:
        file = make(home / name)
        assert find_config({}, cwd, home) == (file, "the home folder")


def test_a_database_instead_of_a_file(places):
    assert find_config({"CHANGEOVER_CONFIG": "db:"}, *places) == ("db:", "CHANGEOVER_CONFIG")
    assert find_config({}, places[0], places[1], "db:") == ("db:", "--config")


def test_a_dangling_link_is_not_passed_over(places):
    cwd, home = places
    (cwd / "moltbot.json").symlink_to(cwd / "gone.json")
    make(cwd / "data" / "moltbot.json")
    assert find_config({}, cwd, home)[0] == cwd / "moltbot.json"


def test_nothing_anywhere_says_where_it_looked(places):
    with pytest.raises(ConfigMissingError) as caught:
        find_config({}, *places)
    for name in ("./moltbot.json", "./data/moltbot.json", "~/.openclaw", "~/.clawdbot"):
        assert name in caught.value.message
    assert "changeover init" in caught.value.hint
    with pytest.raises(SettingsError):
        find_config({"CHANGEOVER_CONFIG": "a\0b"}, *places)


# --- the log ----------------------------------------------------------------------------------


@pytest.fixture
def log(capsys):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in (
        "httpx",
        "httpcore",
        "apscheduler",
        "slack_bolt",
        "slack_sdk",
        "discord",
    ):
        logging.getLogger(name).setLevel(logging.NOTSET)


def fail() -> None:
    try:
        raise ValueError("key sk-0123456789 refused")
    except ValueError:
        logging.getLogger("changeover").exception("it %s\nfailed \x1b[2J", "really")


def test_one_line_a_record_without_secrets(log):
    setup_logging("text", "INFO", Blackout(["sk-0123456789", ""]).clean)
    setup_logging("text", "INFO", Blackout(["sk-0123456789", "sk-0123456789-long"]).clean)
    fail()
    logging.getLogger("changeover").info("uses %s", "sk-0123456789-long", stack_info=True)
    logging.getLogger("changeover").debug("not said")
    logging.getLogger("httpx").info("not said")
    first, second = log().splitlines()
    assert " ERROR changeover: it really | failed \\x1b[2J | Traceback " in first
    assert first.endswith("ValueError: key [hidden] refused")
    assert " INFO changeover: uses [hidden] | Stack " in second


def test_json_records(log):
    setup_logging("json", "DEBUG", Blackout(["sk-0123456789"]).clean)
    fail()
    logging.getLogger("httpx").info("said")
    first, second = map(json.loads, log().splitlines())
    assert first["level"] == "error"
    assert first["message"] == "it really\nfailed \x1b[2J"
    assert "[hidden]" in first["trace"]
    assert first["at"].endswith("Z")
    assert (second["logger"], second["message"]) == ("httpx", "said")
    assert "trace" not in second


def test_the_log_follows_stderr(log, monkeypatch):
    setup_logging("text", "INFO", str)
    other = io.StringIO()
    monkeypatch.setattr(sys, "stderr", other)
    logging.getLogger("changeover").warning("here")
    assert log() == ""
    assert other.getvalue().endswith("WARNING changeover: here\n")
