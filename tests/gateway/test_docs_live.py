"""Every block of the GraphQL page runs, as it stands there."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import orjson

from apps.connectors import services as connectors
from apps.core.scope import tenant_scope
from apps.gateway import limits, ws_outbox, ws_protocol
from apps.gateway.graphql_http import MAX_BODY_BYTES
from apps.gateway.realtime.hub import WINDOW_RECORDS
from tests.conftest import make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import LiveServer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "develop" / "graphql.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.S | re.M)

FIRST = {"changes": "created", "jobProgress": "queued", "usageUpdated": "api"}
"""What each subscription of the page is told first."""


def test_every_block_runs(live: LiveServer) -> None:
    kit = make_tenant()
    token = kit.key("admin")
    api = Api(live.url, token)
    ran = []
    for place, (language, text) in enumerate(BLOCKS):
        following = BLOCKS[place + 1] if place + 1 < len(BLOCKS) else ("", "")
        variables: dict[str, Any] = orjson.loads(following[1]) if following[0] == "json" else {}
        if language == "sh":
            environment = {**os.environ, "IG_URL": live.url, "IG_TOKEN": token}
            done = subprocess.run(["sh", "-c", text], env=environment, capture_output=True, check=True, text=True)
            assert orjson.loads(done.stdout)["data"]["me"]["kind"] == "key", done
        elif language == "graphql" and "subscription" in text:
            with socket(live.ws_url, token) as client:
                field = re.search(r"(\w+)\(tenantId", text)
                assert field is not None, text
                id_ = client.subscribe(text, tenant=kit.info.slug, **({"since": "0"} if field[1] == "changes" else {}))
                if field[1] == "jobProgress":
                    with tenant_scope(kit.info.id):
                        connectors.start_ingest(kit.ctx, source="stix", content=[b"{}"], enqueue=False)
                told = client.next(id_)[field[1]]
                assert (told.get("op") or told.get("state") or told["limits"][0]["measure"]) == FIRST[field[1]], told
        elif language == "graphql":
            data = api.data(text, **variables)
            assert not any(result.get("errors") for result in data.values()), data
            assert any(result.get("created") or result.get("nodes") for result in data.values()), data
        ran.append(language)
    assert ran.count("graphql") >= 5


def test_the_page_tells_the_bounds_that_hold() -> None:
    bounds = limits.Limits()
    for said in (
        f"depth {bounds.max_depth} ({bounds.introspection_depth} for introspection)",
        f"{bounds.max_tokens:,} tokens",
        f"{bounds.max_fields:,} fields",
        f"{bounds.max_aliases} aliases",
        f"{bounds.max_repeats} times",
        f"{bounds.max_rows:,} rows",
        f"Bodies end at {MAX_BODY_BYTES // 2**20} MiB",
        f"last {WINDOW_RECORDS:,} records",
        f"above {ws_protocol.SocketLimits().max_message_bytes // 1024} KiB",
        f"At most {ws_protocol.SocketLimits().max_operations} operations",
        f"within {ws_protocol.SocketLimits().init_timeout_s:.0f} seconds",
    ):
        assert said in re.sub(r"\s+", " ", PAGE), said
    assert bounds.max_rows < ws_outbox.MAX_MESSAGES
