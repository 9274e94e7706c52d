"""`make neo4j`: a Neo4j in this terminal, beside a running product, until Ctrl-C."""

import os
import signal
import sys
import threading

from intelgraph.embedded.console import Console
from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import Layout
from intelgraph.embedded.neo4j import EmbeddedNeo4j

POLL_S = 0.5


def main() -> int:
    """Run Neo4j in VAR until a signal comes. Returns 0 then, 1 when Neo4j ended by itself, 2 when it could not begin."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    console = Console()
    server = EmbeddedNeo4j(Layout.at(os.environ.get("VAR") or "var").root)
    try:
        console.raw("starting Neo4j")
        server.start()
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        console.raw(f"Neo4j answers at {server.url()}\n`make run` with the same VAR uses it. Ctrl-C stops it.")
        while not asked.wait(POLL_S):
            if not server.running:
                sys.stderr.write(f"Neo4j ended: {server.log_end()} (log: {server.log})\n")
                return 1
        return 0
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
