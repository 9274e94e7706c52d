"""A delivery statement against what the client really got: over a real socket, with a real signature, and the verifier."""

import base64
import hashlib
import json
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.ledger import verifier
from apps.ledger.models import Record
from apps.quotas import granting
from apps.quotas.types import Limit, Measure
from apps.vault import selectors as vault
from apps.vault import services as vault_services
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Socket, socket
from tests.gateway.live_server import LiveServer, running

CHANGES = """subscription ($t: ID!, $since: String, $every: Int) { changes(tenantId: $t, since: $since, coalesceMs: $every) {
  entity { name } } }"""
STATEMENT = """query ($id: ID!) { deliveryStatement(id: $id) { head envelope account {
  account actor operation field state sequence acknowledged coalesced shed lastEventId } } }"""
ACCOUNTS = "{ deliveryAccounts { account actor state sequence } }"


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


class Follower:
    """A client that keeps each message as it came, and answers pings as the protocol's clients do."""

    def __init__(self, client: Socket, kit: TenantKit, *, answers: bool = True) -> None:
        self.client, self.kit, self.answers = client, kit, answers
        self.log: list[str] = []
        self.accounts: dict[str, str] = {}
        self._results: dict[str, list[dict[str, Any]]] = {}

    def follow(
        self,
        query: str = CHANGES,
        *,
        statement: object = True,
        id_: str = "s1",
        sequence: int | None = None,
        **variables: Any,
    ) -> str:
        payload = {
            "query": query,
            "variables": {"t": self.kit.info.slug, **variables},
            "extensions": {"statement": statement, "sequence": sequence},
        }
        self.client.send({"id": id_, "type": "subscribe", "payload": payload})
        return id_

    def read(self, timeout: float = 30.0) -> dict[str, Any]:
        text = str(self.client.connection.recv(timeout=timeout))
        self.log.append(text)
        message: dict[str, Any] = json.loads(text)
        if message["type"] == "next":
            self.results(message["id"]).append(message["payload"])
        if message["type"] == "ping":
            operations = message["payload"]["statement"]["operations"]
            self.accounts |= {id_: said["account"] for id_, said in operations.items()}
            if self.answers:
                self.client.send({"type": "pong", "payload": message["payload"]})
        return message

    def until(self, type_: str, id_: str | None = None) -> dict[str, Any]:
        while (message := self.read())["type"] != type_ or (id_ is not None and message.get("id") != id_):
            pass
        return message

    def ready(self, id_: str = "s1") -> str:
        """Read until the server has told which account it keeps; return its id."""
        while id_ not in self.accounts:
            self.read()
        return self.accounts[id_]

    def results(self, id_: str = "s1") -> list[dict[str, Any]]:
        return self._results.setdefault(id_, [])

    def ask(self, id_: str = "s1", op: str = "ask") -> dict[str, Any]:
        """Ask for a statement on the same socket; return the answer's payload."""
        self.client.send({"id": op, "type": "subscribe", "payload": {"query": STATEMENT, "variables": {"id": id_}}})
        while (message := self.read()).get("id") != op:
            pass
        if message["type"] == "error":
            return {"errors": message["payload"]}
        self.until("complete", op)
        payload: dict[str, Any] = message["payload"]
        return payload

    def statement(self, id_: str = "s1") -> dict[str, Any]:
        answer = self.ask(id_)
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]["deliveryStatement"]
        return found


@pytest.fixture(scope="module", autouse=True)
def signing_key(live: LiveServer) -> None:
    """Statements are signed by the installation's own key."""
    with no_scope():
        vault_services.ensure_signing_key(service_context("test"))


def published() -> verifier.KeyRing:
    with no_scope(), system_scope("vault.keys"):
        return verifier.KeyRing(verifier.read_keys(vault.key_documents(), "published"))


def verified(statement: dict[str, Any], log: list[str], folder: Path) -> verifier.Report:
    """Check a statement offline, together with a client's log."""
    kept = folder / "messages.jsonl"
    kept.write_text("".join(f"{line}\n" for line in log), encoding="utf-8")
    return verifier.check_envelope(statement["envelope"], published(), messages=kept)


def told(statement: dict[str, Any]) -> dict[str, Any]:
    """Return what an envelope says."""
    predicate: dict[str, Any] = json.loads(base64.b64decode(statement["envelope"]["payload"]))["predicate"]
    return predicate


def sums(results: list[dict[str, Any]]) -> tuple[int, int]:
    said = [each.get("extensions", {}) for each in results]
    return (
        sum(each.get("coalesced", {}).get("superseded", 0) for each in said),
        sum(each.get("discontinuity", {}).get("missed", 0) for each in said),
    )


def codes(report: verifier.Report) -> list[str]:
    return [finding.code for finding in report.findings if finding.severity == "error"]


def write(api: Api, count: int, rounds: int = 1, kind: str = "A") -> None:
    for round_ in range(rounds):
        api.upsert(*({"kind": kind, "externalId": f"{n}", "name": f"né {round_}"} for n in range(count)))


def test_it_is_what_the_client_got_over_a_thousand_messages(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    """Every update told at once, another subscription coalesced, and a pace that forces discontinuities."""
    granting.grant(
        kit.ctx,
        tenant_id=kit.info.id,
        measure=Measure.DELIVERIES,
        limit=Limit(rate_per_s=300.0, burst=1_200),
        lasts=timedelta(hours=1),
        reason="test",
    )
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow(id_="every")
        follower.follow(id_="newest", every=300)
        accounts = {follower.ready("every"), follower.ready("newest")}
        assert len(accounts) == 2
        writer = threading.Thread(target=write, args=(api, 100, 25))
        writer.start()
        until = time.monotonic() + 60
        while True:
            follower.read()
            results, newest = follower.results("every"), follower.results("newest")
            if len(results) + len(newest) > 500 and all(
                len(each) + sum(sums(each)) == 2_500 for each in (results, newest)
            ):
                break
            assert time.monotonic() < until, [(len(each), sums(each)) for each in (results, newest)]
        writer.join()
        made = {id_: follower.statement(id_) for id_ in ("every", "newest")}
    for id_, each in (("every", results), ("newest", newest)):
        said = told(made[id_])
        report = verified(made[id_], follower.log, tmp_path)
        assert report.ok, report.findings
        assert report.facts["log"] == "agrees" and report.tenant == str(kit.info.id)
        assert said["counts"]["delivered"] == len(each)
        assert said["sequence"] == {"after": 0, "to": 2_500}
        assert (said["counts"]["coalesced"], said["counts"]["shed"]) == sums(each)
        assert said["acknowledged"]["sequence"] == 2_500
        assert said["events"]["last"] == each[-1]["extensions"]["eventId"] == made[id_]["account"]["lastEventId"]
        assert said["counts"]["waiting"] == said["counts"]["leftOut"] == 0
        assert sum(said["counts"]["shedByReason"].values()) == said["counts"]["shed"]
    every, latest = told(made["every"]), told(made["newest"])
    assert every["counts"]["shed"] > 0, "the pace was to be over"
    assert every["counts"]["delivered"] > 1_000
    assert [gap["reasons"] for gap in every["discontinuities"]] == [["TENANT_RATE"]] * len(every["discontinuities"])
    assert latest["counts"]["coalesced"] > 100
    assert every["subscription"]["document"] == latest["subscription"]["document"]
    assert every["subscription"]["variables"] != latest["subscription"]["variables"]


def test_whatever_was_altered_is_refused(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow()
        follower.ready()
        write(api, 6)
        while len(follower.results()) < 6:
            follower.read()
        made = follower.statement()
        write(api, 6, kind="B")
        while len(follower.results()) < 12:
            follower.read()
    log = follower.log
    whole = verified(made, log, tmp_path)
    assert whole.ok and whole.facts["messages_beyond"] == 6, whole.findings
    places = [place for place, text in enumerate(log) if '"type":"next"' in text and '"id":"s1"' in text]

    def without(place: int) -> list[str]:
        return log[:place] + log[place + 1 :]

    swapped = list(log)
    swapped[places[1]], swapped[places[2]] = swapped[places[2]], swapped[places[1]]
    edited = list(log)
    edited[places[3]] = edited[places[3]].replace("né 0", "né 1")
    assert edited != log
    for altered in (swapped, edited, without(places[2]), [log[places[0]], *log]):
        assert codes(verified(made, altered, tmp_path)) == ["delivery.messages"]
    assert codes(verified(made, log[: places[4]], tmp_path)) == ["delivery.missing"]
    assert codes(verified(made, [], tmp_path)) == ["delivery.missing"]
    forged = json.loads(base64.b64decode(made["envelope"]["payload"]))
    forged["predicate"]["counts"]["shed"] = 9
    lie = {**made["envelope"], "payload": base64.b64encode(json.dumps(forged).encode()).decode()}
    assert codes(verified({"envelope": lie}, log, tmp_path)) == ["envelope.signature"]


def test_a_log_may_hold_an_id_more_than_once(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    api = Api(live.url, kit.key("admin"))
    log: list[str] = []
    made = []
    for round_ in range(2):
        with socket(live.ws_url, kit.key("reader")) as client:
            follower = Follower(client, kit)
            follower.follow()
            follower.ready()
            write(api, 3, kind=f"K{round_}")
            while len(follower.results()) < 3:
                follower.read()
            made.append(follower.statement())
            log += ['{"type":"connection_ack"}', *follower.log]
    assert all(verified(each, log, tmp_path).ok for each in made)


def test_another_operation_under_the_same_id_is_not_counted(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow()
        first = follower.ready()
        write(api, 2)
        while len(follower.results()) < 2:
            follower.read()
        client.send({"id": "s1", "type": "complete"})
        client.send({"id": "s1", "type": "subscribe", "payload": {"query": "{ apiVersion }"}})
        follower.until("complete", "s1")
        ended = follower.statement()
        assert ended["account"]["account"] == first and told(ended)["counts"]["delivered"] == 2
        assert told(ended)["ended"]["reason"] == "complete"
        assert verified(ended, follower.log, tmp_path).ok
        del follower.accounts["s1"]
        follower.follow()
        assert follower.ready() != first
        write(api, 3, kind="B")
        while len(follower.results()) < 6:
            follower.read()
        again = follower.statement()
        assert told(again)["counts"]["delivered"] == 3
        assert verified(again, follower.log, tmp_path).ok


def test_it_costs_nothing_and_changes_nothing_for_those_who_did_not_ask(live: LiveServer, kit: TenantKit) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as plain, socket(live.ws_url, kit.key("reader")) as asking:
        other, follower = Follower(plain, kit), Follower(asking, kit)
        other.follow(statement=False)
        other.client.settle()
        follower.follow()
        follower.ready()
        write(api, 3)
        while len(follower.results()) < 3:
            follower.read()
        while len(other.results()) < 3:
            assert other.read()["type"] == "next"
        assert [each["data"] for each in other.results()] == [each["data"] for each in follower.results()]
        assert all("extensions" not in each for each in other.results())
        assert all(each["extensions"]["eventId"] for each in follower.results())
        answer = other.ask()
        assert answer["data"]["deliveryStatement"] is None and "errors" not in answer


@pytest.mark.parametrize("value", ["yes", 1, [], {}])
def test_the_wish_is_a_yes_or_no(live: LiveServer, kit: TenantKit, value: object) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow(statement=value)
        assert follower.until("error")["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_it_outlives_the_connection_and_is_the_owners_and_the_auditors_alone(
    live: LiveServer, kit: TenantKit, tmp_path: Path
) -> None:
    mine, api, stranger = kit.key("reader"), Api(live.url, kit.key("admin")), make_tenant()
    with socket(live.ws_url, mine) as client:
        follower = Follower(client, kit)
        follower.follow()
        account = follower.ready()
        write(api, 4)
        while len(follower.results()) < 4:
            follower.read()
    owner = Api(live.url, mine)
    until = time.monotonic() + 20
    while (said := owner.data(STATEMENT, id=account)["deliveryStatement"]) is None or said["account"][
        "state"
    ] == "open":
        assert time.monotonic() < until, said
        time.sleep(1.1)
    assert verified(said, follower.log, tmp_path).ok
    assert told(said)["ended"]["by"] == "client" and told(said)["counts"]["delivered"] == 4
    assert owner.data(STATEMENT, id=account)["deliveryStatement"] == said, "signed once"
    assert api.data(STATEMENT, id=account)["deliveryStatement"]["envelope"] == said["envelope"]
    listed = api.data(ACCOUNTS)["deliveryAccounts"]
    assert [(each["account"], each["sequence"]) for each in listed] == [(account, 4)]
    # Another of the tenant, another tenant's administrator, and an id of nothing hear the same: nothing.
    for outsider in (Api(live.url, kit.key("reader")), Api(live.url, stranger.key("admin"))):
        assert outsider.data(STATEMENT, id=account) == {"deliveryStatement": None}
    assert api.data(STATEMENT, id=str(new_id())) == {"deliveryStatement": None}
    assert api.data(STATEMENT, id="s1") == {"deliveryStatement": None}, "an operation's id is its connection's"
    assert Api(live.url, stranger.key("admin")).data(ACCOUNTS) == {"deliveryAccounts": []}
    assert Api(live.url, mine).code(ACCOUNTS) == "FORBIDDEN"
    with socket(live.ws_url, mine) as other:
        assert Follower(other, kit).ask("s1")["data"] == {"deliveryStatement": None}


def test_what_the_client_did_not_confirm_is_not_said_to_be(live: LiveServer, kit: TenantKit) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit, answers=False)
        follower.follow()
        follower.ready()
        follower.client.send({"type": "pong", "payload": {"statement": {"nonce": "guess", "operations": {}}}})
        write(api, 3)
        while len(follower.results()) < 3:
            follower.read()
        assert (said := told(follower.statement()))["acknowledged"] == {"sequence": None, "at": None}
        assert said["counts"]["delivered"] == 3


def test_a_flood_of_statements_is_limited(live: LiveServer, kit: TenantKit) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow()
        follower.ready()
        first = follower.statement()
        assert follower.statement() == first, "nothing new: the same envelope"
        refused = 0
        for round_ in range(6):
            write(api, 1, kind=f"K{round_}")
            while len(follower.results()) <= round_:
                follower.read()
            answer = follower.ask()
            refused += [each["extensions"]["code"] for each in answer.get("errors", [])] == ["RATE_LIMITED"]
        assert refused >= 1
        aliases = " ".join(f"a{n}: deliveryStatement(id: $id) {{ head }}" for n in range(50))
        follower.client.send(
            {
                "id": "many",
                "type": "subscribe",
                "payload": {"query": f"query ($id: ID!) {{ {aliases} }}", "variables": {"id": "s1"}},
            }
        )
        while (message := follower.read()).get("id") != "many":
            pass
        made = {each["head"] for each in message["payload"]["data"].values() if each is not None}
        assert len(made) <= 1


def test_one_who_may_not_follow_any_more_is_told_nothing(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow("subscription ($t: ID!) { jobProgress(tenantId: $t) { id } }")
        assert follower.until("error")["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        assert follower.ask()["data"] == {"deliveryStatement": None}


def test_a_state_has_an_account_too(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow("subscription ($t: ID!) { usageUpdated(tenantId: $t) { limits { measure used } } }")
        follower.until("next", "s1")
        made = follower.statement()
        report = verified(made, follower.log, tmp_path)
        assert report.ok, report.findings
        assert told(made)["events"] == {"after": None, "first": None, "last": None}
        assert told(made)["sequence"]["to"] >= 1


def test_a_resumed_subscription_says_where_it_began(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    api = Api(live.url, kit.key("admin"))
    write(api, 5)
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow(since="0")
        while len(follower.results()) < 5:
            follower.read()
        made = follower.statement()
        assert told(made)["subscription"]["since"] == told(made)["events"]["after"] == "0"
        assert verified(made, follower.log, tmp_path).ok


def test_the_numbers_go_on_over_a_reconnect(live: LiveServer, kit: TenantKit, tmp_path: Path) -> None:
    api, said, log = Api(live.url, kit.key("admin")), [], []
    last: dict[str, Any] = {"sequence": 0, "eventId": "0"}
    for round_ in range(2):
        write(api, 4, kind=f"K{round_}")
        with socket(live.ws_url, kit.key("reader")) as client:
            follower = Follower(client, kit)
            follower.follow(since=last["eventId"], sequence=last["sequence"])
            while len(follower.results()) < 4:
                follower.read()
            last = follower.results()[-1]["extensions"]
            said.append(follower.statement())
            log += ['{"type":"connection_ack"}', *follower.log]
    assert [told(each)["sequence"] for each in said] == [{"after": 0, "to": 4}, {"after": 4, "to": 8}]
    assert told(said[0])["events"]["last"] == told(said[1])["events"]["after"]
    assert all(verified(each, log, tmp_path).ok for each in said)


def test_a_killed_server_leaves_what_it_had_kept(kit: TenantKit, tmp_path: Path) -> None:
    """What was handed on after the last keeping is not claimed; what was is proved by the chain's beginning."""
    with running(tmp_path, IG_RELAY_NAME="killed") as server:
        token, api = kit.key("reader"), Api(server.url, kit.key("admin"))
        with socket(server.ws_url, token) as client:
            follower = Follower(client, kit)
            follower.follow()
            account = follower.ready()
            write(api, 5)
            while len(follower.results()) < 5:
                follower.read()
            until = time.monotonic() + 30
            while (said := api.data(STATEMENT, id=account)["deliveryStatement"]) is None or told(said)["counts"][
                "delivered"
            ] < 5:
                assert time.monotonic() < until
                time.sleep(1.1)
            write(api, 3, kind="B")
            while len(follower.results()) < 8:
                follower.read()
            server.web.end(signal.SIGKILL)
        server.web.start()
        server.wait_ready()
        said = Api(server.url, token).data(STATEMENT, id=account)["deliveryStatement"]
        assert 5 <= told(said)["counts"]["delivered"] <= 8
        report = verified(said, follower.log, tmp_path)
        assert report.ok, report.findings
        assert report.facts["messages_beyond"] == 8 - told(said)["counts"]["delivered"]
        assert told(said)["state"] == "open"


def test_a_statement_is_a_record_of_the_ledger(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        follower = Follower(client, kit)
        follower.follow()
        follower.ready()
        payload = base64.b64decode(follower.statement()["envelope"]["payload"])
    with tenant_scope(kit.info.id):
        events = list(Record.objects.filter(type="vault.signature.made"))
    said = [json.loads(each.body)["data"] for each in events]
    assert [(each["kind"], each["subject"]) for each in said] == [
        ("https://intelgraph.dev/delivery/v1", hashlib.sha256(payload).hexdigest())
    ]
