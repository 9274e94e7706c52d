"""Guessing ends: for an account from one place, for an account from everywhere, for one place over all accounts; and
nothing tells known addresses from unknown ones."""

import hashlib
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connections
from django.test.utils import CaptureQueriesContext

from apps.core.ids import new_id
from apps.core.scope import no_scope
from apps.identity import lockout, selectors
from apps.identity import services as identity
from tests.admin.staff import told_of_platform
from tests.conftest import PASSWORD, TenantKit
from tests.portal.visitors import Visitor

_last = iter(range(1, 60_000))


def somewhere() -> str:
    """A network address that no other test uses (RFC 5737, RFC 3849)."""
    return f"2001:db8::{next(_last):x}:{new_id().hex[-4:]}"


def attempt(email: str, ip: str, password: str = "wrong password") -> int:
    with no_scope():
        return Visitor().client.post("/login/", {"email": email, "password": password}, REMOTE_ADDR=ip).status_code


def nobody() -> str:
    return f"nobody-{new_id().hex}@example.com"


@pytest.mark.parametrize(
    ("pair", "account", "address", "closed"),
    [
        (7, 39, 119, False), (8, 8, 8, True), (0, 40, 0, True), (0, 0, 120, True), (0, 0, 0, False), (1, 39, 119, False),
    ],
)  # fmt: skip
def test_a_limit_counts_when_it_is_reached(pair: int, account: int, address: int, closed: bool) -> None:
    assert (lockout.closeness(pair, account, address) >= lockout.ACCOUNT_FROM_ADDRESS) is closed


def test_an_account_closes_to_one_place_and_stays_open_to_another(tenant: TenantKit) -> None:
    email, here, there = tenant.member("analyst").email, somewhere(), somewhere()
    answers = [attempt(email, here) for _ in range(8)]
    assert answers == [422] * 7 + [429]
    assert attempt(email, here, PASSWORD) == 429, "closed, also for the right password"
    assert attempt(email, there, PASSWORD) == 302


def test_an_account_closes_to_everybody_after_many_places(tenant: TenantKit) -> None:
    email = tenant.member("analyst").email
    answers = [attempt(email, somewhere()) for _ in range(lockout.ACCOUNT)]
    assert answers == [422] * (lockout.ACCOUNT - 1) + [429]
    assert attempt(email, somewhere(), PASSWORD) == 429


def test_a_place_closes_that_tries_many_accounts(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "ADDRESS", 12)
    here = somewhere()
    answers = [attempt(nobody(), here) for _ in range(12)]
    assert answers == [422] * 11 + [429]
    assert attempt(tenant.member("analyst").email, here, PASSWORD) == 429


def test_success_forgives_the_own_failures_only(tenant: TenantKit) -> None:
    email, other, here = tenant.member("analyst").email, tenant.member("reader").email, somewhere()
    for _ in range(7):
        assert attempt(email, here) == attempt(other, here) == 422
    assert attempt(email, here, PASSWORD) == 302
    assert attempt(email, here) == 422 and attempt(other, here) == 429


def test_a_lock_out_is_on_record_once_and_without_the_address(tenant: TenantKit) -> None:
    user, here = tenant.member("analyst"), somewhere()
    for _ in range(12):
        attempt(user.email, here)
    account = identity.account_hash(user.email)
    assert len([t for t in told_of_platform("identity.account.locked") if account.encode() in t.body]) == 1
    outcomes = [one.outcome.value for one in selectors.sign_ins_of(user)]
    assert outcomes == ["locked"] + ["refused"] * 7, "blocked attempts are counted, not written one by one"
    with no_scope():
        rows = AccessAttempt.objects.filter(ip_address=here)
        assert rows and all(user.email not in f"{r.username}{r.post_data}{r.get_data}" for r in rows)


def statements(email: str) -> list[str]:
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["system"]) as system:
        assert attempt(email, somewhere()) == 422
    queries = [*app.captured_queries, *system.captured_queries]
    return [query["sql"].split(" FROM ")[0].split("(")[0][:60] for query in queries]


def test_a_refusal_costs_the_same_for_known_and_unknown_addresses(tenant: TenantKit, hashes: list[str]) -> None:
    email = tenant.member("analyst").email
    hashes.clear()
    known = statements(email)
    after_known = len(hashes)
    unknown = statements(nobody())
    assert after_known == len(hashes) - after_known == 1, "each hashes a password once"
    assert [s for s in known if "SAVEPOINT" not in s] == [s for s in unknown if "SAVEPOINT" not in s]


@pytest.fixture
def hashes(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every scrypt that was computed after the fixture."""
    done: list[str] = []
    real = hashlib.scrypt

    def counted(*args: Any, **kwargs: Any) -> bytes:
        done.append("scrypt")
        return real(*args, **kwargs)

    tenant.member("reader")
    monkeypatch.setattr(hashlib, "scrypt", counted)
    return done
