"""An update by a corpus that is whole: documents that it lacks are taken out."""

from __future__ import annotations

from collections.abc import Collection

from pfn_kg.pipeline.manifest import Manifest
from pfn_kg.pipeline.manifest_lists import RemovedList
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.documents.gone_documents import WholeCorpus


class CorpusNotWholeError(ConfigurationError):
    """A corpus may not be taken for the whole of what there is."""


def gone_documents(whole: WholeCorpus, directory: str) -> list[str]:
    """The ids of the documents that the corpus lacks, as the job has written them.

    Args:
        whole: of the job.
        directory: the output folder.

    Raises:
        CorpusNotWholeError: if the corpus may not be taken for the whole: more documents are gone
            than may be, or a part of it can't be read.
        OSError: if the job has written nothing.
    """
    gone = whole.read_counts()
    if gone.lost:
        raise CorpusNotWholeError(
            f"{gone.lost} rows or files of the corpus can't be read ({gone.first_lost} for one), "
            "so it is not known which documents are gone; nothing is changed; mend the corpus, or "
            "leave this option out to add what can be read",
            field="sync",
        )
    if not gone.present:
        raise CorpusNotWholeError(
            f"the corpus has no documents, but the graph in {directory} has {gone.documents}; "
            "nothing is changed",
            field="sync",
        )
    if not gone.is_fine(whole.most):
        raise CorpusNotWholeError(
            f"{gone.gone} of {gone.documents} documents in {directory} are not in the corpus "
            f"({gone.gone / gone.documents:.0%}), more than {whole.most:.0%}; nothing is changed; "
            "if they are to go, say so by `max_gone`",
            field="sync",
        )
    return list(whole.read_ids(gone))


def with_removed(manifest: Manifest, directory: str, ids: Collection[str]) -> RemovedList | None:
    """The list of removed documents with more of them: all that was said of them up to now.

    Args:
        manifest: before the update.
        directory: the output folder.
        ids: of the documents.
    """
    before = {} if manifest.removed is None else manifest.removed.documents(directory)
    return RemovedList.of(before | dict.fromkeys(ids, manifest.last_generation))
