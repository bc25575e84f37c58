"""The libraries that only what reads the index of a graph needs."""

from __future__ import annotations

from importlib.util import find_spec

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

#: The extra of this project that installs those of the viewer.
EXTRA = "view"


def check_libraries(*packages: str, extra: str = EXTRA) -> None:
    """Refuses to go on without some libraries.

    Args:
        packages: distributions that are imported under the same name.
        extra: the extra of this project that installs them.

    Raises:
        ConfigurationError: names the first one that is not installed, and how to install it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigurationError(how_to_install(package, extra))
