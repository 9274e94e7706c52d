"""Verbs of the portal's pages, and of platform staff in the admin, for policy, whose rules say who may do which."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("portal.filter.share", "share filters of lists with all members, delete shared ones"),
    Action("platform.health.read", "see queues, lags and the state of the platform"),
    Action("platform.tenant.read", "see tenants"),
    Action("platform.tenant.create", "create tenants", step_up=True),
    Action("platform.tenant.change", "suspend, reactivate and offboard tenants", step_up=True),
    Action("platform.tenant.act", "act in a tenant for a time, reading only", step_up=True),
    Action("platform.tenant.act_widely", "act in a tenant for a time as an analyst", step_up=True),
    Action("platform.acting.read", "see which staff acted in which tenant"),
    Action("platform.account.read", "see accounts"),
    Action("platform.account.create", "create accounts, also of staff", step_up=True),
    Action("platform.member.read", "see who is a member of which tenant"),
    Action("platform.member.manage", "add and remove members, change their roles", step_up=True),
    Action("platform.key.read", "see API keys, without their secrets"),
    Action("platform.key.revoke", "revoke API keys"),
    Action("platform.ledger.read", "see the ledgers of all tenants"),
    Action("platform.bus.read", "see subscribers and parked events"),
    Action("platform.bus.replay", "replay parked events"),
    Action("platform.bus.drop", "drop parked events", step_up=True),
    Action("platform.graph.read", "see what tenants hold, within what platform staff are cleared for"),
    Action("platform.vault.read", "see signing keys and object manifests"),
    Action("platform.vault.rotate", "rotate the signing key", step_up=True),
    Action("platform.ingest.read", "see ingest jobs and mappings"),
    Action("platform.ingest.cancel", "cancel ingest jobs"),
    Action("platform.quota.read", "see limits that differ from the plan's"),
    Action("platform.policy.read", "see decisions of policy, fences and signals"),
    Action("platform.quota.change", "grant other limits than the plan's, for a time", step_up=True),
    Action("platform.proposal.read", "see what staff proposed"),
    Action("platform.proposal.decide", "approve and reject what others proposed", step_up=True),
    Action("platform.log.read", "see what staff did in the admin"),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
