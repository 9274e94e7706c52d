#!/usr/bin/env python3
"""Offline verifier of IntelGraph ledgers, proofs and signed documents: one file, no network.

Copy this file alone to any machine with Python 3.11+ and the ``cryptography`` package and run

    python verifier.py FILE --key public.pem

It shares no line of code with the part that writes ledgers, so a mistake on one side shows on the other;
that is also why it stays one long module. What it reads:

* a ledger export (JSON Lines, plain or gzip): chain, gaps, order, Merkle roots, checkpoint signatures, batch items;
* a proof that one record (or one item of a batch) stands in a signed checkpoint (RFC 9162, 2.1.3);
* a proof that a later checkpoint extends an earlier one (RFC 9162, 2.1.4);
* a DSSE envelope (in-toto statements), and any other file with a detached ECDSA P-256 signature;
* a delivery statement (such an envelope) together with the messages that a client of live updates kept.

Exit codes: 0 everything holds, 1 something does not (each finding is located), 2 the input cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import dataclasses
import gzip
import hashlib
import json
import re
import sys
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

GENESIS = bytes(32)
CHAIN_TAG = b"intelgraph-ledger-v1\n"
NOTE_TAG = "intelgraph-ledger-checkpoint-v1"
EXPORT_FORMAT = "intelgraph-ledger-export"
PROOF_FORMAT = "intelgraph-ledger-proof"
CONSISTENCY_FORMAT = "intelgraph-ledger-consistency"
DELIVERY_TYPE = "https://intelgraph.dev/delivery/v1"
DELIVERY_TAG = b"intelgraph-delivery-v1\n"
MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_FINDINGS = 200
INT_LIMIT = 2**53
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
HEX_32 = re.compile(r"[0-9a-f]{64}")


class BadInput(Exception):
    """The input is not of a known format; the message names the line and the problem."""


# ---------------------------------------------------------------------------------------------------- JSON


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object names one key twice")
    return value


def _refuse_number(text: str) -> Any:
    raise ValueError(f"{text[:20]} is not a whole number")


def _whole_number(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= INT_LIMIT:
        raise ValueError("a number is beyond 2^53")
    return int(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_refuse_number, parse_constant=_refuse_number, parse_int=_whole_number
)
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse(text: bytes, where: str) -> Any:
    """JSON value of ``text``; BadInput (prefixed with ``where``) for anything but strict JSON of our domain."""
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{where}: not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BadInput(f"{where}: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{where}: not JSON ({error.msg}, column {error.colno})") from None
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from None


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of strings, whole numbers, booleans, nulls, lists and objects with ASCII keys."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except RecursionError:
        raise BadInput("nested too deeply") from None
    except UnicodeEncodeError:
        raise BadInput("text holds half of a surrogate pair") from None


def _field(row: Any, name: str, kind: type, where: str) -> Any:
    if not isinstance(row, Mapping):
        raise BadInput(f"{where}: must be an object")
    value = row.get(name)
    if not isinstance(value, kind) or (isinstance(value, int) and (isinstance(value, bool) or value < 0)):
        wanted = {str: "text", int: "a whole number", dict: "an object", list: "a list"}[kind]
        raise BadInput(f"{where}: {name!r} must be {wanted}")
    return value


def _digest(row: Mapping[str, Any], name: str, where: str) -> bytes:
    return _hex32(row.get(name), f"{where}: {name!r}")


def _hex32(value: Any, where: str) -> bytes:
    if not isinstance(value, str) or not HEX_32.fullmatch(value):
        raise BadInput(f"{where} must be 64 lower-case hexadecimal digits")
    return bytes.fromhex(value)


def _base64(value: str, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{where} is not base64") from None


def _uuid(value: str, where: str) -> uuid.UUID:
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        raise BadInput(f"{where} is not a UUID") from None
    if str(parsed) != value:
        raise BadInput(f"{where} is not a UUID in its usual lower-case form")
    return parsed


def _time(value: str, where: str) -> datetime:
    try:
        return datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise BadInput(f"{where} is not a UTC time like 2026-11-21T00:00:00.000000Z") from None


# ------------------------------------------------------------------------------------------- trees and chain


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data): a leaf of the tree (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): an inner node of the tree (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def chain_hash(tenant: bytes, number: int, previous: bytes, leaf: bytes) -> bytes:
    """Hash of record ``number`` (from 1) of a tenant (16 bytes): it binds the place, the past and the leaf."""
    return hashlib.sha256(CHAIN_TAG + tenant + number.to_bytes(8, "big") + previous + leaf).digest()


class Tree:
    """Roots of the complete subtrees over the leaves seen so far, largest first: O(log n) memory for any root."""

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)
        if len(self.roots) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees")

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.roots.pop(), leaf)
            size >>= 1
        self.roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Merkle tree hash (RFC 9162, 2.1.1) of all leaves."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root


def inclusion_holds(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """Whether ``path`` leads from the leaf at ``index`` (from 0) to the root of ``size`` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, reached = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            reached = node_hash(step, reached)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            reached = node_hash(reached, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and reached == root


def consistency_holds(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: list[bytes]) -> bool:
    """Whether the tree of ``new_size`` leaves begins with the tree of ``old_size`` leaves (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    steps = ([old_root] if old_size & (old_size - 1) == 0 else []) + path
    if not steps:
        return False
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(step, old), node_hash(step, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == old_root and new == new_root


# ------------------------------------------------------------------------------------------- findings, keys


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that does not hold (``error``) or that a reader should know (``notice``), and where it is."""

    code: str
    message: str
    severity: str = "error"
    number: int | None = None
    position: int | None = None
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON object, without empty places."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclasses.dataclass
class Report:
    """What was checked and found. ``covered`` is the size of the largest checkpoint whose signature and root hold."""

    subject: str
    tenant: str = ""
    records: int = 0
    items: int = 0
    openings: int = 0
    checkpoints: int = 0
    covered: int = 0
    size: int = 0
    head: str = ""
    root: str = ""
    trust: str = "none"
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    findings: list[Finding] = dataclasses.field(default_factory=list)
    unlisted: int = 0

    @property
    def ok(self) -> bool:
        """No error was found (notices do not count)."""
        return not self.unlisted and all(finding.severity != "error" for finding in self.findings)

    def error(self, code: str, message: str, **place: int | None) -> None:
        """Add an error; beyond MAX_FINDINGS only their number is kept."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, message, "error", **place))
        else:
            self.unlisted += 1

    def notice(self, code: str, message: str) -> None:
        """Add something that a reader should know."""
        self.findings.append(Finding(code, message, "notice"))

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON object."""
        plain = {name: getattr(self, name) for name in ("ok", "subject", "tenant", "records", "items", "openings")}
        plain |= {name: getattr(self, name) for name in ("checkpoints", "covered", "size", "head", "root", "trust")}
        plain |= {"facts": self.facts, "findings": [finding.as_dict() for finding in self.findings]}
        return plain | {"unlisted": self.unlisted}


@dataclasses.dataclass(frozen=True)
class Key:
    """A public ECDSA P-256 key, its id (first 16 hex digits of SHA-256 over its DER form) and its validity."""

    key_id: str
    public: ec.EllipticCurvePublicKey
    not_before: datetime | None = None
    not_after: datetime | None = None

    @classmethod
    def from_pem(cls, pem: bytes, where: str, not_before: str = "", not_after: str = "") -> Key:
        """Read a PEM ``PUBLIC KEY``; BadInput unless it is on the curve P-256."""
        try:
            public = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise BadInput(f"{where}: not a public key in PEM form") from None
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise BadInput(f"{where}: not an ECDSA P-256 key")
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(
            hashlib.sha256(der).hexdigest()[:16],
            public,
            _time(not_before, f"{where}: 'not_before'") if not_before else None,
            _time(not_after, f"{where}: 'not_after'") if not_after else None,
        )

    def signed(self, data: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (DER) is this key's ECDSA-SHA256 signature over ``data``."""
        return self.signed_digest(hashlib.sha256(data).digest(), signature)

    def signed_digest(self, digest: bytes, signature: bytes) -> bool:
        """The same for data of which only the SHA-256 digest is at hand."""
        try:
            self.public.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True


class KeyRing:
    """Public keys by id. ``trust`` says where they came from: given by the reader, embedded in the file, or none."""

    def __init__(self, given: Iterable[Key] = ()) -> None:
        self.keys = {key.key_id: key for key in given}
        self.trust = "given" if self.keys else "none"

    def embed(self, documents: Any, where: str) -> None:
        """Take the keys that a file carries, unless the reader gave keys: those alone count then."""
        if self.trust == "given" or not documents:
            return
        for key in read_keys(documents, where):
            self.keys[key.key_id] = key
        self.trust = "embedded"


def read_keys(documents: Any, where: str) -> Iterator[Key]:
    """Keys of a list like the one published at ``/.well-known/intelgraph/keys.json``."""
    if not isinstance(documents, list):
        raise BadInput(f"{where}: 'keys' must be a list")
    for place, document in enumerate(documents):
        at = f"{where}: key {place}"
        pem = _field(document, "public_key_pem", str, at).encode()
        dates = [document.get(name) or "" for name in ("not_before", "not_after")]
        if not all(isinstance(date, str) for date in dates):
            raise BadInput(f"{at}: dates must be text")
        key = Key.from_pem(pem, at, *dates)
        if document.get("key_id", key.key_id) != key.key_id:
            raise BadInput(f"{at}: 'key_id' is not the id of this key ({key.key_id})")
        yield key


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A signed statement of how many records a tenant has and what they hash to."""

    tenant: str
    size: int
    root: bytes
    head: bytes
    at: datetime
    key_id: str
    note: bytes
    signature: bytes

    @classmethod
    def read(cls, note: bytes, signature: bytes, where: str) -> Checkpoint:
        """Parse a note: seven lines, each ended by a line feed, nothing else."""
        try:
            lines = note.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise BadInput(f"{where}: note is not ASCII") from None
        if len(lines) != 8 or lines[0] != NOTE_TAG or lines[7]:
            raise BadInput(f"{where}: not a checkpoint note (seven lines that begin with {NOTE_TAG})")
        if not re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[2]):
            raise BadInput(f"{where}: size is not a number")
        if not re.fullmatch(r"[0-9a-f]{16}", lines[6]):
            raise BadInput(f"{where}: key id is not 16 hexadecimal digits")
        tenant = str(_uuid(lines[1], f"{where}: tenant"))
        root, head = _hex32(lines[3], f"{where}: root"), _hex32(lines[4], f"{where}: head")
        return cls(tenant, int(lines[2]), root, head, _time(lines[5], f"{where}: time"), lines[6], note, signature)

    @classmethod
    def from_json(cls, value: Any, where: str) -> Checkpoint:
        """A checkpoint from ``{"note": text, "signature": base64}``."""
        note = _field(value, "note", str, where).encode("utf-8", "replace")
        signature = _base64(_field(value, "signature", str, where), f"{where}: 'signature'")
        return cls.read(note, signature, where)

    def check_signature(self, keys: KeyRing, report: Report, line: int | None = None) -> bool:
        """Check signature and validity of its key; findings go to the report."""
        place = {"number": self.size, "line": line}
        key = keys.keys.get(self.key_id)
        if key is None:
            whose = "among those given" if keys.trust == "given" else "in this file"
            report.error("checkpoint.key", f"checkpoint {self.size}: key {self.key_id} is not {whose}", **place)
            return False
        if not key.signed(self.note, self.signature):
            report.error("checkpoint.signature", f"checkpoint {self.size}: signature does not match", **place)
            return False
        early = key.not_before is not None and self.at < key.not_before
        if early or (key.not_after is not None and self.at > key.not_after):
            when = "before its key was valid" if early else "after its key had expired"
            report.error("checkpoint.validity", f"checkpoint {self.size}: signed {when} ({self.key_id})", **place)
            return False
        return True


# ------------------------------------------------------------------------------------------------ the ledger


class LedgerCheck:
    """Checks one tenant's records as they stream by, in memory of O(log n).

    Feed ``checkpoint`` (those ahead of the records first), then ``record`` in order, each followed by its ``item`` and
    ``opening`` rows, then ``finish``. Errors are located; one altered byte gives one finding for its record and one
    for the first checkpoint above it.
    """

    def __init__(self, tenant: str, keys: KeyRing, *, start: Tree | None = None, start_hash: bytes = GENESIS) -> None:
        self.report = Report("ledger", tenant, trust=keys.trust)
        self.keys = keys
        self.with_items = True
        self._tenant = uuid.UUID(tenant).bytes
        self._tree = start or Tree()
        self._first = self.number = self._tree.size
        self._stated = self._computed = start_hash
        self._ahead: dict[int, list[tuple[Checkpoint, bool]]] = {}
        self._matched = self._first
        self._torn = self._mismatched = False
        self._body: dict[str, Any] | None = None
        self._batch: tuple[int, bytes] | None = None
        self._items = Tree()

    def checkpoint(self, checkpoint: Checkpoint, line: int | None = None) -> None:
        """Take a checkpoint; its root is compared when the records reach its size."""
        self.report.checkpoints += 1
        place = {"number": checkpoint.size, "line": line}
        if checkpoint.tenant != self.report.tenant:
            self.report.error("checkpoint.tenant", f"checkpoint {checkpoint.size}: is of another tenant", **place)
            return
        signed = checkpoint.check_signature(self.keys, self.report, line)
        if checkpoint.size == self.number:
            self._compare(checkpoint, signed)
        elif checkpoint.size > self.number:
            self._ahead.setdefault(checkpoint.size, []).append((checkpoint, signed))
        elif checkpoint.size > self._first:
            self.report.error("checkpoint.order", f"checkpoint {checkpoint.size}: stands after its records", **place)

    def record(self, number: int, body: bytes, previous: bytes | None, stated: bytes, line: int | None = None) -> Any:
        """Take the record ``number``; returns its parsed body, or None where that cannot be read.

        ``previous`` is the stated hash of the record before (None where the source keeps only ``stated``).
        """
        self._close_batch()
        report, place = self.report, {"number": number, "line": line}
        if number <= self.number:
            again = number == self.number
            code, what = ("record.twice", "occurs twice") if again else ("record.order", f"stands after {self.number}")
            report.error(code, f"record {number}: {what}", **place)
            self._torn = True
            return None
        if number > self.number + 1:
            missing = f"{_span(self.number + 1, number - 1)} missing"
            report.error("record.gap", missing, number=self.number + 1, line=line)
            self._torn = True
        elif previous is not None and previous not in (self._stated, self._computed):
            report.error("record.link", f"record {number}: does not follow from record {number - 1}", **place)
        leaf = leaf_hash(body)
        self._computed = chain_hash(self._tenant, number, self._stated if previous is None else previous, leaf)
        if self._computed != stated:
            report.error("record.hash", f"record {number}: body does not match hash", **place)
        self._stated, self.number = stated, number
        self._tree.append(leaf)
        report.records += 1
        self._body = self._read_body(number, body, line)
        for checkpoint, signed in self._ahead.pop(number, ()):
            self._compare(checkpoint, signed)
        return self._body

    def absent(self, number: int, stated: bytes) -> None:
        """Take note of a record whose place and hash are known, but whose body is gone."""
        self._close_batch()
        self.report.error("record.missing", f"record {number}: its body is missing", number=number)
        self._stated = self._computed = stated
        self.number, self._torn, self._body = number, True, None

    def item(self, number: int, position: int, body: bytes, line: int | None = None) -> None:
        """Take the item at ``position`` (from 0) of the batch that the last record stands for."""
        place = {"number": number, "position": position, "line": line}
        if self._batch is None or number != self.number:
            self.report.error("item.stray", f"item {number}.{position}: belongs to no batch here", **place)
        elif position != self._items.size:
            wanted = self._items.size
            self.report.error("item.order", f"item {number}.{position}: item {number}.{wanted} was expected", **place)
        else:
            self.report.items += 1
            self._items.append(leaf_hash(body))

    def opening(self, number: int, name: str, salt: bytes, value: Any, line: int | None = None) -> None:
        """Take a disclosed value of the last record: it must match the salted commitment in the body."""
        sealed = self._body.get("sealed") if self._body is not None and number == self.number else None
        error = opening_error(sealed, name, salt, value)
        if error:
            self.report.error("opening", f"record {number}: {error}", number=number, line=line)
        else:
            self.report.openings += 1

    def finish(self, stated_end: tuple[int, bytes] | None = None) -> Report:
        """Close the check: records that a checkpoint vouches for but that are absent, and what no signature covers."""
        self._close_batch()
        report = self.report
        missing = max(self._ahead, default=0)
        if missing:
            message = f"{_span(self.number + 1, missing)} missing: a checkpoint was signed over {missing} records"
            report.error("tail.cut", message, number=self.number + 1)
        if stated_end is not None and stated_end != (self.number, self._stated):
            report.error("export.end", f"the last line names record {stated_end[0]} and its hash, found {self.number}")
        report.size, report.head, report.root = self.number, self._stated.hex(), self._tree.root().hex()
        if report.covered < self.number:
            code = "checkpoint.none" if not report.covered else "checkpoint.behind"
            message = f"{_span(max(report.covered, self._first) + 1, self.number)} under no signed checkpoint"
            if report.trust == "given" and not (report.covered or self._torn or self._mismatched):
                report.error(code, message + ": the given key vouches for nothing here")
            else:
                report.notice(code, message)
        if report.trust == "embedded":
            report.notice("keys.embedded", "the keys come from the file itself: give --key to know who signed")
        return report

    def _compare(self, checkpoint: Checkpoint, signed: bool) -> None:
        size = checkpoint.size
        if self._torn or self._mismatched:
            return  # reported already: no root above a missing or altered record can match
        head_holds = checkpoint.head in (self._stated, self._computed)
        if checkpoint.root == self._tree.root() and head_holds:
            self._matched = size
            if signed:
                self.report.covered = size
            return
        self._mismatched = True
        differs = ["root differs"] if checkpoint.root != self._tree.root() else []
        differs += [] if head_holds else ["chain head differs"]
        message = f"checkpoint {size}: {_span(self._matched + 1, size)} not as signed ({', '.join(differs)})"
        self.report.error("checkpoint.root", message, number=size)

    def _read_body(self, number: int, body: bytes, line: int | None) -> dict[str, Any] | None:
        problem = value = None
        try:
            value = parse(body, "body")
            if not isinstance(value, dict) or canonical(value) != body:
                problem = "body is not canonical JSON of an object"
            elif value.get("v") != 1 or value.get("tenant") != self.report.tenant:
                problem = "body is of another tenant" if value.get("v") == 1 else "body is of an unknown version"
            elif not all(isinstance(value.get(name), str) for name in ("id", "type", "actor", "at")):
                problem = "body lacks id, type, actor or time"
            else:
                batch = value.get("items")
                self._items = Tree()
                self._batch = None if batch is None else self._read_batch(batch)
        except BadInput as error:
            problem = str(error)
        if problem:
            self.report.error("record.body", f"record {number}: {problem}", number=number, line=line)
            return None
        return value if isinstance(value, dict) else None

    @staticmethod
    def _read_batch(batch: Any) -> tuple[int, bytes]:
        if not isinstance(batch, dict):
            raise BadInput("body: 'items' must be an object")
        return _field(batch, "count", int, "items"), _digest(batch, "root", "items")

    def _close_batch(self) -> None:
        batch, number = self._batch, self.number
        self._batch = None
        if batch is None or not self.with_items:
            return
        if batch[0] != self._items.size:
            message = f"record {number}: {self._items.size} items found, {batch[0]} recorded"
            self.report.error("items.count", message, number=number)
        elif batch[1] != self._items.root():
            self.report.error("items.root", f"record {number}: items do not match their root", number=number)


def _span(first: int, last: int) -> str:
    return f"record {first} is" if first >= last else f"records {first} to {last} are"


def opening_error(sealed: Any, name: str, salt: bytes, value: Any) -> str:
    """Why a disclosed value does not match its commitment SHA-256(salt || canonical JSON), or an empty string."""
    commitment = sealed.get(name) if isinstance(sealed, dict) else None
    if commitment is None:
        return f"nothing is sealed under {name!r}"
    try:
        data = canonical(value)
    except BadInput as error:
        return f"disclosed value of {name!r}: {error}"
    if hashlib.sha256(salt + data).hexdigest() != commitment:
        return f"disclosed value of {name!r} does not match its commitment"
    return ""


# ----------------------------------------------------------------------------------------------------- files


def _read_some(read: Callable[[int], bytes], limit: int, line: int) -> bytes:
    try:
        data = read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise BadInput(f"line {line}: cannot be read ({error})") from None
    if len(data) > limit:
        raise BadInput(f"line {line}: longer than {limit} bytes")
    return data


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 1
    while text := _read_some(stream.readline, MAX_LINE_BYTES, number):
        if text.strip():
            yield number, text
        number += 1


def check_export(
    header: Mapping[str, Any], rows: Iterable[tuple[int, bytes]], keys: KeyRing, held: Iterable[Checkpoint] = ()
) -> Report:
    """Check an export: ``header`` is its first line, ``held`` the checkpoints that the reader kept."""
    if header.get("version") != 1:
        raise BadInput("line 1: unknown version of the export format")
    tenant = str(_uuid(_field(header, "tenant", str, "line 1"), "line 1: 'tenant'"))
    keys.embed(header.get("keys"), "line 1")
    start, first_hash = Tree(), GENESIS
    if header.get("start") is not None:
        before = _field(header, "start", dict, "line 1")
        roots = [_hex32(root, "line 1: 'frontier'") for root in _field(before, "frontier", list, "line 1")]
        try:
            start = Tree(_field(before, "size", int, "line 1"), roots)
        except ValueError as error:
            raise BadInput(f"line 1: {error}") from None
        first_hash = _digest(before, "hash", "line 1")
    check = LedgerCheck(tenant, keys, start=start, start_hash=first_hash)
    check.with_items = header.get("items", True) is not False
    for own in held:
        check.checkpoint(own)
    for value in _field(header, "checkpoints", list, "line 1"):
        check.checkpoint(Checkpoint.from_json(value, "line 1"), 1)
    end: tuple[int, bytes] | None = None
    line = 1
    for line, text in rows:
        where = f"line {line}"
        row = parse(text, where)
        if not isinstance(row, dict):
            raise BadInput(f"{where}: must be an object")
        if end is not None:
            raise BadInput(f"{where}: stands after the closing line")
        end = _take_row(check, row, line, where)
    if end is None:
        check.report.error("export.cut", f"the file ends after line {line} without its closing line", line=line)
    return check.finish(end)


def _take_row(check: LedgerCheck, row: dict[str, Any], line: int, where: str) -> tuple[int, bytes] | None:
    if "end" in row:
        last = _field(row, "end", dict, where)
        return _field(last, "number", int, where), _digest(last, "hash", where)
    if "checkpoint" in row:
        check.checkpoint(Checkpoint.from_json(row["checkpoint"], where), line)
        return None
    number = _field(row, "n", int, where)
    if "open" in row:
        check.opening(number, _field(row, "open", str, where), _salt(row, where), row.get("value"), line)
        return None
    body = _body(row, where)
    if "item" in row:
        check.item(number, _field(row, "item", int, where), body, line)
    else:
        check.record(number, body, _digest(row, "prev", where), _digest(row, "hash", where), line)
    return None


def _body(row: Mapping[str, Any], where: str) -> bytes:
    try:
        return bytes(_field(row, "body", str, where).encode("utf-8"))
    except UnicodeEncodeError:
        raise BadInput(f"{where}: 'body' holds half of a surrogate pair") from None


def _salt(row: Mapping[str, Any], where: str) -> bytes:
    salt = _field(row, "salt", str, where)
    if not re.fullmatch(r"(?:[0-9a-f]{2})*", salt):
        raise BadInput(f"{where}: 'salt' must be hexadecimal")
    return bytes.fromhex(salt)


def _path(document: Mapping[str, Any], where: str) -> list[bytes]:
    steps = _field(document, "path", list, where)
    if len(steps) > 128:
        raise BadInput(f"{where}: path is too long")
    return [_hex32(step, f"{where}: step of 'path'") for step in steps]


def check_proof(document: Mapping[str, Any], keys: KeyRing) -> Report:
    """Check a proof of inclusion: the record in its checkpoint and, where there is one, the item in its batch."""
    keys.embed(document.get("keys"), "proof")
    checkpoint = Checkpoint.from_json(document.get("checkpoint"), "proof")
    report = Report("inclusion proof", checkpoint.tenant, checkpoints=1, size=checkpoint.size, trust=keys.trust)
    report.root, report.head = checkpoint.root.hex(), checkpoint.head.hex()
    number = _field(document, "number", int, "proof")
    report.facts = {"number": number, "signed_at": checkpoint.at.strftime(TIME_FORMAT), "key_id": checkpoint.key_id}
    if checkpoint.check_signature(keys, report):
        report.covered = checkpoint.size
    body = _body(document, "proof")
    if inclusion_holds(leaf_hash(body), number - 1, checkpoint.size, _path(document, "proof"), checkpoint.root):
        report.records = 1
    else:
        report.error("proof.record", f"record {number}: the path does not lead to the signed root", number=number)
    record = parse(body, "proof: body")
    if not isinstance(record, dict) or record.get("tenant") != checkpoint.tenant:
        report.error("record.body", f"record {number}: body is not of the checkpoint's tenant", number=number)
        return report
    report.facts |= {name: record.get(name) for name in ("type", "actor", "at")}
    if document.get("item") is not None:
        item = _field(document, "item", dict, "proof")
        position = _field(item, "position", int, "proof: item")
        count, root = LedgerCheck._read_batch(record.get("items"))
        leaf = leaf_hash(_body(item, "proof: item"))
        if inclusion_holds(leaf, position, count, _path(item, "proof: item"), root):
            report.items = 1
        else:
            message = f"item {number}.{position}: the path does not lead to the root in the record"
            report.error("proof.item", message, number=number, position=position)
    for opening in _field(document, "openings", list, "proof") if "openings" in document else ():
        name, salt = _field(opening, "name", str, "proof: opening"), _salt(opening, "proof: opening")
        problem = opening_error(record.get("sealed"), name, salt, opening.get("value"))
        if problem:
            report.error("opening", f"record {number}: {problem}", number=number)
        else:
            report.openings += 1
    return report


def check_consistency(document: Mapping[str, Any], keys: KeyRing) -> Report:
    """Check that the newer of two signed checkpoints only appends to the older."""
    keys.embed(document.get("keys"), "proof")
    old = Checkpoint.from_json(document.get("old"), "proof: old")
    new = Checkpoint.from_json(document.get("new"), "proof: new")
    report = Report("consistency proof", new.tenant, checkpoints=2, size=new.size, trust=keys.trust)
    report.root, report.head, report.facts = new.root.hex(), new.head.hex(), {"old_size": old.size}
    if old.tenant != new.tenant:
        report.error("checkpoint.tenant", "the two checkpoints are of different tenants")
    if all([old.check_signature(keys, report), new.check_signature(keys, report)]):
        report.covered = new.size
    if not consistency_holds(old.size, old.root, new.size, new.root, _path(document, "proof")):
        report.error("proof.consistency", f"checkpoint {new.size} does not extend checkpoint {old.size}")
    return report


def check_envelope(
    document: Mapping[str, Any], keys: KeyRing, artefacts: Iterable[Path] = (), messages: Path | None = None
) -> Report:
    """Check a DSSE envelope and, if it is an in-toto statement, that it names each artefact's digest.

    A delivery statement is checked for saying one thing only, and against a client's log of ``messages``.
    """
    where = "envelope"
    kind = _field(document, "payloadType", str, where)
    payload = _base64(_field(document, "payload", str, where), f"{where}: 'payload'")
    head = f"DSSEv1 {len(kind.encode())} {kind} {len(payload)} ".encode()
    report = Report("DSSE envelope", trust=keys.trust)
    good = []
    for entry in _field(document, "signatures", list, where):
        signature = _base64(_field(entry, "sig", str, where), f"{where}: 'sig'")
        good += [key.key_id for key in keys.keys.values() if key.signed(head + payload, signature)]
    if not good:
        report.error("envelope.signature", "no signature is by a given key over this payload")
    report.facts = {"payload_type": kind, "signed_by": good}
    digests: dict[str, str] = {}
    if kind == "application/vnd.in-toto+json" and good:
        digests = _subjects(payload, report)
        if report.facts["predicate_type"] == DELIVERY_TYPE:
            check_delivery(parse(payload, "envelope: payload").get("predicate"), digests, messages, report)
        elif messages is not None:
            report.error("delivery.type", "the statement is not about deliveries: it says nothing of messages")
    for artefact in artefacts:
        if _file_digest(artefact).hex() not in digests.values():
            report.error("envelope.subject", f"{artefact.name}: its digest is not among the statement's subjects")
    return report


@dataclasses.dataclass
class Delivered:
    """What a client's log says of one run of an operation: the chain over its messages, and their sums."""

    head: bytes
    sequence: int
    messages: int = 0
    coalesced: int = 0
    shed: int = 0
    last_event: str = ""
    beyond: int = 0
    misnumbered: bool = False

    def add(self, payload: bytes, where: str) -> None:
        """Add a message; ``payload`` is what stands behind its ``"payload":``, byte for byte."""
        result = _any_json(payload, where)
        said = result.get("extensions") if isinstance(result, dict) else None
        said = said if isinstance(said, dict) else {}
        event = said.get("eventId", "")
        if not isinstance(event, str) or len(event.encode()) > 0xFFFF:
            raise BadInput(f"{where}: 'eventId' must be a short text")
        superseded = _count(said.get("coalesced"), "superseded", where)
        missed = _count(said.get("discontinuity"), "missed", where)
        self.messages += 1
        self.sequence += 1 + superseded + missed
        self.misnumbered |= said.get("sequence", self.sequence) != self.sequence
        self.head = hashlib.sha256(
            self.head
            + self.sequence.to_bytes(8, "big")
            + len(event.encode()).to_bytes(2, "big")
            + event.encode()
            + hashlib.sha256(payload).digest()
        ).digest()
        self.last_event = event or self.last_event
        self.coalesced += superseded
        self.shed += missed


def _count(said: Any, name: str, where: str) -> int:
    return int(_field(said, name, int, where)) if said is not None else 0


def _any_json(text: bytes, where: str) -> Any:
    """Value of a message: any JSON, since what tenants keep may hold fractions."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(f"{where}: not JSON") from None


def _messages(path: Path, operation: str) -> Iterator[tuple[str, bytes | None]]:
    """Payloads of an operation in a log of messages, one a line as they came, with where they stand; None where a run
    ends, since an id may be used again."""
    head = b'{"id":' + json.dumps(operation, ensure_ascii=False).encode()
    told, ends = head + b',"type":"next","payload":', (head + b',"type":"complete"', head + b',"type":"error"')
    with path.open("rb") as stream:
        for number, text in _lines(stream):
            line, where = text.rstrip(b"\r\n"), f"{path.name}: line {number}"
            if line.startswith(told) and line.endswith(b"}"):
                yield where, line[len(told) : -1]
            elif line.startswith(ends) or line.startswith(b'{"type":"connection_ack"'):
                yield where, None
        yield path.name, None


def _same_messages(path: Path, operation: str, start: Delivered, count: int, head: bytes) -> Delivered | int:
    """The run of the log whose first ``count`` messages have this head; else the length of the longest run."""
    kept, longest = dataclasses.replace(start), 0
    for where, payload in _messages(path, operation):
        if payload is not None and kept.messages < count:
            kept.add(payload, where)
        elif payload is not None:
            kept.beyond += 1
        elif kept.messages == count and kept.head == head:
            return kept
        else:
            kept, longest = dataclasses.replace(start), max(longest, kept.messages)
    return longest


def check_delivery(predicate: Any, digests: Mapping[str, str], messages: Path | None, report: Report) -> None:
    """Check a delivery statement: its figures fit each other and, with a log, the messages that the client kept."""
    where = "delivery"
    account, head = _field(predicate, "account", str, where), _field(predicate, "digest", dict, where)
    counts, sequence = _field(predicate, "counts", dict, where), _field(predicate, "sequence", dict, where)
    after, upto = _field(sequence, "after", int, where), _field(sequence, "to", int, where)
    figures = {name: _field(counts, name, int, where) for name in ("delivered", "coalesced", "shed")}
    last = _field(predicate, "events", dict, where).get("last") or ""
    confirmed = _field(predicate, "acknowledged", dict, where).get("sequence")
    wanted = _digest(head, "head", where)
    report.tenant = _field(predicate, "tenant", str, where)
    report.facts |= {"account": account, "state": predicate.get("state"), "sequence": [after, upto], **figures}
    report.facts |= {"acknowledged": confirmed, "last_event": last}
    whole = after + sum(figures.values()) == upto and digests == {f"delivery/{account}": wanted.hex()}
    if not whole or (confirmed is not None and _field(predicate["acknowledged"], "sequence", int, where) > upto):
        report.error("delivery.figures", "the statement contradicts itself")
    if messages is None:
        return
    count, operation = figures["delivered"], _field(predicate, "operation", str, where)
    start = Delivered(hashlib.sha256(DELIVERY_TAG + account.encode()).digest(), after)
    try:
        found = _same_messages(messages, operation, start, count, wanted)
    except OSError as error:
        raise BadInput(f"{messages}: {error.strerror}") from None
    if isinstance(found, Delivered):
        report.facts |= {"log": "agrees", "messages_beyond": found.beyond}
        sums = {"delivered": found.messages, "coalesced": found.coalesced, "shed": found.shed}
        if sums != figures or found.last_event != last or found.misnumbered:
            report.error("delivery.figures", "the statement's figures are not those of its own messages")
    elif found < count:
        report.error("delivery.missing", f"the log holds {found} of the {count} messages that were handed on")
    else:
        report.error("delivery.messages", "the messages of the log are not those of the statement, in its order")


def _subjects(payload: bytes, report: Report) -> dict[str, str]:
    try:
        statement = json.loads(payload)
        digests = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in statement["subject"]}
        report.facts |= {"predicate_type": str(statement["predicateType"]), "subjects": digests}
    except (ValueError, RecursionError, KeyError, TypeError):
        raise BadInput("envelope: the payload is not an in-toto statement with SHA-256 digests") from None
    return digests


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None


def check_blob(path: Path, signature: bytes, keys: KeyRing) -> Report:
    """Check a detached signature over a file; a checkpoint note is read as well."""
    report = Report("signed file", trust=keys.trust)
    digest = _file_digest(path)
    with path.open("rb") as stream:
        beginning = stream.read(4096)
    if beginning.startswith(NOTE_TAG.encode()):
        checkpoint = Checkpoint.read(beginning, signature, path.name)
        report.subject, report.tenant, report.checkpoints = "checkpoint", checkpoint.tenant, 1
        report.root, report.head, report.size = checkpoint.root.hex(), checkpoint.head.hex(), checkpoint.size
        if checkpoint.check_signature(keys, report):
            report.covered = checkpoint.size
        return report
    good = [key.key_id for key in keys.keys.values() if key.signed_digest(digest, signature)]
    report.facts = {"sha256": digest.hex(), "signed_by": good}
    if not good:
        report.error("blob.signature", f"{path.name}: the signature is not by a given key over this file")
    return report


def check_stream(
    stream: BinaryIO,
    keys: KeyRing,
    held: Iterable[Checkpoint] = (),
    artefacts: Iterable[Path] = (),
    messages: Path | None = None,
) -> Report:
    """Check whatever document stands in the stream, by its own name of its format."""
    rows = _lines(stream)
    number, text = next(rows, (1, b""))
    if not text:
        raise BadInput("line 1: the file is empty")
    try:
        document = parse(text, f"line {number}")
    except BadInput:
        rest = _read_some(stream.read, MAX_LINE_BYTES, number)  # a proof may be laid out over several lines
        if text.strip() != b"{" or not rest.strip():
            raise
        document = parse(text + rest, f"line {number}")
    if isinstance(document, dict):
        form = document.get("format")
        if form == EXPORT_FORMAT:
            return check_export(document, rows, keys, held)
        if form == PROOF_FORMAT:
            return check_proof(document, keys)
        if form == CONSISTENCY_FORMAT:
            return check_consistency(document, keys)
        if "payloadType" in document:
            return check_envelope(document, keys, artefacts, messages)
    raise BadInput(f"line {number}: not a ledger export, a proof or an envelope (no known 'format')")


def check_file(
    path: Path,
    keys: KeyRing,
    held: Iterable[Checkpoint] = (),
    artefacts: Iterable[Path] = (),
    messages: Path | None = None,
) -> Report:
    """Check a file (plain or gzip; ``-`` is standard input) with the reader's keys and checkpoints."""
    try:
        with open(0 if str(path) == "-" else path, "rb", closefd=str(path) != "-") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            return check_stream(stream, keys, held, artefacts, messages)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None


# ---------------------------------------------------------------------------------------------- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``verify``."""
    parser.add_argument("file", type=Path, help="ledger export, proof, DSSE envelope, or any file with --signature")
    parser.add_argument("--key", type=Path, action="append", default=[], help="PEM of a key that you trust; repeatable")
    parser.add_argument("--keys", type=Path, help="published list of keys (keys.json) that you trust")
    parser.add_argument("--signature", type=Path, help="detached signature over FILE (DER or base64)")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("NOTE", "SIGNATURE"),
        help="a checkpoint that you kept: an export that ends before it is refused",
    )
    parser.add_argument("--artefact", type=Path, action="append", default=[], help="file that a statement must name")
    parser.add_argument(
        "--messages", type=Path, help="messages that a client kept, one a line as they came, for a delivery statement"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_LINE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if len(data) > MAX_LINE_BYTES:
        raise BadInput(f"{path}: larger than {MAX_LINE_BYTES} bytes")
    return data


def _read_signature(path: Path) -> bytes:
    data = _read(path)
    return data if data[:1] == b"\x30" else _base64(data.decode("latin-1").strip(), str(path))


def run(options: argparse.Namespace) -> Report:
    """Do what the options ask for and return the report; BadInput for what cannot be read."""
    given = [Key.from_pem(_read(path), str(path)) for path in options.key]
    if options.keys:
        published = parse(_read(options.keys), str(options.keys))
        given += read_keys(published.get("keys") if isinstance(published, dict) else None, str(options.keys))
    keys = KeyRing(given)
    if options.signature:
        if not given:
            raise BadInput("--signature needs --key or --keys")
        return check_blob(options.file, _read_signature(options.signature), keys)
    held = [Checkpoint.read(_read(note), _read_signature(sig), str(note)) for note, sig in options.checkpoint]
    return check_file(options.file, keys, held, options.artefact, options.messages)


def render(report: Report) -> str:
    """The report in words, one line per finding."""
    whose = f" of tenant {report.tenant}" if report.tenant else ""
    lines = [f"{'ok' if report.ok else 'FAILED'}: {report.subject}{whose}"]
    counts = [(report.records, "records"), (report.items, "items"), (report.openings, "disclosed values")]
    counts += [(report.checkpoints, "checkpoints")]
    lines.append("  checked: " + (", ".join(f"{count} {name}" for count, name in counts if count) or "signature"))
    if report.size:
        lines.append(f"  size {report.size}, signed up to {report.covered}, keys: {report.trust}")
        lines.append(f"  root {report.root}")
        lines.append(f"  head {report.head}")
    lines += [f"  {name}: {json.dumps(value)}" for name, value in report.facts.items()]
    lines += [f"  {finding.severity} [{finding.code}] {finding.message}" for finding in report.findings]
    if report.unlisted:
        lines.append(f"  and {report.unlisted} errors more")
    return "\n".join(lines)


def verify_command(options: argparse.Namespace) -> int:
    """Run ``verify``: print the report, return the exit code."""
    try:
        report = run(options)
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report.as_dict(), indent=2) if options.json else render(report))
    return 0 if report.ok else 1


def main(argv: list[str] | None = None) -> int:
    """Entry point of the file when it stands alone."""
    parser = argparse.ArgumentParser(prog="verifier.py", description="Verify IntelGraph proofs offline.")
    add_arguments(parser)
    return verify_command(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
