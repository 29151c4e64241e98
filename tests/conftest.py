"""For all tests: no assertion on how long something takes, Hypothesis's own included."""

from hypothesis import settings

settings.register_profile("changeover", deadline=None)
settings.load_profile("changeover")
