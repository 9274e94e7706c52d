"""Verbs of flags, for policy."""

from apps.core.sockets import ACTIONS
from apps.policy.types import Action

DECLARED = (
    Action("flags.flag.read", "see the flags that apply to the tenant"),
    Action("flags.flag.evaluate", "evaluate flags over OFREP"),
    Action("platform.flag.read", "see the platform's flags, their history and use"),
    Action("platform.flag.manage", "make, change, target and archive flags", step_up=True),
    Action("platform.flag.kill", "throw a flag's kill switch, and put it back"),
)

for action in DECLARED:
    ACTIONS.plug(action.name, action)
