"""SVG → PNG with resvg and a font that comes along, so that it looks the same on every machine."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ChartError

FONTS = Path(__file__).parent / "fonts"
_SCALE = 2.0


class ResvgCharts:
    """Implements `bot.ports.Charts`; the library is imported at the first chart."""

    def png(self, svg: str) -> bytes:
        """Draw an SVG at twice its size, for screens with fine dots."""
        try:
            import resvg_py

            return bytes(
                resvg_py.svg_to_bytes(
                    svg_string=svg,
                    zoom=_SCALE,
                    skip_system_fonts=True,
                    font_files=[str(path) for path in sorted(FONTS.glob("*.ttf"))],
                    font_family="Inter",
                    sans_serif_family="Inter",
                )
            )
        except (ImportError, ValueError, OSError) as error:
            raise ChartError(f"The chart could not be drawn: {error}.") from error
