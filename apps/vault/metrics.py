"""What the vault counts."""

from prometheus_client import Counter

CHECKPOINTS_SIGNED = Counter("ig_ledger_checkpoints_signed_total", "Checkpoints that were signed")
CHECKPOINTS_REFUSED = Counter(
    "ig_ledger_checkpoints_refused_total", "Checkpoints that were not signed because the ledger does not verify"
)
