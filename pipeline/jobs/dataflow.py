"""Jobs of Google's Dataflow, asked for by Google's own client."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from apache_beam.options.pipeline_options import GoogleCloudOptions

from pfn_kg.pipeline.detached import DetachedJob
from pfn_kg.pipeline.job_metrics import Metrics, summed_metrics
from pfn_kg.pipeline.jobs.refusals import no_answer, not_known
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.printable import one_line
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.transforms.plumbing.metrics import NAMESPACE, Phase

if TYPE_CHECKING:
    from google.cloud.dataflow_v1beta3 import JobsV1Beta3Client, MetricsV1Beta3Client

# So long Dataflow may take to answer.
_ANSWER_SECONDS = 30.0
# Beside a distribution Dataflow tells its parts once more, under names of their own.
_PARTS = ("_MIN", "_MAX", "_MEAN", "_COUNT")


def dataflow_job(job: DetachedJob, arguments: Sequence[str] = ()) -> DataflowJob:
    """A job of Dataflow, with clients that use the credentials of this machine.

    Args:
        job: which one; its address is `PROJECT/REGION`.
        arguments: Beam's own options: another endpoint, or an account to impersonate.

    Raises:
        ConfigurationError: if Google's client is not installed, or there are no credentials.
    """
    check_installed()
    from apache_beam.internal.gcp.auth import get_service_credentials
    from google.api_core.client_options import ClientOptions
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.dataflow_v1beta3 import JobsV1Beta3Client, MetricsV1Beta3Client

    options = pipeline_options(arguments)
    endpoint = options.view_as(GoogleCloudOptions).dataflow_endpoint or ""
    host = endpoint.strip().partition("://")[2] or endpoint.strip()
    how: dict[str, Any] = {
        "credentials": get_service_credentials(options),
        "client_options": ClientOptions(api_endpoint=host.rstrip("/")) if host else None,
    }
    try:
        return DataflowJob(job, JobsV1Beta3Client(**how), MetricsV1Beta3Client(**how))
    except GoogleAuthError as error:
        raise ConfigurationError(f"{job}: {one_line(str(error))}") from None


def check_installed() -> None:
    """Refuses to go on without Google's client.

    Raises:
        ConfigurationError: if it is not installed.
    """
    try:
        is_there = find_spec("google.cloud.dataflow_v1beta3") is not None
    except ModuleNotFoundError:  # a package above it
        is_there = False
    if not is_there:
        raise ConfigurationError(how_to_install("apache-beam[gcp]", "gcp"), field="detach")


class DataflowJob:
    """A job of Dataflow.

    Args:
        job: which one.
        jobs: tells states.
        metrics: tells metrics.
    """

    def __init__(self, job: DetachedJob, jobs: JobsV1Beta3Client, metrics: MetricsV1Beta3Client):
        self._job = job
        self._jobs = jobs
        self._metrics = metrics
        project, _, region = job.address.rpartition("/")
        self._asked = {"job_id": job.job_id, "project_id": project, "location": region}

    def state(self) -> str:
        """As `RunnerJob.state`."""
        from google.api_core import exceptions

        try:
            found = self._jobs.get_job(request=self._asked, timeout=_ANSWER_SECONDS)
        except (exceptions.ServerError, exceptions.TooManyRequests, exceptions.RetryError) as error:
            raise no_answer(self._job, error) from None
        except exceptions.GoogleAPICallError as error:
            raise not_known(self._job, error) from None
        return str(found.current_state.name).removeprefix("JOB_STATE_")

    def metrics(self, phase: Phase) -> Metrics:
        """As `RunnerJob.metrics`."""
        from google.api_core import exceptions

        try:
            found = self._metrics.get_job_metrics(request=self._asked, timeout=_ANSWER_SECONDS)
        except exceptions.GoogleAPIError:
            return {}
        counters, spreads = [], []
        for update in found.metrics:
            name, context = update.name.name, update.name.context
            is_tentative = context.get("tentative") == "true"
            if context.get("namespace") != NAMESPACE or is_tentative or name.endswith(_PARTS):
                continue
            if update.distribution is not None:
                spreads.append((name, dict(update.distribution)))
            elif update.scalar is not None:
                counters.append((name, update.scalar))
        return summed_metrics(counters, spreads, phase)
