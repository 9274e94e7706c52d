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
        '''import json, os, urllib.request

query = "{ me { kind tenant { slug } } graphSummary { entityCount edgeCount } }"
request = urllib.request.Request(
    os.environ["IG_URL"] + "/graphql",
    json.dumps({"query": query}).encode(),
    {"Authorization": "Bearer " + os.environ["IG_TOKEN"], "Content-Type": "application/json"},
)
with urllib.request.urlopen(request) as answer:
    print(json.dumps(json.load(answer)))''',
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
        """printf '%s\\n' '{"kind": "Asset", "external_id": "srv-1", "name": "Mail server"}' > assets.jsonl
printf '%s\\n' 'version: 1' 'source: quickstart' 'records:' '  - kind: "{kind}"' > /dev/null
curl -sS "$IG_URL/api/v1/mappings" -H "Authorization: Bearer $IG_TOKEN\"""",
    ),
)

LIVE: tuple[Code, ...] = (
    Code(
        "Python",
        '''# pip install websockets
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
            raise SystemExit(text)''',
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
