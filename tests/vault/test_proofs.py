"""Proofs made from the database, checked by the stand-alone verifier."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from apps.core.scope import system_scope, tenant_scope
from apps.ledger import proofs, verifier
from apps.ledger import services as ledger
from apps.ledger.errors import NotProvable
from apps.tenants.selectors import by_slug
from apps.vault import selectors
from tests.vault.installations import Installation


@pytest.fixture
def alpha(whole: Installation) -> Iterator[UUID]:
    with whole.entered():
        found = by_slug("alpha")
        assert found is not None
        with tenant_scope(found.id):
            yield found.id


def ring() -> verifier.KeyRing:
    return verifier.KeyRing(verifier.read_keys(selectors.key_documents(), "keys"))


def prove(tenant_id: UUID, number: int, **more: Any) -> dict[str, Any]:
    return ledger.prove(tenant_id, number, keys=selectors.key_documents(), **more)


@pytest.mark.parametrize(("number", "size"), [(1, 10), (10, 10), (11, 20), (17, 20), (20, 20)])
def test_a_record_is_proved_in_the_first_checkpoint_over_it(alpha: UUID, number: int, size: int) -> None:
    document = prove(alpha, number)
    report = verifier.check_proof(document, ring())
    assert (report.ok, report.size, report.facts["number"]) == (True, size, number)
    assert not verifier.check_proof(document | {"number": number % 20 + 1}, ring()).ok


def test_a_record_is_proved_in_a_later_checkpoint_too(alpha: UUID) -> None:
    report = verifier.check_proof(prove(alpha, 3, size=20), ring())
    assert (report.ok, report.size) == (True, 20)


@pytest.mark.parametrize("position", range(4))
def test_an_item_is_proved_through_both_trees(alpha: UUID, position: int) -> None:
    report = verifier.check_proof(prove(alpha, 15, position=position), ring())
    assert (report.ok, report.records, report.items) == (True, 1, 1)


def test_an_extension_is_proved(alpha: UUID) -> None:
    keys = selectors.key_documents()
    assert verifier.check_consistency(ledger.prove_extension(alpha, 10, 20, keys=keys), ring()).ok
    assert verifier.check_consistency(ledger.prove_extension(alpha, 20, 20, keys=keys), ring()).ok


@pytest.mark.parametrize(
    ("number", "more", "problem"),
    [
        (0, {}, "no record 0"),
        (26, {}, "no record 26"),
        (22, {}, "no checkpoint over record 22 is signed yet"),
        (12, {"size": 10}, "older than record 12"),
        (3, {"size": 11}, "no such checkpoint: 11"),
        (3, {"position": 0}, "record 3 has 0 items"),
        (15, {"position": 4}, "record 15 has 4 items"),
        (15, {"position": -1}, "record 15 has 4 items"),
    ],
)
def test_what_does_not_exist_is_not_proved(alpha: UUID, number: int, more: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotProvable, match=problem):
        prove(alpha, number, **more)


@pytest.mark.parametrize(("old", "new"), [(10, 25), (9, 20), (20, 10)])
def test_no_extension_between_what_does_not_exist(alpha: UUID, old: int, new: int) -> None:
    with pytest.raises(NotProvable):
        ledger.prove_extension(alpha, old, new, keys=[])


def test_a_tenant_verifies_and_proves_only_its_own_ledger(alpha: UUID, whole: Installation) -> None:
    result = ledger.verify(alpha, keys=selectors.key_documents())
    assert (result.ok, result.records, result.covered) == (True, 25, 20)
    other = UUID("018f0000-0000-7000-8000-000000000000")
    with system_scope("ledger.verify"):
        assert ledger.verify(alpha, keys=selectors.key_documents()).records == 25
    assert ledger.verify(other, keys=[]).records == 0
    with pytest.raises(NotProvable):
        prove(other, 1)


def test_small_trees_are_read_whole(alpha: UUID) -> None:
    assert proofs.TILE > 25
    assert len(prove(alpha, 1, size=20)["path"]) == 5
