"""Soak the editor: `CHANGEOVER_FUZZ=20000 python -m tests.properties.fuzz_config_edit`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.properties.config_edit_properties import PROPERTIES


def main() -> None:
    each = max(1, int(os.environ.get("CHANGEOVER_FUZZ") or 2000) // len(PROPERTIES))
    for holds in PROPERTIES:
        long = settings(
            max_examples=each, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        long(given(data=st.data())(holds))()
        print(f"{holds.__name__}: {each} examples hold")


if __name__ == "__main__":
    main()
