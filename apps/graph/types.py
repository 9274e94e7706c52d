"""Words of the graph."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from apps.tenants.types import RetentionTier as RetentionTier  # a word of the graph too


class DataClass(StrEnum):
    """How sensitive data is."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class RedactionPolicy(StrEnum):
    """What a reader without the right purpose or role gets instead of a value."""

    NONE = "none"
    MASK = "mask"
    HASH = "hash"
    GENERALISE = "generalise"
    DROP = "drop"


MAX_BATCH = 5_000
"""Most inputs of one call: one transaction, one ledger record."""
MAX_PROPERTIES_BYTES = 256 * 1024
MAX_HOPS = 6
MAX_PAGE = 500
MAX_SUBGRAPH = 2_000
MAX_SUBGRAPH_EDGES = 5_000


@dataclass(frozen=True, slots=True)
class EntityInput:
    """What to write. A field that is None keeps what stands (or takes its default on creation).

    `properties` replaces the whole map when given. The key is (`kind`, `external_id`).
    """

    kind: str
    external_id: str
    name: str | None = None
    properties: dict[str, Any] | None = None
    data_class: str | None = None
    retention_tier: str | None = None
    redaction_policy: str | None = None
    purposes: tuple[str, ...] | None = None
    licence: str | None = None
    source: str | None = None
    subject_keys: tuple[str, ...] | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class EdgeInput:
    """What to write. Each end is given by id, or by kind and external id.

    The key is (`kind`, `external_id`) when there is an external id, else (`kind`, source, target).
    """

    kind: str
    external_id: str = ""
    properties: dict[str, Any] | None = None
    source_id: UUID | None = None
    source_kind: str = ""
    source_external_id: str = ""
    target_id: UUID | None = None
    target_kind: str = ""
    target_external_id: str = ""
    data_class: str | None = None
    retention_tier: str | None = None
    redaction_policy: str | None = None
    purposes: tuple[str, ...] | None = None
    licence: str | None = None
    source: str | None = None
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class InputError:
    """Why one input was not taken. `index` counts from 0 in the order given; `field` is as in the API (`externalId`)."""

    index: int
    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as it stands."""

    id: UUID
    kind: str
    external_id: str
    name: str
    properties: dict[str, Any]
    data_class: str
    retention_tier: str
    redaction_policy: str
    purposes: tuple[str, ...]
    licence: str
    source: str
    region: str
    subject_keys: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """An edge as it stands; `source_id` and `target_id` are entities of the same tenant."""

    id: UUID
    kind: str
    external_id: str
    source_id: UUID
    target_id: UUID
    properties: dict[str, Any]
    data_class: str
    retention_tier: str
    redaction_policy: str
    purposes: tuple[str, ...]
    licence: str
    source: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What an upsert did. `rows` are in input order, None where an input was refused."""

    created: int
    updated: int
    unchanged: int
    rows: list[Any]
    errors: list[InputError]
    record_id: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What a deletion did: how many entities and edges went, which ids were unknown."""

    deleted: int
    edges_deleted: int
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows. `end` is the cursor after the last one, None when nothing follows."""

    rows: list[Any]
    cursors: list[str]
    has_next: bool
    total: int
    total_is_estimate: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A search hit: the entity, its rank and a snippet with the matches between STX (0x02) and ETX (0x03)."""

    entity: EntityRow
    rank: float
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, best first. Ranking is exact up to `ranked_limit` matches; `capped` says that there were more."""

    hits: list[Hit]
    cursors: list[str]
    has_next: bool
    total: int
    capped: bool


@dataclass(frozen=True, slots=True)
class SubgraphRows:
    """Part of the graph.

    `truncated` says that a limit cut it and `cut` which, in words; `withheld` how many nodes the reader may not see;
    `engine` who found it (`sql` or `neo4j`; rows come from PostgreSQL in any case).
    """

    nodes: list[EntityRow]
    edges: list[EdgeRow]
    truncated: bool
    withheld: int = 0
    engine: str = "sql"
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """What one version of an entity or edge looked like; `document` is None once erased or swept."""

    ref_id: UUID
    version: int
    op: str
    at: datetime
    document: dict[str, Any] | None
    actor: str = ""
    number: int | None = None
    item_position: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """How much a tenant holds, and how far its projections are behind (in events)."""

    entity_count: int
    edge_count: int
    kinds: list[tuple[str, int]]
    edge_kinds: list[tuple[str, int]]
    last_number: int
    projection_lag: int = 0
    projections: dict[str, int] = field(default_factory=dict)
