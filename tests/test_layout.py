"""The packages import each other in one direction, and pfn works without Beam."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": set(),
    "pfn": {"schemas"},
    "transforms": {"schemas", "pfn"},
    "sinks": {"schemas"},
    "pipeline": {"schemas", "pfn", "transforms", "sinks"},
}
MODULES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported(tree: ast.AST, parent: str) -> set[str]:
    """The top-level packages that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(parent if node.level else (node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0]
    names = imported(ast.parse(path.read_text(encoding="utf-8")), package)
    outside = names & set(MAY_IMPORT) - {package}
    assert outside <= MAY_IMPORT[package]
    if package in ("schemas", "pfn"):
        assert "apache_beam" not in names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_imports_inside_functions_are_seen():
    tree = ast.parse(
        "def f():\n    from pfn_kg.transforms.shards import x\n    import pfn_kg.sinks.rdf as y\n"
    )
    assert imported(tree, "pfn") == {"transforms", "sinks"}
