"""What a corpus costs: hours of cores or GPUs, and money by prices that you put in.

Speeds are those of docs/background/performance.md unless others are given; `pfn-kg extract` prints
that of your own corpus and machine. Beside it stands what calls of a language model would cost for
the same texts, which is a matter of tokens alone.

    python -m benchmarks.costs
    python -m benchmarks.costs --documents 100000000 --sentences 8 --core-hour 0.03
    python -m benchmarks.costs --llm "our contract,0.10,0.40"

Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: Sentences per second that were measured, by device; where stands in the page.
SPEEDS = (
    ("a core, fp32", "core", 141.0),
    ("a core with AMX, bf16", "core", 258.0),
    ("an NVIDIA H200, one process", "gpu", 2_000.0),
    ("an NVIDIA H200, eight processes", "gpu", 4_400.0),
)
#: Seconds of a core that a build takes for a sentence: 5.86 s for 80,000.
BUILD_SECONDS = 5.86 / 80_000

#: Dollars for a million tokens, in and out, with the day on which somebody noted them.
PRICES = (
    ("GPT-4o mini, March 2026", 0.15, 0.60),
    ("GPT-5 mini, March 2026", 0.25, 2.00),
    ("Claude Haiku 4.5, July 2026", 1.00, 5.00),
)


class Corpus(NamedTuple):
    """What is to be read.

    Attributes:
        documents: how many.
        sentences: of a document.
        tokens: of a sentence, as a language model counts them.
    """

    documents: int
    sentences: float
    tokens: float


class Calls(NamedTuple):
    """How a language model would be asked.

    Attributes:
        documents: that one call reads.
        instructions: tokens of each call beside the text: the schema, examples.
        answer: tokens that the model writes for a sentence: its facts as JSON.
    """

    documents: float
    instructions: float
    answer: float


def hours(corpus: Corpus, sentences_per_second: float) -> float:
    """Hours of one device that reads a corpus."""
    return corpus.documents * corpus.sentences / sentences_per_second / 3600


def call_tokens(corpus: Corpus, calls: Calls) -> tuple[float, float]:
    """Tokens that go in and come out, for the whole corpus."""
    sentences = corpus.documents * corpus.sentences
    into = sentences * corpus.tokens + corpus.documents / calls.documents * calls.instructions
    return into, sentences * calls.answer


def own_table(corpus: Corpus, prices: dict[str, float]) -> Iterator[str]:
    """The table of this program's hours and money, as lines."""
    yield "| read by | sentences/s | hours | price of an hour | money |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, kind, speed in SPEEDS:
        yield _row(name, f"{speed:,.0f}", hours(corpus, speed), prices[kind])
    speed = 1 / BUILD_SECONDS
    yield _row("the build, a core", f"{speed:,.0f}", hours(corpus, speed), prices["core"])


def _row(name: str, speed: str, hours_: float, price: float) -> str:
    return f"| {name} | {speed} | {hours_:,.1f} | ${price:.2f} | ${hours_ * price:,.2f} |"


def call_table(
    corpus: Corpus, calls: Calls, models: Sequence[tuple[str, float, float]]
) -> Iterator[str]:
    """The table of a language model's calls, as lines."""
    into, out = call_tokens(corpus, calls)
    yield "| model and date of the price | tokens in | tokens out | price in | price out | money |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, price_in, price_out in models:
        money = (into * price_in + out * price_out) / 1e6
        yield (
            f"| {name} | {into / 1e6:,.0f} M | {out / 1e6:,.0f} M | ${price_in:.2f} | "
            f"${price_out:.2f} | ${money:,.0f} |"
        )


def _model(text: str) -> tuple[str, float, float]:
    name, price_in, price_out = text.rsplit(",", 2)
    return name, float(price_in), float(price_out)


def parser() -> argparse.ArgumentParser:
    """The options, with the defaults that the page has."""
    found = argparse.ArgumentParser(description="What a corpus costs.")
    found.add_argument("--documents", type=int, default=1_000_000)
    found.add_argument("--sentences", type=float, default=20, help="of a document")
    found.add_argument("--tokens", type=float, default=30, help="of a sentence")
    found.add_argument("--core-hour", type=float, default=0.05, help="dollars")
    found.add_argument("--gpu-hour", type=float, default=4.00, help="dollars")
    found.add_argument("--call-documents", type=float, default=1, help="that one call reads")
    found.add_argument("--instructions", type=float, default=500, help="tokens of each call")
    found.add_argument("--answer", type=float, default=30, help="tokens for a sentence")
    found.add_argument(
        "--llm", type=_model, action="append", help="NAME,IN,OUT: dollars for a million tokens"
    )
    return found


def main() -> None:
    """Prints the tables."""
    args = parser().parse_args()
    corpus = Corpus(args.documents, args.sentences, args.tokens)
    calls = Calls(args.call_documents, args.instructions, args.answer)
    print("\n".join(own_table(corpus, {"core": args.core_hour, "gpu": args.gpu_hour})))
    print()
    print("\n".join(call_table(corpus, calls, args.llm or PRICES)))


if __name__ == "__main__":
    main()
