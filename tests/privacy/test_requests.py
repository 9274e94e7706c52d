"""Erasure requests: taken once, ledgered without the subject, kept apart per tenant."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from apps.core.errors import InvalidInput
from apps.core.scope import no_scope, tenant_scope
from apps.ledger import selectors as ledger
from apps.privacy import selectors, services
from tests.conftest import TenantKit, sequence


def test_a_request_is_queued_and_ledgered_without_the_subject(tenant: TenantKit) -> None:
    made = services.request_erasure(tenant.ctx, subject_id=" ada@example.org ", scope="delete")
    assert (made.subject_id, made.scope, made.status, made.completed_at) == (
        "ada@example.org",
        "delete",
        "queued",
        None,
    )
    assert selectors.erasure_request(tenant.ctx, made.id) == made
    sequence()
    record = ledger.newest(tenant.info.id, type_="privacy.erasure.requested")[0]
    assert str(made.id) in record.body.decode()
    assert "ada" not in record.body.decode()


def test_asking_again_returns_the_open_one(tenant: TenantKit) -> None:
    first = services.request_erasure(tenant.ctx, subject_id="s", scope="delete")
    assert services.request_erasure(tenant.ctx, subject_id="s", scope="delete") == first
    assert services.request_erasure(tenant.ctx, subject_id="s", scope="minimize").id != first.id
    assert len(selectors.erasure_requests(tenant.ctx, status="queued")) == 2


def test_asking_at_the_same_time_makes_one(tenant: TenantKit) -> None:
    def ask(_: int) -> str:
        try:
            with tenant_scope(tenant.info.id):
                return str(services.request_erasure(tenant.ctx, subject_id="race", scope="delete").id)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1
    assert len(selectors.erasure_requests(tenant.ctx)) == 1


def test_another_tenant_sees_none(tenant: TenantKit, outsider: TenantKit) -> None:
    made = services.request_erasure(tenant.ctx, subject_id="s", scope="delete")
    hashed = services.subject_hash(tenant.ctx, "s")
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.erasure_request(outsider.ctx, made.id) is None
        assert selectors.erasure_requests(outsider.ctx) == []
        assert services.subject_hash(outsider.ctx, "s") != hashed


@pytest.mark.parametrize(
    ("subject", "scope", "field"),
    [
        ("", "delete", "subjectId"),
        ("  ", "delete", "subjectId"),
        ("a\x00b", "delete", "subjectId"),
        ("x" * 501, "delete", "subjectId"),
        ("s", "burn", "scope"),
    ],
)
def test_bad_requests_are_refused_by_field(tenant: TenantKit, subject: str, scope: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.request_erasure(tenant.ctx, subject_id=subject, scope=scope)
    assert refused.value.field == field
    assert selectors.erasure_requests(tenant.ctx) == []
