"""How a run reads where its options leave it open: fixed before the run begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pfn_kg.pfn.checkpoint import check_window_tokens
from pfn_kg.pfn.inference.precision import common_precision, default_precision
from pfn_kg.pfn.inference.token_budget import default_chunk_documents, default_token_budget
from pfn_kg.schemas.extract_options import ExtractOptions


def with_reading_defaults(
    options: ExtractOptions,
    *,
    config: Mapping[str, Any],
    recorded: Mapping[str, Any],
    is_local: bool,
) -> ExtractOptions:
    """Sets token budget, size of chunks, precision and windows, on which the results depend.

    Whoever resumes a run or adds to a graph reads as it did.

    Args:
        options: of the run.
        config: the model's config.json.
        recorded: the options of the run that is resumed or added to, if any.
        is_local: whether this machine is the one that reads. Of other machines' processors
            nothing is known: their precision stays `auto`, which is the same on all of them, and
            here too where nothing else is better.

    Raises:
        ConfigurationError: if the device is not there, or the encoder can't read such windows.
    """
    # As the extractor has it, without loading one.
    window = config.get("window_tokens", 0)
    if options.window_tokens is not None:
        window = options.window_tokens
    most = (config.get("encoder") or {}).get("max_position_embeddings")
    window = check_window_tokens(int(window), most)
    budget, precision = options.token_budget, options.precision
    documents = options.chunk_documents
    if budget is None:
        own = default_token_budget(_type(options.device), window)
        budget = recorded.get("token_budget") or own
        # A chunk has some batches of such a budget.
        if "chunk_documents" not in options.model_fields_set:
            own = default_chunk_documents(_type(options.device))
            documents = recorded.get("chunk_documents") or own
    if precision == "auto" and "precision" in recorded:
        precision = recorded["precision"]
    elif precision == "auto" and is_local:
        device = _type(options.device)
        if (better := default_precision(device)) != common_precision(device):
            precision = better
    return options.changed(
        token_budget=budget,
        chunk_documents=documents,
        precision=precision,
        window_tokens=window,
    )


def _type(device: str) -> str:
    if device == "auto":
        from pfn_kg.pfn.inference.devices import find_device

        return find_device(device).type
    return device.partition(":")[0]
