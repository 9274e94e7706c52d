"""Run a command beside a PostgreSQL and a Redis of its own, in a temporary folder: `python -m scripts.with_services -- COMMAND...`.

For commands that need a database but no data: migration checks, linters. Exits as the command does.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from intelgraph.embedded import addresses
from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.redis import EmbeddedRedis


def main(arguments: list[str]) -> int:
    """Start the servers, run the command, stop them."""
    command = arguments[arguments.index("--") + 1 :] if "--" in arguments else arguments
    if not command:
        sys.stderr.write("usage: python -m scripts.with_services -- COMMAND...\n")
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="ig-") as var:
        postgres, redis = EmbeddedPostgres(Path(var), fsync=False), EmbeddedRedis(Path(var), fsync=False)
        try:
            postgres.start()
            redis.start()
            return subprocess.run(
                command, env=os.environ | addresses.environment(postgres.layout), check=False
            ).returncode
        except EmbeddedError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        finally:
            redis.stop()
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
