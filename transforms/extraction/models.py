"""Where workers find a model, and what a launcher must know of it before they load it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, NamedTuple

from pfn_kg.pfn.checkpoint import SHIPPED, check_window_tokens, find_model, read_config
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.files import is_local
from pfn_kg.transforms.plumbing.listing import local_copy


class LocatedModel(NamedTuple):
    """A model that a launcher has found.

    Attributes:
        place: what workers load: a folder on any file system that Beam knows, or the name of
            a shipped model.
        config: its config.json.
    """

    place: str
    config: Mapping[str, Any]

    def thresholds(self, entity: float | None, relation: float | None) -> tuple[float, float]:
        """The given thresholds (lambda_e and lambda_r of eq. 13), the model's own where None.

        Raises:
            ConfigurationError: if one is not in [0, 1].
        """
        found = []
        for name, given in (("entity_threshold", entity), ("relation_threshold", relation)):
            value = float(self.config[name] if given is None else given)
            if not 0 <= value <= 1:
                raise ConfigurationError(f"{name}: {value} is not between 0 and 1")
            found.append(value)
        return found[0], found[1]

    def window_tokens(self, given: int | None) -> int:
        """The given word pieces of a window of sentences, the model's own where None.

        Raises:
            ConfigurationError: if the encoder can't read such windows.
        """
        own = self.config.get("window_tokens", 0) if given is None else given
        most = (self.config.get("encoder") or {}).get("max_position_embeddings")
        return check_window_tokens(int(own), most)


def locate_model(model: str | PathLike[str] | None) -> LocatedModel:
    """Finds a model without loading it.

    Args:
        model: a folder on any file system that Beam knows, the name of a shipped model or of
            one on the Hugging Face hub; the shipped default model if None.

    Raises:
        ConfigurationError: if there is none.
    """
    name = None if model is None else fspath(model)
    if name is not None and not is_local(name):
        try:
            return LocatedModel(name, read_config(local_copy(name)))
        except FileNotFoundError as error:
            raise ConfigurationError(f"model: {error}") from None
    folder = find_model(name)
    # A shipped model has the same name on every worker, but not the same folder.
    place = folder.name if folder.parent == SHIPPED else str(folder.absolute())
    return LocatedModel(place, read_config(folder))
