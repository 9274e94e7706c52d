"""The table of doors: for each one who is let in, by name, and a request that would do what the door is for.

What stands here is written by hand from what roles are for; it is not read from the policy pack, which a test compares
with it. A door that is not in the table fails the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.security import targets as t
from tests.security.callers import EVERYONE, KEYS, OTHERS, ROLES, STAFF
from tests.security.targets import Maker

OPEN, OWN = "open", "own"
"""Doors that ask policy for nothing: open to everyone, or about nothing but the caller's own account."""
DONE = frozenset({200, 201, 202, 204, 302})
HOLLOW = frozenset({400, 404, 409, 410, 415, 422})
"""Answers of a door that let the caller in and found the request empty, or about nothing."""


@dataclass(frozen=True)
class Row:
    """One door. `asks` is its action, `may` who is let in; `make` makes what the request is about.

    `changes` says that the request changes something for those who may; `ok` which answers mean that they were let in.
    """

    asks: str
    may: frozenset[str]
    make: Maker = t.nothing
    changes: bool = False
    ok: frozenset[int] = DONE


def _who(*names: str) -> frozenset[str]:
    return frozenset(names)


PEOPLE = frozenset((*ROLES, *STAFF, OTHERS[0]))
ALL = frozenset(EVERYONE)
MEMBERS = frozenset(ROLES)
MACHINES = frozenset(KEYS)
CHIEFS = _who("owner", "admin", "key admin")
READ = _who("owner", "admin", "analyst", "reader", "developer", "dpo") | MACHINES
GLANCE = MEMBERS | MACHINES
WRITE = _who("owner", "admin", "analyst", "developer", "key writer", "key admin")
DELETE = WRITE - {"developer"}
JOBS = _who("owner", "admin", "analyst", "developer", "key writer", "key admin")
RECORDS = _who("owner", "admin", "analyst", "dpo", "auditor:tenant", "auditor:org", "key admin")
EXPORT = RECORDS - {"analyst"}
MACHINE_KEEPERS = CHIEFS | {"developer"}
EVALUATE = _who("owner", "admin", "analyst", "reader", "developer") | MACHINES
USAGE = (MEMBERS - {"auditor:org"}) | MACHINES
ERASE = CHIEFS | {"dpo"}

TENANT = "/t/<slug:slug>/"
ENTITY = f"{TENANT}entities/<uuid:entity_id>/"
EMPTY = Row(OPEN, ALL, ok=DONE | HOLLOW)

PORTAL: Mapping[str, Row] = {
    # Everyone.
    "page GET /": Row(OPEN, ALL),
    "page GET /login/": Row(OPEN, ALL),
    "page POST /login/": EMPTY,
    "page GET /login/reset/": Row(OPEN, ALL),
    "page POST /login/reset/": EMPTY,
    "page GET /login/reset/<str:token>/": EMPTY,
    "page POST /login/reset/<str:token>/": EMPTY,
    "page GET /invitations/<str:token>/": EMPTY,
    "page POST /invitations/<str:token>/": EMPTY,
    "page POST /webauthn/assert/options": Row(OPEN, ALL, t.says()),
    "page POST /webauthn/assert": Row(OPEN, ALL, t.says(), ok=HOLLOW | {401}),
    "page GET /robots.txt": Row(OPEN, ALL),
    "page GET /.well-known/security.txt": Row(OPEN, ALL),
    "page GET /.well-known/intelgraph/keys.json": Row(OPEN, ALL),
    "page GET /.well-known/jwks.json": Row(OPEN, ALL),
    "page POST /-/preferences/": Row(OPEN, ALL, t.says(theme="dark")),
    "page GET /-/components/": Row(OPEN, ALL, ok=frozenset({200, 404})),
    "page POST /logout/": Row(OPEN, ALL),
    # The own account of whoever is signed in.
    "page GET /login/code/": Row(OWN, PEOPLE),
    "page POST /login/code/": Row(OWN, PEOPLE, ok=HOLLOW),
    "page POST /webauthn/register/options": Row(OWN, PEOPLE, t.says()),
    "page POST /webauthn/register": Row(OWN, PEOPLE, t.says(), ok=HOLLOW),
    "page GET /account/security/": Row(OWN, PEOPLE),
    "page POST /account/security/passkeys/<int:passkey_id>/remove/": Row(OWN, PEOPLE, t.at(passkey_id="999999999"), ok=HOLLOW),
    "page GET /account/security/apps/new/": Row(OWN, PEOPLE),
    "page POST /account/security/apps/new/": Row(OWN, PEOPLE, changes=True),
    "page POST /account/security/apps/<int:app_id>/remove/": Row(OWN, PEOPLE, t.at(app_id="999999999"), ok=HOLLOW),
    "page POST /account/security/recovery-codes/": Row(OWN, PEOPLE, changes=True),
    "page GET /account/password/": Row(OWN, PEOPLE),
    "page POST /account/password/": Row(OWN, PEOPLE, ok=DONE | HOLLOW),
    "page POST /account/acting/stop/": Row(OWN, PEOPLE),
    "page GET /account/sessions/": Row(OWN, PEOPLE),
    "page POST /account/sessions/end-others/": Row(OWN, PEOPLE),
    "page POST /account/sessions/<uuid:session_id>/end/": Row(OWN, PEOPLE, ok=DONE | HOLLOW),
    "page GET /audit/": Row(OWN, PEOPLE),
    "page GET /audit/proof/": Row(OWN, PEOPLE, ok=HOLLOW),
    "page GET /developers/": Row(OWN, PEOPLE),
    "page GET /developers/schema.graphql": Row(OWN, PEOPLE),
    "page GET /developers/documents/<str:name>": Row(OWN, PEOPLE, t.document),
    # A tenant: what it holds.
    f"page GET {TENANT}": Row("graph.summary.read", GLANCE),
    f"page GET {TENANT}-/palette/": Row("graph.summary.read", GLANCE),
    f"page GET {TENANT}licences/<slug:key>/": Row("graph.summary.read", GLANCE, t.at(key="mitre-attack"), ok=DONE | {404}),
    f"page GET {TENANT}entities/": Row("graph.entity.read", READ),
    f"page POST {TENANT}filters/": Row("graph.entity.read", READ, t.new_filter, changes=True),
    f"page POST {TENANT}filters/<uuid:filter_id>/delete/": Row("graph.entity.read", READ, t.kept_filter, changes=True),
    f"page GET {ENTITY}": Row("graph.entity.read", READ, t.entity),
    f"page GET {ENTITY}edit/": Row("graph.entity.write", WRITE, t.entity),
    f"page POST {ENTITY}edit/": Row("graph.entity.write", WRITE, t.changed_entity, changes=True),
    f"page POST {ENTITY}delete/": Row("graph.entity.delete", DELETE, t.doomed_entity, changes=True),
    f"page GET {ENTITY}relations/<str:direction>/<str:kind>/": Row("graph.edge.read", READ, t.entity),
    # What is brought in.
    f"page GET {TENANT}imports/": Row("connectors.job.read", JOBS),
    f"page GET {TENANT}imports/new/": Row("connectors.job.create", WRITE),
    f"page POST {TENANT}imports/new/": Row("connectors.job.create", WRITE, t.upload, changes=True),
    f"page GET {TENANT}imports/<uuid:job_id>/": Row("connectors.job.read", JOBS, t.job),
    f"page POST {TENANT}imports/<uuid:job_id>/cancel/": Row("connectors.job.create", WRITE, t.job, changes=True),
    f"page GET {TENANT}imports/<uuid:job_id>/errors/": Row("connectors.job.read", JOBS, t.job),
    # Who may come in.
    f"page GET {TENANT}members/": Row("identity.member.read", CHIEFS),
    f"page GET {TENANT}members/invite/": Row("identity.member.manage", CHIEFS),
    f"page POST {TENANT}members/invite/": Row("identity.member.manage", CHIEFS, t.invited, changes=True),
    f"page POST {TENANT}invitations/<uuid:invitation_id>/again/": Row("identity.member.manage", CHIEFS, t.invitation, changes=True),
    f"page POST {TENANT}invitations/<uuid:invitation_id>/revoke/": Row("identity.member.manage", CHIEFS, t.invitation, changes=True),
    f"page GET {TENANT}members/<uuid:user_id>/": Row("identity.member.read", CHIEFS, t.member),
    f"page POST {TENANT}members/<uuid:user_id>/roles/": Row("identity.member.manage", CHIEFS, t.member, changes=True),
    f"page POST {TENANT}members/<uuid:user_id>/remove/": Row("identity.member.manage", CHIEFS, t.member, changes=True),
    f"page POST {TENANT}members/<uuid:user_id>/sign-out/": Row("identity.session.manage", CHIEFS, t.member),
    f"page POST {TENANT}staff/<uuid:acting_id>/end/": Row("identity.member.manage", CHIEFS, t.acting, changes=True),
    f"page GET {TENANT}keys/": Row("identity.key.read", MACHINE_KEEPERS),
    f"page GET {TENANT}keys/new/": Row("identity.key.manage", MACHINE_KEEPERS),
    f"page POST {TENANT}keys/new/": Row("identity.key.manage", MACHINE_KEEPERS, t.says(name="Nightly", scope="reader", days="30"), changes=True),
    f"page POST {TENANT}keys/<uuid:key_id>/rotate/": Row("identity.key.manage", MACHINE_KEEPERS, t.key, changes=True),
    f"page POST {TENANT}keys/<uuid:key_id>/revoke/": Row("identity.key.manage", MACHINE_KEEPERS, t.key, changes=True),
    f"page GET {TENANT}issuers/": Row("identity.member.read", CHIEFS),
    f"page POST {TENANT}issuers/new/": Row("identity.issuer.manage", CHIEFS, t.new_provider, changes=True),
    f"page POST {TENANT}issuers/<uuid:issuer_id>/remove/": Row("identity.issuer.manage", CHIEFS, t.provider, changes=True),
    f"page POST {TENANT}issuers/<uuid:issuer_id>/revoke/": Row("identity.issuer.manage", CHIEFS, t.provider, changes=True),
    f"page GET {TENANT}access/": Row("policy.decision.read", CHIEFS),
    f"page POST {TENANT}access/fence/": Row("policy.fence.manage", CHIEFS, t.fence, changes=True),
    f"page GET {TENANT}access/<uuid:decision_id>/": Row("identity.self.read", MEMBERS | MACHINES, t.decision),
    # How it is set up.
    f"page GET {TENANT}flags/": Row("flags.flag.read", MACHINE_KEEPERS),
    f"page GET {TENANT}settings/": Row("tenants.settings.read", CHIEFS),
    f"page GET {TENANT}settings/edit/": Row("tenants.settings.manage", CHIEFS),
    f"page POST {TENANT}settings/edit/": Row("tenants.settings.manage", CHIEFS, t.settings, changes=True),
    f"page GET {TENANT}limits/": Row("quotas.usage.read", USAGE),
    # What is on record.
    f"page GET {TENANT}ledger/": Row("ledger.record.read", RECORDS),
    f"page GET {TENANT}ledger/export/": Row("ledger.export", EXPORT),
    f"page POST {TENANT}ledger/verify/": Row("ledger.record.read", RECORDS),
    f"page GET {TENANT}ledger/<int:number>/": Row("ledger.record.read", RECORDS),
    f"page GET {TENANT}ledger/<int:number>/proof/": Row("ledger.record.read", RECORDS),
}  # fmt: skip

V1 = "/api/v1/"
REST: Mapping[str, Row] = {
    f"rest GET {V1}openapi.json": Row(OPEN, ALL),
    f"rest POST {V1}security-events": Row(OPEN, ALL, ok=HOLLOW),
    "rest ANY /api/": Row(OPEN, ALL, ok=HOLLOW),
    f"rest GET {V1}entities/<entity_id>": Row("graph.entity.read", READ, t.entity),
    f"rest POST {V1}ingest/<source>": Row("connectors.job.create", WRITE, t.ingest, changes=True),
    f"rest GET {V1}ingest/jobs": Row("connectors.job.read", JOBS),
    f"rest GET {V1}ingest/jobs/<job_id>": Row("connectors.job.read", JOBS, t.job),
    f"rest GET {V1}ingest/jobs/<job_id>/errors": Row("connectors.job.read", JOBS, t.job),
    f"rest POST {V1}ingest/jobs/<job_id>/cancel": Row("connectors.job.create", WRITE, t.job, changes=True),
    f"rest GET {V1}mappings": Row("connectors.mapping.read", JOBS),
    f"rest GET {V1}mappings/<name>": Row("connectors.mapping.read", JOBS, t.mapping),
    f"rest PUT {V1}mappings/<name>": Row("connectors.mapping.write", WRITE, t.new_mapping, changes=True),
    f"rest GET {V1}ledger/checkpoints": Row("ledger.record.read", RECORDS),
    f"rest GET {V1}ledger/proof": Row("ledger.record.read", RECORDS, t.says(number=1)),
    f"rest GET {V1}ledger/export": Row("ledger.export", EXPORT),
    f"rest GET {V1}policy/decisions": Row("policy.decision.read", CHIEFS),
    f"rest GET {V1}policy/decisions/<decision_id>": Row("identity.self.read", MEMBERS | MACHINES, t.decision),
    "rest POST /ofrep/v1/evaluate/flags": Row("flags.flag.evaluate", EVALUATE, t.says(context={})),
    "rest POST /ofrep/v1/evaluate/flags/<str:key>": Row("flags.flag.evaluate", EVALUATE, t.says(context={}), ok=DONE | {404}),
}  # fmt: skip

ENTITIES = 'mutation ($new: String!) { upsertEntities(input: [{kind: "Tool", externalId: $new}]) { created } }'
EDGES = 'mutation ($id: ID!, $to: ID!) { upsertEdges(input: [{kind: "uses", source: $id, target: $to}]) { created } }'
ERASURE = "mutation ($new: String!) { requestErasure(subjectId: $new, scope: DELETE) { id } }"
GRAPHQL: Mapping[str, Row] = {
    "graphql Query.apiVersion": Row("gateway.version.read", GLANCE, t.about("{ apiVersion }")),
    "graphql Query.me": Row("identity.self.read", GLANCE, t.about("{ me { id } }")),
    "graphql Query.graphSummary": Row("graph.summary.read", GLANCE, t.about("{ graphSummary { entityCount } }")),
    "graphql Query.asset": Row("graph.entity.read", READ, t.about("query ($id: ID!) { asset(id: $id) { name } }")),
    "graphql Query.entity": Row("graph.entity.read", READ, t.about("query ($id: ID!) { entity(id: $id) { name } }")),
    "graphql Query.entities": Row("graph.entity.read", READ, t.about("{ entities { nodes { name } } }")),
    "graphql Query.neighborhood": Row("graph.entity.read", READ, t.about("query ($id: ID!) { neighborhood(id: $id) { nodes { name } } }")),
    "graphql Query.shortestPath": Row("graph.entity.read", READ, t.about("query ($id: ID!, $to: ID!) { shortestPath(source: $id, target: $to) { nodes { name } } }")),
    "graphql Query.search": Row("graph.search", READ, t.about("{ search(q: \"Quarzhafen\") { nodes { name } } }")),
    "graphql Query.deliveryStatement": Row("identity.self.read", GLANCE, t.about("query ($id: ID!) { deliveryStatement(id: $id) { head } }")),
    "graphql Query.deliveryAccounts": Row("ledger.delivery.read", EXPORT, t.about("{ deliveryAccounts { account actor } }")),
    "graphql Mutation.upsertEntities": Row("graph.entity.write", WRITE, t.about(ENTITIES), changes=True),
    "graphql Mutation.upsertEdges": Row("graph.edge.write", WRITE, t.about(EDGES), changes=True),
    "graphql Mutation.deleteEntities": Row("graph.entity.delete", DELETE, t.about("mutation ($id: ID!) { deleteEntities(ids: [$id]) { deleted } }"), changes=True),
    "graphql Mutation.requestErasure": Row("privacy.erasure.create", ERASE, t.about(ERASURE), changes=True),
    "graphql Subscription.changes": Row("graph.changes.subscribe", READ, t.about("subscription ($tenant: ID!) { changes(tenantId: $tenant) { id } }")),
    "graphql Subscription.assetUpdated": Row("graph.changes.subscribe", READ, t.about("subscription ($id: ID!, $tenant: ID!) { assetUpdated(id: $id, tenantId: $tenant) { name } }")),
    "graphql Subscription.jobProgress": Row("connectors.job.read", JOBS, t.about("subscription ($tenant: ID!) { jobProgress(tenantId: $tenant) { id source } }")),
    "graphql Subscription.usageUpdated": Row("quotas.usage.read", USAGE, t.about("subscription ($tenant: ID!) { usageUpdated(tenantId: $tenant) { limits { measure used } } }")),
    "graphql Subscription.incidentUpdated": Row("incidents.incident.read", READ, t.about("subscription ($tenant: ID!) { incidentUpdated(tenantId: $tenant) { id state } }")),
}  # fmt: skip
"""Queries and mutations are tried over HTTP and over the websocket, subscriptions over the websocket."""

PROCESS = frozenset({"/graphql", "/healthz", "/readyz", "/metrics"})
"""Doors of the web process before Django's: GraphQL, and what tells machines how it is."""
