"""Verbs of the log of decisions: write what waits, let what is old go."""

from datetime import timedelta

from apps.core.context import Context
from apps.core.scope import system_scope
from apps.policy import journal
from apps.policy.models import DecisionEntry

KEPT_FOR = timedelta(days=90)
SWEPT_AT_ONCE = 5_000


def flush_decisions() -> int:
    """Write the decisions that wait in this process now; return how many."""
    return journal.flush()


def close_log() -> int:
    """Write the decisions that wait and stop writing: the end of a process. Returns how many were written."""
    return journal.close()


def sweep_decisions(ctx: Context) -> int:
    """Let decisions older than 90 days go, at most 5,000 of them; return how many. Grave acts stay in the ledger."""
    with system_scope("policy.decisions"):
        oldest = DecisionEntry.objects.order_by("id").values_list("id", flat=True)
        due = list(oldest.filter(at__lt=ctx.now - KEPT_FOR)[:SWEPT_AT_ONCE])
        return DecisionEntry.objects.filter(id__in=due).delete()[0] if due else 0
