"""Jobs of Dataflow by Google's own client, against a server of this process in Google's place."""

from concurrent import futures

import grpc
import pytest

from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import read_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.detached import DetachedJob, write_job
from pfn_kg.pipeline.finish_build import BegunBuild
from pfn_kg.pipeline.jobs import runner_jobs
from pfn_kg.pipeline.jobs.runner_jobs import runner_job, wait_for_end
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.transforms.plumbing.metrics import NAMESPACE

pytest.importorskip("google.cloud.dataflow_v1beta3", reason="the extra gcp is not installed")

from google.auth.credentials import AnonymousCredentials
from google.cloud.dataflow_v1beta3 import types
from google.cloud.dataflow_v1beta3.services.jobs_v1_beta3.transports import (
    JobsV1Beta3GrpcTransport,
)
from google.cloud.dataflow_v1beta3.services.metrics_v1_beta3.transports import (
    MetricsV1Beta3GrpcTransport,
)

STATES = types.JobState


def update(name, *, namespace=NAMESPACE, tentative=False, **value):
    context = {"namespace": namespace, "step": "s1"} | ({"tentative": "true"} if tentative else {})
    return {"name": {"origin": "user", "name": name, "context": context}, **value}


METRICS = [
    update("build_documents", scalar=2.0),
    update("build_documents", scalar=3.0),
    update("build_documents", scalar=99.0, tentative=True),
    update("build_documents", scalar=99.0, namespace="others"),
    update("documents", scalar=7.0),
    update("chunk_sentences", distribution={"sum": 9, "count": 2, "min": 4, "max": 5}),
    update("chunk_sentences", distribution={"sum": 1, "count": 1, "min": 1, "max": 1}),
    update("chunk_sentences_MAX", scalar=5.0),
]


class Dataflow(grpc.GenericRpcHandler):
    """Answers as the service does: with one state after the other, the last one for good."""

    def __init__(self):
        self.states = []
        self.asked = []

    def service(self, call):
        known = {
            "GetJob": (self.job, types.GetJobRequest, types.Job),
            "GetJobMetrics": (self.metrics, types.GetJobMetricsRequest, types.JobMetrics),
        }
        answer, request, response = known[call.method.rpartition("/")[2]]
        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request.deserialize, response_serializer=response.serialize
        )

    def job(self, request, context):
        self.asked.append((request.project_id, request.location, request.job_id))
        if request.job_id != "2026-job":
            context.abort(grpc.StatusCode.NOT_FOUND, f"Workflow {request.job_id} not found")
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        return types.Job(id=request.job_id, current_state=state)

    def metrics(self, request, context):
        return types.JobMetrics(metrics=METRICS)


@pytest.fixture
def dataflow(monkeypatch):
    service = Dataflow()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    port = server.add_insecure_port("localhost:0")
    server.add_generic_rpc_handlers((service,))
    server.start()

    def channel(host, **options):
        return grpc.insecure_channel(f"localhost:{port}")

    for transport in (JobsV1Beta3GrpcTransport, MetricsV1Beta3GrpcTransport):
        monkeypatch.setattr(transport, "create_channel", staticmethod(channel))
    monkeypatch.setattr("google.auth.default", lambda *a, **k: (AnonymousCredentials(), "p"))
    monkeypatch.setattr(runner_jobs, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr("pfn_kg.pipeline.jobs.dataflow._ANSWER_SECONDS", 2.0)
    yield service
    server.stop(None)


def job(job_id="2026-job", **fields):
    place = {"runner": "DataflowRunner", "address": "my-project/europe-west3"}
    return DetachedJob(
        **({"phase": "build", "job_id": job_id, "started": 0.0, "work": {}} | place | fields)
    )


@pytest.mark.parametrize(
    ("states", "last"),
    [
        ([STATES.JOB_STATE_QUEUED, STATES.JOB_STATE_RUNNING, STATES.JOB_STATE_DONE], "DONE"),
        ([STATES.JOB_STATE_CANCELLING, STATES.JOB_STATE_CANCELLED], "CANCELLED"),
        ([STATES.JOB_STATE_RUNNING, None, STATES.JOB_STATE_FAILED], "FAILED"),
    ],
)
def test_a_job_comes_to_its_end(dataflow, states, last):
    dataflow.states = states
    assert wait_for_end(runner_job(job())) == last
    assert set(dataflow.asked) == {("my-project", "europe-west3", "2026-job")}


def test_metrics_are_those_that_are_committed(dataflow):
    asked = runner_job(job())
    assert asked.metrics("build") == {"build_documents": 5}
    assert asked.metrics("extract") == {
        "documents": 7,
        "chunk_sentences": {"sum": 10, "count": 3, "min": 1, "max": 5},
    }


def test_a_job_that_is_not_known(dataflow):
    with pytest.raises(ConfigurationError, match=r"is not known there: .*Workflow other not found"):
        runner_job(job("other")).state()


def test_a_build_that_dataflow_has_cancelled(dataflow, tmp_path, capsys):
    output = write_folder(tmp_path / "out", DOCS)
    begun = BegunBuild(
        path="builds/x",
        graph=None,
        extraction="e",
        sign="s",
        settings={},
        keep_builds=2,
        rows=None,
        last_counts=None,
    )
    write_job(output, job(work=begun.model_dump(mode="json")))
    dataflow.states = [STATES.JOB_STATE_CANCELLED]
    assert main(["wait", output]) == 1
    assert (
        "pfn-kg: RuntimeError: the job 2026-job of DataflowRunner at my-project/europe-west3 ended "
        "as CANCELLED; the graph before it stays"
    ) in capsys.readouterr().err
    assert read_manifest(output)["chunks"]
