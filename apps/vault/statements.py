"""in-toto statements in DSSE envelopes. No Django.

Sources: DSSE 1.0.2 (`PAE`, envelope), in-toto Attestation Framework v1 (Statement), RFC 8785 for the payload's bytes.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any

import rfc8785

from apps.vault.types import Subject

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def statement(subjects: Sequence[Subject], predicate_type: str, predicate: dict[str, Any]) -> dict[str, Any]:
    """Return an in-toto Statement v1. Raises ValueError without subjects, for a bad digest or predicate type."""
    if not subjects:
        raise ValueError("a statement needs a subject")
    if bad := [subject.name for subject in subjects if not _SHA256.fullmatch(subject.sha256)]:
        raise ValueError(f"the digest of {bad[0]!r} is not SHA-256 in lower-case hexadecimal")
    if len({subject.name for subject in subjects}) != len(subjects):
        raise ValueError("two subjects have one name")
    if "://" not in predicate_type:
        raise ValueError("the predicate type must be a URI")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}} for subject in subjects],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def encode(value: dict[str, Any]) -> bytes:
    """Return the payload: canonical JSON. Raises ValueError for what JSON cannot hold."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(str(error)) from None


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope(payload_type: str, payload: bytes, signatures: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Return the DSSE envelope; `signatures` are (key id, DER signature over `pae`)."""
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key, "sig": base64.b64encode(signature).decode()} for key, signature in signatures],
    }
