"""Fetch what the tests need besides Python packages: Neo4j's jars, Chromium, and (where Node is) GraphQL clients of others.

Needs only the standard library.
"""

import signal
import sys

from intelgraph.embedded import neo4j_jars, system_packages
from intelgraph.embedded.errors import EmbeddedError
from scripts import node_packages

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> int:
    """Fetch everything that is missing; print one line for each thing that cannot be had and return 1 then."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    failed = 0
    if neo4j_jars.cached_jars() is None:
        print(f"fetching Neo4j into {neo4j_jars.tools_home()} (once)", flush=True)
    for wanted in (neo4j_jars.java, neo4j_jars.fetch_jars, chromium, clients):
        try:
            wanted()
        except EmbeddedError as error:
            sys.stderr.write(f"{error}\n")
            failed = 1
    return failed


def chromium() -> str:
    """Return Chromium's path, installing it where we may."""
    return system_packages.require(CHROMIUM_NAMES, system_packages.CHROMIUM)


def clients() -> None:
    """Install the clients of the conformance tests, where Node is. Where they cannot be had these tests are skipped and
    say why, so that is told and is no failure."""
    try:
        node_packages.install(node_packages.CLIENTS)
    except EmbeddedError as error:
        sys.stderr.write(f"tests with GraphQL clients of others will be skipped: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
