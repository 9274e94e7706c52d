"""Verbs that sign what is handed out: detached signatures and DSSE envelopes over in-toto statements."""

import base64
import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.routers import write_alias
from apps.core.scope import system_scope
from apps.vault import statements
from apps.vault.events import SignatureMade
from apps.vault.services.keys import active_signer
from apps.vault.types import Subject


@dataclass(frozen=True, slots=True)
class Detached:
    """A detached signature: DER in base64, as `cosign sign-blob` writes it, and the key that made it."""

    key_id: str
    base64: str


def _record(ctx: Context, key_id: str, kind: str, digest: bytes) -> None:
    """Record the signature in the ledger of the tenant at hand, or in the platform's."""
    scope = nullcontext() if ctx.tenant_id else system_scope("vault.keys")
    with scope, transaction.atomic(using=write_alias()):
        bus.record(ctx, SignatureMade(key_id, kind, digest.hex()))


def sign_digest(ctx: Context, *, sha256: bytes, kind: str = "blob") -> Detached:
    """Sign a file of which the SHA-256 digest (32 bytes) is known, so that it need not be in memory.

    `kind` says in the ledger what was signed. Raises InvalidInput for a digest of another length, NoSigningKey,
    SigningFailed.
    """
    if len(sha256) != 32:
        raise InvalidInput("a SHA-256 digest has 32 bytes", field="sha256")
    signer = active_signer()
    signature = signer.sign_digest(sha256)
    _record(ctx, signer.key_id, kind, sha256)
    return Detached(signer.key_id, base64.b64encode(signature).decode())


def sign_blob(ctx: Context, data: bytes, *, kind: str = "blob") -> Detached:
    """Sign bytes. `cosign verify-blob --key` and `openssl dgst -sha256 -verify` accept the result.

    Raises NoSigningKey, SigningFailed.
    """
    return sign_digest(ctx, sha256=hashlib.sha256(data).digest(), kind=kind)


def sign_statement(
    ctx: Context, *, subjects: Sequence[Subject], predicate_type: str, predicate: dict[str, Any]
) -> dict[str, Any]:
    """Return a DSSE envelope over an in-toto Statement v1 about `subjects`.

    Raises InvalidInput for what a statement cannot say, NoSigningKey, SigningFailed.
    """
    try:
        payload = statements.encode(statements.statement(subjects, predicate_type, predicate))
    except ValueError as error:
        raise InvalidInput(str(error), field="statement") from None
    signer = active_signer()
    digest = hashlib.sha256(statements.pae(statements.PAYLOAD_TYPE, payload)).digest()
    signature = signer.sign_digest(digest)
    _record(ctx, signer.key_id, predicate_type, hashlib.sha256(payload).digest())
    return statements.envelope(statements.PAYLOAD_TYPE, payload, [(signer.key_id, signature)])
