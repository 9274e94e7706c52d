"""What `manage.py up` is told: by options, by the environment, by defaults, in this order."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import Layout

OUTSIDE_DATABASE = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL")


@dataclass(frozen=True, slots=True)
class Options:
    """How the product is brought up."""

    port: int
    layout: Layout
    demo: bool
    outside_database: bool
    outside_redis: bool


def read(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Return the options that the command line and `environ` give.

    Raises EmbeddedError naming what is out of range or missing; ends the process with status 2 on an unknown option.
    """
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Run the product with its own PostgreSQL and Redis."
    )
    parser.add_argument(
        "--port", default=environ.get("PORT") or "8000", help="loopback port of the website (PORT, 8000)"
    )
    parser.add_argument(
        "--var",
        default=environ.get("VAR") or environ.get("IG_VAR") or "var",
        help="folder for everything that is kept (VAR, var)",
    )
    parser.add_argument("--no-demo", action="store_true", help="start without the demo (DEMO=0)")
    given = parser.parse_args(arguments)
    if not (given.port.isascii() and given.port.isdigit() and 0 < int(given.port) < 65_536):
        raise EmbeddedError(f"PORT is {given.port!r}; use a number from 1 to 65535")
    if environ.get("IG_MODE", "embedded") != "embedded":
        raise EmbeddedError(
            f"IG_MODE is {environ['IG_MODE']!r}; `up` is the embedded mode, see docs/operate/ for the others"
        )
    outside = [name for name in OUTSIDE_DATABASE if environ.get(name)]
    if outside and len(outside) != len(OUTSIDE_DATABASE):
        missing = ", ".join(name for name in OUTSIDE_DATABASE if name not in outside)
        raise EmbeddedError(
            f"{outside[0]} names an outside PostgreSQL, but {missing} is not set; set all of them or none"
        )
    return Options(
        port=int(given.port),
        layout=Layout.at(given.var),
        demo=not given.no_demo and environ.get("DEMO", "1").lower() not in {"0", "no", "false", "off"},
        outside_database=bool(outside),
        outside_redis=bool(environ.get("REDIS_URL")),
    )
