"""Verbs of privacy, for policy."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("privacy.erasure.read", "see erasure requests"),
    Action("privacy.erasure.create", "ask for a subject to be erased", step_up=True),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
