"""The label schema: entity types and relations, with their names in Neo4j and RDF.

It is YAML that people edit. It travels in the checkpoint and in the output folder, and
is validated whenever it is read.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import quote

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pfn_kg.schemas.errors import ConfigurationError

# libyaml, where PyYAML has it, is six times as fast: a tenth of the time of a small build.
try:
    from yaml import CSafeDumper as SafeDumper
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeDumper, SafeLoader  # type: ignore[assignment]

#: Namespace of a graph whose owner named none. Reserved by RFC 2606: it belongs to no one.
DEFAULT_BASE_IRI = "https://pfn-kg.example/"

#: The datatypes that values are normalised to; what does not parse stays a string.
Datatype = Literal["xsd:string", "xsd:date", "xsd:gYear", "xsd:decimal", "xsd:integer"]

#: What the names of a type are like: some rules hold for names of people, organisations or places
#: alone.
NameKind = Literal["person", "organization", "place", "other"]

#: What data sets commonly call such types; for others the label schema says it.
_NAME_KINDS: dict[str, NameKind] = {
    **dict.fromkeys(("per", "person", "people", "peop"), "person"),
    **dict.fromkeys(("org", "organization", "organisation", "company"), "organization"),
    **dict.fromkeys(("loc", "location", "place", "gpe", "country"), "place"),
}

_ABSOLUTE_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`]*")
_NEO4J_NAME = re.compile(r"[^\W\d]\w*")


def slug(name: str) -> str:
    """The last part of an IRI for a name: lower case, underscores between words.

    Example:
        >>> slug("place of birth")
        'place_of_birth'
    """
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", name).lower())
    return "_".join(word.strip("_") for word in words if word.strip("_"))


def neo4j_type_name(name: str) -> str:
    """A relationship type for a name, in the upper case that Neo4j's style asks for."""
    return _neo4j_name(slug(name).upper())


def neo4j_label_name(name: str) -> str:
    """A node label for a name: words run together, each with a capital."""
    return _neo4j_name("".join(w if w.isupper() else w.capitalize() for w in _words(name)))


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[\W_]+", unicodedata.normalize("NFKC", name)) if w]


def _neo4j_name(name: str) -> str:
    return name if name[:1].isalpha() else f"_{name}"


def _absolute_iri(value: Any) -> Any:
    if isinstance(value, str) and not _ABSOLUTE_IRI.fullmatch(value):
        raise ValueError("must be an absolute IRI without spaces, such as https://example.org/x")
    return value


def _neo4j_identifier(value: Any) -> Any:
    if isinstance(value, str) and not _NEO4J_NAME.fullmatch(value):
        raise ValueError("must be a letter or underscore and then letters, digits, underscores")
    return value


Iri = Annotated[str, BeforeValidator(_absolute_iri)]
Neo4jName = Annotated[str, BeforeValidator(_neo4j_identifier)]
Name = Annotated[str, Field(min_length=1, pattern=r"^\S(.*\S)?$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EntityType(_Frozen):
    """A type of mention.

    Attributes:
        name: what the model calls it.
        kind: `entity`, a thing that many documents may speak of, or `value`, such
            as a number or a time, which never merges anything.
        datatype: of values alone, what they are normalised to.
        names: of entities, whether they are named as people, organisations or places are;
            told by name and Neo4j label where it is not given and those are common
            ones, hence `other` to say neither.
        neo4j_label: label of its nodes; derived from the name where not given.
        iri: its class; base + `type/` + name where not given.
        description: for people.
    """

    name: Name
    kind: Literal["entity", "value"] = "entity"
    datatype: Datatype | None = None
    names: NameKind | None = None
    neo4j_label: Neo4jName = ""
    iri: Iri | None = None
    description: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("name"), str):
            data = {**data}
            if not data.get("neo4j_label"):
                data["neo4j_label"] = neo4j_label_name(data["name"])
            if data.get("kind") == "value" and data.get("datatype") is None:
                data["datatype"] = "xsd:string"
            if "names" not in data and data.get("kind", "entity") == "entity":
                called = (data["name"], data["neo4j_label"])
                known = [_NAME_KINDS.get(str(name).casefold()) for name in called]
                data["names"] = next(filter(None, known), None)
        return data

    @model_validator(mode="after")
    def _fields_are_of_its_kind(self) -> EntityType:
        if self.kind == "entity" and self.datatype is not None:
            raise ValueError("datatype is of kind 'value' alone")
        if self.kind == "value" and self.names is not None:
            raise ValueError("names is of kind 'entity' alone")
        return self


class ArgumentTypes(_Frozen):
    """A pair of types that a relation was seen to hold between, and how often in training."""

    subject: Name
    object: Name
    count: int = Field(default=0, ge=0)


class RelationType(_Frozen):
    """A relation.

    Attributes:
        name: what the model calls it.
        description: for people.
        arguments: the pairs of types it may hold between; none means any.
        neo4j_type: type of its relationships; derived from the name where not given.
        iri: its property; base + `relation/` + name where not given.
        exact_match: properties elsewhere that mean the same (skos:exactMatch).
        symmetric: whether `a r b` says `b r a`.
        inverse: name of the relation that says the same from object to subject.
        max_objects: how many objects a subject can have; any number without.
        acyclic: whether following it never leads back.
    """

    name: Name
    description: str | None = None
    arguments: list[ArgumentTypes] = []
    neo4j_type: Neo4jName = ""
    iri: Iri | None = None
    exact_match: list[Iri] = []
    symmetric: bool = False
    inverse: str | None = None
    max_objects: int | None = Field(default=None, ge=1)
    acyclic: bool = False

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("name"), str):
            data = {**data, "neo4j_type": data.get("neo4j_type") or neo4j_type_name(data["name"])}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> RelationType:
        if self.symmetric and self.acyclic:
            raise ValueError("symmetric and acyclic exclude each other")
        if self.symmetric and self.inverse not in (None, self.name):
            raise ValueError("a symmetric relation has no other inverse")
        return self


class LabelSchema(_Frozen):
    """Entity types and relations, in the order of the model's outputs.

    Attributes:
        version: of this format.
        base_iri: namespace of all that has no IRI of its own.
        entity_types: names are unique, and so are Neo4j labels and IRIs.
        relations: likewise.
    """

    version: Literal[1] = 1
    base_iri: Iri = DEFAULT_BASE_IRI
    entity_types: list[EntityType]
    relations: list[RelationType]

    @model_validator(mode="after")
    def _unique_and_known(self) -> LabelSchema:
        if not self.base_iri.endswith(("/", "#", ":")):
            raise ValueError("base_iri must end with '/', '#' or ':'")
        types = self.entity_types
        _unique("entity_types", "name", [t.name for t in types])
        _unique("entity_types", "neo4j_label", [t.neo4j_label for t in types])
        _unique("entity_types", "iri", [self.type_iri(t.name) for t in types])
        _unique("relations", "name", [r.name for r in self.relations])
        _unique("relations", "neo4j_type", [r.neo4j_type.upper() for r in self.relations])
        _unique("relations", "iri", [self.relation_iri(r.name) for r in self.relations])
        iris = {self.relation_iri(r.name) for r in self.relations}
        texts = [self.text_iri(r.name) for r in self.relations]
        _unique("relations", "IRI of text", texts)
        for index, iri in enumerate(texts):
            if iri in iris:
                raise ValueError(
                    f"relations.{index} ({self.relations[index].name}): {iri!r} is the property "
                    "of its texts, so no relation can have it"
                )
        type_names = {t.name for t in types}
        relations = {r.name: r for r in self.relations}
        for index, relation in enumerate(self.relations):
            pairs = [(a.subject, a.object) for a in relation.arguments]
            _unique(f"relations.{index} ({relation.name})", "arguments", pairs)
            for name in [name for pair in pairs for name in pair]:
                if name not in type_names:
                    raise ValueError(
                        f"relations.{index} ({relation.name}).arguments: "
                        f"no entity type is called {name!r}"
                    )
            if relation.inverse is None:
                continue
            other = relations.get(relation.inverse)
            field = f"relations.{index} ({relation.name}).inverse"
            if other is None:
                raise ValueError(f"{field}: no relation is called {relation.inverse!r}")
            if other.inverse not in (None, relation.name):
                raise ValueError(f"{field}: the inverse of {other.name!r} is {other.inverse!r}")
        return self

    @classmethod
    def from_yaml(cls, text: str, source_name: str = "label schema") -> LabelSchema:
        """Reads a label schema.

        Args:
            text: YAML.
            source_name: what the text is called in an error message.

        Raises:
            ConfigurationError: if it is no YAML or no label schema; names the field.
        """
        try:
            data = yaml.load(text, Loader=SafeLoader)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"{source_name}: not valid YAML: {reason}") from None
        return cls.from_dict(data, source_name)

    @classmethod
    def from_dict(cls, data: Any, source_name: str = "label schema") -> LabelSchema:
        """Reads a label schema from plain data, as `from_yaml` does from text."""
        if not isinstance(data, dict):
            raise ConfigurationError(f"{source_name}: not a mapping of fields")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigurationError(f"{source_name}: {first_reason(error, data)}") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that reads back as this schema; what is at its default is left out."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return {"version": self.version, "base_iri": self.base_iri, **data}

    def to_yaml(self) -> str:
        """YAML to edit, that reads back as this schema."""
        return self._yaml

    @cached_property
    def _yaml(self) -> str:
        return yaml.dump(
            self.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )

    @cached_property
    def _types_by_name(self) -> dict[str, EntityType]:
        return {t.name: t for t in self.entity_types}

    @cached_property
    def _relations_by_name(self) -> dict[str, RelationType]:
        return {r.name: r for r in self.relations}

    def entity_type(self, name: str) -> EntityType:
        """The entity type of that name.

        Raises:
            KeyError: if there is none.
        """
        return self._types_by_name[name]

    def relation(self, name: str) -> RelationType:
        """The relation of that name.

        Raises:
            KeyError: if there is none.
        """
        return self._relations_by_name[name]

    def type_iri(self, name: str) -> str:
        """IRI of the class of an entity type: its own, else base + `type/` + name."""
        return self.entity_type(name).iri or f"{self.base_iri}type/{_iri_slug(name)}"

    def relation_iri(self, name: str) -> str:
        """IRI of the property of a relation: its own, else base + `relation/` + name."""
        return self.relation(name).iri or f"{self.base_iri}relation/{_iri_slug(name)}"

    def text_iri(self, name: str) -> str:
        """IRI of the property for objects that should be values but say none."""
        # No slug has a hyphen, and another's namespace is not ours to add to.
        return f"{self.base_iri}relation/{_iri_slug(name)}-text"


class _Dumper(SafeDumper):
    """Writes text so that it reads back as it is."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Unless they are escaped, YAML reads all of these as one line break.
        style = '"' if re.search("[\x85\u2028\u2029]", data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)


def _iri_slug(name: str) -> str:
    quoted = quote(slug(name) or name, safe="")
    # As the last of a name, readers of Turtle take a full stop for that of the sentence.
    kept = quoted.rstrip(".")
    return kept + "%2E" * (len(quoted) - len(kept))


def _unique(where: str, field: str, values: list[Any]) -> None:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            raise ValueError(f"{where}.{index}.{field}: {value!r} is there twice")
        seen.add(value)


def first_reason(error: ValidationError, data: Any = None) -> str:
    """One line for the first thing that pydantic found wrong: the field and the reason.

    Args:
        error: what validation raised.
        data: what was validated; lets the line name a list's item as well as its index.
    """
    found = error.errors(include_url=False)[0]
    parts, value = [], data
    for key in found["loc"]:
        part = str(key)
        try:
            value = value[key]
            if isinstance(key, int) and isinstance(value, dict) and "name" in value:
                part += f" ({value['name']})"
        except (KeyError, IndexError, TypeError):
            value = None
        parts.append(part)
    reason = {
        "missing": "is missing",
        "extra_forbidden": "is not a known field",
    }.get(found["type"], found["msg"].removeprefix("Value error, "))
    if found["type"] not in ("missing", "extra_forbidden", "value_error"):
        reason = f"{reason[0].lower()}{reason[1:]}, but is {found['input']!r}"
    return " ".join(f"{'.'.join(parts)}: {reason}".removeprefix(": ").split())
