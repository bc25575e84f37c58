"""The options that say who asks a Neo4j server, and in which of its databases."""

from __future__ import annotations

from pydantic import ConfigDict, field_validator

from pfn_kg.schemas.choices import NEO4J
from pfn_kg.schemas.options import Options, option


class Neo4jAccountOptions(Options):
    """Who asks a Neo4j server; may travel, since it holds no secret.

    Attributes:
        database: None is the user's home database.
        username: None is without authentication.
        password: a reference, as `pfn_kg.sinks.credentials.resolve` takes it.
    """

    # A password in the wrong place shall not be printed with the error.
    model_config = ConfigDict(hide_input_in_errors=True)

    database: str | None = option(
        None,
        "database of the server",
        name="neo4j_database",
        group=NEO4J,
        metavar="NAME",
        default_text="$NEO4J_DATABASE, else the user's own",
    )
    username: str | None = option(
        None,
        "user of the server",
        name="neo4j_username",
        group=NEO4J,
        metavar="NAME",
        default_text="$NEO4J_USERNAME, else neo4j",
    )
    password: str | None = option(
        None,
        "where the password is found, by workers too: env:NAME, file:PATH, or secret:NAME in "
        "Google's Secret Manager, such as secret:projects/P/secrets/S/versions/latest",
        name="neo4j_password",
        group=NEO4J,
        metavar="REFERENCE",
        default_text="env:NEO4J_PASSWORD, or the file that $NEO4J_PASSWORD_FILE names",
        secret=True,
    )

    @field_validator("password")
    @classmethod
    def _is_a_reference(cls, password: str | None) -> str | None:
        if password is not None:
            kind, _, place = password.partition(":")
            if kind not in ("env", "file", "secret") or not place:
                raise ValueError(
                    "give env:NAME or file:PATH, or secret:NAME of Google's Secret Manager, not "
                    "the secret itself"
                )
        return password
