"""The patch of Beam's internals that makes the suite quick (conftest.py) hides no fault."""

import os
import subprocess
import sys

import pytest

from helpers.corpora import ROOT

# Together they run every transform: a corpus in two chunks, a build with many files in threads,
# alias table and near names, an update and an export.
TESTS = [
    "tests/test_plain_beam.py::test_beam_is_patched_unless_the_environment_says_otherwise",
    "tests/test_runners.py::test_same_again",
    "tests/test_build.py::test_same_bytes_twice_and_whatever_the_chunks_order_and_workers",
    "tests/test_merge_entities.py::test_fuzzy_joins_a_name_to_what_the_table_calls_it",
    "tests/test_export.py::test_an_export_replaces_the_one_before_it",
    "tests/test_updates.py::test_equal_ids_in_an_update",
]
PLAIN = os.environ.get("PFN_KG_PLAIN_BEAM") == "1"


def test_beam_is_patched_unless_the_environment_says_otherwise():
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core, userstate

    patched = (
        userstate.get_dofn_specs,
        core.get_function_args_defaults,
        core._check_fn_use_yield_and_return,
        PipelineOptions.view_as,
    )
    assert [f.__module__.startswith("apache_beam.") for f in patched] == [PLAIN] * len(patched)


@pytest.mark.skipif(PLAIN, reason="this is that run")
def test_beam_as_it_is():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=ROOT,
        env=os.environ | {"PFN_KG_PLAIN_BEAM": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(TESTS)} passed" in done.stdout
