"""Accounts of deliveries: what they note is what was written to the socket; how they are kept, sealed and bounded."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.gateway import kept_accounts, store, ws_line
from apps.gateway.realtime.accounts import MAX_LISTED, Account, Terms, handed
from apps.gateway.realtime.gaps import with_extensions
from apps.gateway.realtime.wire import Change
from apps.gateway.schema import incidents
from apps.gateway.ws_app import Connection
from apps.gateway.ws_book import MAX_ACCOUNTS, Book
from apps.ledger import verifier
from tests.gateway.test_batches import Wire, batch_of, connected, texts
from tests.gateway.test_gaps import behind, over, settled, write_to
from tests.gateway.test_seats import change

TENANT = UUID("01900000-0000-7000-8000-000000000001")


def terms(operation: str = "1", after: int = 0) -> Terms:
    return Terms(
        account_id=str(new_id()),
        operation=operation,
        tenant_id=str(TENANT),
        actor="key:1",
        field="changes",
        action="graph.changes.subscribe",
        document="d" * 64,
        variables="v" * 64,
        redaction="public|-|m",
        since=None,
        numbered_after=after,
    )


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What books have kept, in place of Redis, which has tests of its own below."""
    found: list[dict[str, Any]] = []

    async def save(tenant_id: UUID, predicates: list[dict[str, Any]]) -> bool:
        found.extend(predicates)
        return True

    monkeypatch.setattr(kept_accounts, "save", save)
    return found


def accounted(connection: Connection, after: int = 0) -> Account:
    """Keep account of the connection's subscription."""
    connection.book = Book(connection, TENANT)
    account = Account(terms(after=after))
    connection.book.open(account)
    return account


def recomputed(account: Account, wire: Wire) -> verifier.Delivered:
    """Return what a client works out from what it was sent."""
    beginning = hashlib.sha256(verifier.DELIVERY_TAG + account.terms.account_id.encode()).digest()
    found = verifier.Delivered(beginning, account.terms.numbered_after)
    for text in texts(bytes(wire.written)):
        if '"type":"next"' in text:
            found.add(text[len('{"id":"1","type":"next","payload":') : -1].encode(), "wire")
    return found


def check_same(account: Account, wire: Wire) -> dict[str, Any]:
    found, said = recomputed(account, wire), account.predicate()
    assert said["digest"]["head"] == found.head.hex()
    counts = {name: said["counts"][name] for name in ("delivered", "coalesced", "shed")}
    assert counts == {"delivered": found.messages, "coalesced": found.coalesced, "shed": found.shed}
    assert said["sequence"] == {"after": account.terms.numbered_after, "to": found.sequence}
    return said


GAPS = st.none() | st.fixed_dictionaries(
    {
        "missed": st.integers(1, 10**6),
        "first": st.just("1"),
        "last": st.just("2"),
        "since": st.just("0"),
        "reasons": st.lists(st.sampled_from(["SLOW_CONSUMER", "TENANT_RATE"]), min_size=1, unique=True),
    }
)
MESSAGES = st.lists(st.tuples(st.text(), st.none() | st.integers(1, 1_000), GAPS, st.booleans()), max_size=80)


@given(MESSAGES, st.integers(0, 2**50))
def test_the_chain_is_what_the_verifier_works_out(messages: list[tuple[Any, ...]], after: int) -> None:
    account = Account(terms(after=after))
    beginning = hashlib.sha256(verifier.DELIVERY_TAG + account.terms.account_id.encode()).digest()
    client = verifier.Delivered(beginning, after)
    for place, (text, superseded, gap, named) in enumerate(messages):
        said: dict[str, Any] = {"eventId": f"{place}.3"} if named else {}
        if superseded is not None:
            said["coalesced"] = {"superseded": superseded}
        if gap is not None:
            said["discontinuity"] = gap
        payload = with_extensions(orjson.dumps({"data": {"name": text, '"extensions"': 1}}).decode(), said)
        account.note((handed(payload),))
        client.add(payload.encode(), "log")
    said = account.predicate()
    assert (said["digest"]["head"], said["counts"]["delivered"]) == (client.head.hex(), client.messages)
    assert (said["counts"]["coalesced"], said["counts"]["shed"]) == (client.coalesced, client.shed)
    assert said["sequence"]["to"] == client.sequence == after + client.messages + client.coalesced + client.shed
    assert sum(said["counts"]["shedByReason"].values()) == client.shed
    assert said["counts"]["discontinuities"] == sum(gap is not None for _, _, gap, _ in messages)
    assert len(said["discontinuities"]) == min(MAX_LISTED, said["counts"]["discontinuities"])


def test_what_is_noted_of_a_window_is_worked_out_once() -> None:
    batch = batch_of(1, 5)
    assert batch.handed() is batch.handed()


async def test_a_slow_client_is_accounted_for_what_it_was_written(kept: list[dict[str, Any]]) -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection)
    connection.outbox.max_bytes = 20_000
    subscription.push(batch_of(1, 10, 100))
    assert account.messages == 10
    wire.paused = True
    for window in range(1, 40):
        subscription.push(batch_of(window * 10 + 1, window * 10 + 10, 100))
    assert behind(connection)
    assert connection.book is not None
    said = connection.book.predicate(account)
    assert account.messages == 10, "what waits was not handed on"
    assert said["counts"]["waiting"] > 0 and said["counts"]["leftOut"] > 0
    assert said["counts"]["waiting"] + said["counts"]["leftOut"] == 390
    write_to(connection, wire)
    wire.paused = False
    await settled(connection)
    subscription.push(batch_of(401, 405))
    await settled(connection)
    said = check_same(account, wire)
    assert said["sequence"]["to"] == 405
    assert said["counts"]["shedByReason"] == {"SLOW_CONSUMER": said["counts"]["shed"]} != {"SLOW_CONSUMER": 0}
    (gap,) = said["discontinuities"]
    assert gap["missed"] == said["counts"]["shed"] and gap["reasons"] == ["SLOW_CONSUMER"]


async def test_the_last_words_to_a_client_that_stays_slow_are_in_it(
    kept: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws_line, "SLOW_S", 0.05)
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection)
    connection.outbox.max_bytes = 20_000
    wire.paused = True
    for window in range(40):
        subscription.push(batch_of(window * 10 + 1, window * 10 + 10, 100))
    await asyncio.sleep(1)
    assert connection.outbox.closing
    write_to(connection, wire)
    wire.paused = False
    await over(connection)
    said = check_same(account, wire)
    assert said["ended"]["by"] == "server" and said["ended"]["code"] == 1013
    assert (said["counts"]["delivered"], said["counts"]["shed"]) == (1, 399)
    assert connection.book is not None
    await connection.book.part()
    assert kept[-1]["state"] == "ended" and kept[-1]["digest"] == said["digest"]


async def test_what_was_cut_off_is_not_counted(kept: list[dict[str, Any]]) -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection)
    subscription.push(batch_of(1, 3))
    wire.paused = True
    subscription.push(batch_of(4, 9))
    connection.cut(4403, "Access has ended")
    wire.paused = False
    write_to(connection, wire)
    await over(connection)
    said = check_same(account, wire)
    assert said["counts"]["delivered"] == 3
    assert (said["ended"]["by"], said["ended"]["code"]) == ("server", 4403)


async def test_a_server_without_frames_counts_alike(kept: list[dict[str, Any]]) -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection, after=7)
    connection.frames = None
    write_to(connection, wire)
    subscription.push(batch_of(1, 4))
    subscription.tell('{"data":{"n":5}}')
    await settled(connection)
    assert check_same(account, wire)["sequence"] == {"after": 7, "to": 12}


async def test_nothing_counts_that_a_client_who_is_gone_is_written(kept: list[dict[str, Any]]) -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection)
    wire.is_gone = True
    subscription.push(batch_of(1, 3))
    subscription.tell('{"data":{"n":4}}')
    assert account.messages == 0


async def test_only_an_answer_to_our_own_question_confirms(kept: list[dict[str, Any]]) -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    account = accounted(connection)
    book = connection.book
    assert book is not None
    subscription.push(batch_of(1, 3))
    book.ping()
    subscription.push(batch_of(4, 5))
    asked = json.loads(texts(bytes(wire.written))[3])["payload"]
    for wrong in ({}, {"statement": 5}, {"statement": {"nonce": ["x"]}}, {"statement": {"nonce": "guessed"}}):
        book.ponged(wrong)
        assert account.acknowledged is None
    book.ponged(asked)
    assert account.acknowledged == 3, "what was written after the question is not confirmed by its answer"
    later = account.acknowledged_at
    book.ponged(asked)
    assert account.acknowledged_at == later, "a question is answered once"


async def test_a_connection_keeps_a_bounded_number_of_ended_accounts(kept: list[dict[str, Any]]) -> None:
    connection, _ = connected(Wire())
    assert connection.book is None
    accounted(connection)
    assert connection.book is not None
    for number in range(3 * MAX_ACCOUNTS):
        connection.book.open(Account(terms(f"n{number}")))
        connection.book.end(f"n{number}", "client", None, "complete")
        await asyncio.sleep(0)  # as every operation takes at least
    await asyncio.sleep(0.01)
    assert sum(connection.book.find(f"n{number}") is not None for number in range(3 * MAX_ACCOUNTS)) == MAX_ACCOUNTS - 1
    assert connection.book.find("1") is not None, "one that is open stays"
    assert len({each["account"] for each in kept}) == 3 * MAX_ACCOUNTS + 1


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(kept_accounts, "MAX_KEPT", 3)
    yield 3


async def test_the_newest_are_kept_and_no_more(few: int) -> None:
    tenant = new_id()
    accounts = [Account(terms(f"{number}")) for number in range(5)]
    for account in accounts:
        assert await kept_accounts.save(tenant, [account.predicate()])
    ids = [account.terms.account_id for account in accounts]
    assert [each["account"] for each in await kept_accounts.newest(tenant, 10)] == ids[:1:-1]
    assert await kept_accounts.load(tenant, UUID(ids[0])) is None
    assert (found := await kept_accounts.load(tenant, UUID(ids[4]))) is not None and found["operation"] == "4"
    assert await kept_accounts.load(new_id(), UUID(ids[4])) is None
    names = [name async for name in store.client().scan_iter(f"ig:t:{tenant}:*")]
    assert len(names) == few + 1
    assert all([await store.client().ttl(name) > 0 for name in names])


async def test_what_others_wrote_into_redis_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    tenant, other, account = new_id(), new_id(), Account(terms())
    predicate = account.predicate()
    id_ = UUID(account.terms.account_id)
    await kept_accounts.save(tenant, [predicate])
    key, elsewhere = f"ig:t:{tenant}:delivery:{id_}", f"ig:t:{other}:delivery:{id_}"
    sealed = await store.client().get(key)
    assert isinstance(sealed, bytes)
    await store.client().set(elsewhere, sealed)
    assert await kept_accounts.load(other, id_) is None, "another tenant's seal"
    await store.client().set(key, sealed.replace(b'"delivered":0', b'"delivered":9'))
    assert await kept_accounts.load(tenant, id_) is None
    await store.client().set(key, sealed)
    assert await kept_accounts.load(tenant, id_) == predicate


def incident(severity: str | None, ref_kind: str = "incident") -> Change:
    document = None if severity is None else {"title": "Down", "severity": severity, "state": "open"}
    return Change(7, -1, "7", ref_kind, str(TENANT), "updated", 2, "Incident", "2026-11-21T00:00:00.000000Z", document)


def test_incidents_are_told_by_severity_and_id() -> None:
    every = incidents.source(TENANT, None, None, None, 0.0)
    grave = incidents.source(TENANT, None, ["high", "critical"], None, 0.0)
    other = incidents.source(TENANT, str(new_id()), None, None, 0.0)
    one = incidents.source(TENANT, str(TENANT), None, None, 0.0)
    low, high, gone, entity = incident("low"), incident("high"), incident(None), incident("high", "entity")
    assert [each.wants(low) for each in (every, grave, other, one)] == [True, False, False, True]
    assert [each.wants(high) for each in (every, grave, other, one)] == [True, True, False, True]
    assert [each.wants(gone) for each in (every, grave, other, one)] == [True, True, False, True]
    assert not any(each.wants(entity) or each.wants(change(1)) for each in (every, grave, other, one))
    shown = incidents.Incident.shown(high)
    assert (shown.title, shown.severity, shown.version, shown.event_id) == ("Down", "high", 2, "7")
    assert incidents.Incident.shown(gone).title is None
    for wrong in ({"id_": "x", "severities": None}, {"id_": None, "severities": ["grave"]}):
        with pytest.raises(InvalidInput):
            incidents.source(TENANT, **wrong, since=None, coalesce_s=0.0)  # type: ignore[arg-type]
