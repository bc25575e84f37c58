"""A connection to a Neo4j server, with retries, and its errors in one line."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar, cast

from neo4j import Driver, GraphDatabase, ManagedTransaction, Query, Session
from neo4j.exceptions import (
    AuthError,
    DriverError,
    IncompleteCommit,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
)

from pfn_kg.schemas.load_options import ServerOptions
from pfn_kg.sinks.credentials import resolve

#: For so long, in seconds, a server may be away before a load gives up.
RETRY_SECONDS = 120.0

_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

# Errors that are of the server or the account: whatever the row, it would be the same again.
_NOT_OF_A_ROW = (
    "Neo.ClientError.Security.",
    "Neo.ClientError.Database.",
    "Neo.ClientError.Cluster.",
    "Neo.ClientError.General.",
    "Neo.ClientError.Statement.SyntaxError",
    "Neo.ClientError.Statement.AccessMode",
    "Neo.DatabaseError.Database.",
    "Neo.DatabaseError.General.",
    "Neo.DatabaseError.Transaction.",
    "Neo.TransientError.",
)
# The server's memory does not hold the batch: a smaller one passes, the same one never.
_TOO_LARGE = ("MemoryPoolOutOfMemoryError", "TransactionOutOfMemoryError", "OutOfMemoryError")


class Neo4jUnavailableError(ConnectionError):
    """The server can't be reached or refuses all work; the message is one line and names it."""


class BatchTooLargeError(Exception):
    """The server's memory does not hold what one transaction would write."""


class Neo4jServer(ServerOptions):
    """A server that can be connected to and written to; travels as options do."""

    def connect(self) -> Driver:
        """A driver; the password is looked up here.

        Raises:
            ConfigurationError: if there is no password where the reference points.
        """
        auth = None
        if self.username is not None and self.password is not None:
            auth = (self.username, resolve(self.password))
        return GraphDatabase.driver(
            self.uri,
            auth=auth,
            max_transaction_retry_time=RETRY_SECONDS,
            # They are advice for who wrote a statement, such as that a label is new.
            notifications_min_severity="OFF",
            user_agent="pfn-kg",
        )

    def verify(self, driver: Driver) -> None:
        """Asks the server and the database for an answer, once.

        Raises:
            Neo4jUnavailableError: if none comes.
        """
        try:
            # Not tried again: what is wrong before any work is most likely a mistake.
            with driver.session(database=self.database) as session:
                session.run("RETURN 1").consume()
        except (DriverError, Neo4jError, OSError, ValueError) as error:
            raise Neo4jUnavailableError(self.explain(error)) from error

    def explain(self, error: BaseException) -> str:
        """One line that says what is wrong, for people."""
        code = getattr(error, "code", None) or ""
        said = " ".join(str(getattr(error, "message", None) or error).split())
        user = f"user {self.username!r}" if self.username is not None else "a user without a name"
        database = f"database {self.database!r}" if self.database else "the home database"
        if code.endswith("CredentialsExpired"):
            reason = f"{user} must change the initial password first"
        elif code.endswith("AuthenticationRateLimit"):
            reason = f"too many wrong passwords of {user}; the server wants a pause"
        elif isinstance(error, AuthError):
            where = f", the password of {self.password}" if self.password else ", no password given"
            reason = f"the server does not accept {user}{where}"
        elif code.endswith("DatabaseNotFound"):
            reason = f"the server has no {database} (`neo4j_database`)"
        elif "ReadOnly" in code or "read only" in said or "read-only" in said:
            reason = f"{database} is read-only: {said}"
        elif "Forbidden" in code or "AccessMode" in code:
            reason = f"{user} lacks the right: {said}"
        elif "CertVerification" in said or "CERTIFICATE_VERIFY" in said:
            reason = "its certificate is not trusted here; schemes with +ssc trust any"
        elif isinstance(error, ServiceUnavailable | SessionExpired | OSError) or not code:
            reason = f"no Neo4j answers there: {said}"
        else:
            reason = f"{said} ({code})"
        return f"{self.uri}: {reason}"

    @contextmanager
    def _telling_what_is_too_large(self) -> Iterator[None]:
        """Raises `BatchTooLargeError` where the server's memory was too small."""
        try:
            yield
        except Neo4jError as error:
            if (error.code or "").endswith(_TOO_LARGE):
                raise BatchTooLargeError(self.explain(error)) from error
            raise

    def write(
        self, session: Session, statement: str, parameters: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Runs a statement in a transaction, again if what failed may pass; gives its rows.

        Raises:
            BatchTooLargeError: if the transaction does not fit into the server's memory.
            Neo4jUnavailableError: if the server is away for good or refuses all work.
            Neo4jError: if what failed may be the fault of the parameters.
        """

        def work(transaction: ManagedTransaction) -> list[dict[str, Any]]:
            # Within, so that the driver does not try again what never fits.
            with self._telling_what_is_too_large():
                return transaction.run(cast(LiteralString, statement), parameters).data()

        try:
            while True:
                try:
                    with self._telling_what_is_too_large():
                        return session.execute_write(work)
                except IncompleteCommit as error:
                    # Whether it was written nobody knows, so the driver leaves it at that.
                    # What we write may be written twice.
                    _logger.warning("written again: %s", self.explain(error))
        except Neo4jError as error:
            if (error.code or "").startswith(_NOT_OF_A_ROW):
                raise Neo4jUnavailableError(self.explain(error)) from error
            raise
        except (DriverError, OSError) as error:
            raise Neo4jUnavailableError(self.explain(error)) from error

    def execute(self, session: Session, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Runs a statement outside of a transaction, as schema and batches of their own need.

        It is run again if what failed may pass, so it must be one that can be.

        Raises:
            BatchTooLargeError: if a transaction does not fit into the server's memory.
            Neo4jUnavailableError: if it fails for good.
        """

        def work() -> list[dict[str, Any]]:
            with self._telling_what_is_too_large():
                return session.run(Query(cast(LiteralString, statement)), parameters).data()

        try:
            return _with_retries(work)
        except (DriverError, Neo4jError, OSError) as error:
            raise Neo4jUnavailableError(self.explain(error)) from error


def _with_retries(work: Callable[[], _Result]) -> _Result:
    """What the driver does for transactions, for statements that can't be in one."""
    end = time.monotonic() + RETRY_SECONDS
    delay = 1.0
    while True:
        try:
            return work()
        except (DriverError, Neo4jError) as error:
            if not error.is_retryable() or time.monotonic() + delay > end:
                raise
            _logger.warning("tried again in %.1f s: %s", delay, " ".join(str(error).split()))
        time.sleep(delay * random.uniform(0.8, 1.2))
        delay = min(2 * delay, 15.0)
