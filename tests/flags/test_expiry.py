"""When a flag should go: dates, days of grace, flags that nobody asks for; on the command line and as events."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.clock import fixed, utc_now
from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.metrics import exposition
from apps.core.scope import system_scope
from apps.flags import selectors, services, usage
from apps.flags.definition import parse
from apps.flags.events import FlagExpired, FlagWentStale
from apps.flags.expiry import findings_of
from apps.flags.models import Flag, Usage
from apps.flags.types import FindingKind
from apps.gateway.backlog import Backlog
from tests.flags.documents import document
from tests.flags.test_registry import CTX, make, told

DAY = date(2026, 3, 31)


def kinds(today: date, **more: Any) -> list[str]:
    one = parse(document(key="a.flag", **{"expires": str(DAY), **more}))
    return [found.kind.value for found in findings_of([one], today=today, grace_days=14)]


def test_a_date_is_good_until_it_has_ended_then_warns_then_fails() -> None:
    assert kinds(DAY) == []
    assert kinds(DAY + timedelta(days=1)) == ["expired"]
    assert kinds(DAY + timedelta(days=14)) == ["expired"]
    assert kinds(DAY + timedelta(days=15)) == ["overdue"]
    assert kinds(DAY + timedelta(days=15), expires="never") == []


def test_only_what_is_overdue_fails() -> None:
    one = parse(document(expires=str(DAY)))
    for days, fails in ((1, False), (15, True)):
        (found,) = findings_of([one], today=DAY + timedelta(days=days), grace_days=14)
        assert (found.fails, found.key, found.owner, found.since) == (fails, one.key, "platform-eng", DAY)


def test_a_flag_that_nobody_asks_for_is_stale() -> None:
    one = parse(document(key="a.flag"))
    now = datetime(2026, 3, 31, tzinfo=UTC)

    def stale(seen_days: int | None, known_days: int) -> list[FindingKind]:
        seen = {} if seen_days is None else {"a.flag": now - timedelta(days=seen_days)}
        known = {"a.flag": now - timedelta(days=known_days)}
        found = findings_of([one], today=DAY, grace_days=14, stale_days=30, seen=seen, known_since=known)
        return [one.kind for one in found]

    assert stale(None, 31) == [FindingKind.STALE]
    assert stale(31, 90) == [FindingKind.STALE]
    assert stale(3, 90) == []
    assert stale(None, 30) == [], "a new flag has its time"
    assert findings_of([one], today=DAY, grace_days=14, stale_days=30) == [], "nothing is known of it"


def manage(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "flags", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "intelgraph.settings", **settings},
        cwd=Path(__file__).resolve().parents[2],
        timeout=120,
        check=False,
    )


REGISTRY = """
flags:
  - {key: one, owner: team, scope: tenant, expires: 2026-03-31, killswitch: true, risk: low}
  - {key: two, owner: team, scope: tenant, expires: never, killswitch: true, risk: low}
"""
AWAY = dict.fromkeys(("DATABASE_URL", "DATABASE_SYSTEM_URL"), "postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize(
    ("today", "code", "passed", "found"),
    [
        ("2026-03-31", 0, True, []),
        ("2026-04-01", 0, True, ["expired"]),
        ("2026-04-15", 1, False, ["overdue"]),
    ],
)
def test_a_pipeline_is_warned_then_stopped(
    tmp_path: Path, today: str, code: int, passed: bool, found: list[str]
) -> None:
    file = tmp_path / "flags.yaml"
    file.write_text(REGISTRY)
    done = manage("check", "--file", str(file), "--today", today, "--json", **AWAY)
    assert done.returncode == code, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["passed"], answer["checked"]) == (passed, 2)
    assert [one["kind"] for one in answer["findings"]] == found


def test_what_cannot_be_checked_is_no_pass(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(REGISTRY.replace("low", "none"))
    for arguments in (
        ("check", "--file", str(broken)),
        ("check", "--file", str(tmp_path / "missing.yaml")),
        ("check", "--today", "tomorrow"),
        ("guess",),
        (),
    ):
        done = manage(*arguments, **AWAY)
        assert done.returncode == 2, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    assert "flags[0].risk" in manage("check", "--file", str(broken), **AWAY).stderr


def test_the_installed_registry_is_checked_and_a_switch_is_thrown_from_the_command_line() -> None:
    services.declare(CTX)
    key = make(default="on")
    checked = manage("check", "--json")
    overdue = [one["key"] for one in json.loads(checked.stdout)["findings"] if one["fails"]]
    assert ("subs.optimizedBuffer" in overdue) == (utc_now().date() > DAY + timedelta(days=14))
    assert checked.returncode == (1 if overdue else 0)
    assert manage("kill", key, "--reason", "it leaks").returncode == 0
    assert selectors.is_on(CTX, key) is False
    again = manage("kill", key, "--reason", "again")
    assert (again.returncode, "killed already" in again.stderr) == (1, True)
    assert manage("kill", key).returncode == 2
    listed = json.loads(manage("list", "--json").stdout)
    assert {one["key"]: one["state"] for one in listed}[key] == "killed"
    assert told(key)[0]["reason"] == "it leaks"


def test_an_expiry_is_told_once_in_each_stage() -> None:
    key = make(expires=str(DAY))

    def tend(day: date) -> None:
        services.tend(CTX.but(clock=fixed(datetime(day.year, day.month, day.day, tzinfo=UTC))))

    tend(DAY)
    assert told(key, FlagExpired.name) == []
    for days in (1, 2, 15, 16):
        tend(DAY + timedelta(days=days))
    assert [one["overdue"] for one in told(key, FlagExpired.name)] == [True, False]
    services.change_flag(CTX, key=key, changes={"expires": "2026-06-30"}, expected_version=1, reason="two more teams")
    tend(DAY + timedelta(days=20))
    assert len(told(key, FlagExpired.name)) == 2
    tend(date(2026, 7, 1))
    assert [one["expires"] for one in told(key, FlagExpired.name)] == ["2026-06-30", "2026-03-31", "2026-03-31"]


def test_a_flag_gone_stale_is_told_once_until_it_is_used_again() -> None:
    key = make()
    with system_scope("flags.registry"):
        Flag.objects.filter(key=key).update(created_at=utc_now() - timedelta(days=90))
    services.tend(CTX)
    services.tend(CTX)
    assert [one["last_seen"] for one in told(key, FlagWentStale.name)] == [""]
    selectors.is_on(service_context("somebody"), key)
    with system_scope("flags.registry"):
        for _ in range(200):
            usage.write()
            if Usage.objects.filter(key=key).exists():
                break
    assert key not in {one.key for one in selectors.findings(CTX)}


def test_what_should_go_is_a_metric() -> None:
    def overdue() -> float:
        page, _ = exposition("", [Backlog()])
        (found,) = re.findall(rb'^ig_flags_to_remove\{kind="overdue"\} ([\d.]+)', page, re.M)
        return float(found)

    before = overdue()
    key = make(expires="2020-01-31")
    assert overdue() == before + 1
    services.archive(CTX, key=key, reason="done")
    assert overdue() == before


def test_an_archived_flag_is_nobodys_trouble() -> None:
    key = make(expires=str(DAY))
    assert key in {one.key for one in selectors.findings(CTX)}
    services.archive(CTX, key=key, reason=f"done {new_id()}")
    assert key not in {one.key for one in selectors.findings(CTX)}
