"""Background jobs of the vault."""

from apps.core.context import Context
from apps.core.jobs import job
from apps.vault import services


@job("vault.checkpoints.sign")
def sign_checkpoints(ctx: Context) -> None:
    """Keep the signing key fresh, then sign a checkpoint for every ledger that has grown."""
    services.ensure_signing_key(ctx)
    services.write_checkpoints(ctx)
