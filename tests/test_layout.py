"""The packages import each other in one direction, and pfn works without Beam."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

pytestmark = pytest.mark.quick

ROOT = Path(__file__).parents[1]

#: A longer module holds more than one concept.
MOST_LINES = 400

# Each room with the rooms that it may import, besides itself. A room is a package; the modules
# that lie directly in pfn/, sinks/ and pipeline/ are rooms of their own: `pfn` and so on.
SCHEMAS = {"schemas"}
SCORES = {"pfn.calibration", "pfn.resolution"}
CHECKPOINTS = {"pfn.checkpoint", "pfn.checksums"}
READING = {"pfn.model", "pfn.inference"} | SCORES | CHECKPOINTS
FACE = {"pfn", "pfn.readers"} | READING
PLUMBING = {"transforms.plumbing"}
NAMES = {"transforms.values", "transforms.names"} | PLUMBING
CORPUS = {"transforms.reading", "transforms.extraction"} | PLUMBING
TABLES = {"transforms.tables"} | PLUMBING
CORRECTIONS = {"transforms.corrections"} | NAMES | TABLES
FACTS = {"transforms.documents", "transforms.facts"} | CORRECTIONS | NAMES | CORPUS | TABLES
MERGING = {"transforms.merging"} | FACTS
LINKING = {"transforms.linking", "transforms.graph"} | MERGING
TRANSFORMS = LINKING
SINKS = {"sinks", "sinks.rdf", "sinks.neo4j", "sinks.exchange"}
MAY_IMPORT = {
    "schemas": set(),
    "pfn.calibration": SCHEMAS,
    "pfn.resolution": SCHEMAS,
    "pfn.checkpoint": SCHEMAS,
    "pfn.checksums": SCHEMAS | {"pfn.checkpoint"},
    "pfn.model": SCHEMAS,
    "pfn.readers": SCHEMAS,
    "pfn.inference": SCHEMAS | SCORES | CHECKPOINTS | {"pfn.model"},
    "pfn": SCHEMAS | READING,
    "pfn.evaluation": SCHEMAS | FACE,
    "pfn.training": SCHEMAS | FACE | {"pfn.evaluation"},
    "transforms": set(),
    "transforms.plumbing": SCHEMAS,
    "transforms.reading": SCHEMAS | PLUMBING,
    "transforms.extraction": SCHEMAS | FACE | CORPUS,
    "transforms.documents": SCHEMAS | CORPUS,
    "transforms.values": SCHEMAS | PLUMBING,
    "transforms.names": SCHEMAS | NAMES,
    "transforms.tables": SCHEMAS | PLUMBING,
    "transforms.corrections": SCHEMAS | CORRECTIONS,
    "transforms.facts": SCHEMAS | SCORES | {"pfn.inference"} | FACTS,
    "transforms.merging": SCHEMAS | {"pfn.inference"} | MERGING,
    "transforms.graph": SCHEMAS | MERGING,
    "transforms.linking": SCHEMAS | LINKING,
    "sinks": SCHEMAS,
    "sinks.rdf": SCHEMAS | {"sinks"},
    "sinks.neo4j": SCHEMAS | {"sinks"},
    "sinks.exchange": SCHEMAS | {"sinks"},
    "pipeline.local": SCHEMAS,
    "pipeline.search": SCHEMAS | {"transforms.names"},
    "pipeline": SCHEMAS
    | {"pipeline.local", "pipeline.search"}
    | FACE
    | {"pfn.evaluation", "pfn.training"}
    | TRANSFORMS
    | SINKS,
    "pipeline.jobs": SCHEMAS | PLUMBING | {"pipeline"},
    "pipeline.inspect": SCHEMAS | TRANSFORMS | {"pipeline", "pipeline.search", "pfn"} | CHECKPOINTS,
    "pipeline.ingest": SCHEMAS | PLUMBING | {"transforms.reading", "pipeline", "pfn.inference"},
    "pipeline.catalogue": SCHEMAS
    | PLUMBING
    | {"pipeline", "transforms.linking", "transforms.names", "sinks.neo4j"},
    "pipeline.view": SCHEMAS | TRANSFORMS | {"pipeline"},
    "pipeline.mcp": SCHEMAS | {"transforms.names", "pipeline", "pipeline.search", "pipeline.view"},
    "pipeline.adapters": SCHEMAS | FACE | {"pipeline"},
    "pipeline.commands": SCHEMAS
    | FACE
    | {"pfn.evaluation", "pfn.training"}
    | TRANSFORMS
    | SINKS
    | {"pipeline", "pipeline.inspect", "pipeline.ingest", "pipeline.mcp", "pipeline.view"}
    | {"pipeline.catalogue", "pipeline.jobs"},
}
MAY_IMPORT["pfn_kg"] = set(MAY_IMPORT)
FOLDERS = sorted({room.split(".")[0] for room in MAY_IMPORT})
MODULES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def room_of(module: str) -> str:
    """The room that a module, named without `pfn_kg.`, is in."""
    parts = module.split(".")
    for length in (2, 1):
        room = ".".join(parts[:length])
        if room in MAY_IMPORT:
            return room
    raise AssertionError(f"{module} is in no room that test_layout.py knows")


def imported(tree: ast.AST) -> set[str]:
    """Modules that a module imports, also inside functions, and also relative ones, as `.`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from pfn_kg.pfn.model import loss` imports a module, not only its package.
            below = {f"{module}.{alias.name}" for alias in node.names}
            folder = ROOT.joinpath(*module.split(".")[1:])
            modules = {
                name
                for name in below
                if (folder / f"{name.rsplit('.', 1)[1]}.py").exists()
                or (folder / name.rsplit(".", 1)[1]).is_dir()
            }
            found |= modules or {module}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    room = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    assert not [name for name in names if name.startswith(".")]
    ours = {name.removeprefix("pfn_kg.") for name in names if name.startswith("pfn_kg.")}
    assert {room_of(name) for name in ours} - {room} <= MAY_IMPORT[room]
    if room.split(".")[0] in ("schemas", "pfn", "pfn_kg"):
        assert "apache_beam" not in {name.split(".")[0] for name in names}


def test_the_rooms_have_no_circle():
    others = {room: allowed - {room} for room, allowed in MAY_IMPORT.items()}
    assert set(TopologicalSorter(others).static_order()) == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_imports_inside_functions_are_seen():
    tree = ast.parse(
        "def f():\n    from pfn_kg.transforms.plumbing.shards import split\n"
        "    from pfn_kg.pfn.model import loss\n    import pfn_kg.sinks.rdf as y\n"
    )
    assert imported(tree) == {
        "pfn_kg.transforms.plumbing.shards",
        "pfn_kg.pfn.model.loss",
        "pfn_kg.sinks.rdf",
    }
