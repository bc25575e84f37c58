"""How to install a library that only some commands need."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires


def how_to_install(package: str, extra: str) -> str:
    """One sentence that says what is missing and how to install it.

    The project is on no package index, so the sentence names the package itself and the extra
    of a clone of the repository, never `pip install pfn-kg[...]`.

    Args:
        package: the missing distribution, such as `matplotlib`.
        extra: the extra of this project that asks for it.

    Example:
        >>> how_to_install("nosuchpackage", "plots").startswith("nosuchpackage is not installed")
        True
    """
    requirement = _requirement(package, extra)
    return (
        f"{package} is not installed; install it by `pip install '{requirement}'`, "
        f"or by `pip install -c constraints.txt '.[{extra}]'` in a clone of the repository"
    )


def _requirement(package: str, extra: str) -> str:
    """The package with the versions that the project asks for, as pip reads it."""
    try:
        known = requires("pfn-kg") or []
    except PackageNotFoundError:
        known = []
    for line in known:
        requirement, _, marker = line.partition(";")
        requirement = requirement.strip()
        rest = requirement.removeprefix(package)
        is_it = rest != requirement and not rest[:1].isalnum() and rest[:1] not in "-_."
        if is_it and f"extra == '{extra}'" in marker.replace('"', "'"):
            return requirement
    return package
