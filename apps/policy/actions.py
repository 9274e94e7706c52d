"""Verbs of the floors below policy, which cannot name it; apps above declare their own."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("ledger.record.read", "see the ledger's records, proofs and checkpoints"),
    Action("ledger.export", "download a part of the ledger"),
    Action("identity.member.read", "see members and their roles"),
    Action("identity.member.manage", "invite and remove members, change roles", step_up=True),
    Action("identity.key.read", "see API keys"),
    Action("identity.key.manage", "make, rotate and revoke API keys", step_up=True),
    Action("identity.issuer.manage", "trust identity providers, revoke their tokens", step_up=True),
    Action("identity.session.manage", "see and end sessions of members"),
    Action("tenants.settings.read", "see the tenant's settings"),
    Action("tenants.settings.manage", "change the tenant's settings", step_up=True),
    Action("quotas.usage.read", "see limits and what is used of them"),
    Action("policy.decision.read", "see decisions and the rules behind them"),
    Action("policy.fence.manage", "say from which countries people may work here", step_up=True),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
