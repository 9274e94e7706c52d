"""Verbs of the registry: each change is recorded with before and after, and is every process's within a second."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from apps.connectors import services as connectors
from apps.connectors.models import IngestJob
from apps.core.context import service_context
from apps.core.errors import Conflict, InvalidInput, NotFound, StaleVersion, Unavailable
from apps.core.scope import PLATFORM_TENANT_ID, no_scope, system_scope, tenant_scope
from apps.flags import registry, selectors, services, snapshot, usage
from apps.flags.definition import parse
from apps.flags.errors import FlagInvalid
from apps.flags.events import CHANGES, FlagKilled
from apps.flags.models import Flag, Usage
from apps.flags.types import ErrorCode, Reason, State
from apps.ledger import selectors as ledger
from tests.conftest import TenantKit, make_tenant
from tests.flags.documents import document
from tests.gateway.live_server import free_port

CTX = service_context("test", region="eu-west-1")


def make(**more: Any) -> str:
    """Make a flag and return its key."""
    found = document(**more)
    services.create_flag(CTX, document=found, reason="a test")
    return str(found["key"])


def row_of(key: str) -> Flag:
    with system_scope("flags.registry"):
        return Flag.objects.get(key=key)


def told(key: str, *types: str, tenant: Any = PLATFORM_TENANT_ID) -> list[dict[str, Any]]:
    """What the ledger tells of a flag, newest first."""
    names = types or tuple(event.name for event in CHANGES)
    with system_scope("ledger.verify"):
        return [orjson.loads(one.body)["data"] for one in ledger.told(tenant, names, key="key", value=key)]


def test_a_flag_is_made_changed_and_seen_at_once(tenant: TenantKit) -> None:
    key = make()
    assert selectors.is_on(tenant.ctx, key) is False
    version = row_of(key).version
    services.change_flag(CTX, key=key, changes={"default": "on"}, expected_version=version, reason="pilot is done")
    assert selectors.is_on(tenant.ctx, key) is True
    changed, created = told(key)
    assert (created["before"], created["after"].get("default", None)) == ({}, None)
    assert changed["reason"] == "pilot is done"
    assert "default" not in changed["before"]
    assert changed["after"]["default"] == "on"
    assert changed["flag_version"] == version + 1


def test_every_type_has_its_value(tenant: TenantKit) -> None:
    cases: list[tuple[str, Any, Any]] = [
        ("boolean", True, False),
        ("string", "wide", ""),
        ("integer", 17, 0),
        ("float", 0.25, 0.0),
        ("object", {"a": {"b": [1, None, "x"]}}, {}),
    ]
    for kind, wanted, default in cases:
        key = make(type=kind, variants={"only": wanted}, default="only")
        found = selectors.value(tenant.ctx, key, default)
        assert (found, type(found)) == (wanted, type(wanted))
        other = "x" if kind != "string" else 1
        assert selectors.value(tenant.ctx, key, other) == other, "another type falls back"
    assert selectors.value(tenant.ctx, make(type="integer", variants={"a": 3}, default="a"), 0.5) == 3.0


def test_an_object_is_nobodys_to_change(tenant: TenantKit) -> None:
    key = make(type="object", variants={"only": {"list": [1]}}, default="only")
    selectors.value(tenant.ctx, key, {"list": [0]})["list"].append(2)
    assert selectors.value(tenant.ctx, key, {"list": [0]}) == {"list": [1]}


def test_an_unknown_flag_is_the_callers_own_default(tenant: TenantKit) -> None:
    assert selectors.is_on(tenant.ctx, "no.such.flag", True) is True
    assert selectors.value(tenant.ctx, "no.such.flag", "mine") == "mine"
    assert selectors.evaluate(selectors.subject_of(tenant.ctx), "no.such.flag").error is ErrorCode.FLAG_NOT_FOUND


def test_one_tenant_is_given_a_variant(tenant: TenantKit, outsider: TenantKit) -> None:
    key = make()
    before = row_of(key).version
    services.target_tenant(
        CTX, key=key, tenant_id=tenant.info.id, variant="on", expected_version=before, reason="they asked"
    )
    assert [selectors.is_on(one.ctx, key) for one in (tenant, outsider)] == [True, False]
    mine = told(key, "flags.flag.targeted", tenant=tenant.info.id)
    assert [(one["after"], one["reason"]) for one in mine] == [({"variant": "on"}, "they asked")]
    assert told(key, "flags.flag.targeted", tenant=outsider.info.id) == []
    services.target_tenant(
        CTX, key=key, tenant_id=tenant.info.id, variant=None, expected_version=before + 1, reason="over"
    )
    assert selectors.is_on(tenant.ctx, key) is False


def test_targeting_refuses_what_makes_no_sense(tenant: TenantKit) -> None:
    key, everywhere = make(), make(scope="global")

    def target(flag: str, variant: str, tenant_id: Any = tenant.info.id) -> None:
        services.target_tenant(CTX, key=flag, tenant_id=tenant_id, variant=variant, expected_version=1, reason="a test")

    for wrong, error in (
        (lambda: target(key, "maybe"), InvalidInput),
        (lambda: target(everywhere, "on"), InvalidInput),
        (lambda: target("no.such.flag", "on"), NotFound),
        (lambda: target(key, "on", PLATFORM_TENANT_ID), NotFound),
    ):
        with pytest.raises(error):
            wrong()
    assert row_of(key).tenants == {}
    assert row_of(key).version == 1


def test_a_kill_switch_is_thrown_and_put_back(tenant: TenantKit) -> None:
    key = make(default="on", rules=[{"serve": "on"}])
    assert selectors.is_on(tenant.ctx, key)
    services.kill(CTX, key=key, reason="it leaks connections")
    found = selectors.evaluate(selectors.subject_of(tenant.ctx), key)
    assert (found.value, found.reason) == (False, Reason.DISABLED)
    killed = told(key)[0]
    assert (killed["before"]["state"], killed["after"]["state"]) == ("live", "killed: it leaks connections")
    with pytest.raises(Conflict):
        services.kill(CTX, key=key, reason="again")
    services.restore(CTX, key=key, reason="mended")
    assert selectors.is_on(tenant.ctx, key)
    assert len(told(key)) == 3


def test_a_kill_needs_a_reason_and_a_switch() -> None:
    key, without = make(), make(killswitch=False)
    for reason in ("", "   ", "x" * 501):
        with pytest.raises(InvalidInput):
            services.kill(CTX, key=key, reason=reason)
    with pytest.raises(Conflict, match="no kill switch"):
        services.kill(CTX, key=without, reason="now")
    with pytest.raises(NotFound):
        services.kill(CTX, key="no.such.flag", reason="now")
    assert row_of(key).state == State.LIVE
    assert told(key, FlagKilled.name) == []


def test_an_archived_flag_is_not_there_and_comes_back(tenant: TenantKit) -> None:
    key = make(default="on")
    services.archive(CTX, key=key, reason="the feature is everyone's")
    assert selectors.is_on(tenant.ctx, key) is False
    assert key not in {flag.definition.key for flag, _ in selectors.evaluate_all(selectors.subject_of(tenant.ctx))}
    assert row_of(key).state == State.ARCHIVED, "nothing is deleted"
    services.restore(CTX, key=key, reason="not yet")
    assert selectors.is_on(tenant.ctx, key) is True


def test_a_flag_of_the_file_is_not_archived_and_only_its_changeable_fields_are_set() -> None:
    services.declare(CTX)
    with pytest.raises(Conflict, match="declared"):
        services.archive(CTX, key="subs.optimizedBuffer", reason="old")
    with pytest.raises(InvalidInput, match="cannot be changed"):
        services.change_flag(
            CTX, key="subs.optimizedBuffer", changes={"killswitch": False}, expected_version=1, reason="old"
        )
    with pytest.raises(Conflict, match="already"):
        services.create_flag(CTX, document=document(key="subs.optimizedBuffer"), reason="mine")


def test_a_wrong_change_changes_nothing() -> None:
    key = make()
    for changes in ({"default": "maybe"}, {"rules": [{"serve": "on", "split": {}}]}, {"expires": "tomorrow"}):
        with pytest.raises(FlagInvalid):
            services.change_flag(CTX, key=key, changes=changes, expected_version=1, reason="a test")
    with pytest.raises(Conflict, match="nothing would change"):
        services.change_flag(CTX, key=key, changes={"risk": "low"}, expected_version=1, reason="a test")
    assert (row_of(key).version, len(told(key))) == (1, 1)


def test_of_two_administrators_the_second_is_told() -> None:
    key = make()
    services.change_flag(CTX, key=key, changes={"about": "first"}, expected_version=1, reason="first")
    with pytest.raises(StaleVersion) as refused:
        services.change_flag(CTX, key=key, changes={"about": "second"}, expected_version=1, reason="second")
    assert refused.value.details == {"expected": 1, "current": 2}
    assert row_of(key).own["about"] == "first"


def race(*acts: Callable[[], Any]) -> list[BaseException | None]:
    """Do things at the same time; return what each raised."""
    together, raised = threading.Barrier(len(acts)), [None] * len(acts)

    def run(index: int, act: Callable[[], Any]) -> None:
        from django.db import connections

        together.wait()
        try:
            with no_scope():
                act()
        except Exception as error:
            raised[index] = error  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised  # type: ignore[return-value]


def test_of_eight_who_race_one_wins() -> None:
    key = make()

    def act(number: int) -> Callable[[], Any]:
        return lambda: services.change_flag(
            CTX, key=key, changes={"about": f"by {number}"}, expected_version=1, reason=f"by {number}"
        )

    raised = race(*(act(number) for number in range(8)))
    assert sum(error is None for error in raised) == 1
    assert all(error is None or isinstance(error, StaleVersion) for error in raised)
    assert (row_of(key).version, len(told(key))) == (2, 2)


def test_a_kill_beside_an_edit_is_never_lost(tenant: TenantKit) -> None:
    key = make(default="on")
    edit = lambda: services.change_flag(CTX, key=key, changes={"about": "new"}, expected_version=1, reason="edit")  # noqa: E731
    raised = race(
        edit, lambda: services.kill(CTX, key=key, reason="now"), lambda: services.kill(CTX, key=key, reason="me")
    )
    assert row_of(key).state == State.KILLED
    assert selectors.is_on(tenant.ctx, key) is False
    assert sum(isinstance(error, Conflict) and not isinstance(error, StaleVersion) for error in raised[1:]) == 1


def test_the_file_is_taken_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    services.declare(CTX)
    assert services.declare(CTX) == []
    one = document(default="on")
    added = {**registry.declared(), one["key"]: parse(one)}
    monkeypatch.setattr(registry, "declared", lambda: added)
    assert services.declare(CTX) == [one["key"]]
    services.kill(CTX, key=one["key"], reason="it hurts")
    monkeypatch.undo()
    assert services.declare(CTX) == [one["key"]]
    assert row_of(one["key"]).absent
    monkeypatch.setattr(registry, "declared", lambda: added)
    services.declare(CTX)
    assert (row_of(one["key"]).absent, row_of(one["key"]).state) == (False, State.KILLED), "it comes back as it was"
    monkeypatch.undo()
    services.declare(CTX)


def test_what_left_the_file_is_not_answered_but_another_releases_absence_is_no_matter(tenant: TenantKit) -> None:
    one = parse(document(default="on"))
    absent = Flag(key=one.key, declared=dict(one.document), absent=True, state=State.ARCHIVED)
    assert snapshot.compiled({one.key: one}, [absent])[one.key].evaluate(selectors.subject_of(tenant.ctx)).value is True
    assert snapshot.compiled({}, [absent])[one.key].state is State.ARCHIVED


def test_changes_that_no_longer_fit_the_file_are_left_out(tenant: TenantKit) -> None:
    one = parse(document(type="string", variants={"new": "n"}, default="new"))
    row = Flag(key=one.key, declared=dict(one.document), own={"default": "old"}, tenants={str(tenant.info.id): "old"})
    found = snapshot.compiled({one.key: one}, [row])[one.key].evaluate(selectors.subject_of(tenant.ctx))
    assert (found.value, found.error) == ("n", None)


def test_use_is_counted_by_tenant_and_not_lost_between_threads(tenant: TenantKit) -> None:
    key = make(default="on")
    threads = [
        threading.Thread(target=lambda: [selectors.is_on(tenant.ctx, key) for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until = time.monotonic() + 10
    counted = None
    while time.monotonic() < until:
        usage.write()
        counted = Usage.objects.filter(scope_id=tenant.info.id, key=key).first()
        if counted is not None and counted.evaluations == 2_000:
            break
        time.sleep(0.05)
    assert counted is not None
    assert counted.evaluations == 2_000
    metric = usage.EVALUATIONS.labels(key, "on", "STATIC")
    assert metric._value.get() == 2_000
    with system_scope("flags.registry"):
        assert [one[:2] for one in selectors.use_by_tenant(key)] == [(tenant.info.id, 2_000)]


def test_strangers_make_up_no_series() -> None:
    before = len(next(iter(usage.EVALUATIONS.collect())).samples)
    kit = make_tenant()
    for number in range(50):
        selectors.is_on(kit.ctx, f"made.up.{number}")
    usage.write()
    assert len(next(iter(usage.EVALUATIONS.collect())).samples) <= before + 4


def test_imports_are_paused_for_a_tenant(tenant: TenantKit, outsider: TenantKit) -> None:
    """A flag of the product at work: new imports of one tenant are refused, another's are not."""
    services.declare(CTX)
    services.target_tenant(
        CTX,
        key="connectors.ingest",
        tenant_id=tenant.info.id,
        variant="off",
        expected_version=row_of("connectors.ingest").version,
        reason="their source is broken",
    )
    with pytest.raises(Unavailable, match="paused"):
        connectors.start_ingest(tenant.ctx, source="stix", content=[b"{}"])
    assert not IngestJob.objects.exists()
    with no_scope(), tenant_scope(outsider.info.id):
        started = connectors.start_ingest(outsider.ctx, source="stix", content=[b'{"type": "bundle"}'], enqueue=False)
    assert started.state.value == "queued"
    services.target_tenant(
        CTX,
        key="connectors.ingest",
        tenant_id=tenant.info.id,
        variant=None,
        expected_version=row_of("connectors.ingest").version,
        reason="their source is mended",
    )


WATCHER = """
import sys, time
import django
django.setup()
from apps.core.context import service_context
from apps.flags import selectors
ctx, key = service_context("watcher"), sys.argv[1]
assert selectors.is_on(ctx, key), "it is on at first"
time.sleep(1.5)
print("watching", flush=True)
until = time.monotonic() + 20
while time.monotonic() < until:
    if not selectors.is_on(ctx, key):
        print(time.time(), flush=True)
        break
    time.sleep(0.002)
"""


@pytest.mark.parametrize("redis", ["there", "away"])
def test_a_kill_is_every_processs_within_a_second(redis: str) -> None:
    """Three processes watch; with Redis they are told, without it they look."""
    key = make(default="on")
    environment = dict(os.environ)
    if redis == "away":
        environment["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    watchers = [
        subprocess.Popen([sys.executable, "-c", WATCHER, key], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    try:
        for watcher in watchers:
            assert watcher.stdout is not None
            assert watcher.stdout.readline() == "watching\n"
        services.kill(CTX, key=key, reason="now")
        at = time.time()
        seen = [float(watcher.communicate(timeout=30)[0]) - at for watcher in watchers]
    finally:
        for watcher in watchers:
            watcher.kill()
            watcher.wait()
    assert max(seen) < 1.0, seen
    if redis == "there":
        assert max(seen) < 0.4, f"they were not told, they looked: {seen}"


def test_without_the_database_the_last_table_stays(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    key = make(default="on")
    assert selectors.is_on(tenant.ctx, key)

    def away() -> snapshot.Snapshot:
        raise OperationalError("away")

    monkeypatch.setattr(snapshot, "_read", away)
    snapshot.forget()
    assert selectors.is_on(tenant.ctx, key) is True
    monkeypatch.setattr(snapshot, "_state", snapshot._State())
    snapshot._state.following = True  # it is not kept fresh: no thread of it outlives the test
    assert selectors.is_on(tenant.ctx, key) is False, "a new process has the file alone"
    assert selectors.is_on(tenant.ctx, "connectors.ingest") is True


def test_the_order_of_shares_and_values_is_kept(tenant: TenantKit) -> None:
    """Who is in a share depends on the order, and a database that sorts keys would move people about."""
    variants = {"zz": {"b": 1, "a": 2}, "a": {"x": 1}, "long": {"y": 1}}
    split = {"zz": 40, "long": 40, "a": 20}
    key = make(type="object", scope="global", variants=variants, default="a", rules=[{"split": split}])
    held = selectors.document_of(row_of(key))
    assert list(held["rules"][0]["split"]) == list(split)
    assert list(held["variants"]["zz"]) == ["b", "a"]
    compiled = selectors.known(key)
    assert compiled is not None
    assert [answer.variant for _, answer in compiled.rules[0].shares] == list(split)
