"""The way from a clone to a running program: locks, `.env.example`, and the scripts, really run.

The scripts are copied to a folder with spaces in its name. Most tests give them an interpreter
whose `venv` and `pip` are stand-ins, so that they need no network and take no time; all else is
the real thing, and `test_a_real_venv` uses Python's own.
"""

import contextlib
import os
import platform
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from scripts import check_locks

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = (
    "changeover",
    "test",
    "lock",
    "switch-model.sh",
    "venv.sh",
    "setup_venv.py",
    "installers.py",
)

# DESIGN.md, the environment
VARIABLES = """
    ANTHROPIC_API_KEY OPENROUTER_API_KEY DEEPSEEK_API_KEY OLLAMA_API_KEY OPENAI_API_KEY
    GEMINI_API_KEY GROQ_API_KEY
    ANTHROPIC_BASE_URL OPENROUTER_BASE_URL DEEPSEEK_BASE_URL OLLAMA_BASE_URL OPENAI_BASE_URL
    GEMINI_BASE_URL GROQ_BASE_URL
    OPENAI_ADMIN_KEY ANTHROPIC_ADMIN_KEY OPENROUTER_MANAGEMENT_KEY
    SLACK_BOT_TOKEN SLACK_APP_TOKEN SLACK_SIGNING_SECRET SLACK_API_URL SLACK_CHANNEL
    DISCORD_BOT_TOKEN DISCORD_CHANNEL_ID DISCORD_GUILD_ID DISCORD_API_URL DISCORD_GATEWAY_URL
    ALERTMANAGER_URL CHANGEOVER_WEBHOOK_SECRET CHANGEOVER_WEBHOOK_URL
    PAGERDUTY_API_URL PAGERDUTY_ROUTING_KEY
    TELEGRAM_BOT_TOKEN TELEGRAM_CHAT_ID TELEGRAM_TOPIC_ID TELEGRAM_WEBHOOK_URL TELEGRAM_API_URL
    CHANGEOVER_CONFIG OPENCLAW_CONFIG_PATH MOLTBOT_CONFIG_PATH CLAWDBOT_CONFIG_PATH DATABASE_URL
    CHANGEOVER_OPERATORS CHANGEOVER_ADMINS CHANGEOVER_CONFIRM_RATIO CHANGEOVER_PRICES
    CHANGEOVER_PRICE_UPDATES CHANGEOVER_STATUS_PAGES CHANGEOVER_PRIVATE CHANGEOVER_APPROVAL
    CHANGEOVER_COMMAND_PREFIX CHANGEOVER_TIMEZONE CHANGEOVER_DIGEST CHANGEOVER_CHAIN_TEST
    CHANGEOVER_QUIET_HOURS CHANGEOVER_TIMEOUT_S CHANGEOVER_FIRST_TOKEN_TIMEOUT_S
    CHANGEOVER_IDLE_TIMEOUT_S CHANGEOVER_PROBE_TIMEOUT_S CHANGEOVER_THINKING_TIMEOUT_S
    CHANGEOVER_STICKY CHANGEOVER_DRAIN_S CHANGEOVER_KEEP GATEWAY_WORKERS
    GATEWAY_HOST PORT GATEWAY_TOKEN GATEWAY_TOKENS
    OPENCLAW_STATE_DIR OPENCLAW_LOG OPENCLAW_GATEWAY_URL OPENCLAW_GATEWAY_TOKEN
    CHANGEOVER_LOG_FORMAT CHANGEOVER_LOG_LEVEL
""".split()

# An interpreter for the scripts. Its `-m venv`, its pip and the uv that this pip "fetches" are
# stand-ins that leave a line in calls.log; the rest is done by the real Python. The variables say
# how they behave: STAND_IN_FETCH the pip that fetches uv, STAND_IN_UV uv, STAND_IN_INSTALL both
# installers.
STAND_IN = """\
#!/bin/sh
case $0 in
*/uv) name=uv ;;
*) name=pip ;;
esac
case "$*" in
*" -m venv "*)
    for folder; do :; done
    echo "venv" >>"{log}"
    mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python"
    ;;
*" config list") printf '%s\\n' "${{STAND_IN_CONFIG:-}}" ;;
*" install "*requirements-uv.lock*)
    echo "fetch $*" >>"{log}"
    case "${{STAND_IN_FETCH:-}}" in
    missing)
        echo "ERROR: No matching distribution found for uv==0"
        exit 1
        ;;
    offline)
        echo "WARNING: Retrying after connection broken by 'NewConnectionError(refused)'"
        echo "ERROR: No matching distribution found for uv==0"
        exit 1
        ;;
    esac
    cp "$0" "${{0%/*}}/uv"
    if [ "${{STAND_IN_FETCH:-}}" = foreign ]; then
        echo "#!/nonexistent/ld-linux.so" >"${{0%/*}}/uv"
    fi
    ;;
*" install "*)
    echo "$PPID" >"{log}.parent"
    echo "$name $*" >>"{log}"
    env | grep -E "^(UV|PIP|SSL|HTTPS)_" | sort >"{log}.env" || :
    if [ "$name" = uv ] && [ "${{STAND_IN_UV:-}}" = fails ]; then
        echo "error: this is no place for uv"
        exit 2
    fi
    case "${{STAND_IN_INSTALL:-}}" in
    slow) sleep 0.5 ;;
    hangs) exec sleep 60 ;;
    offline)
        echo "WARNING: Retrying: NewConnectionError: Temporary failure in name resolution"
        echo "ERROR: No matching distribution found for aiohttp==3"
        exit 1
        ;;
    tampered)
        echo "Collecting aiohttp==3"
        echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
        echo "    aiohttp==3:"
        exit 1
        ;;
    full)
        echo "error: Failed to install: aiohttp-3.whl"
        echo "  Caused by: No space left on device (os error 28)"
        exit 1
        ;;
    unbuildable)
        echo "  × Failed to build 'aiohttp==3'"
        echo "  | gcc: not found"
        exit 1
        ;;
    esac
    echo "$name done" >>"{log}"
    ;;
-c*) echo "fit $0" ;;
*) exec "{python}" "$@" ;;
esac
"""

PROGRAM = """\
import os, sys
print("|".join([os.getcwd(), os.environ.get("CHANGEOVER_SURFACE", ""),
                os.environ.get("CHANGEOVER_CONFIG", ""), *sys.argv[1:]]))
sys.exit(7 if "seven" in sys.argv else 0)
"""


class House:
    """A copy of the scripts in a folder of its own, with a program that tells how it was called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "my projects" / "change over"
        self.log = folder / "calls.log"
        self.elsewhere = folder / "else where"
        (self.root / "scripts").mkdir(parents=True)
        (self.root / "adapters").mkdir()
        self.elsewhere.mkdir()
        for name in SCRIPTS:
            shutil.copy2(ROOT / "scripts" / name, self.root / "scripts" / name)
        self.lock("requirements.lock", "# runtime\n")
        self.lock("requirements-dev.lock", "# runtime and tools\n")
        self.lock("requirements-uv.lock", "# uv\n")
        (self.root / "adapters/__init__.py").touch()
        (self.root / "adapters/main.py").write_text(PROGRAM)
        self.python = folder / "python stand-in"
        self.python.write_text(STAND_IN.format(log=self.log, python=sys.executable))
        self.python.chmod(0o755)
        kept = {"PATH", "HOME", "LANG", "TMPDIR"}
        self.env = {k: v for k, v in os.environ.items() if k in kept}
        self.env["PYTHON"] = str(self.python)

    def lock(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def start(self, script: str | Path, *words: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.root / "scripts" / script), *words],
            cwd=self.elsewhere,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, script: str | Path, *words: str, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        with self.start(script, *words, **env) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    @property
    def set_ups(self) -> int:
        return self.calls.count("venv")

    @property
    def installs(self) -> list[str]:
        """The finished installs, by who did them."""
        return [line.removesuffix(" done") for line in self.calls if line.endswith(" done")]

    @property
    def installer_environment(self) -> dict[str, str]:
        """What the last installer found in its environment of where to fetch from, and how."""
        lines = Path(f"{self.log}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def leftovers(self) -> set[str]:
        """What stands beside `.venv` after a run, the kernel's lock file aside."""
        return {p.name for p in self.root.glob(".venv*")} - {".venv", ".venv.lock"}

    def wait_for(self, call: str) -> None:
        deadline = time.monotonic() + 30
        while not any(line.startswith(call) for line in self.calls):
            assert time.monotonic() < deadline, f"{call} was not called"
            time.sleep(0.01)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


# --- what stands in the repository --------------------------------------------------------------


def test_env_example_explains_every_variable_and_only_these():
    text = (ROOT / ".env.example").read_text()
    blocks = re.findall(r"^(# .+)\n#([A-Z][A-Z0-9_]*)=", text, re.MULTILINE)
    assert sorted(name for _, name in blocks) == sorted(VARIABLES)
    assert [name for why, name in blocks if len(why) < len("# Groq")] == []


def test_env_example_sets_nothing_when_copied_as_it_is():
    from dotenv import dotenv_values

    assert dotenv_values(ROOT / ".env.example") == {}


def test_locks_are_hashed_without_addresses_and_fit_pyproject():
    assert check_locks.check(ROOT) == []


PINNED_PYTEST_COV = f"pytest-cov==7 --hash=sha256:{'0' * 64}\n"
PINNED_COVERAGE = f"coverage[toml]==7 --hash=sha256:{'0' * 64}\n"
LOCKED = f"aiohttp==3.14 --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize(
    ("runtime", "dev", "fault"),
    [
        (LOCKED, LOCKED, None),
        ("aiohttp==3.14\n", LOCKED, "has no hash"),
        (LOCKED.replace("==", ">="), LOCKED, "not pinned"),
        ("--index-url https://packages.example/simple\n" + LOCKED, LOCKED, "address"),
        (LOCKED, LOCKED.replace("3.14", "3.15"), "otherwise than"),
        (LOCKED.replace("3.14", "2.0"), LOCKED.replace("3.14", "2.0"), "asks for >=3.13"),
        ("# empty\n", LOCKED, "lacks aiohttp"),
        (LOCKED, LOCKED + PINNED_PYTEST_COV, "pytest-cov asks for coverage[toml]"),
        (LOCKED, LOCKED + PINNED_PYTEST_COV + PINNED_COVERAGE, None),
    ],
)
def test_check_locks_finds(tmp_path, runtime, dev, fault):
    (tmp_path / "requirements.lock").write_text(runtime)
    (tmp_path / "requirements-dev.lock").write_text(dev)
    (tmp_path / "requirements-uv.lock").write_text(LOCKED.replace("aiohttp", "uv"))
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["aiohttp>=3.13"]\n[dependency-groups]\ndev = ["aiohttp"]\n'
    )
    faults = check_locks.check(tmp_path)
    assert bool(faults) == bool(fault)
    assert fault is None or any(fault in each for each in faults)


def test_wheel_and_command_are_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"changeover": "adapters.main:main"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["bot", "adapters"]
    assert re.fullmatch(r"hatchling==[\d.]+", *project["build-system"]["requires"])


@pytest.mark.parametrize("name", ["changeover", "test", "lock", "switch-model.sh"])
def test_scripts_are_executable_posix_sh(name):
    script = ROOT / "scripts" / name
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


# --- scripts/changeover -------------------------------------------------------------------------


def test_sets_up_once_then_only_runs(house):
    first = house.run("changeover", "model", "status")
    assert first.stdout == f"{house.elsewhere}|||model|status\n"
    steps = [re.sub(r" in \d+ s", "", line) for line in first.stderr.splitlines()]
    python = f"Setting up .venv with Python {platform.python_version()}"
    assert steps == [
        f"{python}: fetching uv …",
        f"{python}: installing 0 packages …",
        "Set up .venv.",
    ]
    second = house.run("changeover", "model", "status")
    assert second.stdout == first.stdout
    assert second.stderr == ""
    assert house.set_ups == 1
    assert house.leftovers == set()


def test_hashes_are_required_and_the_stamp_is_what_was_installed(house):
    house.run("changeover")
    fetch, install = (line for line in house.calls if line.startswith(("fetch ", "uv -")))
    for line in (fetch, install):
        assert "--require-hashes" in line
        assert "--no-deps" in line
    stamps = house.root / ".venv/.changeover"
    lock = house.root / "requirements.lock"
    assert (stamps / "requirements.lock").read_bytes() == lock.read_bytes()
    assert [file.name for file in stamps.iterdir()] == ["requirements.lock"]


@pytest.mark.parametrize("how", ["missing", "foreign"])
def test_where_no_uv_fits_pip_installs_the_same_lock(house, how):
    done = house.run("changeover", "x", STAND_IN_FETCH=how)
    assert done.returncode == 0, done.stderr
    assert house.installs == ["pip"]
    (install,) = [line for line in house.calls if line.startswith("pip -")]
    assert "--require-hashes" in install
    assert "--no-deps" in install
    assert "packages by pip, about a minute" in done.stderr
    assert house.run("changeover", "x").stderr == ""


def test_where_uv_fails_pip_has_its_try(house):
    assert house.run("changeover", "x", STAND_IN_UV="fails").returncode == 0
    assert house.installs == ["pip"]
    done = house.run("test", "--version", STAND_IN_UV="fails", STAND_IN_INSTALL="unbuildable")
    assert done.returncode == 4
    assert "  | gcc: not found" in done.stderr


@pytest.mark.parametrize("how", ["tampered", "full"])
def test_what_would_stop_pip_as_well_is_not_tried_again(house, how):
    assert house.run("changeover", "x", STAND_IN_INSTALL=how).returncode == 4
    assert [line for line in house.calls if line.startswith("pip")] == []


def test_the_tools_are_installed_by_the_uv_that_is_there(house):
    house.run("changeover")
    house.run("test", "--version")
    assert [line.split()[0] for line in house.calls] == ["venv", "fetch", *["uv"] * 4]


PIP_CONFIG = """\
:env:.no-cache-dir='1'
:env:.proxy='http://proxy.example:3128'
global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'
global.find-links='/wheels /more'
global.index-url='https://mirror.example/simple'
global.target='/nowhere'
install.index-url="https://o'mirror.example/simple"
install.no-binary=':all:'
list.format='json'
"""


def test_pips_settings_of_where_to_fetch_from_hold_for_uv(house):
    mine = {"UV_DEFAULT_INDEX": "https://mine.example/simple", "UV_EXCLUDE_NEWER": "2020-01-01"}
    house.run("changeover", STAND_IN_CONFIG=PIP_CONFIG, PIP_TARGET="/nowhere")
    found = house.installer_environment
    assert found["UV_DEFAULT_INDEX"] == "https://o'mirror.example/simple"
    assert found["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert found["UV_FIND_LINKS"] == "/wheels,/more"
    assert found["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert found["UV_NO_CACHE"] == "1"
    house.run("test", "--version", STAND_IN_CONFIG=PIP_CONFIG, **mine)
    assert house.installer_environment["UV_DEFAULT_INDEX"] == mine["UV_DEFAULT_INDEX"]
    assert "UV_EXCLUDE_NEWER" not in house.installer_environment


def test_pip_keeps_where_to_fetch_from_and_loses_where_to_install_to(house):
    house.run(
        "changeover", STAND_IN_FETCH="missing", STAND_IN_CONFIG=PIP_CONFIG, PIP_TARGET="/nowhere"
    )
    found = {k: v for k, v in house.installer_environment.items() if k.startswith("PIP_")}
    assert found == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/simple",
        "PIP_FIND_LINKS": "/wheels /more",
        "PIP_INDEX_URL": "https://o'mirror.example/simple",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_PROXY": "http://proxy.example:3128",
    }


def test_without_a_home_of_its_own_uv_keeps_no_cache(house):
    (house.elsewhere / "file").touch()
    house.run("changeover", HOME=str(house.elsewhere / "file"))
    assert house.installer_environment["UV_NO_CACHE"] == "1"


def test_a_terminal_sees_one_line_that_is_rewritten(house):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run(
            [str(house.root / "scripts/changeover"), "x"],
            cwd=house.elsewhere,
            env=house.env | {"TERM": "xterm", "COLUMNS": "40"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            check=True,
        )
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open
            while part := screen.read(4096):
                shown += part
    lines = shown.decode().removesuffix("\r\n").split("\r\x1b[K")
    assert "\n" not in "".join(lines)
    assert max(map(len, lines)) < 40
    assert re.fullmatch(r"Set up .venv in \d+ s.", lines[-1])


def test_arguments_exit_code_and_streams_pass_through(house):
    done = house.run("changeover", "a b", "", "*", "seven")
    assert done.stdout == f"{house.elsewhere}|||a b||*|seven\n"
    assert done.returncode == 7


def test_a_symlink_to_the_script_finds_the_project(house):
    near = house.elsewhere / "co"
    near.symlink_to(Path("../my projects/change over/scripts/changeover"))
    far = house.elsewhere / "co2"
    far.symlink_to(near)
    assert house.run(far, "x").stdout == f"{house.elsewhere}|||x\n"
    assert (house.root / ".venv").is_dir()


def test_found_on_the_path_and_from_its_own_folder(house):
    scripts = house.root / "scripts"
    env = house.env | {"PATH": f"{scripts}:{house.env['PATH']}"}
    for command, cwd in ((["changeover", "x"], house.elsewhere), (["sh", "changeover"], scripts)):
        done = subprocess.run(command, cwd=cwd, env=env, check=True, capture_output=True, text=True)
        assert done.stdout.startswith(f"{cwd}|")


def test_the_callers_folder_cannot_shadow_the_program(house):
    (house.elsewhere / "adapters").mkdir()
    (house.elsewhere / "adapters/main.py").write_text("print('shadow')")
    assert house.run("changeover", "x").stdout == f"{house.elsewhere}|||x\n"


def test_a_changed_lock_renews_the_venv(house):
    house.run("changeover")
    (house.root / ".venv/from-before").touch()
    house.lock("requirements.lock", "# newer\n")
    assert house.run("changeover").returncode == 0
    assert house.set_ups == 2
    assert not (house.root / ".venv/from-before").exists()
    assert house.leftovers == set()


def test_an_interpreter_that_went_away_renews_the_venv(house):
    house.run("changeover")
    (house.root / ".venv/bin/python").unlink()
    (house.root / ".venv/bin/python").symlink_to("/nonexistent/python3.11")
    assert house.run("changeover").returncode == 0
    assert house.set_ups == 2


def test_somebody_elses_venv_is_kept_aside(house):
    (house.root / ".venv").mkdir()
    (house.root / ".venv/theirs").touch()
    done = house.run("changeover")
    (kept,) = house.leftovers
    assert f"it is now {kept}" in done.stderr
    assert (house.root / kept / "theirs").exists()
    assert (house.root / ".venv/bin/python").exists()


@pytest.mark.parametrize(
    ("how", "says", "quotes"),
    [
        ("offline", "index could not be reached", "WARNING: Retrying: NewConnectionError"),
        ("tampered", "does not match its hash", "    aiohttp==3:"),
        ("full", "disk is full", "  Caused by: No space left on device"),
        ("unbuildable", "the installer failed", "  | gcc: not found"),
    ],
)
def test_a_failed_install_says_why_and_leaves_nothing_that_looks_complete(house, how, says, quotes):
    done = house.run("changeover", "x", STAND_IN_INSTALL=how)
    assert done.returncode == 4
    assert done.stdout == ""
    assert says in done.stderr
    assert f"  | {quotes}" in done.stderr
    assert "Collecting" not in done.stderr
    assert re.search(r"^Next: .*, then run the same command again\.$", done.stderr, re.MULTILINE)
    assert not (house.root / ".venv").exists()
    assert house.run("changeover", "x").returncode == 0


def test_a_failed_renewal_brings_the_old_venv_back(house):
    house.run("changeover")
    house.lock("requirements.lock", "# newer\n")
    assert house.run("changeover", STAND_IN_INSTALL="offline").returncode == 4
    house.lock("requirements.lock", "# runtime\n")
    assert house.run("changeover").stderr == ""
    assert house.set_ups == 2
    assert house.leftovers == set()


def test_a_folder_that_cannot_be_written_is_named(house):
    (house.root / ".venv.lock").mkdir()
    done = house.run("changeover")
    assert done.returncode == 4
    assert f"{house.root}/.venv.lock" in done.stderr
    assert "Next: " in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_set_up_clears_away_and_starts_over(house, how):
    with house.start("changeover", STAND_IN_INSTALL="hangs") as process:
        house.wait_for("uv -")
        os.killpg(process.pid, how)
        _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    # The shell may be gone before its child has cleared away; the next run waits for that.
    assert house.run("changeover", "x").stdout.endswith("|x\n")
    assert "Traceback" not in err
    assert house.set_ups == 2
    assert house.leftovers == set()


def test_a_killed_set_up_starts_over(house):
    with house.start("changeover", STAND_IN_INSTALL="hangs") as process:
        house.wait_for("uv -")
        assert (house.root / ".venv/bin/python").exists()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    assert (house.root / ".venv").exists()
    done = house.run("changeover", "x")
    assert done.stdout.endswith("|x\n")
    assert house.set_ups == 2
    assert house.leftovers == set()


def test_a_killed_renewal_still_has_the_old_venv_to_fall_back_on(house):
    house.run("changeover")
    house.lock("requirements.lock", "# newer\n")
    with house.start("changeover", STAND_IN_INSTALL="hangs") as process:
        deadline = time.monotonic() + 30
        while house.set_ups < 2 or not (house.root / ".venv.old").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
    assert house.run("changeover", STAND_IN_INSTALL="offline").returncode == 4
    house.lock("requirements.lock", "# runtime\n")
    assert house.run("changeover").stderr == ""


def test_an_installer_that_outlives_its_parent_keeps_the_next_run_waiting(house):
    with house.start("changeover", STAND_IN_INSTALL="slow") as process:
        house.wait_for("uv -")
        parent = int(Path(f"{house.log}.parent").read_text())
        os.kill(parent, signal.SIGKILL)
        process.communicate(timeout=30)
    assert "waiting for it" in house.run("changeover", "x").stderr
    uvs = [line for line in house.calls if line.startswith("uv")]
    assert [line.split()[1] == "done" for line in uvs] == [False, True, False, True]


def test_first_runs_at_the_same_time_share_one_set_up(house):
    processes = [house.start("changeover", str(n), STAND_IN_INSTALL="slow") for n in range(6)]
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.endswith(f"|{number}\n")
    assert house.set_ups == 1
    assert house.leftovers == set()


# --- which Python -------------------------------------------------------------------------------


def only_on_the_path(house, **interpreters: str) -> dict[str, str]:
    """An environment with no Python but these; the words are what their probe answers."""
    folder = house.elsewhere / "bin"
    folder.mkdir()
    for tool in ("sh", "cmp", "readlink", "dirname", "mkdir", "cp", "sleep"):
        (folder / tool).symlink_to(shutil.which(tool) or "")
    for name, answer in interpreters.items():
        file = folder / name.replace("_", ".")
        file.write_text(f"#!/bin/sh\n{answer}\n")
        file.chmod(0o755)
    return {"PATH": str(folder), "PYTHON": ""}


def test_an_old_python_is_refused_by_its_version(house):
    done = house.run("changeover", **only_on_the_path(house, python3="echo old 3.9.2"))
    assert done.returncode == 4
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "python3 is 3.9.2" in done.stderr
    assert "Next: install it" in done.stderr
    assert not (house.root / ".venv").exists()


def test_no_python_at_all(house):
    done = house.run("changeover", **only_on_the_path(house))
    assert done.returncode == 4
    assert "was not found. Next: install it" in done.stderr


def test_a_python_without_venv_and_pip_is_refused(house):
    done = house.run("changeover", **only_on_the_path(house, python3_11="echo bare 3.11.2"))
    assert done.returncode == 4
    assert "python3.11 (3.11.2) has no venv module or no pip" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


def test_shims_that_do_not_run_are_passed_over(house):
    env = only_on_the_path(
        house,
        python3_11="exit 127",
        python3_12="echo old 3.10.1",
        python3=f'exec "{house.python}" "$@"',
    )
    assert house.run("changeover", "x", **env).returncode == 0


def test_python_named_by_the_caller_is_the_only_candidate(house):
    done = house.run("changeover", PYTHON="/nonexistent/python3.11")
    assert done.returncode == 4
    assert "PYTHON=/nonexistent/python3.11 is not a Python 3.11 or newer that runs" in done.stderr
    assert "Next: unset PYTHON" in done.stderr


def test_a_real_venv(house):
    env = {"PYTHON": sys.executable, "PIP_NO_INDEX": "1"}
    done = house.run("changeover", "x", **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{house.elsewhere}|||x\n"
    house.lock("requirements-dev.lock", LOCKED)
    done = house.run("test", **env)
    assert done.returncode == 4
    assert "has no fitting file of some package of the lock" in done.stderr


# --- scripts/test -------------------------------------------------------------------------------


def test_the_tools_are_added_to_a_current_venv(house):
    house.run("changeover")
    done = house.run("test", "--version")
    assert "installing 0 packages" in done.stderr
    assert house.set_ups == 1
    assert house.run("changeover").stderr == ""
    assert house.run("test", "--version").stderr == ""


def test_the_tools_come_with_everything_when_first(house):
    done = house.run("test", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("pytest ")
    assert house.set_ups == 1
    assert house.run("changeover").stderr == ""


def test_a_changed_dev_lock_renews_for_tests_only(house):
    house.run("test", "--version")
    house.lock("requirements-dev.lock", "# newer tools\n")
    assert house.run("changeover").stderr == ""
    assert "Setting up" in house.run("test", "--version").stderr
    assert house.set_ups == 2


def test_tools_that_cannot_be_added_leave_the_program_usable(house):
    house.run("changeover")
    assert house.run("test", "--version", STAND_IN_INSTALL="offline").returncode == 4
    assert house.run("changeover", "x").stderr == ""
    assert "installing" in house.run("test", "--version").stderr


# --- scripts/switch-model.sh --------------------------------------------------------------------


def called(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return done.stdout.rstrip("\n").split("|")


@pytest.mark.parametrize("word", ["best", "fast", "cheap", "think", "local", "fallback"])
def test_switch_model_maps_its_words(house, word):
    done = house.run("switch-model.sh", word)
    assert called(done) == [str(house.elsewhere), "script", "", "model", word, "--yes"]


def test_switch_model_status_and_further_words(house):
    assert called(house.run("switch-model.sh", "status"))[3:] == ["model", "status"]
    more = house.run("switch-model.sh", "cheap", "reason", "batch import")
    assert called(more)[3:] == ["model", "cheap", "reason", "batch import", "--yes"]


def test_switch_model_hands_the_exit_code_back(house):
    assert house.run("switch-model.sh", "cheap", "seven").returncode == 7


@pytest.mark.parametrize("words", [(), ("",), ("chaep",), ("--best",)])
def test_switch_model_wrong_words(house, words):
    done = house.run("switch-model.sh", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Usage: switch-model.sh best|fast|cheap|think|local|fallback|status" in done.stderr
    assert house.calls == []


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_switch_model_help(house, word):
    done = house.run("switch-model.sh", word)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")


def test_switch_model_takes_the_projects_own_file(house):
    (house.root / "data").mkdir()
    file = house.root / "data/moltbot.json"
    file.write_text("{}")
    cwd, _, config, *_ = called(house.run("switch-model.sh", "cheap"))
    assert (cwd, config) == (str(house.root), str(file))


@pytest.mark.parametrize(
    "name",
    ["CHANGEOVER_CONFIG", "OPENCLAW_CONFIG_PATH", "MOLTBOT_CONFIG_PATH", "CLAWDBOT_CONFIG_PATH"],
)
def test_switch_model_leaves_a_file_that_was_named(house, name):
    (house.root / "data").mkdir()
    (house.root / "data/moltbot.json").write_text("{}")
    cwd, _, config, *_ = called(house.run("switch-model.sh", "cheap", **{name: "/etc/x.json"}))
    assert cwd == str(house.elsewhere)
    assert config == ("/etc/x.json" if name == "CHANGEOVER_CONFIG" else "")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("CHANGEOVER_CONFIG=/srv/x.json", True),
        ("  export OPENCLAW_CONFIG_PATH = '/srv/x.json'", True),
        ("#CHANGEOVER_CONFIG=/srv/x.json", False),
        ("CHANGEOVER_CONFIG=", False),
        ('CHANGEOVER_CONFIG=""', False),
        ("MY_CHANGEOVER_CONFIG=/srv/x.json", False),
    ],
)
def test_switch_model_reads_the_env_file_for_it(house, line, named):
    (house.root / "data").mkdir()
    file = house.root / "data/moltbot.json"
    file.write_text("{}")
    # in the caller's folder: then that folder's settings hold
    (house.elsewhere / ".env").write_text(f"# mine\n{line}")
    own = [str(house.root), str(file)]
    where = called(house.run("switch-model.sh", "cheap"))
    assert [where[0], where[2]] == ([str(house.elsewhere), ""] if named else own)
    # in the project's
    (house.elsewhere / ".env").rename(house.root / ".env")
    where = called(house.run("switch-model.sh", "cheap"))
    assert [where[0], where[2]] == ([str(house.root), ""] if named else own)
