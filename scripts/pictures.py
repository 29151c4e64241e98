"""Pictures of cards for the docs, drawn from the golden files: JSON → SVG → PNG, no browser.

python -m scripts.pictures            draws docs/pictures
python -m scripts.pictures --check    says whether they are as the golden files have it
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import resvg_py

from adapters.charts import FONTS
from scripts.chat_markup import Run, discord_runs
from scripts.font_widths import Font

ROOT = Path(__file__).parents[1]
GOLDEN, PICTURES = ROOT / "tests" / "golden", ROOT / "docs" / "pictures"
INDEX = PICTURES / "index.json"
CARDS = {
    "slack": ("shown-status", "shown-switch", "shown-test", "shown-week", "shown-incident"),
    "discord": ("shown-switch", "shown-test", "shown-incident"),
}
WIDTH, PHONE, LEFT, TOP, RIGHT = 660, 390, 64, 16, 20
ZOOM = 1.35
EMOJI = {"✅": "#2eb67d", "🔁": "#1264a3", "❓": "#6b6f76", "⚠️": "#daa038", "⛔": "#e01e5a"}


@dataclass(frozen=True)
class Look:
    """A product's colours and sizes."""

    page: str
    words: str
    faint: str
    link: str
    code: str
    code_back: str
    code_edge: str
    button: str
    button_words: str
    primary: str
    bar: str = "#1264a3"
    badge: str = "#4a154b"
    size: float = 15.0
    line: float = 22.0


SLACK = Look(
    "#ffffff", "#1d1c1d", "#616061", "#1264a3", "#c01343", "#f8f8f8", "#dddddd", "#ffffff",
    "#1d1c1d", "#007a5a",
)  # fmt: skip
SLACK_DARK = Look(
    "#1a1d21", "#d1d2d3", "#ababad", "#1d9bd1", "#e8912d", "#232529", "#797c81", "#1a1d21",
    "#e8e8e8", "#007a5a", bar="#1d9bd1", badge="#611f69",
)  # fmt: skip
DISCORD = Look(
    "#313338", "#dbdee1", "#949ba4", "#00a8fc", "#dbdee1", "#1e1f22", "#1e1f22", "#4e5058",
    "#ffffff", "#5865f2", badge="#5865f2", size=14.5, line=21.0,
)  # fmt: skip


PLAIN, BOLD = (Font(FONTS / f"Inter-{weight}.ttf") for weight in ("Regular", "SemiBold"))


@dataclass
class Page:
    """An SVG that grows downwards."""

    look: Look
    wide: float = WIDTH
    y: float = TOP
    parts: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, w: float, h: float, fill: str, **more: Any) -> None:
        """Draw a rectangle."""
        rest = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in more.items())
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}"{rest}/>'
        )

    def words(self, x: float, y: float, run: Run, size: float) -> float:
        """Write a run at a baseline and return where it ends."""
        colour = run.colour or (self.look.code if run.code else self.look.words)
        shown = run.words
        for emoji, fill in EMOJI.items():
            if shown.startswith(emoji):
                self.parts.append(
                    f'<circle cx="{x + 8:.1f}" cy="{y - 5:.1f}" r="7" fill="{fill}"/>'
                )
                x, shown = x + 22, shown[len(emoji) :].lstrip()
        size = size * 0.88 if run.code else size
        wide = (BOLD if run.bold else PLAIN).width(shown, size)
        if run.code:
            edge = {"stroke": self.look.code_edge, "rx": 3}
            self.box(x + 0.5, y - 13, wide + 7, 18, self.look.code_back, **edge)
            x += 4
        weight = ' font-weight="600"' if run.bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{weight} '
            f'xml:space="preserve">{escape(shown)}</text>'
        )
        return x + wide + (4 if run.code else 0)

    def lines(self, runs: Sequence[Run], x: float, right: float, size: float) -> None:
        r"""Write runs, broken between words; `\n` begins a new line."""
        at = x
        self.y += self.look.line
        for run in runs:
            pieces = re.findall(r"\n|\S+[^\S\n]*|[^\S\n]+", run.words)
            if run.code and PLAIN.width(run.words, size) < right - x:
                pieces = [run.words]
            for piece in pieces:
                font = BOLD if run.bold else PLAIN
                if piece == "\n" or (at > x and at + font.width(piece.rstrip(), size) > right):
                    at, self.y = x, self.y + self.look.line
                if piece != "\n":
                    one = Run(piece.strip() if run.code else piece, run.bold, run.code, run.colour)
                    at = self.words(at, self.y - 6, one, size)

    def buttons(self, buttons: Sequence[tuple[str, bool]], left: float) -> None:
        """Draw buttons, label and whether it is the main one, in as many rows as they need."""
        self.y += 10
        x = left
        for label, main in buttons:
            wide = BOLD.width(label, 13.5) + 26
            if x > left and x + wide > self.wide - RIGHT:
                x, self.y = left, self.y + 39
            back = self.look.primary if main else self.look.button
            edge = {"stroke": "#8d8d8f"} if back == self.look.page else {}
            self.box(x, self.y, wide, 31, back, rx=5, **edge)
            colour = "#ffffff" if main else self.look.button_words
            self.words(x + 13, self.y + 20.5, Run(label, True, colour=colour), 13.5)
            x += wide + 8
        self.y += 33

    def picture(self, svg: str, x: float, wide: float) -> None:
        """Put a chart in."""
        found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        assert found is not None
        tall = wide * float(found[2]) / float(found[1])
        self.y += 10
        inner = re.sub(r'\s(?:width|height)="[\d.]+"', "", svg.split(">", 1)[0])
        nested = inner.replace(
            "<svg", f'<svg x="{x}" y="{self.y:.1f}" width="{wide}" height="{tall:.1f}"', 1
        )
        self.parts.append(f"{nested}>{svg.split('>', 1)[1]}")
        self.y += tall + 4

    def sender(self, name: str, badge: str) -> None:
        """Say who writes, with the picture beside."""
        back = self.look.badge
        self.box(14, self.y, 38, 38, back, rx=19 if self.look is DISCORD else 9)
        self.words(24, self.y + 26, Run("C", True, colour="#ffffff"), 22)
        end = self.words(LEFT, self.y + 12, Run(name, True), 15)
        self.box(end + 7, self.y, BOLD.width(badge, 10) + 9, 15, back, rx=3)
        end = self.words(end + 11.5, self.y + 11, Run(badge, True, colour="#ffffff"), 10)
        self.words(end + 12, self.y + 12, Run("13:02", colour=self.look.faint), 12)
        self.y += 18

    def svg(self) -> str:
        """Return the whole."""
        tall = self.y + 18
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.wide:.0f}" height="{tall:.0f}" '
            f'viewBox="0 0 {self.wide:.0f} {tall:.0f}" font-family="Inter">'
            f'<rect width="100%" height="100%" fill="{self.look.page}"/>{"".join(self.parts)}</svg>'
        )


def _columns(page: Page, cells: Sequence[Sequence[Run]], x: float, most: int) -> None:
    wide = (page.wide - RIGHT - x - 16) / most
    for row in range(0, len(cells), most):
        top, low = page.y, page.y
        for i, runs in enumerate(cells[row : row + most]):
            page.y = top
            page.lines(runs, x + i * wide, x + (i + 1) * wide - 12, page.look.size)
            low = max(low, page.y)
        page.y = low


def discord(message: Any, chart: str) -> str:
    """Draw a message as Discord shows it."""
    page, x, [embed] = Page(DISCORD), LEFT + 16, message["embeds"]
    right = WIDTH - RIGHT - 14
    page.sender("Changeover", "APP")
    page.y += 6
    top, mark = page.y, len(page.parts)
    page.y += 6
    if "author" in embed:
        page.lines([Run(embed["author"]["name"], True)], x, right, 13)
    if "title" in embed:
        page.lines(discord_runs(embed["title"], DISCORD.link, bold=True), x, right, 15.5)
    if "description" in embed:
        page.lines(discord_runs(embed["description"], DISCORD.link), x, right, DISCORD.size)
    if embed.get("fields"):
        page.y += 4
        cells = [
            [Run(f"{f['name']}\n", True), *discord_runs(f["value"], DISCORD.link)]
            for f in embed["fields"]
        ]
        _columns(page, cells, x, 2)
    if "image" in embed:
        page.picture(chart, x, 480)
    if "footer" in embed:
        page.y += 2
        page.lines([Run(embed["footer"]["text"])], x, right, 12)
    page.y += 10
    back = Page(DISCORD)
    back.box(LEFT, top, WIDTH - RIGHT - LEFT, page.y - top, "#2b2d31", rx=4)
    back.box(LEFT, top, 4, page.y - top, f"#{embed['color']:06x}", rx=2)
    page.parts[mark:mark] = back.parts
    for row in message["components"]:
        page.buttons([(b["label"], b["style"] == 1) for b in row["components"]], LEFT)
    return page.svg()


def drawn() -> Iterator[tuple[str, str]]:
    """Yield each picture's name and SVG."""
    from scripts.slack_pictures import slack
    from tests.support.cards import SHOWN

    for product, names in CARDS.items():
        for name in names:
            message = json.loads((GOLDEN / product / f"{name}.json").read_text(encoding="utf-8"))
            stem = f"{product}-{name.removeprefix('shown-')}"
            chart = SHOWN[name].chart if name in SHOWN else None
            if product == "discord":
                yield f"{stem}.png", discord(message, chart.svg if chart else "")
                continue
            for theme, look in (("", SLACK), ("-dark", SLACK_DARK)):
                for width, wide in (("", WIDTH), ("-phone", PHONE)):
                    yield f"{stem}{width}{theme}.png", slack(message, look, wide)


def png(svg: str) -> bytes:
    """Draw an SVG with the fonts that come along; large enough to read, small enough to keep."""
    fonts = [str(path) for path in sorted(FONTS.glob("*.ttf"))]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg, zoom=ZOOM, skip_system_fonts=True, font_files=fonts,
            font_family="Inter", sans_serif_family="Inter",
        )
    )  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Draw, or with `--check` say whether the pictures are those of the golden files."""
    svgs = dict(drawn())
    fresh = {name: hashlib.sha256(svg.encode()).hexdigest() for name, svg in svgs.items()}
    stands = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.exists() else {}
    there = {path.name for path in PICTURES.glob("*.png")}
    if stands == fresh and there == set(fresh):
        return 0
    if "--check" in arguments:
        print("docs/pictures is stale: run python -m scripts.pictures", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    for name in there - set(fresh):
        (PICTURES / name).unlink()
    for name, svg in svgs.items():
        (PICTURES / name).write_bytes(png(svg))
    INDEX.write_text(json.dumps(fresh, indent=2) + "\n", encoding="utf-8")
    print(f"drew {len(svgs)} pictures into docs/pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
