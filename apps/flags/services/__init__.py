"""Verbs of flags."""

from apps.flags.services.changes import archive, change_flag, create_flag, kill, restore, target_tenant
from apps.flags.services.tending import begin, declare, end, tend

__all__ = [
    "archive",
    "begin",
    "change_flag",
    "create_flag",
    "declare",
    "end",
    "kill",
    "restore",
    "target_tenant",
    "tend",
]
