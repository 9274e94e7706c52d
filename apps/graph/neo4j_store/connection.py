"""The driver: one a process, from `NEO4J_URL`; its failures as one error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import UUID

from neo4j import Driver, GraphDatabase, NotificationMinimumSeverity, Session
from neo4j.exceptions import DriverError, Neo4jError

from apps.core.conf import ConfigurationError
from apps.graph.errors import GraphAway
from apps.graph.neo4j_store.reading import Reader
from apps.graph.neo4j_store.writing import Writer

READ_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 60.0
# Refusals of a statement are among them: a projection that skipped what it cannot apply would be wrong for good,
# one that waits is shown as behind while SQL answers.
_AWAY = (DriverError, Neo4jError, OSError)
_SCHEMES = frozenset({"bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where Neo4j is: the driver's URI, who signs in, which database."""

    uri: str
    user: str
    password: str
    database: str


def parse(url: str) -> Address:
    """Return the address that `bolt://user:password@host:port/database` names (database: `neo4j` unless given).

    Raises ConfigurationError for anything else; the message does not repeat the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigurationError("NEO4J_URL must look like bolt://user:password@host:7687")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(
        uri=urlunsplit((parts.scheme, f"{host}:{parts.port or 7687}", "", "", "")),
        user=unquote(parts.username or "neo4j"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "neo4j",
    )


@contextmanager
def away_when_it_fails() -> Iterator[None]:
    """Turn every failure of the driver and of the server into GraphAway."""
    try:
        yield
    except _AWAY as error:
        code = getattr(error, "code", None) or type(error).__name__
        raise GraphAway(f"Neo4j: {code}") from error


class Neo4jGraph:
    """One Neo4j. Threads share it."""

    def __init__(self, url: str) -> None:
        self._address = parse(url)
        self._driver: Driver = GraphDatabase.driver(
            self._address.uri,
            auth=(self._address.user, self._address.password),
            connection_timeout=3.0,
            connection_acquisition_timeout=5.0,
            max_connection_pool_size=20,
            liveness_check_timeout=30.0,
            notifications_min_severity=NotificationMinimumSeverity.OFF,
            telemetry_disabled=True,
        )

    def session(self, **options: Any) -> Session:
        """Return a new session on the graph's database."""
        return self._driver.session(database=self._address.database, **options)

    def close(self) -> None:
        """Close every connection."""
        self._driver.close()

    @contextmanager
    def reading(self, tenant_id: UUID) -> Iterator[Reader]:
        """Yield what reads one tenant's graph, in one transaction. Raises GraphAway."""
        with (
            away_when_it_fails(),
            self.session(default_access_mode="READ") as session,
            session.begin_transaction(timeout=READ_TIMEOUT_S) as transaction,
        ):
            yield Reader(transaction, tenant_id)

    @contextmanager
    def writing(self, name: str) -> Iterator[Writer]:
        """Take the lease of the projection `name` and yield what writes to it. Raises GraphAway, LeaseLost."""
        with away_when_it_fails(), self.session() as session:
            yield Writer(session, name, WRITE_TIMEOUT_S)


@lru_cache(maxsize=4)
def _connected(url: str, process_id: int) -> Neo4jGraph:
    return Neo4jGraph(url)


def connect(url: str) -> Neo4jGraph:
    """Return this process's graph at `url` (a forked child gets its own). Connects when it is first used.

    Raises ConfigurationError for an address that is none.
    """
    return _connected(url, os.getpid())
