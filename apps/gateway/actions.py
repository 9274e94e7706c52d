"""Verbs of live updates, for policy."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("ledger.delivery.read", "see what was delivered live to others, and have it signed"),
    Action("incidents.incident.read", "see incidents"),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
