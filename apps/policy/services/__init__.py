"""Verbs of policy: may this caller do this, is this session trusted, what is shown in clear."""

from apps.policy.services.deciding import assess, assess_session, clearance, decide, require, sound_until, warm
from apps.policy.services.fencing import set_fence
from apps.policy.services.keeping import close_log, flush_decisions, sweep_decisions
from apps.policy.services.signals import receive_events

__all__ = [
    "assess",
    "assess_session",
    "clearance",
    "close_log",
    "decide",
    "flush_decisions",
    "receive_events",
    "require",
    "set_fence",
    "sound_until",
    "sweep_decisions",
    "warm",
]
