"""What the rules of names and of facts do to a graph: the two tables of docs/background/quality.md.

    python -m benchmarks.policies test.json
    python -m benchmarks.policies test.json --model DIR --output runs/policies

The documents, in the DocRED format, are extracted once. Then the graph is built and scored with
each choice, as `pfn-kg evaluate-graph` does it. What was extracted stays in the output folder, so
that a second call needs no model.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from pfn_kg.pfn.readers.docred import listed_relations, read_docred_documents
from pfn_kg.pfn.readers.relation_ids import documents_with_names, names_of_ids
from pfn_kg.pipeline.graph_evaluation import evaluate_graph, prepare_evaluation
from pfn_kg.schemas.build_options import BuildOptions, PolicyOptions
from pfn_kg.schemas.rules import NameRules, Rules

_EXACT = NameRules(**dict.fromkeys(NameRules.model_fields, False))


def policies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each option of a policy with each value but its default, and the changes of the build.

    `keep` differs from `flag` by flags alone.
    """
    fields = {name: field for name, field in PolicyOptions.model_fields.items() if "policy" in name}
    for name, field in fields.items():
        for choice in _others(field):
            yield f"`--{name.replace('_', '-')} {choice}`", {name: choice}
    for name, field in Rules.model_fields.items():
        for choice in _others(field):
            changes = {"rules": Rules.model_validate({name: choice})}
            yield f"`--{name.replace('_', '-')}-policy {choice}`", changes


def _others(field: FieldInfo) -> list[str]:
    return [
        choice for choice in get_args(field.annotation) if choice not in (field.default, "keep")
    ]


def names_table(exact: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """F1 with exact names and with the defaults, in Markdown."""
    yield "| | exact names | defaults |"
    yield "| --- | ---: | ---: |"
    clusters = "entity_cluster"
    for name, of in (
        ("entities, equal clusters", lambda scores: scores[clusters]),
        ("entities, B-cubed", lambda scores: scores[clusters]["b_cubed"]),
        ("entities, pairwise", lambda scores: scores[clusters]["pairwise"]),
        ("facts", lambda scores: scores["fact"]),
    ):
        one, other = (f"{100 * of(scores)['f1']:.2f}" for scores in (exact, defaults))
        yield f"| {name} | {one} | {other} |"
    one, other = (f"{scores['counts']['relations']:,}" for scores in (exact, defaults))
    yield f"| facts in the graph | {one} | {other} |"


def policies_row(name: str, scores: Mapping[str, Any]) -> str:
    """A row of the table of rules, in Markdown."""
    fact, counts = scores["fact"], scores["counts"]
    figures = (f"{100 * fact[metric]:.2f}" for metric in ("precision", "recall", "f1"))
    sizes = (f"{counts[table]:,}" for table in ("relations", "triples"))
    return f"| {name} | {' | '.join((*figures, *sizes))} |"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("gold", help="annotated documents in the DocRED format")
    parser.add_argument("--model", help="default: the shipped model")
    parser.add_argument("--output", help="folder of the run; default: one that is removed")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="pfn-kg-") as temporary:
        output = str(Path(args.output or temporary).absolute())
        options = {"device": "cpu"} | ({"model": args.model} if args.model else {})
        documents = read_docred_documents(args.gold)

        def scored(**changes: Any) -> dict[str, Any]:
            # After a build the folder is another than the one that was prepared.
            prepared = prepare_evaluation(documents, output, options)
            gold = documents_with_names(documents, names_of_ids(prepared.label_schema))
            options_of_build = BuildOptions(rdf=None, **changes)
            relations = listed_relations(args.gold)
            return evaluate_graph(gold, prepared, options_of_build, relations=relations)

        defaults = scored()
        print("\n".join(names_table(scored(names=_EXACT), defaults)), flush=True)
        print("\n| policy | precision | recall | F1 | facts in the graph | triples |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        print(policies_row("default", defaults), flush=True)
        for name, changes in policies():
            print(policies_row(name, scored(**changes)), flush=True)


if __name__ == "__main__":
    main()
