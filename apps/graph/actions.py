"""Verbs of the graph, for policy."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("graph.entity.read", "read entities and what lies around them"),
    Action("graph.edge.read", "read edges"),
    Action("graph.search", "search entities"),
    Action("graph.summary.read", "see how much the tenant holds"),
    Action("graph.history.read", "see who changed what, and when"),
    Action("graph.changes.subscribe", "receive changes live"),
    Action("graph.entity.write", "create and update entities"),
    Action("graph.edge.write", "create and update edges"),
    Action("graph.entity.delete", "delete entities and their edges"),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
