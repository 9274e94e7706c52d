"""Installations of their own for tests that damage a ledger: a database, a folder of objects, and `manage.py`.

A tampered ledger must not be met by other tests, so each works on a copy of one filled database.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connections

from apps.core.ids import new_id
from apps.vault import store
from tests.embedded_services import services

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("ledger_record", "ledger_item", "ledger_link", "ledger_checkpoint")

FILL = """
import django
django.setup()
from django.db import transaction
from apps.bus import services as bus
from apps.bus.management.commands.relay import system_conninfo
from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.ledger.services import Sequencer
from apps.ledger.types import Item
from apps.tenants import services as tenants
from apps.tenants.events import TenantStatusChanged
from apps.vault import services as vault

ctx = service_context("filler")
vault.ensure_signing_key(ctx)
sequencer = Sequencer(system_conninfo())
assert sequencer.acquire()
info = tenants.create_tenant(ctx, slug="alpha", name="Alpha", home_region="eu-west-1")
mine = ctx.but(tenant_id=info.id, tenant_slug="alpha")
for number in range(2, 26):
    with tenant_scope(info.id), transaction.atomic():
        items = [Item("entity", new_id(), "created", 1, "Asset", bytes(32)) for _ in range(4 if number % 5 == 0 else 0)]
        sealed = {"email": "ada@alpha.example"} if number % 6 == 0 else {}
        event = TenantStatusChanged(info.id, "active", "active", f"reason {number}")
        bus.record(mine, event, items=items, sealed=sealed)
    if number in (10, 20):
        sequencer.tick()
        vault.write_checkpoints(ctx)
        vault.rotate_key(ctx)
sequencer.tick()
sequencer.release()
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def _point(used: list[Any], names: list[str]) -> None:
    for connection, name in zip(used, names, strict=True):
        connection.close()
        connection.close_pool()
        connection.settings_dict["NAME"] = name


@dataclass
class Installation:
    """One database with its folder of objects."""

    name: str
    objects: Path

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that works here."""
        urls = services().urls(self.name)
        return os.environ | {
            "DATABASE_URL": urls.app,
            "DATABASE_OWNER_URL": urls.owner,
            "DATABASE_SYSTEM_URL": urls.system,
            "OBJECT_STORE_URL": f"file:{self.objects}",
            "DJANGO_SETTINGS_MODULE": "intelgraph.settings",
            "IG_LOG_LEVEL": "ERROR",
        }

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this very process work here: its connections lead to this database, its store to these objects."""
        before = store.default
        used = [connections[alias] for alias in ("default", "system")]
        names = [connection.settings_dict["NAME"] for connection in used]
        _point(used, [self.name] * len(used))
        store.default = lambda: store.Store(store.connect(f"file:{self.objects}"))  # type: ignore[assignment]
        try:
            yield
        finally:
            store.default = before
            _point(used, names)

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a Python program here."""
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )

    def manage(self, *arguments: object) -> Done:
        """Run a command of `manage.py` here, in this process."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with self.entered():
            try:
                call_command(*map(str, arguments), stdout=out, stderr=err)
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    def verify(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run `ledger verify --json`; return its exit code and report."""
        done = self.manage("ledger", "verify", "--json", *arguments)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    def sql(self, *statements: str) -> list[Any]:
        """Run statements as the owner, past what protects the ledger; return the rows of the last."""
        with psycopg.connect(services().urls(self.name).owner) as connection:
            for table in TABLES:
                connection.execute(f"alter table {table} disable trigger user")
            rows: list[Any] = []
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
            for table in TABLES:
                connection.execute(f"alter table {table} enable always trigger append_only")
            return rows

    def drop(self) -> None:
        """Remove the database."""
        services().drop_database(self.name)


@contextmanager
def filled(folder: Path) -> Iterator[Installation]:
    """An installation whose tenant `alpha` has 25 records, items, sealed values, and checkpoints at 10 and 20."""
    installation = Installation(f"filled_{new_id().hex}", folder / "filled")
    services().create_database(installation.name)
    for arguments in (("manage.py", "migrate", "--database", "owner", "--verbosity", "0"), ("-c", FILL)):
        done = installation.run(*arguments)
        assert done.returncode == 0, done.stderr
    yield installation
    installation.drop()


@contextmanager
def copy_of(original: Installation, folder: Path) -> Iterator[Installation]:
    """A copy that may be damaged."""
    copy = Installation(f"copy_{new_id().hex}", folder / "objects")
    services().create_database(copy.name, template=original.name)
    shutil.copytree(original.objects, copy.objects)
    yield copy
    copy.drop()
