"""Verbs of the connectors, for policy."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("connectors.job.read", "see ingest jobs and their errors"),
    Action("connectors.job.create", "bring data in"),
    Action("connectors.mapping.read", "see mappings"),
    Action("connectors.mapping.write", "save mappings"),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
