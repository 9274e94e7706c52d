"""Objects of the REST contract, for the OpenAPI document. Answers are made from what the apps return and held to these
by tests (`tests/rest/`), not checked again on the way out."""

from typing import Annotated, Any, Literal

from pydantic import Field

from apps.gateway.rest.words import (
    MAX_INTEGER,
    Base64,
    Count,
    Cursor,
    Hex,
    LongText,
    Model,
    Moment,
    Name,
    Path,
    Sha256,
    Share,
    Text,
    Uuid,
    Word,
)

AnyObject = Annotated[dict[str, Any], Field(max_length=10_000)]


class FieldProblem(Model):
    """One thing that is wrong with the input."""

    field: Text
    message: Text
    mend: Text | None = None


class Problem(Model):
    """A refusal (RFC 9457). `type` identifies the family; `code` is the same code as in GraphQL."""

    type: Path
    title: Text
    status: Annotated[int, Field(ge=400, le=599, json_schema_extra={"format": "int32"})]
    detail: Text
    code: Word
    request_id: Word | None = None
    field: Text | None = None
    mend: Text | None = None
    retry_after_s: Count | None = None
    errors: Annotated[list[FieldProblem], Field(max_length=100)] | None = None
    action: Word | None = None
    rule: Text | None = None
    signal: Word | None = None
    limit: Word | None = None
    bound: Count | None = None
    decision: Uuid | None = None


class Rows(Model):
    """What became of the rows of a source."""

    read: Count
    created: Count
    updated: Count
    unchanged: Count
    rejected: Count
    skipped: Count


class Writes(Model):
    """What was written of one sort (entities, edges)."""

    created: Count
    updated: Count
    unchanged: Count
    rejected: Count


class MappingRef(Model):
    """Which version of which mapping was used; version 0 comes with the product."""

    name: Name
    version: Count
    sha256: Sha256


class Failure(Model):
    """Why a job stopped as a whole."""

    code: Word
    message: Text
    mend: Text


class IngestJob(Model):
    """A source being brought in. `progress` is 0 to 1; `bytes_read` counts uncompressed input."""

    id: Uuid
    state: Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"]
    source: Name
    format: Literal["csv", "jsonl", "stix"]
    mapping: MappingRef
    object_sha256: Sha256
    dry_run: bool
    on_error: Literal["keep", "refuse"]
    rows: Rows
    entities: Writes
    edges: Writes
    duplicates: Count
    references_outside: Count
    bytes_read: Count
    size_bytes: Count
    progress: Share
    error_count: Count
    errors_url: Path
    requested_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    failure: Failure | None = None
    examples: Annotated[list[AnyObject], Field(max_length=100)] | None = None


class IngestJobs(Model):
    """A page of jobs, newest first. `next` is the cursor of the following page, null on the last."""

    items: Annotated[list[IngestJob], Field(max_length=200)]
    next: Cursor | None


class Mapping(Model):
    """A mapping as it stands. Version 0 comes with the product; saving a mapping of its name replaces it for the tenant."""

    name: Name
    version: Count
    sha256: Sha256
    built_in: bool
    created_by: Text
    created_at: Moment | None
    document: AnyObject


class Mappings(Model):
    """Every mapping that the tenant can use, by name."""

    items: Annotated[list[Mapping], Field(max_length=10_000)]


class Checkpoint(Model):
    """A signed statement of the ledger at one size. `note` is the text that was signed, `signature` is DER in base64."""

    size: Count
    root: Sha256
    head: Sha256
    at: Moment
    key_id: Word
    note: Text
    signature: Base64


class Checkpoints(Model):
    """A page of checkpoints, newest first. `next` is the cursor of the following page, null on the last."""

    items: Annotated[list[Checkpoint], Field(max_length=200)]
    next: Cursor | None


class Decision(Model):
    """A decision of policy as it fell: what was asked, the facts that counted, the rules that matched."""

    id: Uuid
    at: Moment
    stage: Literal["access", "session"]
    action: Word
    outcome: Literal["allow", "deny", "step_up"]
    rule: Text
    reason: Text
    hits: Annotated[list[Text], Field(max_length=200)]
    facts: AnyObject
    redact: AnyObject
    actor: Word
    purpose: Word
    request_id: Word
    revision: Word
    share: Share


class DecisionNow(Model):
    """What the present rules say to the same question."""

    outcome: Literal["allow", "deny", "step_up"]
    rule: Text
    reason: Text
    revision: Word


class DecisionWhy(Decision):
    """A decision, and what the present rules would say; null for a question about a session."""

    now: DecisionNow | None


class Decisions(Model):
    """A page of decisions, newest first. `next` is the cursor of the following page, null on the last."""

    items: Annotated[list[Decision], Field(max_length=200)]
    next: Cursor | None


class SignedNote(Model):
    """A checkpoint's text and its signature (DER in base64)."""

    note: Text
    signature: Base64


class PublicKey(Model):
    """A public key as `/.well-known/intelgraph/keys.json` lists it."""

    key_id: Word
    algorithm: Word
    status: Literal["active", "retiring", "retired"]
    public_key_pem: Text
    not_before: Moment
    not_after: Moment | None


class ItemProof(Model):
    """The way from one item of a batch to the root in its record."""

    position: Count
    body: LongText
    path: Annotated[list[Hex], Field(max_length=64)]


class Proof(Model):
    """The way from a record to a signed checkpoint (RFC 9162 section 2.1.3). `ig-ledger verify` checks it offline."""

    format: Literal["intelgraph-ledger-proof"]
    version: Annotated[int, Field(ge=1, le=1, json_schema_extra={"format": "int32"})]
    number: Annotated[int, Field(ge=1, le=MAX_INTEGER, json_schema_extra={"format": "int64"})]
    body: LongText
    path: Annotated[list[Hex], Field(max_length=64)]
    checkpoint: SignedNote
    keys: Annotated[list[PublicKey], Field(max_length=1_000)]
    item: ItemProof | None = None


class Entity(Model):
    """An entity as this caller is shown it. `withheld` names the fields whose values were altered."""

    id: Uuid
    kind: Word
    external_id: Text
    name: Text
    properties: AnyObject
    data_class: Literal["public", "internal", "confidential", "personal", "sensitive"]
    retention_tier: Word
    redaction_policy: Literal["none", "mask", "hash", "generalise", "drop"]
    purposes: Annotated[list[Word], Field(max_length=100)]
    licence: Text
    source: Text
    region: Word
    version: Count
    created_at: Moment
    updated_at: Moment
    withheld: Annotated[list[Text], Field(max_length=1_000)]
    withheld_reason: Text | None
