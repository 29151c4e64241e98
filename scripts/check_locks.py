"""Offline: are the locks hashed, free of addresses, complete, and do they fit pyproject.toml?

Called as `check_locks.py [ROOT]`; prints what is wrong, a line each, and exits 1.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")

Pins = dict[str, set[str]]
Extras = dict[str, set[str]]


def entries(text: str) -> list[str]:
    """The lock's requirements, each with its hashes on one line; comments and options left out."""
    lines = map(str.strip, text.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and line[0] not in "#-"]


def read_lock(path: Path) -> tuple[Pins, list[str]]:
    """What the lock pins (name → versions, one a platform), and what is wrong in it."""
    pins: Pins = {}
    faults = []
    text = path.read_text(encoding="utf-8")
    if "://" in text or re.search(r"^\s*(-i|-f|-r|--(?!hash))", text, re.MULTILINE):
        faults.append(f"{path.name}: has an address or an option; only pins and hashes belong here")
    for entry in entries(text):
        head = entry.split(" --", 1)[0].strip()
        requirement = Requirement(head)
        name = canonicalize_name(requirement.name)
        exact = re.fullmatch(r"==([^*,]+)", str(requirement.specifier))
        if requirement.url or exact is None:
            faults.append(f"{path.name}: {head} is not pinned with ==")
            continue
        if not HASH.search(entry):
            faults.append(f"{path.name}: {head} has no hash")
        pins.setdefault(name, set()).add(exact.group(1))
    return pins, faults


def pinned_extras(path: Path) -> Extras:
    """The extras that the lock pins: name → extras, none for a plain pin."""
    extras: Extras = {}
    for entry in entries(path.read_text(encoding="utf-8")):
        requirement = Requirement(entry.split(" --", 1)[0].strip())
        extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    return extras


def missing_extras(extras: Extras, lock: str) -> list[str]:
    """Extras that an installed distribution of the lock asks for and the lock does not pin.

    A pip before 23.3 refuses such a lock, though not before a newer release of the distribution
    with the extra appears.
    """
    faults = set()
    for name, own_extras in extras.items():
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another platform
            continue
        for requirement in map(Requirement, wanted):
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in {"", *own_extras}):
                continue
            absent = requirement.extras - extras.get(canonicalize_name(requirement.name), set())
            faults |= {
                f"{lock}: {name} asks for {requirement.name}[{extra}], pinned without {extra}"
                for extra in absent
            }
    return sorted(faults)


def unmet(wanted: list[str], pins: Pins, lock: str) -> list[str]:
    """Requirements of pyproject.toml that the lock lacks or pins outside their range."""
    faults = []
    for text in wanted:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name), set())
        if not versions:
            faults.append(f"{lock}: lacks {requirement.name}, named in pyproject.toml")
        faults.extend(
            f"{lock}: pins {requirement.name} {version}, pyproject.toml asks for "
            f"{requirement.specifier}"
            for version in sorted(versions)
            if not requirement.specifier.contains(version, prereleases=True)
        )
    return faults


def check(root: Path) -> list[str]:
    """All faults, empty when the locks are as they should be."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    runtime, faults = read_lock(root / "requirements.lock")
    dev, more = read_lock(root / "requirements-dev.lock")
    uv, uv_faults = read_lock(root / "requirements-uv.lock")
    faults += more + uv_faults
    faults += unmet(project["project"]["dependencies"], runtime, "requirements.lock")
    faults += unmet(project["dependency-groups"]["dev"], dev, "requirements-dev.lock")
    faults += [] if uv.keys() == {"uv"} else ["requirements-uv.lock: must pin uv and nothing else"]
    for lock in ("requirements.lock", "requirements-dev.lock"):
        faults += missing_extras(pinned_extras(root / lock), lock)
    faults += [
        f"requirements-dev.lock: pins {name} otherwise than requirements.lock"
        for name, versions in sorted(runtime.items())
        if dev.get(name) != versions
    ]
    return faults


def main(arguments: list[str]) -> int:
    """Exit codes: 0 all is well, 1 it is not."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    faults = check(root)
    for fault in faults:
        print(fault)
    if faults:
        print("Next: scripts/lock")
        return 1
    print("The locks are hashed, free of addresses, complete, and fit pyproject.toml.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
