"""Passwords in Google's Secret Manager, by Google's own client against a server of this process."""

from concurrent import futures

import grpc
import pytest

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.load_options import ServerOptions
from pfn_kg.sinks import credentials

pytest.importorskip("google.cloud.secretmanager", reason="the extra gcp is not installed")

from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcTransport,
)
from google.cloud.secretmanager_v1.types import (
    AccessSecretVersionRequest,
    AccessSecretVersionResponse,
)

SECRETS = {
    "projects/p/secrets/neo4j/versions/latest": b"s3cret\n",
    "projects/p/locations/europe-west3/secrets/neo4j/versions/2": "pässwörd".encode(),
    "projects/p/secrets/empty/versions/1": b"",
    "projects/p/secrets/bytes/versions/1": b"\xff",
}


class Manager(grpc.GenericRpcHandler):
    """Answers `AccessSecretVersion` as the service does."""

    def service(self, call):
        if call.method != "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion":
            return None
        return grpc.unary_unary_rpc_method_handler(
            self.access,
            request_deserializer=AccessSecretVersionRequest.deserialize,
            response_serializer=AccessSecretVersionResponse.serialize,
        )

    @staticmethod
    def access(request, context):
        if request.name not in SECRETS:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found")
        return AccessSecretVersionResponse(
            name=request.name, payload={"data": SECRETS[request.name]}
        )


@pytest.fixture
def hosts(monkeypatch):
    """A server in the place of Google's; gives the hosts that were asked."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.add_generic_rpc_handlers((Manager(),))
    server.start()
    asked = []

    def channel(host, **options):
        asked.append(host)
        return grpc.insecure_channel(f"localhost:{port}")

    monkeypatch.setattr(SecretManagerServiceGrpcTransport, "create_channel", staticmethod(channel))
    monkeypatch.setattr("google.auth.default", lambda *a, **k: (AnonymousCredentials(), "p"))
    yield asked
    server.stop(None)


def test_secrets_are_found(hosts):
    found = [credentials.resolve(f"secret:{name}") for name in list(SECRETS)[:2]]
    assert found == ["s3cret", "pässwörd"]
    assert hosts == [
        "secretmanager.googleapis.com:443",
        "secretmanager.europe-west3.rep.googleapis.com:443",
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("projects/p/secrets/none/versions/1", r"404 Secret \[.*none/versions/1\] not found"),
        ("projects/p/secrets/empty/versions/1", "this version is empty"),
        ("projects/p/secrets/bytes/versions/1", "not UTF-8"),
        ("neo4j", "is not like secret:projects/P/secrets/S/versions/V"),
        ("projects/p/secrets/neo4j", "is not like secret:projects/P/secrets/S/versions/V"),
    ],
)
def test_what_is_not_there_is_named(hosts, name, reason):
    with pytest.raises(ConfigurationError, match=f"^secret:{name}: {reason}") as raised:
        credentials.resolve(f"secret:{name}")
    assert "\n" not in str(raised.value)


def test_a_machine_without_credentials_says_so(monkeypatch):
    def no_credentials(*arguments, **options):
        raise DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.setattr("google.auth.default", no_credentials)
    with pytest.raises(ConfigurationError, match="default credentials were not found"):
        credentials.resolve("secret:projects/p/secrets/neo4j/versions/latest")


def test_options_take_such_a_reference():
    reference = "secret:projects/p/secrets/neo4j/versions/latest"
    assert ServerOptions(uri="bolt://h", password=reference).password == reference
