"""Starting, stopping, killing and doubling a whole product, with real processes and signals."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from intelgraph.embedded.layout import Layout
from intelgraph.embedded.ports import free_port
from tests.embedded.running import PROJECT, Running, eventually, left_alive

Make = Callable[..., Running]


def test_first_start_migrates_loads_the_demo_and_serves(product: Make) -> None:
    running = product().start()
    facts = running.get()
    assert facts["IG_MODE"] == "embedded"
    assert facts["IG_VAR"] == str(running.var)
    assert facts["IG_BASE_URL"] == f"http://127.0.0.1:{running.port}"
    assert facts["OBJECT_STORE_URL"] == f"file://{running.var}/objects"
    assert "ig_app:" in facts["DATABASE_URL"] and "ig_system:" in facts["DATABASE_SYSTEM_URL"]
    printed = running.text()
    for line in (
        "migrate done",
        "demo done",
        "demo-password",
        "owner@alpha.example",
        f"http://127.0.0.1:{running.port}",
    ):
        assert line in printed
    demo = json.loads(Layout.at(running.var).demo.read_text())
    assert demo["base_url"] == facts["IG_BASE_URL"] and demo["neo4j_url"] is None
    assert "127.0.0.1" in demo["database_url"] and "ig_owner" in demo["database_owner_url"]


def test_what_holds_secrets_is_readable_by_the_owner_only(product: Make) -> None:
    running = product().start()
    layout = Layout.at(running.var)
    for path in (layout.secrets, layout.demo, layout.redis / "redis.conf", layout.logs / "postgres.log"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(layout.sockets.stat().st_mode) == 0o700


def test_no_password_is_on_a_command_line_or_in_the_log(product: Make) -> None:
    running = product().start()
    secrets = [value for name, value in json.loads(Layout.at(running.var).secrets.read_text()).items()]
    shown = [running.text()]
    for process in running.family():
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ended meanwhile
            shown += process.cmdline()
    assert len(shown) > 20
    shown += [path.read_text(errors="replace") for path in Layout.at(running.var).logs.iterdir()]
    assert len(secrets) >= 8
    assert not [text for text in shown for secret in secrets if secret in text]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_stops_everything_and_leaves_neither_process_nor_zombie(
    product: Make, number: signal.Signals
) -> None:
    running = product().start()
    family = running.family()
    assert len(family) > 8
    running.signal_group(number)
    assert running.wait(60) == 0
    assert left_alive(family) == []
    assert not list(Layout.at(running.var).sockets.iterdir())


def test_under_make_the_signals_reach_the_supervisor(product: Make, tmp_path: Path) -> None:
    running = product()
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {PROJECT}/.venv/bin/python -m tests.embedded.tiny_product\n")
    with running.log.open("ab") as log:
        running.process = subprocess.Popen(
            ["make", "-f", str(makefile), "run"],
            cwd=PROJECT,
            env=running.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    eventually(lambda: "ready after" in running.text())
    family = running.family()
    running.signal_group(signal.SIGINT)  # reaches make and the supervisor at once, as from a terminal
    running.wait(60)
    assert left_alive(family) == []


def test_a_stop_while_starting_leaves_nothing(product: Make) -> None:
    running = product().spawn()
    eventually(lambda: "servers are up" in running.text())
    family = running.family()
    running.popen.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    assert left_alive(family) == []


def test_what_dies_comes_back(product: Make) -> None:
    running = product().start()
    web = running.get()["pid"]
    os.kill(web, signal.SIGKILL)
    eventually(lambda: (running.answers() or {}).get("pid", web) != web)
    for server in ("redis-server", "bin/postgres"):
        before = running.member(server)
        before.kill()
        eventually(lambda server=server, before=before: _replaced(running, server, before))
        eventually(running.answers)
    assert running.text().count("starting it again") == 3


def test_a_killed_worker_takes_its_children_with_it(product: Make) -> None:
    running = product().start()
    worker = eventually(
        lambda: next((p for p in running.family() if p.cmdline()[-1:] == ["worker"] and p.children()), None)
    )
    (child,) = worker.children()
    worker.kill()
    eventually(lambda: "worker ended" in running.text())
    running.popen.send_signal(signal.SIGTERM)
    running.wait(60)
    assert left_alive([child]) == []


def test_nothing_is_lost_when_everything_is_killed(product: Make) -> None:
    running = product().start()
    for _ in range(3):
        running.get("/visit")
    running.kill_everything()
    running.start()
    assert running.get()["visits"] == 3
    running.popen.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0


def test_a_killed_supervisor_leaves_no_orphans(product: Make) -> None:
    running = product().start()
    family = running.family()
    running.popen.kill()
    running.wait()
    eventually(lambda: not [p for p in left_alive(family) if p.status() != psutil.STATUS_ZOMBIE])
    running.start()
    assert running.answers()


def test_leftovers_of_a_killed_run_are_ended_by_the_next(product: Make) -> None:
    running = product().start()
    stubborn = subprocess.Popen(
        ["sleep", "600"], env=os.environ | {"IG_SUPERVISED": str(running.var)}, start_new_session=True
    )
    foreign = subprocess.Popen(["sleep", "600"], env=os.environ | {"IG_SUPERVISED": f"{running.var}-other"})
    try:
        running.kill_everything()
        running.start()
        assert stubborn.wait(30) == -signal.SIGTERM
        assert foreign.poll() is None
    finally:
        for left in (stubborn, foreign):
            left.kill()
            left.wait()


def test_a_second_start_skips_what_is_done(product: Make) -> None:
    running = product().start()
    running.popen.send_signal(signal.SIGTERM)
    running.wait(60)
    running.start()
    assert running.text().count("migrate done") == 1
    assert running.text().count("demo done") == 1


def test_a_lost_database_is_migrated_again(product: Make) -> None:
    running = product().start()
    running.popen.send_signal(signal.SIGTERM)
    running.wait(60)
    shutil.rmtree(Layout.at(running.var).postgres)
    running.start()
    assert running.text().count("migrate done") == 2
    assert running.get()["visits"] == 0


def test_another_port_is_written_into_the_demo_file(product: Make) -> None:
    running = product().start()
    running.popen.send_signal(signal.SIGTERM)
    running.wait(60)
    moved = product(running.var, free_port()).start()
    demo = json.loads(Layout.at(moved.var).demo.read_text())
    assert demo["base_url"] == f"http://127.0.0.1:{moved.port}"
    assert demo["password"] == "demo-password"


def test_copies_run_beside_each_other(product: Make, var: Path) -> None:
    first = product().start()
    second = product(var.with_name("var2")).start()
    second.get("/visit")
    assert (first.get()["visits"], second.get()["visits"]) == (0, 1)
    second.signal_group(signal.SIGINT)
    assert second.wait(60) == 0
    assert first.answers()


def test_one_folder_serves_one_copy(product: Make) -> None:
    first = product().start()
    second = product(first.var, free_port()).spawn()
    assert second.wait(60) == 2
    assert f"{first.var} is in use by process {first.popen.pid}" in second.text()
    assert first.answers()


def test_a_taken_port_is_one_clear_line(product: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = product(port=taken.getsockname()[1]).spawn()
        assert running.wait(60) == 2
    assert running.text().count("\n") == 1
    assert f"port {running.port} is taken" in running.text()
    assert not (running.var / "postgres" / "data").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "none"), ("PORT", "70000"), ("IG_MODE", "production"), ("DATABASE_URL", "postgresql://elsewhere/x")],
)
def test_a_setting_out_of_range_is_named(product: Make, name: str, value: str) -> None:
    running = product()
    running.environment[name] = value
    assert running.spawn().wait(60) == 2
    assert name in running.text() or "DATABASE_OWNER_URL" in running.text()
    assert running.text().count("\n") == 1


def test_a_failing_migration_ends_the_start(product: Make) -> None:
    running = product(TINY_BROKEN="migrate").spawn()
    assert running.wait(60) == 1
    assert "broken on purpose" in running.text()
    assert "migrate failed (exit 1)" in running.text()


def test_a_process_that_never_works_ends_the_start(product: Make) -> None:
    running = product(TINY_BROKEN="worker").spawn()
    assert running.wait(90) == 1
    assert "worker ended 5 times at its start" in running.text()


def test_relative_folders_work(product: Make, var: Path) -> None:
    running = product()
    running.environment["VAR"] = os.path.relpath(var, PROJECT)
    running.start()
    assert running.get()["IG_VAR"] == str(var)


def test_a_path_too_long_for_sockets_works_and_leaves_nothing_behind(product: Make, var: Path) -> None:
    deep = var.joinpath(*["a" * 40] * 3)
    deep.parent.mkdir(parents=True)
    running = product(deep).start()
    sockets = Layout.at(deep).socket_path
    assert deep not in sockets.parents
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    running.popen.send_signal(signal.SIGTERM)
    running.wait(60)
    assert not sockets.exists()


def test_services_from_outside_are_used_and_left_alone(product: Make, var: Path) -> None:
    host = product().start()
    environment = psutil.Process(host.get()["pid"]).environ()
    given = {
        name: environment[name] for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL", "REDIS_URL")
    }
    guest = product(var.with_name("guest"), **given).start()
    host.get("/visit")
    assert guest.get()["visits"] == 1
    assert not list((var.with_name("guest") / "postgres").iterdir())
    guest.popen.send_signal(signal.SIGTERM)
    guest.wait(60)
    assert host.answers()


def test_no_demo_when_it_is_not_wanted(product: Make) -> None:
    running = product(DEMO="0").start()
    time.sleep(0.2)
    assert not Layout.at(running.var).demo.exists()
    assert "demo" not in running.text()


def _replaced(running: Running, program: str, before: psutil.Process) -> bool:
    try:
        return running.member(program) != before
    except (LookupError, psutil.Error):
        return False
