"""Options said once: a field holds default, range, choices, description and place of an option.

A group of options is a frozen pydantic model (`Options`), each field made by `option`. The
command line, configuration files, recorded settings and the reference page are made from
these fields, so that a new option is one new field.

Options have flat names: where a group holds another one (`BuildOptions.rules`), each field of
the inner group is an option of its own, under the field's name or the one that `option` was
given. These names stand in configuration files and, with dashes, on the command line.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

Kind = Literal["switch", "whole number", "number", "text", "names"]

#: The bounds of numbers: what pydantic calls one that was broken, its field, how people say it.
BOUNDS = {
    "greater_than_equal": ("ge", "{:g} or more"),
    "greater_than": ("gt", "above {:g}"),
    "less_than_equal": ("le", "{:g} or less"),
    "less_than": ("lt", "below {:g}"),
}


class Options(BaseModel):
    """A group of options. Values are checked strictly: True is no number, and "1" is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def changed(self, **fields: Any) -> Self:
        """The options with other values of some fields.

        Raises:
            pydantic.ValidationError: if a value is wrong.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate(given | fields)


@dataclass(frozen=True)
class Place:
    """Where an option stands among others, and how it is shown.

    Attributes:
        group: title of the options that it is listed with.
        name: of the option, where it is not the field's.
        metavar: what help shows for its value.
        common: whether it is among the few that most calls need.
        default: what holds where it is not given, if the field's own default does not say it.
        positional: whether it has no name on the command line: `?`, `*`, `+`, or `1` for
            exactly one value.
        many: whether the command line takes any number of values after the name.
        negatable: whether a switch can also be turned off by name.
        unset: a value that means None, such as `none`.
        secret: whether its value is never printed.
    """

    group: str = ""
    name: str | None = None
    metavar: str = ""
    common: bool = False
    default: str | None = None
    positional: Literal["?", "*", "+", "1"] | None = None
    many: bool = False
    negatable: bool = False
    unset: str | None = None
    secret: bool = False


def option(
    default: Any,
    description: str,
    *,
    group: str = "",
    name: str | None = None,
    metavar: str = "",
    common: bool = False,
    default_text: str | None = None,
    positional: Literal["?", "*", "+", "1"] | None = None,
    many: bool = False,
    negatable: bool = False,
    unset: str | None = None,
    secret: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """A field of `Options`.

    Args:
        default: its value where it is not given; `...` if it must be given.
        description: what it does, without its default, choices and range.
        group: as in `Place`, like all that follow up to `secret`.
        name: see `Place`.
        metavar: see `Place`.
        common: see `Place`.
        default_text: `Place.default`.
        positional: see `Place`.
        many: see `Place`.
        negatable: see `Place`.
        unset: see `Place`.
        secret: see `Place`.
        ge: least value.
        gt: the value is greater than this.
        le: greatest value.
        lt: the value is less than this.
    """
    place = Place(
        group=group,
        name=name,
        metavar=metavar,
        common=common,
        default=default_text,
        positional=positional,
        many=many,
        negatable=negatable,
        unset=unset,
        secret=secret,
    )
    return Field(
        default,
        description=description,
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        json_schema_extra={"option": asdict(place)},
    )


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(name for name in (part.strip() for part in value.split(",")) if name)
    return tuple(value) if isinstance(value, list) else value


#: Names as a list, or as one text with commas between them.
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


def _several(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


#: Texts as a list; one text is a list of one.
Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]


def _parquet(path: str) -> str:
    if not path.lower().endswith(".parquet"):
        raise ValueError(f"{path!r} does not end in .parquet")
    return path


#: Path of a Parquet file, by the end of its name.
ParquetPath = Annotated[str, AfterValidator(_parquet)]


class Option(NamedTuple):
    """One option, as read from the field that says it.

    Attributes:
        name: its flat name.
        path: where its value stands in the group: names of fields.
        place: where it is shown.
        kind: what its values are.
        choices: its values, if they are listed.
        default: of the field; None also where there is none.
        required: whether it must be given.
        range: what its numbers lie in, such as `between 0 and 1`; empty without bounds.
        description: what it does.
    """

    name: str
    path: tuple[str, ...]
    place: Place
    kind: Kind
    choices: tuple[str, ...]
    default: Any
    required: bool
    range: str
    description: str

    @property
    def expected(self) -> str:
        """What its value is, as in "'x' is not a number"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        known = {"switch": "true or false", "names": "a list of names"}
        return self._or_unset(known.get(self.kind, f"a {self.kind}"))

    def expected_bound(self, bound: str) -> str:
        """Where its number lies, as in "2 is not between 0 and 1".

        Args:
            bound: the one that a number broke.
        """
        return self._or_unset(self.range if self.range.startswith("between") else bound)

    def _or_unset(self, text: str) -> str:
        unset = self.place.unset
        return text if unset is None or self.kind == "text" else f"{text}, nor {unset}"

    @property
    def default_text(self) -> str:
        """What holds where the option is not given; empty if there is nothing to say."""
        if self.place.default is not None:
            return self.place.default
        if self.required or self.default is None or self.default == ():
            return ""
        if self.kind == "switch":
            return ("on" if self.default else "off") if self.place.negatable else ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def options_of(group: type[BaseModel]) -> tuple[Option, ...]:
    """All options of a group and of the groups in it, in the order of the fields."""
    return tuple(_walk(group, ()))


def _walk(group: type[BaseModel], path: tuple[str, ...]) -> Iterator[Option]:
    for name, field in group.model_fields.items():
        place = _place_of(field)
        inner = group_of(field)
        if place is not None:
            yield _option_of(name, (*path, name), field, place, is_group=inner is not None)
        if inner is not None:
            yield from _walk(inner, (*path, name))


def _place_of(field: FieldInfo) -> Place | None:
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or "option" not in extra:
        return None
    found: Any = extra["option"]
    return Place(**found)


def _plain_type(annotation: Any) -> Any:
    """A type without None and without what is annotated."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            (annotation,) = (a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def group_of(field: FieldInfo) -> type[Options] | None:
    """The group of options that a field holds, if it holds one."""
    type_ = _plain_type(field.annotation)
    return type_ if isinstance(type_, type) and issubclass(type_, Options) else None


def _option_of(
    name: str, path: tuple[str, ...], field: FieldInfo, place: Place, *, is_group: bool
) -> Option:
    type_ = _plain_type(field.annotation)
    choices = tuple(map(str, get_args(type_))) if get_origin(type_) is Literal else ()
    kind: Kind = "text"
    if is_group or type_ is bool:
        kind = "switch"
    elif type_ is int:
        kind = "whole number"
    elif type_ is float:
        kind = "number"
    elif get_origin(type_) is tuple:
        kind = "names"
    required = field.is_required()
    default = None if required else field.get_default(call_default_factory=True)
    return Option(
        name=place.name or name,
        path=path,
        place=place,
        kind=kind,
        choices=choices,
        default=default is not None if is_group else default,
        required=required,
        range=_range_of(field),
        description=field.description or "",
    )


def _range_of(field: FieldInfo) -> str:
    bounds: dict[str, Any] = {}
    for bound in field.metadata:
        for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
            if isinstance(bound, kind):
                bounds[name] = getattr(bound, name)
    if "ge" in bounds and "le" in bounds:
        return f"between {bounds['ge']:g} and {bounds['le']:g}"
    spelt = dict(BOUNDS.values())
    return " and ".join(spelt[name].format(value) for name, value in bounds.items())
