"""The build that is to follow an extraction whose job runs without a command, written down."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.transforms.plumbing.files import absolute

# Fields that name files, beside the catalogue.
_FILES = ("aliases", "corrections")


class DueBuild(BaseModel):
    """A build that nobody has begun yet.

    Attributes:
        options: of the build; paths are absolute, and a label schema that was given is here itself.
    """

    model_config = ConfigDict(frozen=True)

    options: dict[str, Any]

    @classmethod
    def of(cls, options: BuildOptions) -> DueBuild:
        """The build of some options; whoever begins it may be in another working folder."""
        paths = {name: getattr(options, name) for name in _FILES}
        changes: dict[str, Any] = {n: absolute(p) for n, p in paths.items() if p is not None}
        if options.catalogue is not None:
            place = absolute(options.catalogue.path)
            changes["catalogue"] = options.catalogue.changed(path=place)
        recorded = options.changed(**changes).model_dump(mode="json", exclude={"label_schema"})
        if options.label_schema is not None:
            recorded["label_schema"] = options.label_schema.to_dict()
        return cls(options=recorded)

    def build_options(self) -> BuildOptions:
        """The options of the build.

        Raises:
            ConfigurationError: if they are of another version of this program; names the option.
        """
        options = dict(self.options)
        if (label_schema := options.get("label_schema")) is not None:
            options["label_schema"] = LabelSchema.from_dict(label_schema)
        return validate(BuildOptions, options)
