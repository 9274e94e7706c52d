"""Verbs of the vault: keys, signatures, secrets, objects, checkpoints of ledgers."""

from apps.vault.services.checkpoints import export_ledger, verify_ledgers, write_checkpoints
from apps.vault.services.keys import active_signer, ensure_signing_key, rotate_key
from apps.vault.services.objects import delete_object, put_object
from apps.vault.services.secrets import open_secret, reseal_secret, seal_secret
from apps.vault.services.signing import Detached, sign_blob, sign_digest, sign_statement

__all__ = [
    "Detached",
    "active_signer",
    "delete_object",
    "ensure_signing_key",
    "export_ledger",
    "open_secret",
    "put_object",
    "reseal_secret",
    "rotate_key",
    "seal_secret",
    "sign_blob",
    "sign_digest",
    "sign_statement",
    "verify_ledgers",
    "write_checkpoints",
]
