"""A product of a few lines under the real supervisor: `python -m tests.embedded.tiny_product --port P --var V`.

Its processes are real, its PostgreSQL and Redis are the embedded ones; only what they serve is small, so that starts,
kills and stops can be tested many times in seconds. `TINY_BROKEN=name` makes that process end at its start.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg

from intelgraph.embedded.layout import Layout, write_object
from intelgraph.embedded.process import GENTLE
from intelgraph.embedded.specs import Plan, ProcessSpec
from intelgraph.embedded.supervisor import main

SHOWN = (
    "IG_MODE",
    "IG_VAR",
    "IG_BASE_URL",
    "OBJECT_STORE_URL",
    "REDIS_URL",
    "NEO4J_URL",
    "DATABASE_URL",
    "DATABASE_SYSTEM_URL",
)


class Site(BaseHTTPRequestHandler):
    """Answers every GET with the settings that its process was given and the number of visits that the database counts."""

    def do_GET(self) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            if self.path == "/visit":
                connection.execute("INSERT INTO visits DEFAULT VALUES")
            row = connection.execute("SELECT count(*) FROM visits").fetchone()
        facts = {name: os.environ.get(name) for name in SHOWN} | {"visits": row[0] if row else None, "pid": os.getpid()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(facts).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the supervisor's own lines are under test."""


def web(port: str) -> None:
    """Serve until a signal comes."""
    ThreadingHTTPServer(("127.0.0.1", int(port)), Site).serve_forever()


def worker() -> None:
    """Work with a child of its own, as a pool does, and leave it behind when killed."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sys.stdout.write(f"child {child.pid}\n")
    sys.stdout.flush()
    try:
        time.sleep(600)
    finally:
        child.terminate()


def migrate() -> None:
    """Create the table of the site and the one in which Django notes its migrations."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS django_migrations (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"
        )
        connection.execute("INSERT INTO django_migrations DEFAULT VALUES")


def demo() -> None:
    """Write the demo's file as the product does."""
    users = {"owner@alpha.example": {"totp_secret": "A"}}
    write_object(
        Layout.at(os.environ["IG_VAR"]).demo,
        {"base_url": os.environ["IG_BASE_URL"], "password": "demo-password", "users": users},
    )


def plan(layout: Layout, port: int) -> Plan:
    """Return the tiny product's plan."""
    itself = (sys.executable, "-m", "tests.embedded.tiny_product")
    broken = (sys.executable, "-c", "raise SystemExit('broken on purpose')")

    def command(name: str, *arguments: str) -> tuple[str, ...]:
        return broken if os.environ.get("TINY_BROKEN") == name else (*itself, name, *arguments)

    return Plan(
        processes=(
            ProcessSpec("web", command("web", str(port)), GENTLE),
            ProcessSpec("worker", command("worker"), GENTLE, stage=1, after_web=True),
        ),
        migrate=command("migrate"),
        load_demo=command("demo"),
    )


if __name__ == "__main__":
    roles = {"worker": worker, "migrate": migrate, "demo": demo}
    if sys.argv[1:2] == ["web"]:
        web(sys.argv[2])
    elif sys.argv[1:2] and sys.argv[1] in roles:
        roles[sys.argv[1]]()
    else:
        sys.path.insert(0, str(Path.cwd()))
        sys.exit(main(plan=plan))
