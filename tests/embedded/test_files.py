"""Secrets, ports, locks and paths: what is kept between starts, and what is refused."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelgraph.embedded import addresses, options, ports, scram, secrets
from intelgraph.embedded.errors import AlreadyRunning, EmbeddedError
from intelgraph.embedded.layout import Layout, read_object, write_private
from intelgraph.embedded.locks import FileLock
from intelgraph.embedded.postgres_files import configuration, quoted
from tests.embedded.running import PROJECT


@pytest.fixture
def layout(var: Path) -> Layout:
    """A created folder."""
    return Layout.at(var).create()


def test_secrets_are_made_once_and_differ(layout: Layout) -> None:
    made = secrets.load(layout)
    assert secrets.load(layout) == made
    assert len({made.secret_key, made.key_secret, made.app_password, made.owner_password, made.redis_password}) == 5
    assert len(made.secret_key) >= 50
    assert made.secret_key not in repr(made)


def test_an_added_secret_leaves_the_others_as_they_were(layout: Layout) -> None:
    made = secrets.load(layout)
    known = read_object(layout.secrets)
    del known["neo4j_password"]
    layout.secrets.write_text(json.dumps(known | {"later": "kept"}))
    again = secrets.load(layout)
    assert again.app_password == made.app_password
    assert again.neo4j_password != made.neo4j_password
    assert read_object(layout.secrets)["later"] == "kept"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"secret_key": 5}'])
def test_damaged_secrets_are_never_replaced(layout: Layout, content: str) -> None:
    layout.secrets.write_text(content)
    with pytest.raises(EmbeddedError, match="restore it"):
        secrets.load(layout)
    assert layout.secrets.read_text() == content


def test_secrets_open_to_others_are_closed(layout: Layout) -> None:
    secrets.load(layout)
    layout.secrets.chmod(0o644)
    secrets.load(layout)
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o600


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "one")
    inode = path.stat().st_ino
    write_private(path, "two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o600)
    assert path.stat().st_ino != inode
    assert list(tmp_path.iterdir()) == [path]


def test_a_port_stays_until_somebody_takes_it(tmp_path: Path) -> None:
    services = tmp_path / "services.json"
    port = ports.settle(services, "postgres")
    assert ports.settle(services, "postgres") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert not ports.is_free(port)
        assert ports.settle(services, "postgres") != port


def test_the_websites_port_is_given_to_no_server(tmp_path: Path) -> None:
    services = tmp_path / "services.json"
    port = ports.settle(services, "redis")
    ports.reserve(services, "web", port)
    assert ports.settle(services, "redis") != port
    assert ports.recorded(services, "web") == port
    with pytest.raises(EmbeddedError, match="never started"):
        ports.recorded(services, "neo4j")


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = (
        "import sys; from pathlib import Path; from intelgraph.embedded.locks import FileLock\n"
        "FileLock(Path(sys.argv[1])).acquire(what='it'); lock = 1\nprint('held', flush=True); sys.stdin.read()"
    )
    lock = FileLock(path)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(AlreadyRunning, match=f"in use by process {holder.pid}"):
            lock.acquire(what="the folder")
        holder.kill()
    lock.acquire(what="the folder", wait_s=5)
    lock.acquire(what="the folder")
    lock.release()
    lock.release()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match="set VAR"):
        Layout.at(tmp_path / "file" / "var").create()


def test_sockets_are_not_put_into_a_folder_that_somebody_else_prepared(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path / ("a" * 100))
    prepared = layout.socket_path
    prepared.mkdir(mode=0o777)
    prepared.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="open to others"):
            layout.socket_folder()
        prepared.rmdir()
        prepared.symlink_to(tmp_path)
        with pytest.raises(EmbeddedError, match="another user or is open"):
            layout.socket_folder()
    finally:
        prepared.unlink() if prepared.is_symlink() else prepared.rmdir()


def test_commands_beside_a_running_product_find_it(layout: Layout) -> None:
    environ: dict[str, str] = {"IG_VAR": str(layout.root)}
    addresses.adopt(environ)
    assert environ == {"IG_VAR": str(layout.root)}
    secrets.load(layout)
    for name in ("postgres", "redis"):
        ports.settle(layout.services, name)
    production = {"IG_VAR": str(layout.root), "IG_MODE": "production"}
    addresses.adopt(production)
    assert "DATABASE_URL" not in production
    named = {"IG_VAR": str(layout.root), "DATABASE_URL": "postgresql://elsewhere/x"}
    addresses.adopt(named)
    assert "REDIS_URL" not in named
    addresses.adopt(environ)
    assert environ["DATABASE_URL"].startswith("postgresql://ig_app:")
    assert environ["REDIS_URL"].startswith("redis://:")
    assert len(environ["SECRET_KEY"]) >= 50


def test_options_come_from_the_command_line_then_the_environment(tmp_path: Path) -> None:
    environ = {"PORT": "9000", "VAR": str(tmp_path), "DEMO": "0"}
    assert options.read([], environ) == options.Options(9000, Layout.at(tmp_path), False, False, False)
    chosen = options.read(["--port", "9001", "--var", str(tmp_path / "b")], environ)
    assert (chosen.port, chosen.layout.root) == (9001, tmp_path / "b")
    assert options.read([], {}).port == 8000


# RFC 7677, section 3: user "user", password "pencil", 4096 iterations.
PENCIL = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
    ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_a_scram_verifier_matches_its_password_alone() -> None:
    assert scram.matches(PENCIL, "pencil")
    assert not scram.matches(PENCIL, "pencils")
    assert not scram.matches(PENCIL.replace("SHA-256$", "SHA-1$"), "pencil")
    for broken in (None, "", "md5abc", "SCRAM-SHA-256$4096:x", PENCIL.replace("W22Z", "!!!!")):
        assert not scram.matches(broken, "pencil")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_quoting_is_undone_as_postgres_does(value: str) -> None:
    inner = quoted(value)[1:-1]
    assert inner.replace("\\\\", "\0").replace("''", "'").replace("\0", "\\") == value
    assert "'" not in inner.replace("''", "")


def test_callers_settings_win_but_not_over_where_the_server_listens() -> None:
    text = configuration(
        port=5, sockets=Path("/s"), fsync=False, settings={"max_connections": "300", "listen_addresses": "*"}
    )
    assert "max_connections = '300'" in text and "listen_addresses = '127.0.0.1'" in text
    assert "fsync = 'off'" in text


def test_the_entry_point_loads_no_django() -> None:
    script = "import sys, intelgraph.embedded.supervisor; print('django' in sys.modules, 'apps' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_help_is_shown_without_a_database() -> None:
    began = time.monotonic()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "REDIS", "IG_"))
    }
    for command in (["manage.py", "up", "--help"], ["-m", "intelgraph.embedded", "--help"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
        )
        assert "--no-demo" in done.stdout
    assert began
