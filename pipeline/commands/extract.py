"""`pfn-kg extract`: the first phase alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pfn_kg.pipeline.arguments import Call, JobOptions, LockOptions
from pfn_kg.pipeline.logs import tell
from pfn_kg.pipeline.metrics_file import MetricsOptions, check_metrics_file, write_metrics
from pfn_kg.schemas.assemble import printable
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.schemas.options import Options, option
from pfn_kg.transforms.extraction.language_check import OTHER_LANGUAGE, check_language_option

if TYPE_CHECKING:
    from pfn_kg.pipeline.detached import DetachedJob
    from pfn_kg.pipeline.manifest import Manifest
    from pfn_kg.pipeline.prepare_extraction import PreparedExtraction

TAKES_BEAM_OPTIONS = True

# Languages that the line about other languages names.
_SHOWN_LANGUAGES = 5

# Options of Beam whose values are not printed, such as --s3_secret_access_key. The environment of
# workers and the settings of a cluster may hold anything.
_SECRET = re.compile(
    r"secret|passw|token|credential|key|auth|environment_(config|options)|_conf$", re.IGNORECASE
)
# Values that hold a secret whatever the option: a user with a password in a URL, or such a setting.
_SECRET_VALUE = re.compile(
    r"://[^/@\s]*:[^/@\s]*@|(secret|passw\w*|token|credentials?|key|auth\w*)\W{0,3}[=:]",
    re.IGNORECASE,
)


class IntoOptions(Options):
    """Which graph is added to."""

    into: str | None = option(
        None,
        "add new and changed documents to the graph in this folder, instead of `output`",
        group="Corpus and output",
        metavar="DIR",
        common=True,
    )


class DetachOptions(Options):
    """Whether the command stays until its job is done."""

    detach: bool = option(
        False,
        "start the job on its runner and leave it; `pfn-kg wait` does the rest",
        group="Job",
    )


class SyncOptions(Options):
    """Whether the corpus is the whole of what there is."""

    sync: bool = option(
        False,
        "with `into`: the corpus is the whole of what there is; remove documents that it lacks",
        group="Corpus and output",
    )
    max_gone: float = option(
        0.2,
        "with `sync`: stop if the corpus lacks more than this share of the graph's documents",
        group="Corpus and output",
        metavar="SHARE",
        ge=0,
        le=1,
    )


class PlaceOptions(SyncOptions, IntoOptions):
    """Whether a graph is added to, and whether anything is done at all."""

    dry_run: bool = option(
        False, "check everything, print the plan and stop", group="Job", common=True
    )


OPTIONS: tuple[type[Options], ...] = (
    ExtractOptions,
    PlaceOptions,
    JobOptions,
    MetricsOptions,
    LockOptions,
    DetachOptions,
)


def extract_options(call: Call) -> ExtractOptions:
    """The options of the extract phase.

    Raises:
        ConfigurationError: if one is wrong.
    """
    given, place = call.given, call.of(PlaceOptions)
    if not given.get("corpus"):
        raise ConfigurationError("name at least one Parquet file, folder or glob", field="corpus")
    if place.into and given.get("output"):
        raise ConfigurationError("not together with `output`", field="into")
    if place.into and given.get("resume"):
        raise ConfigurationError("`into` goes on where it stopped without it", field="resume")
    if not place.into:
        call.check_together([SyncOptions], "into")
    if not place.sync and "max_gone" in given:
        raise ConfigurationError("only together with `sync`", field="max_gone")
    if not given.get("output") and not place.into:
        raise ConfigurationError("name the output folder", field="output")
    if place.into:
        given_too = Call(call.command, given | {"output": place.into})
        most_gone = place.max_gone if place.sync else None
        options = given_too.of(ExtractOptions).changed(into=True, most_gone=most_gone)
    else:
        options = call.of(ExtractOptions)
    if options.check_language:
        check_language_option(options.language)
    return options


def print_plan(prepared: PreparedExtraction, beam: Sequence[str], **others: Options | None) -> None:
    """Prints what a run would do, as JSON, without secrets.

    Args:
        prepared: what would be read.
        beam: Beam's options.
        others: options of what comes after, by name.
    """
    plan = {
        "files": len(prepared.plan.files),
        "unreadable_files": [f.path for f in prepared.plan.files if f.error],
        "rows": prepared.plan.rows,
        "runs": len(prepared.plan.runs),
        "model": {"name": prepared.model, "hash": prepared.model_hash},
        "extract": printable(prepared.options),
        **{name: printable(options) for name, options in others.items() if options is not None},
        "beam": without_secrets(beam),
    }
    print(json.dumps(plan, indent=2, ensure_ascii=False))


def without_secrets(beam: Sequence[str]) -> list[str]:
    """Beam's options with dots in the place of what may be a secret.

    Example:
        >>> without_secrets(["--s3_secret_access_key=abc", "--streaming"])
        ['--s3_secret_access_key=...', '--streaming']
    """
    shown, hide = [], False
    for argument in beam:
        if not argument.startswith("-"):
            # All values up to the next option, of which some options take several.
            is_secret = hide or _SECRET_VALUE.search(argument) is not None
            shown.append("..." if is_secret else argument)
            continue
        name, equals, value = argument.partition("=")
        hide = _SECRET.search(name) is not None
        is_secret = hide or _SECRET_VALUE.search(value) is not None
        shown.append(f"{name}=..." if is_secret and equals else argument)
    return shown


def say_other_languages(manifest: Manifest) -> None:
    """Says on standard error how many documents are not in the expected language."""
    counts = manifest.extraction.counts
    if not counts.get(OTHER_LANGUAGE):
        return
    languages = {
        name.removeprefix(f"{OTHER_LANGUAGE}."): count
        for name, count in counts.items()
        if name.startswith(f"{OTHER_LANGUAGE}.")
    }
    most = sorted(languages, key=lambda name: (-languages[name], name))
    named = ", ".join(f"{languages[name]} in {name}" for name in most[:_SHOWN_LANGUAGES])
    more = " ..." if len(most) > _SHOWN_LANGUAGES else ""
    tell(
        f"pfn-kg: {counts[OTHER_LANGUAGE]} of {counts.get('documents', 0)} documents are not in "
        f"{manifest.configuration.language} ({named}{more}): do not trust their facts",
        level="WARNING",
    )


def unchanged_rows(manifest: Manifest) -> str:
    """What a line of results says of an update, after the number of documents that it read."""
    extraction = manifest.extraction
    if extraction.unchanged_rows is None:
        return ""
    gone = extraction.gone_documents
    removed = "" if gone is None else f", {gone} documents that are gone removed"
    return f" new or changed and {extraction.unchanged_rows} rows unchanged{removed}"


def rejected_code(rejected: int, most: int | None) -> int:
    """The exit code for that many rejected rows."""
    if most is not None and rejected > most:
        tell(f"pfn-kg: {rejected} rows were rejected, more than {most}", level="ERROR")
        return 1
    return 0


def main(call: Call) -> int:
    """Runs the command."""
    call.of(JobOptions)
    is_detached = call.of(DetachOptions).detach
    check_metrics_file(call)
    options = extract_options(call)
    from pfn_kg.pipeline.extract_phase import check_device, run_extraction
    from pfn_kg.pipeline.locks import hold
    from pfn_kg.pipeline.options import pipeline_options
    from pfn_kg.pipeline.prepare_extraction import prepare_extraction

    pipeline_options(call.beam)
    if is_detached:
        from pfn_kg.pipeline.jobs.extraction import start_extraction
        from pfn_kg.pipeline.jobs.submit import check_detachable

        check_detachable(call.beam)
    prepared = prepare_extraction(options, call.beam)
    if call.of(PlaceOptions).dry_run:
        print_plan(prepared, call.beam)
        return 0
    # Whoever holds a folder makes it, which a wrong device shall not.
    check_device(prepared.options.device, call.beam)
    with hold(prepared.options.output, "extract", take_over=call.of(LockOptions).take_over):
        if is_detached:
            say_left(options.output, start_extraction(prepared, call.beam))
            return 0
        manifest = run_extraction(prepared, call.beam)
    return report(call, options.output, manifest)


def say_left(directory: str, job: DetachedJob) -> None:
    """Says which job was left, and how it is finished.

    Args:
        directory: the output folder, as it was named.
        job: as it was recorded.
    """
    then = "" if job.then is None else " and builds the graph"
    print(f"{directory}: {job} is started; `pfn-kg wait {directory}` finishes it{then}")


def report(call: Call, directory: str, manifest: Manifest) -> int:
    """Says what an extraction came to; gives the exit code.

    Args:
        call: the command line.
        directory: the output folder, as it was named.
        manifest: of the folder.
    """
    job = call.of(JobOptions)
    write_metrics(call, directory)
    say_other_languages(manifest)
    extraction = manifest.extraction
    counts = extraction.counts
    print(
        f"{directory}: {counts.get('documents', 0)} documents{unchanged_rows(manifest)}, "
        f"{counts.get('sentences', 0)} sentences, {counts.get('mentions', 0)} mentions and "
        f"{counts.get('head_triples', 0)} head triples above the floor, "
        f"{counts.get('rejected', 0)} rejected, {extraction.seconds:.1f} s"
    )
    return rejected_code(counts.get("rejected", 0), job.max_rejected)
