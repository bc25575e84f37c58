"""How many examples hypothesis tries: the profiles, and tests that need another number.

    HYPOTHESIS_PROFILE=thorough python -m pytest ...

| profile | examples | for |
| --- | --- | --- |
| `default` | 100, random | the machine of a contributor |
| `ci` | 100, the same in every run | a result that depends on the commit alone |
| `thorough` | 1000, random | a change of what the property tests guard |
"""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

_DEFAULT = 100


def load_profile() -> None:
    """Registers the profiles and loads that of HYPOTHESIS_PROFILE; `ci` where CI is set."""
    # Without deadlines, which a machine that does other work too would miss.
    settings.register_profile("default", deadline=None, max_examples=_DEFAULT)
    settings.register_profile(
        "ci", deadline=None, max_examples=_DEFAULT, derandomize=True, print_blob=True
    )
    settings.register_profile("thorough", deadline=None, max_examples=10 * _DEFAULT)
    fallback = "ci" if os.environ.get("CI") else "default"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", fallback))


def examples(count: int, shared_fixtures: bool = False) -> Callable[[Any], Any]:
    """Another number of examples than the profile's: `count` by default, and in proportion.

    Args:
        count: examples in the profiles `default` and `ci`.
        shared_fixtures: whether examples may share the fixtures of a test, and a build or a
            server may make each of them slow.
    """
    options: dict[str, Any] = {}
    if shared_fixtures:
        options["suppress_health_check"] = [
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ]
    most = settings.default.max_examples if settings.default else _DEFAULT
    return settings(max_examples=max(1, count * most // _DEFAULT), **options)
