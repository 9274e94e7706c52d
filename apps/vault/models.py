"""Rows of the vault."""

from typing import ClassVar

from django.db import models

from apps.tenants.base import TenantModel
from apps.vault.types import RETENTION_TIERS, KeyOrigin, KeyStatus


class SigningKey(models.Model):
    """A key of the platform: only the system role sees it. The private half is sealed, and gone once retired."""

    key_id = models.TextField(primary_key=True)
    status = models.TextField(choices=[(s.value, s.value) for s in KeyStatus])
    origin = models.TextField(choices=[(o.value, o.value) for o in KeyOrigin])
    public_key_pem = models.TextField()
    private_sealed = models.TextField(blank=True, default="")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "vault_signing_key"
        ordering: ClassVar[list[str]] = ["-created_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="active"), name="vault_signing_key_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} ({self.status})"


class ObjectManifest(TenantModel):
    """A reference to bytes in the object store. Rows with the same key share the bytes."""

    key = models.TextField()
    sha256 = models.TextField()
    size_bytes = models.BigIntegerField()
    content_type = models.TextField()
    region = models.TextField()
    retention_tier = models.TextField(choices=[(tier, tier) for tier in RETENTION_TIERS])
    created_at = models.DateTimeField()

    class Meta:
        db_table = "vault_object_manifest"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "key"], name="vault_object_key"),
            models.Index(fields=["tenant", "retention_tier", "created_at"], name="vault_object_retention"),
        ]

    def __str__(self) -> str:
        return self.key
