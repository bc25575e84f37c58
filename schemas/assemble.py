"""Groups of options from values by flat names, and errors that name the option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import BOUNDS, Option, Options, group_of, options_of

_NOTHING: Any = ...

_Group = TypeVar("_Group", bound=Options)


def assemble(group: type[_Group], given: Mapping[str, Any], base: _Group | None = None) -> _Group:
    """A group of options from those that were given, by their flat names.

    Args:
        group: what is made.
        given: values by flat name; numbers may be texts. Names of other groups are left alone.
        base: what holds for all that is not given; the defaults without.

    Raises:
        ConfigurationError: names the option and the reason.
    """
    known = options_of(group)
    values: dict[str, Any] = {}
    if base is not None:
        values = {name: getattr(base, name) for name in base.model_fields_set}
    for option_ in known:
        if len(option_.path) == 1 and option_.name in given and option_.kind != "switch":
            values[option_.path[0]] = _read(option_, given[option_.name])
        elif len(option_.path) == 1 and option_.name in given:
            values[option_.path[0]] = given[option_.name]
    for name, field in group.model_fields.items():
        inner = group_of(field)
        if inner is not None:
            last = None if field.is_required() else field.get_default()
            last = last if base is None else getattr(base, name)
            made = _assemble_inner(inner, given, last, switch=_switch_of(known, name))
            if made is not _NOTHING:
                values[name] = made
    return validate(group, values)


def validate(group: type[_Group], values: Mapping[str, Any]) -> _Group:
    """A group of options from the values of its fields.

    Args:
        group: what is made.
        values: by the names of the fields.

    Raises:
        ConfigurationError: names the option and the reason.
    """
    try:
        return group.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(error, options_of(group)) from None


def _switch_of(known: tuple[Option, ...], name: str) -> Option | None:
    """The option that turns a whole group on and off, if there is one."""
    return next((o for o in known if o.path == (name,)), None)


def _assemble_inner(
    inner: type[Options], given: Mapping[str, Any], last: Options | None, *, switch: Option | None
) -> Any:
    """A group inside another one; None if it is off, `...` if nothing was said of it."""
    options = options_of(inner)
    said = {o.name: given[o.name] for o in options if o.name in given}
    if switch is not None and switch.name in given:
        is_on = given[switch.name]
        if not isinstance(is_on, bool):
            raise ConfigurationError(f"{is_on!r} is not {switch.expected}", field=switch.name)
        if not is_on:
            return None
        last = last or inner()
    # A required option of a group that may be absent is what turns it on, and its word for
    # "unset" what turns it off.
    key = next((o for o in options if o.required), None)
    if key is not None and key.name in said and said[key.name] == key.place.unset:
        return None
    if not said:
        return _NOTHING if switch is None or switch.name not in given else last
    turns_on = key or switch
    if last is None and turns_on is not None and turns_on.name not in said:
        raise ConfigurationError(f"only together with `{turns_on.name}`", field=next(iter(said)))
    return assemble(inner, said, last)


def printable(options: Options) -> dict[str, Any]:
    """The options as JSON has them, without secrets and without what can't be an option."""
    data = options.model_dump(mode="json", exclude={"label_schema"})
    for option_ in options_of(type(options)):
        if option_.place.secret:
            inner = data
            for name in option_.path[:-1]:
                inner = inner[name] or {}
            inner.pop(option_.path[-1], None)
    return data


def _read(option_: Option, value: Any) -> Any:
    """A value as its field takes it: a text may stand for a number, or for None."""
    if option_.place.unset is not None and value == option_.place.unset:
        return None
    if option_.kind in ("whole number", "number") and isinstance(value, str):
        try:
            return int(value) if option_.kind == "whole number" else float(value)
        except ValueError:
            raise ConfigurationError(
                f"{value!r} is not {option_.expected}", field=option_.name
            ) from None
    return value


def _refusal(error: ValidationError, known: tuple[Option, ...]) -> ConfigurationError:
    """The first thing that validation found wrong, as an error that names the option."""
    found = error.errors(include_url=False)[0]
    loc = found["loc"]
    option_ = next((o for o in known if o.path == loc[: len(o.path)]), None)
    if option_ is None:
        field = ".".join(map(str, loc)) or None
        reason = found["msg"].removeprefix("Value error, ")
        if found["type"] == "literal_error":
            choices = found["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            reason = f"{found['input']!r} is not one of {choices}"
        return ConfigurationError(reason, field=field)
    if found["type"] == "missing":
        reason = "is missing"
    elif found["type"] == "value_error":
        reason = found["msg"].removeprefix("Value error, ")
    else:
        expected = option_.expected
        if found["type"] in BOUNDS:
            name, spelt = BOUNDS[found["type"]]
            expected = option_.expected_bound(spelt.format(found["ctx"][name]))
        reason = f"is not {expected}"
        if not option_.place.secret:
            reason = f"{found['input']!r} {reason}"
    return ConfigurationError(reason, field=option_.name)
