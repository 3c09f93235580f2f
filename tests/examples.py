"""How many examples Hypothesis tries of what holds for all of them.

CI tries some, each time others; a campaign tries five times as many.
"""

import pytest
from hypothesis import settings

#: Of a test that does not say.
_USUAL = 50
_CAMPAIGN = 5


def choose(config: pytest.Config) -> None:
    """Take the numbers of CI or those of a campaign, before test modules are imported, which ask for them."""
    many = _USUAL * _CAMPAIGN if config.getoption("--campaign") else _USUAL
    # How long an example takes says something of the machine, not of the code.
    settings.register_profile("scanmatrix", deadline=None, max_examples=many)
    settings.load_profile("scanmatrix")


def examples(number: int) -> int:
    """How many a test tries that tries `number` in CI."""
    return number * settings().max_examples // _USUAL
