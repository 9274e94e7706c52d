"""An embedded PostgreSQL 18: its data folder, its process, its roles."""

import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from intelgraph.embedded import ports, postgres_files, process, scram, secrets, unprivileged
from intelgraph.embedded.addresses import DATABASE, SUPERUSER, RoleUrls, postgres_urls
from intelgraph.embedded.errors import EmbeddedError, ServiceFailed
from intelgraph.embedded.layout import write_private
from intelgraph.embedded.programs import postgres_program
from intelgraph.embedded.service import EmbeddedServer

MAJOR_VERSION = "18"
LOCALE = "C.UTF-8"
INCLUDED = "intelgraph.conf"
HERE = Path(__file__).parent
# SIGINT: end sessions, write a checkpoint. SIGQUIT: leave at once, recover at the next start.
STOP_STEPS = (process.Step(signal.SIGINT, 6.0), process.Step(signal.SIGQUIT, 3.0), process.Step(signal.SIGKILL, 3.0))
ORPHAN_STEPS = (process.Step(signal.SIGINT, 5.0), process.Step(signal.SIGQUIT, 3.0), process.Step(signal.SIGKILL, 3.0))
RETRIED = ("Address already in use", "pre-existing shared memory block", "already exists")


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL under `<var>/postgres`, on a Unix socket and on a loopback port, with the product's roles and database.

    `fsync=False` gives up safety against a power failure for speed, for tests only. `settings` are further lines of
    postgresql.conf.
    """

    name = "postgres"
    steps = STOP_STEPS
    end_signal = signal.SIGINT
    ready_within_s = 300.0  # recovery after a crash replays up to max_wal_size

    def __init__(self, var: Path, *, fsync: bool = True, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(var)
        self.fsync = fsync
        self.settings = dict(settings or {})
        self.created_database = False
        self._identity = process.PRESENT_USER

    @property
    def folder(self) -> Path:
        """PostgreSQL's folder."""
        return self.layout.postgres

    @property
    def data(self) -> Path:
        """The data folder (PGDATA)."""
        return self.folder / "data"

    def identity(self) -> process.Identity:
        """Return as whom the server runs: never as root, which PostgreSQL refuses. Raises EmbeddedError."""
        return unprivileged.identity()

    def prepare(self) -> None:
        """Create the cluster if it is missing, end what a dead supervisor left, and write the configuration.

        Raises AlreadyRunning, or EmbeddedError when the data folder is of another major version.
        """
        self._take_folder()
        self._identity = self.identity()
        if self._identity.account is not None:
            self._open_for_account(self._identity.account)
        if self.data.exists():
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
            if version != MAJOR_VERSION:
                raise EmbeddedError(
                    f"{self.data} is of PostgreSQL {version}; this is {MAJOR_VERSION}. Dump it with the old release, or set VAR to a new folder"
                )
            self._end_leftovers()
        else:
            self._create_cluster()
        self._write_configuration()

    def spawn(self) -> None:
        """Start the postmaster."""
        self._spawn([postgres_program("postgres"), "-D", self.data], cwd=self.data, identity=self._identity)

    def wait_ready(self) -> None:
        """Return when queries are answered; a start that lost its port or met a dying process is made again."""
        for attempt in range(4):
            try:
                super().wait_ready()
                return
            except ServiceFailed:
                if (
                    self._stopping
                    or self.running
                    or attempt == 3
                    or not any(text in self.log_end(8) for text in RETRIED)
                ):
                    raise
            time.sleep(0.5 * (attempt + 1))
            self._end_leftovers()
            self._write_configuration()
            self.spawn()

    def healthy(self) -> bool:
        """Return whether a query is answered now."""
        try:
            with psycopg.connect(self.urls("postgres").superuser, connect_timeout=3) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def configure(self) -> None:
        """Create or mend the roles, their passwords and the product's database; idempotent."""
        known = secrets.load(self.layout)
        passwords = {"ig_owner": known.owner_password, "ig_app": known.app_password, "ig_system": known.system_password}
        with psycopg.connect(self.urls("postgres").superuser, autocommit=True) as connection:
            connection.execute((HERE / "roles.sql").read_bytes())
            stored: dict[str, str | None] = dict(
                connection.execute("SELECT rolname, rolpassword FROM pg_catalog.pg_authid").fetchall()
            )
            for role, password in passwords.items():
                if not scram.matches(stored.get(role), password):
                    # The verifier is made here: a password in a statement could end in the server's log.
                    verifier = connection.pgconn.encrypt_password(
                        password.encode(), role.encode(), b"scram-sha-256"
                    ).decode()
                    connection.execute(
                        sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
                    )
            row = connection.execute(
                "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone()
            self.created_database = row == (0,)
        if self.created_database:
            self.create_database(DATABASE)
        else:
            self._grant(DATABASE)

    def stop(self) -> None:
        """End the server and whatever of it outlived that."""
        self._stopping = True
        if self.process is not None:
            process.end(self.process, self.steps)
            process.end_strangers(process.working_in(self.data, "postgres"), ORPHAN_STEPS[1:])
        super().stop()

    def urls(self, database: str = DATABASE, *, tcp: bool = False) -> RoleUrls:
        """Return the addresses of `database`, over the Unix socket or, with `tcp`, over loopback.

        They are those of the cluster's last start, so another process may ask for them too.
        """
        return postgres_urls(self.layout, database, tcp=tcp)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create database `name`, owned by `ig_owner`, as a copy of database `template` when one is named.

        Raises psycopg.errors.DuplicateDatabase when it exists, psycopg.errors.ObjectInUse when somebody is connected to the template.
        """
        statement = sql.SQL("CREATE DATABASE {} OWNER ig_owner TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        if template is None:
            statement += sql.SQL(
                " ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE {} LC_COLLATE 'C' LC_CTYPE 'C'"
            ).format(sql.Literal(LOCALE))
        with psycopg.connect(self.urls("postgres").superuser, autocommit=True) as connection:
            connection.execute(statement)
        self._grant(name)

    def drop_database(self, name: str) -> None:
        """Drop database `name`, ending its sessions; harmless when there is none."""
        with psycopg.connect(self.urls("postgres").superuser, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _grant(self, database: str) -> None:
        with psycopg.connect(self.urls(database).superuser, autocommit=True) as connection:
            connection.execute((HERE / "database.sql").read_bytes())

    def _create_cluster(self) -> None:
        """Run initdb beside the final place and move it there, so that a start that is cut short leaves no half of a cluster."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.folder / ".initdb-password"
        write_private(password_file, secrets.load(self.layout).postgres_password + "\n")
        if self._identity.account is not None:
            os.chown(password_file, *self._identity.account)
        options = [
            "-U",
            SUPERUSER,
            f"--pwfile={password_file}",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-instructions",
        ]
        options += ["--locale-provider=builtin", f"--builtin-locale={LOCALE}", *([] if self.fsync else ["--no-sync"])]
        try:
            status, printed = process.run(
                [postgres_program("initdb"), "-D", fresh, *options], cwd=self.folder, identity=self._identity
            )
        finally:
            password_file.unlink(missing_ok=True)
        if status != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise ServiceFailed(f"initdb failed ({status}): {' | '.join(printed.splitlines()[-3:])}")
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"\ninclude_if_exists '{INCLUDED}'\n")
        fresh.replace(self.data)

    def _write_configuration(self) -> None:
        text = postgres_files.configuration(
            port=ports.settle(self.layout.services, "postgres"),
            sockets=self.layout.socket_folder(self._owner()),
            fsync=self.fsync,
            settings=self.settings,
        )
        for name, content in ((INCLUDED, text), ("pg_hba.conf", postgres_files.HBA)):
            write_private(self.data / name, content)
            if self._identity.account is not None:
                os.chown(self.data / name, *self._identity.account)

    def _end_leftovers(self) -> None:
        """End a postmaster and sessions that an earlier supervisor left on this data folder, and remove their marks."""
        left = process.end_strangers(process.working_in(self.data, "postgres"), ORPHAN_STEPS)
        if left:
            raise ServiceFailed(
                f"PostgreSQL processes of {self.data} cannot be ended: {', '.join(str(item.pid) for item in left)}"
            )
        # A number that another program has got meanwhile would keep the server from starting. While the number is nobody's,
        # the file stays: PostgreSQL finds the dead server's shared memory by it.
        for mark in (self.data / "postmaster.pid", *self.layout.socket_folder(self._owner()).glob(".s.PGSQL.*.lock")):
            try:
                number = int(mark.read_text(encoding="utf-8").splitlines()[0])
            except (OSError, ValueError, IndexError):
                number = 0
            if number == 0 or psutil.pid_exists(number):
                mark.unlink(missing_ok=True)

    def _owner(self) -> int | None:
        return None if self._identity.account is None else self._identity.account[0]

    def _open_for_account(self, account: tuple[int, int]) -> None:
        """Hand PostgreSQL's own folder to the system account and let it pass through `var/`, whose other contents stay closed."""
        self.layout.root.chmod(self.layout.root.stat().st_mode | 0o011)
        os.chown(self.folder, *account)
        unprivileged.require_access([postgres_program("postgres"), self.folder], self._identity)
