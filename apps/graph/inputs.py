"""What may be written: checks of inputs, merging with what stands, the hash that tells a change. No Django.

`check_entity` and `check_edge` return an InputError or None; nothing here raises on bad input.
"""

import hashlib
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from apps.core.clock import iso
from apps.graph.types import (
    MAX_PROPERTIES_BYTES,
    DataClass,
    EdgeInput,
    EntityInput,
    InputError,
    RedactionPolicy,
    RetentionTier,
)

KIND = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")
WORD = re.compile(r"^[a-z0-9][a-z0-9._:-]{0,63}$")
MAX_TEXT = 1_000
MAX_WORDS = 50
MAX_DEPTH = 32
MAX_INT = 2**53
_CLASSES = frozenset(DataClass)
_TIERS = frozenset(RetentionTier)
_POLICIES = frozenset(RedactionPolicy)


def property_fault(value: Any, depth: int = 0) -> str:
    """Return why `value` cannot be a property ("" when it can): what JSON and PostgreSQL both hold exactly."""
    if value is None or value is True or value is False:
        return ""
    if isinstance(value, str):
        if "\x00" in value:
            return "text holds a NUL character"
        return "" if value.isascii() or not _has_surrogate(value) else "text holds half of a surrogate pair"
    if isinstance(value, int):
        return "" if -MAX_INT <= value <= MAX_INT else "an integer is beyond 2^53; write it as text"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "a number is not finite"
    if depth >= MAX_DEPTH:
        return f"nesting is deeper than {MAX_DEPTH}"
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                return "a key is not text"
            fault = property_fault(key, depth + 1) or property_fault(part, depth + 1)
            if fault:
                return f"{key[:60]!r}: {fault}" if depth == 0 else fault
        return ""
    if isinstance(value, (list, tuple)):
        for part in value:
            fault = property_fault(part, depth + 1)
            if fault:
                return fault
        return ""
    return f"a value of type {type(value).__name__} is not JSON"


_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))


def _plainly_sound(properties: dict[str, Any]) -> bytes | None:
    """Return the properties as JSON when that alone shows that `property_fault` would find nothing, else None.

    Looking at the bytes costs a tenth of walking through the values. `null` may stand for a number that is not finite,
    sixteen digits for an integer beyond 2^53 (or be harmless), a bracket for a level of nesting.
    """
    try:
        encoded = orjson.dumps(properties, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:
        return None
    if (
        b"null" in encoded
        or b"\\u0000" in encoded
        or encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH
        or b"0000000000000000" in encoded.translate(_DIGITS)
    ):
        return None
    return encoded


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _text_fault(value: Any, limit: int = MAX_TEXT) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return "is not text"
    if len(value) > limit:
        return f"is longer than {limit} characters"
    if "\x00" in value:
        return "holds a NUL character"
    if not value.isascii() and _has_surrogate(value):
        return "holds half of a surrogate pair"
    return ""


def _tag_fault(index: int, given: EntityInput | EdgeInput) -> InputError | None:
    def wrong(field: str, message: str) -> InputError:
        return InputError(index, "BAD_USER_INPUT", field, message)

    if given.data_class is not None and given.data_class not in _CLASSES:
        return wrong("dataClass", f"{given.data_class[:60]!r} is not one of {', '.join(DataClass)}")
    if given.retention_tier is not None and given.retention_tier not in _TIERS:
        return wrong("retentionTier", f"{given.retention_tier[:60]!r} is not one of {', '.join(RetentionTier)}")
    if given.redaction_policy is not None and given.redaction_policy not in _POLICIES:
        return wrong("redactionPolicy", f"{given.redaction_policy[:60]!r} is not one of {', '.join(RedactionPolicy)}")
    if given.purposes is not None:
        if len(given.purposes) > MAX_WORDS:
            return wrong("purposes", f"more than {MAX_WORDS} purposes")
        for purpose in given.purposes:
            if not isinstance(purpose, str) or not WORD.match(purpose):
                return wrong("purposes", f"{str(purpose)[:60]!r} is not a purpose: 1 to 64 of a-z, 0-9, . _ : -")
    for field, value in (("licence", given.licence), ("source", given.source)):
        if fault := _text_fault(value):
            return wrong(field, f"{field} {fault}")
    if given.expected_version is not None and not 0 <= given.expected_version < 2**31:
        return wrong("expectedVersion", "expectedVersion is not a version (0 means: must not exist)")
    if given.properties is not None:
        properties: Any = given.properties
        if not isinstance(properties, dict):
            return wrong("properties", "properties is not an object")
        encoded = _plainly_sound(given.properties)
        if encoded is None and (fault := property_fault(given.properties)):
            return wrong("properties", f"properties: {fault}")
        if len(encoded if encoded is not None else orjson.dumps(given.properties)) > MAX_PROPERTIES_BYTES:
            return wrong("properties", f"properties are larger than {MAX_PROPERTIES_BYTES} bytes")
    return None


def check_entity(index: int, given: EntityInput) -> InputError | None:
    """Return what is wrong with the input at `index`, or None."""
    if not isinstance(given.kind, str) or not KIND.match(given.kind):
        return InputError(
            index, "BAD_USER_INPUT", "kind", "kind must be 1 to 100 of A-Z, a-z, 0-9, _ . -, starting with a letter"
        )
    if not given.external_id:
        return InputError(index, "BAD_USER_INPUT", "externalId", "externalId is empty")
    if fault := _text_fault(given.external_id):
        return InputError(index, "BAD_USER_INPUT", "externalId", f"externalId {fault}")
    if fault := _text_fault(given.name):
        return InputError(index, "BAD_USER_INPUT", "name", f"name {fault}")
    if given.subject_keys is not None:
        if len(given.subject_keys) > MAX_WORDS:
            return InputError(index, "BAD_USER_INPUT", "subjectKeys", f"more than {MAX_WORDS} subject keys")
        for key in given.subject_keys:
            if not key or "\x1f" in str(key) or (fault := _text_fault(key)):
                return InputError(index, "BAD_USER_INPUT", "subjectKeys", "a subject key is empty or not text")
    return _tag_fault(index, given)


def check_edge(index: int, given: EdgeInput) -> InputError | None:
    """Return what is wrong with the input at `index`, or None. Ends are looked up later."""
    if not isinstance(given.kind, str) or not KIND.match(given.kind):
        return InputError(
            index, "BAD_USER_INPUT", "kind", "kind must be 1 to 100 of A-Z, a-z, 0-9, _ . -, starting with a letter"
        )
    if fault := _text_fault(given.external_id):
        return InputError(index, "BAD_USER_INPUT", "externalId", f"externalId {fault}")
    for end, by_id, kind, external in (
        ("source", given.source_id, given.source_kind, given.source_external_id),
        ("target", given.target_id, given.target_kind, given.target_external_id),
    ):
        if by_id is None and not (kind and external):
            return InputError(index, "BAD_USER_INPUT", end, f"give {end}, or {end}Kind and {end}ExternalId")
        if by_id is not None and (kind or external):
            return InputError(index, "BAD_USER_INPUT", end, f"give {end} by id or by key, not both")
        if (fault := _text_fault(kind)) or (fault := _text_fault(external)):
            return InputError(index, "BAD_USER_INPUT", end, f"{end} {fault}")
    return _tag_fault(index, given)


ENTITY_DEFAULTS: dict[str, Any] = {
    "name": "",
    "properties": {},
    "data_class": DataClass.INTERNAL.value,
    "retention_tier": RetentionTier.STANDARD.value,
    "redaction_policy": RedactionPolicy.NONE.value,
    "purposes": (),
    "licence": "",
    "source": "",
    "subject_keys": (),
}
EDGE_DEFAULTS: dict[str, Any] = {k: v for k, v in ENTITY_DEFAULTS.items() if k not in {"name", "subject_keys"}}


def defaults_of(defaults: Mapping[str, Any], retention_tier: str) -> dict[str, Any]:
    """Return the defaults with the tenant's own retention tier."""
    return {**defaults, "retention_tier": retention_tier}


def merged(defaults: dict[str, Any], given: EntityInput | EdgeInput, standing: Any | None) -> dict[str, Any]:
    """Return the contents after the write: what is given, else what stands, else the default."""
    contents: dict[str, Any] = {}
    for field, default in defaults.items():
        value = getattr(given, field)
        if value is None:
            value = getattr(standing, field) if standing is not None else default
        contents[field] = value
    return contents


def content_hash(contents: dict[str, Any], *more: Any) -> bytes:
    """Return the BLAKE2b-128 of contents in canonical form: equal hashes mean that nothing would change."""
    return hashlib.blake2b(orjson.dumps([contents, more], option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def sealed_document(document: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Return (document as JSON bytes, salt, commitment = SHA-256(salt || document))."""
    encoded = orjson.dumps(document)
    salt = secrets.token_bytes(16)
    return encoded, salt, hashlib.sha256(salt + encoded).digest()


def entity_document(
    entity_id: UUID, kind: str, external_id: str, version: int, at: datetime, contents: dict[str, Any], region: str
) -> dict[str, Any]:
    """Return an entity in the form that live updates and history carry (the API's field names)."""
    return {
        "id": str(entity_id),
        "kind": kind,
        "externalId": external_id,
        "name": contents["name"],
        "properties": contents["properties"],
        "dataClass": contents["data_class"],
        "retentionTier": contents["retention_tier"],
        "redactionPolicy": contents["redaction_policy"],
        "purposes": list(contents["purposes"]),
        "licence": contents["licence"],
        "source": contents["source"],
        "region": region,
        "subjectKeys": list(contents["subject_keys"]),
        "version": version,
        "updatedAt": iso(at),
    }


def edge_document(
    edge_id: UUID,
    kind: str,
    external_id: str,
    source_id: UUID,
    target_id: UUID,
    version: int,
    at: datetime,
    contents: dict[str, Any],
) -> dict[str, Any]:
    """Return an edge in the form that live updates and history carry (the API's field names)."""
    return {
        "id": str(edge_id),
        "kind": kind,
        "externalId": external_id,
        "source": str(source_id),
        "target": str(target_id),
        "properties": contents["properties"],
        "dataClass": contents["data_class"],
        "retentionTier": contents["retention_tier"],
        "redactionPolicy": contents["redaction_policy"],
        "purposes": list(contents["purposes"]),
        "licence": contents["licence"],
        "origin": contents["source"],
        "version": version,
        "updatedAt": iso(at),
    }


def duplicates(keys: Iterable[tuple[int, Any]]) -> dict[int, int]:
    """Return {index: index of the first input with the same key} for every repetition."""
    first: dict[Any, int] = {}
    repeated: dict[int, int] = {}
    for index, key in keys:
        if key in first:
            repeated[index] = first[key]
        else:
            first[key] = index
    return repeated
