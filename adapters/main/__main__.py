"""`python -m adapters.main`."""

from __future__ import annotations

import sys

from adapters.main import main

sys.exit(main())
