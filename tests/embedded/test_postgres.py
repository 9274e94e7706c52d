"""The embedded PostgreSQL: roles and rights, what it survives, whom it lets in."""

import os
import pwd
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from intelgraph.embedded import ports, unprivileged
from intelgraph.embedded.errors import AlreadyRunning, EmbeddedError
from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.process import PRESENT_USER, Identity
from tests.embedded.running import PROJECT, eventually


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A running server for tests that leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="ig-emb-", ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder), fsync=False)
        postgres.start()
        yield postgres
        postgres.stop()


@pytest.fixture
def own(var: Path) -> Iterator[EmbeddedPostgres]:
    """A running server that the test may kill. It keeps its commits then without fsync: the operating system lives on."""
    postgres = EmbeddedPostgres(var, fsync=False)
    postgres.start()
    yield postgres
    postgres.stop()


def one(url: str, statement: str) -> tuple[object, ...]:
    """Return the first row of a statement."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("tcp", [False, True])
def test_each_role_signs_in_with_its_password_alone(server: EmbeddedPostgres, tcp: bool) -> None:
    urls = server.urls(tcp=tcp)
    for role, url in (("ig_owner", urls.owner), ("ig_app", urls.app), ("ig_system", urls.system)):
        assert one(url, "SELECT current_user, current_database()") == (role, "intelgraph")
        password = url.split(":")[2].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(password, "wrong"))
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(url.replace(f":{password}", ""))


def test_no_role_of_the_product_passes_by_the_policies(server: EmbeddedPostgres) -> None:
    statement = "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb), count(*) FROM pg_roles WHERE rolname LIKE 'ig\\_%'"
    assert one(server.urls().app, statement) == (False, 4)
    assert one(server.urls().app, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'ig_reader'") == (False,)


def test_the_owner_creates_and_the_application_only_uses(server: EmbeddedPostgres) -> None:
    urls = server.urls()
    with psycopg.connect(urls.owner) as owner:
        owner.execute("CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text)")
    with psycopg.connect(urls.app, autocommit=True) as app:
        app.execute("INSERT INTO notes (text) VALUES ('kept')")
        app.execute("CREATE TEMPORARY TABLE stage (text text)")
        for refused in (
            "TRUNCATE notes",
            "DROP TABLE notes",
            "CREATE TABLE mine (id int)",
            "ALTER TABLE notes ADD COLUMN x int",
            "SET ROLE ig_owner",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(refused.encode())


def test_a_function_may_be_handed_to_the_reader_and_is_closed_to_the_public(server: EmbeddedPostgres) -> None:
    urls = server.urls()
    with psycopg.connect(urls.owner) as owner:
        owner.execute("CREATE TABLE rows (n int)")
        owner.execute("INSERT INTO rows VALUES (7)")
        owner.execute("GRANT SELECT ON rows TO ig_reader")
        owner.execute(
            "CREATE FUNCTION seven() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS 'SELECT n FROM rows'"
        )
        owner.execute("ALTER FUNCTION seven() OWNER TO ig_reader")
    assert one(urls.app, "SELECT seven()") == (7,)
    assert one(urls.app, "SELECT has_function_privilege('public', 'seven()', 'EXECUTE')") == (False,)


def test_the_application_does_not_wait_or_idle_for_long(server: EmbeddedPostgres) -> None:
    names = ("lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
    asked = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    assert one(server.urls().app, asked) == ("5s", "30s", "1min")
    assert one(server.urls().owner, asked) == ("0", "0", "0")


def test_a_database_is_copied_and_dropped_while_in_use(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.urls().owner) as owner:
        owner.execute("CREATE TABLE kept (n int)")
    server.create_database("copy", template="intelgraph")
    with psycopg.connect(server.urls("copy").app) as app:
        assert app.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")
    server.drop_database("copy")
    assert one(
        server.urls().superuser,
        "SELECT datlocale, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'intelgraph'",
    ) == ("C.UTF-8", "UTF8")


def test_a_commit_survives_kill_9_of_every_process(own: EmbeddedPostgres) -> None:
    assert own.process is not None
    with psycopg.connect(own.urls().owner) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 41 + 1 AS n")
    postmaster = psutil.Process(own.process.pid)
    for process in [postmaster, *postmaster.children(recursive=True)]:
        process.kill()
    own.process.wait()
    assert (own.data / "postmaster.pid").exists()
    own.start()
    assert one(own.urls().owner, "SELECT n FROM kept") == (42,)


def test_an_orphaned_server_is_ended_by_the_next_start(var: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from intelgraph.embedded.postgres import EmbeddedPostgres\n"
        "class Unbound(EmbeddedPostgres):\n    end_signal = 0\n"  # as on systems whose kernel does not end it with us
        "server = Unbound(Path(sys.argv[1])); server.start(); print(server.process.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(var)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        orphan = psutil.Process(int(first.stdout.readline()))
        second = EmbeddedPostgres(var)
        with pytest.raises(AlreadyRunning, match=str(first.pid)):
            second.start()
        first.kill()
    assert orphan.is_running()
    try:
        second.start()
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert one(second.urls().app, "SELECT 1") == (1,)
    finally:
        second.stop()


def test_the_kernel_ends_the_server_with_its_starter(var: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from intelgraph.embedded.postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); server.start(); print(server.process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(var)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        server = psutil.Process(int(first.stdout.readline()))
        first.kill()
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_a_process_number_that_another_program_has_got_does_not_keep_it_from_starting(own: EmbeddedPostgres) -> None:
    assert own.process is not None
    marks = [own.data / "postmaster.pid", *own.layout.sockets.glob("*.lock")]
    kept = [mark.read_text() for mark in marks]
    own.stop()
    with subprocess.Popen(["sleep", "60"]) as other:
        for mark, text in zip(marks, kept, strict=True):
            mark.write_text("\n".join([str(other.pid), *text.splitlines()[1:]]) + "\n")
        own.start()
        assert other.poll() is None
        other.kill()


def test_a_taken_port_is_replaced(own: EmbeddedPostgres) -> None:
    before = ports.recorded(own.layout.services, "postgres")
    own.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", before))
        taken.listen()
        own.start()
        assert ports.recorded(own.layout.services, "postgres") != before
        assert one(own.urls(tcp=True).app, "SELECT 1") == (1,)


def test_a_first_start_that_was_cut_short_is_begun_anew(var: Path) -> None:
    half = var / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    postgres = EmbeddedPostgres(var, fsync=False)
    try:
        postgres.start()
        assert postgres.healthy()
    finally:
        postgres.stop()
    assert not half.exists()


def test_another_major_version_is_refused(own: EmbeddedPostgres) -> None:
    own.stop()
    (own.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="of PostgreSQL 17; this is 18"):
        own.start()


def test_changed_rights_and_passwords_are_mended_at_the_next_start(own: EmbeddedPostgres) -> None:
    with psycopg.connect(own.urls().superuser, autocommit=True) as connection:
        connection.execute("ALTER ROLE ig_app SUPERUSER PASSWORD 'changed'")
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    own.stop()
    own.start()
    assert one(own.urls().app, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == (False,)
    assert one(own.urls().app, "SELECT has_schema_privilege('public', 'CREATE')") == (False,)


def test_unchanged_passwords_are_not_written_again(server: EmbeddedPostgres) -> None:
    asked = "SELECT rolpassword FROM pg_authid WHERE rolname = 'ig_app'"
    before = one(server.urls().superuser, asked)
    server.configure()
    assert one(server.urls().superuser, asked) == before


class AsNobody(EmbeddedPostgres):
    """A server on a machine that refuses user namespaces to root, under an account that every system has."""

    def identity(self) -> Identity:
        """Return the account `nobody`, where we may become it."""
        entry = pwd.getpwnam("nobody")
        return Identity(account=(entry.pw_uid, entry.pw_gid)) if os.getuid() == 0 else PRESENT_USER


def test_root_never_runs_it_as_root(server: EmbeddedPostgres) -> None:
    who = unprivileged.identity()
    if os.getuid() == 0:
        assert who.namespace_uid or who.account
    else:
        assert who == PRESENT_USER
    assert one(server.urls().superuser, "SELECT count(*) > 0 FROM pg_ls_dir('.')") == (True,)


def closed_above(path: Path) -> Path | None:
    """Return the outermost folder on the way to `path` that only its owner may enter, or None."""
    return next((folder for folder in reversed(path.resolve().parents) if not folder.stat().st_mode & 0o001), None)


def test_where_namespaces_are_refused_an_account_runs_it_and_sees_nothing_else(var: Path) -> None:
    var.parent.chmod(0o711)
    postgres = AsNobody(var, fsync=False)
    closed = closed_above(PROJECT / "manage.py")
    if postgres.identity().account and closed:  # the server's own files are out of the account's reach
        with pytest.raises(EmbeddedError, match=f"but {closed} keeps it out"):
            postgres.start()
        return
    try:
        postgres.start()
        assert postgres.process is not None
        who = postgres.identity()
        if who.account:
            assert psutil.Process(postgres.process.pid).uids().real == who.account[0]
        assert one(postgres.urls().app, "SELECT 1") == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege if who.account else psycopg.errors.SyntaxError):
            one(postgres.urls().superuser, f"SELECT pg_read_file('{postgres.layout.secrets}')" if who.account else "-")
        postgres.stop()
        postgres.start()
    finally:
        postgres.stop()


def test_a_folder_that_keeps_the_account_out_is_named(var: Path) -> None:
    postgres = AsNobody(var, fsync=False)  # the folder above is open to its owner only
    if postgres.identity().account is None:
        unprivileged.require_access([var], PRESENT_USER)
        return
    with pytest.raises(EmbeddedError, match=f"but {closed_above(PROJECT / 'manage.py') or var.parent} keeps it out"):
        postgres.start()


def test_open_sessions_do_not_delay_the_stop(own: EmbeddedPostgres) -> None:
    assert own.process is not None
    process = own.process
    idle = psycopg.connect(own.urls().app)
    idle.execute("SELECT 1")
    own.stop()
    assert process.returncode == 0
    idle.close()
