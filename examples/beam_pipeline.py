"""Extracts facts from JSON lines in a Beam pipeline.

    python examples/beam_pipeline.py articles.jsonl --output facts

reads one object a line with `id` and `text`. The program writes one object for each fact: the
document, the words of subject and object, and their places in the text. Errors go to separate
files. Options of Beam, such as `--runner=FlinkRunner`, follow those of the program.
"""

import argparse
import json

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pfn_kg import ExtractTexts

# Beam's DirectRunner may download a program; this one runs in the process.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def facts(record):
    """The triples of a document, with the words and places of their arguments."""
    for triple in record.triples:
        subject, object_ = record.mentions[triple.subject], record.mentions[triple.object]
        yield {
            "document": record.id,
            "subject": subject.text,
            "relation": triple.relation,
            "object": object_.text,
            "score": round(triple.score, 3),
            "places": [[subject.begin, subject.end], [object_.begin, object_.end]],
        }


def errors(record):
    """Why a document, or a sentence of it, was not read."""
    for error in record.errors:
        yield {"document": record.id, "sentence": error.sentence_index, "error": error.error}


def write(collection, prefix):
    """Writes dictionaries as files of JSON lines."""
    return (
        collection
        | f"JSON {prefix}" >> beam.Map(json.dumps, ensure_ascii=False)
        | f"Write {prefix}" >> beam.io.WriteToText(prefix, file_name_suffix=".jsonl")
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", help="files of JSON lines with id and text")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="of the files to write")
    parser.add_argument("--model", help="folder or name; default: the shipped model")
    args, beam_options = parser.parse_known_args()
    options = PipelineOptions(beam_options)
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER

    with beam.Pipeline(options=options) as pipeline:
        records = (
            pipeline
            | beam.io.ReadFromText(args.input)
            | beam.Map(json.loads)
            | ExtractTexts(args.model)
        )
        write(records | beam.FlatMap(facts), args.output)
        write(records | beam.FlatMap(errors), f"{args.output}-errors")


if __name__ == "__main__":
    main()
