"""Hatch's metadata hook: the README of a package, with links that work away from the repository.

PROJECT_URL names the home that a release is published from, such as
https://github.com/OWNER/changeover. Without it no address is invented: links to files become text.
"""

import os
import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

# A picture or a link whose target is a file of the repository.
RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


class PackageMetadata(MetadataHookInterface):
    """Fills in the readme and the URLs."""

    def update(self, metadata: dict) -> None:
        """Called by hatch with what pyproject.toml says."""
        home = os.environ.get("PROJECT_URL", "").rstrip("/")
        tag = f"v{metadata['version']}"

        def absolute(match: re.Match[str]) -> str:
            picture, text, target = match.groups()
            if not home:
                return "" if picture else text
            return f"{picture}[{text}]({home}/{'raw' if picture else 'blob'}/{tag}/{target})"

        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": RELATIVE.sub(absolute, readme),
        }
        if home:
            metadata["urls"] = {
                "Homepage": home,
                "Documentation": f"{home}/tree/{tag}/docs",
                "Issues": f"{home}/issues",
                "Changelog": f"{home}/blob/{tag}/CHANGELOG.md",
            }
