"""Who may follow live updates, against the real web process and relay: tenants, credentials, pages, and access that ends."""

import socket as sockets
import struct
import threading
import time

import pytest
from websockets.exceptions import InvalidStatus

from apps.core.scope import tenant_scope
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.ledger import selectors as ledger
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, socket
from tests.gateway.following import CHANGES, follow, take
from tests.gateway.live_server import LiveServer


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture
def api(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("admin"))


def test_another_tenant_is_not_to_be_followed(live: LiveServer, kit: TenantKit, outsider: TenantKit, api: Api) -> None:
    with socket(live.ws_url, outsider.key("admin")) as client:
        for wanted in (kit.info.slug, str(kit.info.id), "no-such-tenant"):
            client.subscribe(CHANGES, tenant=wanted)
            message = client.receive()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        follow(client, outsider)
        api.upsert({"kind": "A", "externalId": "1"})
        assert client.quiet()


def test_a_revoked_key_hears_nothing_that_comes_after(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    with tenant_scope(kit.info.id):
        key = next(k for k in identity_selectors.api_keys(kit.ctx) if k.prefix in token)
    with socket(live.ws_url, token) as client:
        id_ = follow(client, kit)
        api.upsert({"kind": "A", "externalId": "before"})
        assert take(client, id_, 1)[0]["op"] == "created"
        with tenant_scope(kit.info.id):
            identity.revoke_api_key(kit.ctx, key_id=key.id)
        api.upsert({"kind": "A", "externalId": "after"})
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == 4401
    with socket(live.ws_url) as client, pytest.raises(Closed) as refused:
        client.init(authorization=f"Bearer {token}")
    assert refused.value.code == 4403


def test_revoking_races_with_writing_and_wins(live: LiveServer, kit: TenantKit, api: Api) -> None:
    """Whatever the moment: nothing that the ledger numbered after the revocation reaches the key's holder."""
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            api.upsert({"kind": "A", "externalId": f"{number % 50}", "name": f"{number}"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(12):
            token = kit.key("reader")
            with socket(live.ws_url, token) as client:
                id_ = client.subscribe("subscription ($t: ID!) { changes(tenantId: $t) { eventId } }", t=kit.info.slug)
                if round_ % 3:
                    client.next(id_)  # else: revoked while it joins
                with tenant_scope(kit.info.id):
                    key = next(k for k in identity_selectors.api_keys(kit.ctx) if k.prefix in token)
                    identity.revoke_api_key(kit.ctx, key_id=key.id)
                heard = []
                with pytest.raises(Closed) as closed:
                    while True:
                        heard.append(int(client.next(id_)["changes"]["eventId"]))
                assert closed.value.code in {4401, 4403}
            with tenant_scope(kit.info.id):
                revoked = _number_of_revocation(kit, str(key.id))
            assert all(number < revoked for number in heard)
    finally:
        over.set()
        writer.join()


def _number_of_revocation(kit: TenantKit, key_id: str) -> int:
    """Return the ledger number under which a key's revocation stands."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for record in ledger.newest(kit.info.id, type_="identity.apikey.revoked"):
            if key_id in record.body.decode():
                return record.number
        time.sleep(0.05)
    raise AssertionError("the revocation was not numbered")


def test_nobody_may_come_in_and_do_nothing(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url) as client:
        assert client.init() == {"type": "connection_ack"}
        client.subscribe("{ __typename }")
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == 4401


def test_foreign_pages_are_refused_before_the_handshake(live: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(live.ws_url, Origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    with socket(live.ws_url, Origin=live.url) as client:
        assert client.init() == {"type": "connection_ack"}


def test_a_foreign_subprotocol_is_told(live: LiveServer) -> None:
    with sockets.create_connection(("127.0.0.1", live.port), timeout=5) as raw:
        raw.sendall(
            f"GET /graphql/ws HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: made-up\r\n\r\n".encode()
        )
        answer = b""
        while b"4406" not in answer and struct.pack("!H", 4406) not in answer:
            part = raw.recv(4096)
            assert part, answer
            answer += part
    assert b"101 Switching Protocols" in answer
