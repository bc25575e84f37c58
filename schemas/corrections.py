"""Corrections of a graph: what a person says of facts and entities, over what the model says.

A correction names facts and entities by their content: names, types, relation, and, where it
speaks of one place of the text, document and offsets. So it holds for every later graph: after
an update, with other options, of another model.

The records are tagged by `kind`. As a table they are rows of CORRECTION_SCHEMA, with null in the
columns that a kind does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal, Self, TypeAlias

import pyarrow as pa
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)

#: Bytes of the hash that a correction is called by.
_ID_BYTES = 12

#: A place of a text: mentions of an entity that is split.
_PLACE = pa.struct({"document_id": pa.string(), "begin": pa.int64(), "end": pa.int64()})

#: Corrections as rows of a table. Offsets are code points of the document's text, begin inclusive,
#: end exclusive.
CORRECTION_SCHEMA = pa.schema(
    {
        "kind": pa.string(),
        # Of corrections of a fact.
        "subject": pa.string(),
        "subject_type": pa.string(),
        "relation": pa.string(),
        "object": pa.string(),
        "object_type": pa.string(),
        "document_id": pa.string(),  # null: in all documents
        "subject_begin": pa.int64(),  # null: anywhere in the document
        "subject_end": pa.int64(),
        "object_begin": pa.int64(),
        "object_end": pa.int64(),
        "new_relation": pa.string(),
        "reverse": pa.bool_(),
        # Of corrections of an entity.
        "name": pa.string(),
        "type": pa.string(),
        "other_name": pa.string(),
        "other_type": pa.string(),
        "new_name": pa.string(),
        "new_type": pa.string(),
        "mentions": pa.list_(_PLACE),
        # Of all.
        "author": pa.string(),
        "time": pa.timestamp("us", "UTC"),
        "note": pa.string(),
    }
)


def _is_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is no text: it has half a character") from None
    return text


_Text = Annotated[str, AfterValidator(_is_text)]
_Name = Annotated[_Text, StringConstraints(min_length=1, pattern=r"\S")]
_Offset = Annotated[int, Field(ge=0)]


class Correction(BaseModel):
    """What all corrections have.

    Attributes:
        kind: what is corrected.
        author: who says so.
        time: when; without a zone it is read as UTC.
        note: why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    author: _Text | None = None
    time: datetime | None = None
    note: _Text | None = None

    @field_validator("time")
    @classmethod
    def _in_utc(cls, time: datetime | None) -> datetime | None:
        if time is None:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

    @property
    def correction_id(self) -> str:
        """A hash of all that it says, in hexadecimal digits: equal corrections have one id."""
        spelt = json.dumps(self.to_dict(), sort_keys=True)
        return blake2b(spelt.encode(), digest_size=_ID_BYTES).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What was said, ready for JSON: a line of a file of corrections."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {
            "kind": self.kind
        }


class _FactCorrection(Correction):
    """A correction of the fact (subject, relation, object).

    Attributes:
        subject: a name of the subject, the displayed one or another that it is known by.
        subject_type: its type in the label schema.
        relation: name of the relation in the label schema.
        object: a name of the object, or the text of a value.
        object_type: its type.
        document_id: the document whose text the correction speaks of; None is all of them.
        subject_begin: with the three offsets below, the mentions that it speaks of; None is all
            mentions in the document.
        subject_end: one past the last character of the subject's mention.
        object_begin: first character of the object's mention.
        object_end: one past the last character of the object's mention.
    """

    subject: _Name
    subject_type: _Name
    relation: _Name
    object: _Name
    object_type: _Name
    document_id: _Text | None = None
    subject_begin: _Offset | None = None
    subject_end: _Offset | None = None
    object_begin: _Offset | None = None
    object_end: _Offset | None = None

    @model_validator(mode="after")
    def _has_whole_places(self) -> Self:
        offsets = self.offsets_or_none
        if None in offsets and offsets != (None,) * 4:
            raise ValueError("subject_begin, subject_end, object_begin and object_end go together")
        if None not in offsets:
            if self.document_id is None:
                raise ValueError("offsets are of a document: document_id is missing")
            subject_begin, subject_end, object_begin, object_end = map(int, offsets)  # type: ignore[arg-type]
            if subject_begin >= subject_end or object_begin >= object_end:
                raise ValueError("an end is not behind its begin")
        return self

    @property
    def offsets_or_none(self) -> tuple[int | None, int | None, int | None, int | None]:
        """Begin and end of the subject's mention, then of the object's."""
        return self.subject_begin, self.subject_end, self.object_begin, self.object_end


class RejectFact(_FactCorrection):
    """The fact does not hold, or, with a document, this text does not say it."""

    kind: Literal["reject"] = "reject"


class ConfirmFact(_FactCorrection):
    """The fact holds, as the model says; with a document, as long as the document is there."""

    kind: Literal["confirm"] = "confirm"


class AddFact(_FactCorrection):
    """The fact holds, though the model does not say it; with a document, while that is there."""

    kind: Literal["add"] = "add"


class ChangeFact(_FactCorrection):
    """The fact holds with another relation, in the other direction, or both.

    Attributes:
        new_relation: the right relation; None keeps it.
        reverse: whether the object is the subject.
    """

    kind: Literal["change"] = "change"
    new_relation: _Name | None = None
    reverse: bool = False

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.reverse and self.new_relation in (None, self.relation):
            raise ValueError("new_relation or reverse is missing: nothing changes")
        return self


class _EntityCorrection(Correction):
    """A correction of an entity.

    Attributes:
        name: of the entity, the displayed one or another that it is known by.
        type: its type in the label schema.
    """

    name: _Name
    type: _Name


class _PairCorrection(_EntityCorrection):
    """A correction of an entity and another one.

    Attributes:
        other_name: of the other entity.
        other_type: type of the other entity.
    """

    other_name: _Name
    other_type: _Name


class MergeEntity(_PairCorrection):
    """The entity is another one, under whose name both go on."""

    kind: Literal["merge"] = "merge"


class KeepApart(_PairCorrection):
    """The entity and another one are never merged by alias table, near names or corrections."""

    kind: Literal["keep_apart"] = "keep_apart"


class RetypeEntity(_EntityCorrection):
    """The entity has another type.

    Attributes:
        new_type: the right one.
    """

    kind: Literal["retype"] = "retype"
    new_type: _Name


class RenameEntity(_EntityCorrection):
    """The entity has another name; an entity of its type that has that name is the same one.

    Attributes:
        new_name: the right one.
    """

    kind: Literal["rename"] = "rename"
    new_name: _Name


class MentionPlace(BaseModel):
    """Where an entity is mentioned.

    Attributes:
        document_id: of the document.
        begin: offset of the mention; None is all mentions of the entity in the document.
        end: one past its last character.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    document_id: _Text
    begin: _Offset | None = None
    end: _Offset | None = None

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        if (self.begin is None) != (self.end is None):
            raise ValueError("begin and end go together")
        if self.begin is not None and self.end is not None and self.begin >= self.end:
            raise ValueError("the end is not behind the begin")
        return self


class SplitEntity(_EntityCorrection):
    """Some mentions of the entity are of another one, which has a name of its own.

    Attributes:
        mentions: those of the other entity.
        new_name: of the other entity; one that tells the two apart, such as `Paris (Texas)`.
        new_type: type of the other entity; None is the same.
    """

    kind: Literal["split"] = "split"
    mentions: tuple[MentionPlace, ...] = Field(min_length=1)
    new_name: _Name
    new_type: _Name | None = None

    @field_validator("mentions", mode="before")
    @classmethod
    def _from_cell(cls, mentions: Any) -> Any:
        # A cell of CSV holds a list as JSON.
        if isinstance(mentions, str):
            try:
                return json.loads(mentions)
            except ValueError:
                raise ValueError(f"{mentions!r} is no JSON list of places") from None
        return mentions


FactCorrection: TypeAlias = RejectFact | ConfirmFact | AddFact | ChangeFact
EntityCorrection: TypeAlias = MergeEntity | KeepApart | RetypeEntity | RenameEntity | SplitEntity
AnyCorrection: TypeAlias = FactCorrection | EntityCorrection

#: What each kind says, for help and messages.
KINDS: dict[str, type[Correction]] = {
    "reject": RejectFact,
    "confirm": ConfirmFact,
    "add": AddFact,
    "change": ChangeFact,
    "merge": MergeEntity,
    "keep_apart": KeepApart,
    "retype": RetypeEntity,
    "rename": RenameEntity,
    "split": SplitEntity,
}

_ADAPTER: TypeAdapter[AnyCorrection] = TypeAdapter(
    Annotated[AnyCorrection, Field(discriminator="kind")]
)


def parse_correction(data: Any) -> AnyCorrection:
    """A correction from a dictionary, such as a line of JSON; nulls are left out before.

    Raises:
        pydantic.ValidationError: if it is none.
    """
    return _ADAPTER.validate_python(data)


def correction_table(corrections: Iterable[Correction]) -> pa.Table:
    """Corrections as rows of CORRECTION_SCHEMA, in their order."""
    rows = [
        c.model_dump(exclude_none=True, exclude_defaults=True) | {"kind": c.kind}
        for c in corrections
    ]
    return pa.Table.from_pylist(rows, CORRECTION_SCHEMA)
