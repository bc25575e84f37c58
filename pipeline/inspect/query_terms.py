"""What a graph has to ask for: said where a query finds nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import pyoxigraph

_SHOWN = 8
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_OWL = "http://www.w3.org/2002/07/owl#"
_TYPE = pyoxigraph.NamedNode(f"{_RDF}type")
_CLASS = (pyoxigraph.NamedNode(f"{_OWL}Class"),)
_PROPERTY = tuple(
    pyoxigraph.NamedNode(iri)
    for iri in (f"{_OWL}ObjectProperty", f"{_OWL}DatatypeProperty", f"{_RDF}Property")
)
# The prefixes of what the label schema names.
_OWN = ("relation:", "type:")
_WORD = re.compile(r"\w+")


def existing_terms(store: pyoxigraph.Store) -> tuple[list[str], list[str]]:
    """The classes and the properties that the data use, of those that the ontology declares.

    Each of them costs one look into an index, whatever the size of the graph.

    Args:
        store: data and ontology.

    Returns:
        IRIs of classes, and IRIs of properties.
    """
    classes = _declared(store, _CLASS)
    properties = _declared(store, _PROPERTY)
    return (
        [term.value for term in classes if _any(store, _TYPE, term)],
        [term.value for term in properties if _any(store, term, None)],
    )


def _declared(store: pyoxigraph.Store, kinds: Sequence[pyoxigraph.NamedNode]) -> list[Any]:
    found = {
        quad.subject
        for kind in kinds
        for quad in store.quads_for_pattern(None, _TYPE, kind, None)
        if isinstance(quad.subject, pyoxigraph.NamedNode)
    }
    return sorted(found, key=lambda term: term.value)


def _any(store: pyoxigraph.Store, predicate: Any, object_: Any) -> bool:
    return next(iter(store.quads_for_pattern(None, predicate, object_, None)), None) is not None


def nothing_found(store: pyoxigraph.Store, prefixes: Mapping[str, str], sparql: str) -> str:
    """A line for whoever asked and found nothing: what there is to ask for.

    Args:
        store: data and ontology.
        prefixes: by which terms are shown.
        sparql: the query; terms that are spelt like its words come first.
    """
    classes, properties = existing_terms(store)
    if not classes and not properties:
        return "nothing found; the graph is empty"
    words = {word.lower() for word in _WORD.findall(sparql)}
    parts = [
        f"{called} are {_listed(iris, prefixes, words)}"
        for called, iris in (("classes", classes), ("properties", properties))
        if iris
    ]
    return f"nothing found; {'; '.join(parts)}"


def _listed(iris: Sequence[str], prefixes: Mapping[str, str], words: set[str]) -> str:
    names = [_short(iri, prefixes) for iri in iris]
    names.sort(key=lambda name: (-_likeness(name, words), not name.startswith(_OWN), name))
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _likeness(name: str, words: set[str]) -> float:
    """How much a name is like any word of the query; small likenesses say nothing."""
    local = name.rpartition(":")[2].lower()
    best = max((SequenceMatcher(None, local, word).ratio() for word in words), default=0.0)
    return best if best >= 0.7 else 0.0


def _short(iri: str, prefixes: Mapping[str, str]) -> str:
    for prefix, namespace in sorted(prefixes.items(), key=lambda item: -len(item[1])):
        local = iri.removeprefix(namespace)
        if local != iri and re.fullmatch(r"[\w-]+", local, re.ASCII):
            return f"{prefix}:{local}"
    return f"<{iri}>"
