"""First programs against the three interfaces, as people copy them. Pure; a test runs every one as it stands.

Each reads the address from `IG_URL` and the key from `IG_TOKEN`, so that no secret stands in a file.
"""

from apps.portal.types import Code


def environment(base: str) -> str:
    """Return the two lines that every program below needs."""
    return f"export IG_URL={base}\nexport IG_TOKEN=  # an API key of your tenant"


GRAPHQL: tuple[Code, ...] = (
    Code(
        "curl",
        """curl -sS "$IG_URL/graphql" \\
  -H "Authorization: Bearer $IG_TOKEN" -H "Content-Type: application/json" \\
  -d '{"query": "{ me { kind tenant { slug } } graphSummary { entityCount edgeCount } }"}'""",
    ),
    Code(
        "Python",
        """import json, os, urllib.request

query = "{ me { kind tenant { slug } } graphSummary { entityCount edgeCount } }"
request = urllib.request.Request(
    os.environ["IG_URL"] + "/graphql",
    json.dumps({"query": query}).encode(),
    {"Authorization": "Bearer " + os.environ["IG_TOKEN"], "Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer)))""",
    ),
    Code(
        "JavaScript",
        """// Node 18 or newer, or a server of yours: never put a key into a page.
const { IG_URL, IG_TOKEN } = process.env;
const answer = await fetch(`${IG_URL}/graphql`, {
  method: "POST",
  headers: { authorization: `Bearer ${IG_TOKEN}`, "content-type": "application/json" },
  body: JSON.stringify({ query: "{ me { kind tenant { slug } } graphSummary { entityCount edgeCount } }" }),
});
console.log(JSON.stringify(await answer.json()));""",
    ),
)
"""Who am I, and what does my tenant hold?"""

REST: tuple[Code, ...] = (
    Code(
        "curl",
        """cat > bundle.json <<'JSON'
{"type": "bundle", "id": "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", "objects": [
  {"type": "malware", "spec_version": "2.1", "id": "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b", "is_family": true,
   "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "name": "Quickstart sample"}]}
JSON
job=$(curl -sS "$IG_URL/api/v1/ingest/stix" -H "Authorization: Bearer $IG_TOKEN" -H "Content-Type: application/json" \\
  --data-binary @bundle.json -o /dev/null -w '%header{location}')
curl -sS "$IG_URL$job" -H "Authorization: Bearer $IG_TOKEN\"""",
    ),
    Code(
        "Python",
        """import json, os, urllib.request

base, key = os.environ["IG_URL"], {"Authorization": "Bearer " + os.environ["IG_TOKEN"]}
malware = {
    "type": "malware", "spec_version": "2.1", "id": "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b", "is_family": True,
    "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "name": "Quickstart sample",
}
bundle = {"type": "bundle", "id": "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", "objects": [malware]}
sent = urllib.request.Request(
    base + "/api/v1/ingest/stix", json.dumps(bundle).encode(), {**key, "Content-Type": "application/json"}
)
with urllib.request.urlopen(sent) as answer:
    job = answer.headers["Location"]
with urllib.request.urlopen(urllib.request.Request(base + job, headers=key)) as answer:
    print(json.dumps(json.load(answer)))""",
    ),
    Code(
        "JavaScript",
        """const { IG_URL, IG_TOKEN } = process.env;
const headers = { authorization: `Bearer ${IG_TOKEN}`, "content-type": "application/json" };
const malware = {
  type: "malware", spec_version: "2.1", id: "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b", is_family: true,
  created: "2026-01-01T00:00:00Z", modified: "2026-01-01T00:00:00Z", name: "Quickstart sample",
};
const body = JSON.stringify({ type: "bundle", id: "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", objects: [malware] });
const sent = await fetch(`${IG_URL}/api/v1/ingest/stix`, { method: "POST", headers, body });
const job = await fetch(IG_URL + sent.headers.get("location"), { headers });
console.log(JSON.stringify(await job.json()));""",
    ),
)
"""Bring in a STIX bundle, and ask how it went."""

LIVE: tuple[Code, ...] = (
    Code(
        "Python",
        """# pip install websockets
import json, os
from websockets.sync.client import connect

address = os.environ["IG_URL"].replace("http", "ws", 1) + "/graphql/ws"
query = "subscription ($tenant: ID!) { changes(tenantId: $tenant) { eventId op entity { id name } } }"

with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
    def send(**message): socket.send(json.dumps(message))

    send(type="connection_init", payload={"authorization": "Bearer " + os.environ["IG_TOKEN"]})
    for text in socket:
        message = json.loads(text)
        if message["type"] == "connection_ack":
            send(id="1", type="subscribe", payload={"query": query, "variables": {"tenant": "TENANT"}})
            print("listening", flush=True)
        elif message["type"] == "ping":
            send(type="pong")
        elif message["type"] == "next":
            print(json.dumps(message["payload"]["data"]["changes"]), flush=True)
        elif message["type"] in ("error", "complete"):
            raise SystemExit(text)""",
    ),
    Code(
        "JavaScript",
        """// Node 22 or newer has WebSocket built in.
const { IG_URL, IG_TOKEN } = process.env;
const socket = new WebSocket(IG_URL.replace("http", "ws") + "/graphql/ws", "graphql-transport-ws");
const send = (message) => socket.send(JSON.stringify(message));
const query = "subscription ($tenant: ID!) { changes(tenantId: $tenant) { eventId op entity { id name } } }";

socket.onopen = () => send({ type: "connection_init", payload: { authorization: `Bearer ${IG_TOKEN}` } });
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.type === "connection_ack") {
    send({ id: "1", type: "subscribe", payload: { query, variables: { tenant: "TENANT" } } });
    console.log("listening");
  } else if (message.type === "ping") send({ type: "pong" });
  else if (message.type === "next") console.log(JSON.stringify(message.payload.data.changes));
  else if (message.type !== "pong") throw new Error(data);
};
socket.onclose = ({ code, reason }) => console.log("closed", code, reason);""",
    ),
)
"""Follow every change of a tenant."""


def live(slug: str) -> tuple[Code, ...]:
    """Return the programs that follow a tenant's changes."""
    return tuple(Code(one.label, one.text.replace("TENANT", slug)) for one in LIVE)
