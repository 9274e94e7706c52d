"""Every block of the pages on GraphQL and on live updates runs, as it stands there."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import orjson

from apps.connectors import services as connectors
from apps.core.context import service_context
from apps.core.scope import no_scope, tenant_scope
from apps.gateway import deliveries, kept_accounts, limits, ws_book, ws_outbox, ws_protocol
from apps.gateway.graphql_http import MAX_BODY_BYTES
from apps.gateway.realtime import accounts
from apps.gateway.realtime.hub import WINDOW_RECORDS
from apps.ledger import verifier
from apps.vault import services as vault
from tests.conftest import make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import PROJECT, LiveServer

PAGES = Path(__file__).resolve().parents[2] / "docs" / "develop"
PAGE, LIVE = (PAGES.joinpath(name).read_text(encoding="utf-8") for name in ("graphql.md", "live-updates.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.S | re.M)
BLOCKS = BLOCK.findall(PAGE) + [
    found for found in BLOCK.findall(LIVE) if "subscription" in found[1] and found[0] == "graphql"
]

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


def test_a_delivery_is_proved_as_the_page_says(live: LiveServer, tmp_path: Path) -> None:
    kit = make_tenant()
    with no_scope():
        vault.ensure_signing_key(service_context("test"))
    token, over = kit.key("admin"), threading.Event()
    api = Api(live.url, token)

    def write() -> None:
        number = 0
        while not over.is_set():
            api.upsert({"kind": "Asset", "externalId": f"{number}", "name": "né"})
            number += 1
            over.wait(0.2)

    command = tmp_path / "ig-ledger"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m apps.ledger.cli "$@"\n')
    command.chmod(0o755)
    paths = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}
    environment = {**os.environ, **paths, "IG_URL": live.url, "IG_TOKEN": token, "IG_TENANT": kit.info.slug}
    writer, outputs = threading.Thread(target=write), []
    writer.start()
    try:
        for language, text in BLOCK.findall(LIVE):
            if language in {"python", "sh"}:
                shell = [sys.executable, "-c"] if language == "python" else ["sh", "-ec"]
                done = subprocess.run(
                    [*shell, text], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
                )
                assert done.returncode == 0, done.stdout + done.stderr
                outputs.append(done.stdout)
    finally:
        over.set()
        writer.join()
    assert len(outputs) == 2 and 'log: "agrees"' in outputs[1]
    kept = tmp_path / "messages.jsonl"
    kept.write_text(kept.read_text(encoding="utf-8").replace("né", "ne"), encoding="utf-8")
    again = ["ig-ledger", "verify", "statement.json", "--keys", "keys.json", "--messages", "messages.jsonl"]
    refused = subprocess.run(again, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "delivery.messages" in refused.stdout
    (asked,) = [text for language, text in BLOCK.findall(LIVE) if language == "graphql" and text.startswith("query")]
    assert api.data(asked, id="1") == {"deliveryStatement": None}


def test_the_page_tells_what_is_kept() -> None:
    said = re.sub(r"\s+", " ", LIVE)
    assert kept_accounts.KEPT_S == 24 * 3600 and f"the newest {kept_accounts.MAX_KEPT:,} of a tenant" in said
    assert ws_book.KEEP_S == 5 and "at most five seconds before" in said
    assert ws_book.KEEP_S * ws_book.PING_EVERY == 30 and "every half minute" in said
    assert deliveries.COST == 5 and "costs five calls" in said
    assert deliveries.PREDICATE_TYPE == verifier.DELIVERY_TYPE and deliveries.PREDICATE_TYPE in said
    assert accounts.MAX_LISTED == 50 and "the last 50" in said


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
        assert said in re.sub(r"\s+", " ", PAGE + LIVE), said
    assert bounds.max_rows < ws_outbox.MAX_MESSAGES
