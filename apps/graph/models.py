"""Rows of the graph. PostgreSQL is the source of truth; everything else is a projection of it."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from apps.graph.types import DataClass, RedactionPolicy, RetentionTier
from apps.tenants.base import TenantManager, TenantModel


class Tagged(TenantModel):
    """What entities and edges share: provenance, tags that policy reads, optimistic version."""

    kind = models.TextField()
    external_id = models.TextField(default="")
    properties = models.JSONField(default=dict)
    data_class = models.TextField(default=DataClass.INTERNAL.value)
    retention_tier = models.TextField(default=RetentionTier.STANDARD.value)
    redaction_policy = models.TextField(default=RedactionPolicy.NONE.value)
    purposes = ArrayField(models.TextField(), default=list)
    licence = models.TextField(default="")
    source = models.TextField(default="")
    version = models.IntegerField(default=1)
    content_hash = models.BinaryField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        abstract = True


class Entity(Tagged):
    """A person, organisation, asset or anything else that has relations.

    The table has a further column, `search tsvector`, generated from name, keys and tags; only read functions use it.
    """

    name = models.TextField(default="")
    region = models.TextField(default="")
    subject_keys = ArrayField(models.TextField(), default=list)

    class Meta:
        db_table = "graph_entity"
        verbose_name_plural = "entities"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "kind", "external_id"], name="graph_entity_key"),
            models.UniqueConstraint(fields=["tenant", "id"], name="graph_entity_tenant_id"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "kind", "name", "id"], name="graph_entity_kind_name"),
            models.Index(fields=["tenant", "name", "id"], name="graph_entity_name"),
            models.Index(fields=["tenant", "updated_at", "id"], name="graph_entity_updated"),
            models.Index(fields=["tenant", "external_id"], name="graph_entity_external"),
            # What is written together is alike: ranges of pages tell where not to look, and cost a write next to nothing.
            BrinIndex(
                fields=[
                    "created_at",
                    "version",
                    "kind",
                    "data_class",
                    "retention_tier",
                    "redaction_policy",
                    "licence",
                    "source",
                    "region",
                ],
                name="graph_entity_ranges",
                pages_per_range=32,
                autosummarize=True,
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id


class Edge(Tagged):
    """A directed relation between two entities of one tenant (composite foreign keys hold them together)."""

    key = models.TextField()
    source_entity_id = models.UUIDField()
    target_entity_id = models.UUIDField()

    class Meta:
        db_table = "graph_edge"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "kind", "key"], name="graph_edge_key"),
            models.UniqueConstraint(fields=["tenant", "id"], name="graph_edge_tenant_id"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # The other end rides along: a traversal reads these indexes alone.
            models.Index(
                fields=["tenant", "source_entity_id", "kind", "id"],
                include=["target_entity_id"],
                name="graph_edge_outward",
            ),
            models.Index(
                fields=["tenant", "target_entity_id", "kind", "id"],
                include=["source_entity_id"],
                name="graph_edge_inward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source_entity_id} → {self.target_entity_id}"


class RevisionRow(models.Model):
    """What one version looked like: for live updates, history and replay. Erasable; the ledger holds a commitment."""

    pk = models.CompositePrimaryKey("tenant_id", "ref_id", "version")
    tenant_id = models.UUIDField()
    ref_id = models.UUIDField()
    version = models.IntegerField()
    ref_kind = models.TextField()
    op = models.TextField()
    at = models.DateTimeField()
    salt = models.BinaryField()
    document = models.BinaryField(null=True)

    objects: ClassVar[TenantManager[Any]] = TenantManager()

    class Meta:
        db_table = "graph_revision"

    def __str__(self) -> str:
        return f"{self.ref_kind} {self.ref_id} v{self.version}"


class KindCount(models.Model):
    """How many entities or edges of a kind a tenant has: a projection of the ledger."""

    pk = models.CompositePrimaryKey("tenant_id", "ref_kind", "kind")
    tenant_id = models.UUIDField()
    ref_kind = models.TextField()
    kind = models.TextField()
    count = models.BigIntegerField(default=0)

    objects: ClassVar[TenantManager[Any]] = TenantManager()

    class Meta:
        db_table = "graph_kind_count"

    def __str__(self) -> str:
        return f"{self.kind}: {self.count}"


class CypherMigration(models.Model):
    """A schema change that was applied to a Neo4j graph; the graph keeps the same record of itself."""

    app_rights: ClassVar[str] = "select"

    pk = models.CompositePrimaryKey("graph_id", "name")
    graph_id = models.UUIDField()
    name = models.TextField()
    checksum = models.TextField()
    applied_at = models.DateTimeField()

    class Meta:
        db_table = "graph_cypher_migration"

    def __str__(self) -> str:
        return self.name
