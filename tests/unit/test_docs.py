"""The documents, held against the program: commands, presets, prices, variables, links."""

import re
import shlex
from pathlib import Path

import pytest

from adapters.main.demo import HELPS
from adapters.terminal.cli import VERBS, parse_arguments
from bot.catalog import shipped
from bot.commands.grammar import parse
from bot.commands.table import registry
from bot.config.schema import view_of
from bot.dialects.history import HISTORY
from bot.messages.words import FORMATS, change_in_price, short_price, tokens
from bot.models import Price
from bot.ports import Document
from scripts import json_fields
from scripts.commands_doc import PAGE, page
from tests.support.fakes_core import Bench

ROOT = Path(__file__).resolve().parents[2]
CATALOG = shipped()
REGISTRY = registry(CATALOG)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
GUIDE = ROOT / "docs" / "guide.md"

COMMANDS = [command for group in REGISTRY.groups for command in REGISTRY.of(group)]
SCRIPT_WORDS = (
    (ROOT / "scripts" / "switch-model.sh")
    .read_text(encoding="utf-8")
    .partition("Usage: switch-model.sh ")[2]
    .partition("\n")[0]
    .split("|")
)
CHAT_VERBS = {verb.name for verb in VERBS if verb.chat}

_FENCE = re.compile(r"^( *)(```+|~~~+).*?\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1")
_CHAT = re.compile(r"/(?:model|fallback|cost)(?= |$)")
_SHELL = re.compile(r"(?:\./)?(?:scripts/)?(?:changeover|switch-model\.sh)(?= |$)")
_PROMPT = re.compile(r"^(?:[>$#] )?(?:→ )?")
_REMARK = re.compile(r"\s+#\s.*$|\s{2,}\S.*$")
_SHAPE = re.compile(r"[\[\]|…]|\b[A-Z]{2,}\b|\bN\b")
_LINK = re.compile(r"(?<!\\)!?\[[^\]]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(
    r"\b(?:(?:CHANGEOVER|GATEWAY|SLACK|DISCORD|TELEGRAM|OPENCLAW|MOLTBOT|CLAWDBOT)_[A-Z_]+[A-Z]"
    r"|[A-Z]+_(?:API_KEY|BASE_URL|ADMIN_KEY|MANAGEMENT_KEY)|DATABASE_URL)\b"
)
# Read, and not meant to be set by people: not in the template.
_UNLISTED = {
    "CHANGEOVER_ACTOR",
    "CHANGEOVER_SURFACE",
    "MOLTBOT_STATE_DIR",
    "CLAWDBOT_STATE_DIR",
}


def code_lines(document):
    """Every line of code in a document, and whether it is a line of its own to be typed."""
    words = document.read_text(encoding="utf-8")
    fenced = [line for fence in _FENCE.finditer(words) for line in fence[3].splitlines()]
    spans = [span[2] for span in _SPAN.finditer(_FENCE.sub("", words))]
    for whole, lines in ((True, fenced), (False, spans)):
        for line in lines:
            yield _REMARK.sub("", _PROMPT.sub("", line.strip())).replace("\\|", "|"), whole


def found(pattern):
    """Every line of code that begins with a command, with its document's name."""
    return sorted(
        {
            (document.name, line, whole)
            for document in DOCUMENTS
            for line, whole in code_lines(document)
            if pattern.match(line)
        }
    )


def alternatives(words):
    """The names that the first word stands for, none where it is a placeholder."""
    first = words[0] if words else ""
    return first.split("|") if first and not _SHAPE.search(first.replace("|", "")) else []


def check_chat(line, whole=True):
    """A chat command parses; a shape, or a name in running text, names what exists."""
    group, *rest = line.removeprefix("/").split()
    if not _SHAPE.search(line) and (whole or len(rest) != 1):
        parse(line, REGISTRY)
        return
    assert group in REGISTRY.groups
    for name in alternatives(rest):
        assert REGISTRY.find(group, name), f"/{group} has no {name}"


def test_the_reference_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == page(REGISTRY), "run ./scripts/docs"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.full_name)
def test_every_command_has_examples_that_are_its_own(command):
    assert command.examples
    for example in command.examples:
        assert parse(example, REGISTRY).command is command


def test_no_example_names_a_model_that_goes_away():
    going = {str(ref) for ref, facts in CATALOG.models.items() if facts.retires_on}
    assert going
    words = {word for one in COMMANDS for example in one.examples for word in example.split()}
    assert not words & going


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.full_name)
def test_every_command_and_argument_stands_in_the_reference(command):
    words = PAGE.read_text(encoding="utf-8")
    assert command.name in words
    assert command.help in words or command.help.split(command.name)[0] in words
    for param in command.params:
        assert param.help in words or param.name == "reason"


@pytest.mark.parametrize(("document", "line", "whole"), found(_CHAT))
def test_every_chat_command_in_the_documents_parses(document, line, whole):
    check_chat(line, whole)


@pytest.mark.parametrize(("document", "line", "whole"), found(_SHELL))
def test_every_command_line_in_the_documents_parses(document, line, whole):
    program, *words = shlex.split(line)
    if program.endswith("switch-model.sh"):
        assert set(alternatives(words)) <= {*SCRIPT_WORDS, "-h", "--help"}
    elif _SHAPE.search(line):
        assert set(alternatives(words)) <= {verb.name for verb in VERBS}
    else:
        invocation = parse_arguments(words)
        if invocation.command in CHAT_VERBS and invocation.words:
            check_chat(f"/{invocation.line}", whole)
        for said in invocation.say:
            if not said.startswith(":"):
                check_chat(said)


@pytest.mark.parametrize("command", json_fields.FIELDS)
async def test_every_json_field_in_the_reference_is_there(command):
    bench = Bench()
    await bench.say("/model best for 2h reason so that there is history")
    await bench.say("/model think for 2h reason so that there is history")
    data = (await bench.say(command)).data
    for field, inner in json_fields.FIELDS[command].items():
        name, _, below = field.partition("[]")
        held = data[name]
        if field.endswith("[]") or below:
            held = held[0] if held else {}
        held = held[below[1:]] if below and held else held
        assert not held or not inner or set(inner) <= set(held)


def test_every_demo_word_in_the_documents_exists():
    known = {*HELPS, ":help", ":quit"}
    for document in DOCUMENTS:
        for line, _ in code_lines(document):
            if re.match(r":[a-z]", line):
                assert line.split()[0] in known, f"{document.name}: {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_relative_link_leads_somewhere(document):
    for target in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def anchors(file):
    """The names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", file.read_text("utf-8")), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_variable_named_is_in_the_template(document):
    template = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^#?([A-Z_]+)=", template, re.MULTILINE))
    found = _VARIABLE.findall(document.read_text(encoding="utf-8"))
    named = {name.removesuffix("_FILE") for name in found}
    assert named - listed - _UNLISTED == set()


def row_of(cell):
    """The guide's table row whose first cell is this one."""
    rows = [
        line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith(f"| {cell} |")
    ]
    assert rows, cell
    return " ".join(rows)


def test_the_gateways_page_says_who_accepts_which_format():
    page = (ROOT / "docs/gateway.md").read_text()
    told = page.partition("<!-- formats -->\n")[2].partition("<!-- /formats -->")[0]
    names = [FORMATS[dialect] for dialect in HISTORY]
    lines = [f"| provider | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for provider in CATALOG.providers.values():
        cells = []
        for dialect in HISTORY:
            found = provider.endpoints.get(dialect)
            cells.append("no" if not found else "yes, stores nothing" if found.stateless else "yes")
        lines.append(f"| {provider.title} | {' | '.join(cells)} |")
    assert told.splitlines() == lines


@pytest.mark.parametrize("provider", CATALOG.providers.values(), ids=lambda p: p.id)
def test_the_guide_tells_each_provider_as_the_catalog_has_it(provider):
    row = row_of(provider.title)
    for word in (f"`{provider.key_env}`", provider.tier, provider.best_for):
        assert word in row
    for dialect in provider.endpoints:
        assert dialect in row.lower()
    for url in (provider.dashboard_url, provider.billing_url, provider.keys_url):
        assert url in row


@pytest.mark.parametrize("preset", CATALOG.presets.values(), ids=lambda p: p.name)
def test_the_guide_tells_each_preset_as_the_catalog_has_it(preset):
    current = CATALOG.current(preset.model)
    row = row_of(f"`{preset.name}`")
    assert f"`{current}`" in row
    price = CATALOG.facts(current).price
    assert (short_price(price) if price else "free") in row
    assert tokens(CATALOG.facts(current).context_window) in row
    if current != preset.model:
        assert f"`{preset.model}`" in row


def test_the_guide_names_every_retired_id_with_its_successor():
    words = GUIDE.read_text(encoding="utf-8")
    for ref, facts in CATALOG.models.items():
        if facts.successor:
            row = row_of(f"`{ref}`")
            assert f"`{facts.successor}`" in row
            assert facts.misspelt or str(facts.retires_on) in row
    assert str(CATALOG.as_of) in words


def test_the_guide_tells_each_strategy_as_the_catalog_has_it():
    for strategy in CATALOG.strategies.values():
        row = row_of(f"`{strategy.name}`")
        names = [strategy.primary, *strategy.fallbacks]
        places = [row.index(f"`{name}`") for name in names]
        assert places == sorted(places)


def price_of(preset):
    """What a preset's model of today costs."""
    price = CATALOG.facts(CATALOG.current(CATALOG.presets[preset].model)).price
    assert price
    return price


@pytest.mark.parametrize(
    ("than", "preset", "times"),
    [("best", "cheap", 1), ("best", "cheap", 2), ("best", "fast", 1), ("best", "think", 1)],
)
def test_the_guide_computes_savings_from_the_catalog(than, preset, times):
    after = price_of(preset)
    peak = Price(after.input_usd_per_1m * times, after.output_usd_per_1m * times)
    difference = change_in_price(price_of(than), peak)
    assert difference
    start = f"| `{than}` → `{preset}`"
    rows = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith(start)]
    assert any(f"| {difference.removesuffix(' cheaper')} |" in row for row in rows), difference


def test_the_guides_config_is_whole_and_names_nothing_that_is_gone():
    source = next(
        fence[3] for fence in _FENCE.finditer(GUIDE.read_text("utf-8")) if "agents" in fence[3]
    )
    view = view_of(Document.of(source.encode()))
    chain = [view.default.primary or "", *(view.default.fallbacks or ())]
    known = {str(ref) for ref, facts in CATALOG.models.items() if not facts.gone}
    assert {*chain, *view.aliases} <= known
    assert len(chain) > 1
    assert set(chain) <= set(view.aliases)
    for preset in CATALOG.presets.values():
        assert view.aliases[str(CATALOG.current(preset.model))] == preset.name


@pytest.mark.parametrize("ref", [r for r, f in CATALOG.models.items() if f.price], ids=str)
def test_the_guide_tells_each_priced_model_as_the_catalog_has_it(ref):
    facts = CATALOG.facts(ref)
    if not (facts.successor or facts.gone):
        row = row_of(f"`{ref}`")
        assert f"| {short_price(facts.price)} |" in row
        assert f"| {tokens(facts.context_window)} |" in row
        assert row.rstrip().endswith("yes |" if facts.vision else "no |")
