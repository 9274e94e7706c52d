"""Access that ends by time on the real web process, in the middle of a stream."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from django.conf import settings

from apps.core.clock import utc_now
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.identity import services as identity
from apps.identity.models import Session
from tests.admin.staff import session_of
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, socket
from tests.gateway.live_server import LiveServer

CHANGES = "subscription ($t: ID!) { changes(tenantId: $t) { publishedAt } }"
LIVES = timedelta(seconds=2)


def key_that_ends(kit: TenantKit) -> tuple[dict[str, str], dict[str, str], datetime]:
    at = utc_now() + LIVES
    with no_scope(), tenant_scope(kit.info.id):
        token = identity.create_api_key(kit.ctx, name="short", scope="reader", expires_at=at).token
    return {}, {"Authorization": f"Bearer {token}"}, at


def session_that_ends(kit: TenantKit) -> tuple[dict[str, str], dict[str, str], datetime]:
    key = session_of(kit.member("analyst"), second_factor=False).cookies[settings.SESSION_COOKIE_NAME].value
    at = utc_now() + LIVES
    with no_scope(), system_scope("identity.authenticate"):
        Session.objects.filter(session_key=key).update(expire_date=at)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"}, {}, at


@pytest.mark.parametrize("make", [key_that_ends, session_that_ends])
def test_no_update_comes_after_the_end(live: LiveServer, make: type) -> None:
    kit = make_tenant()
    api, over = Api(live.url, kit.key("writer")), threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            api.upsert(*({"kind": "A", "externalId": f"{n}", "name": f"{number}"} for n in range(20)))
            over.wait(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        headers, payload, at = make(kit)
        with socket(live.ws_url, Origin=live.url, **headers) as client:
            assert client.init(**payload)["type"] == "connection_ack"
            id_ = client.subscribe(CHANGES, t=kit.info.slug)
            heard = []
            with pytest.raises(Closed) as closed:
                while True:
                    heard.append(datetime.fromisoformat(client.next(id_)["changes"]["publishedAt"]))
            late_s = time.time() - at.timestamp()
        assert (closed.value.code, closed.value.reason) == (4401, "Access has ended")
        assert max(heard) <= at
        assert len(heard) > 100 and max(heard) > at - timedelta(seconds=1), "updates streamed until then"
        assert late_s < 5
    finally:
        over.set()
        writer.join()


def test_who_hears_nothing_is_told_that_access_ended(live: LiveServer) -> None:
    headers, payload, at = key_that_ends(make_tenant())
    with socket(live.ws_url, **headers) as client:
        client.init(**payload)
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == 4401
        assert time.time() >= at.timestamp()
