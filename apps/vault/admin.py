"""The vault in the admin: signing keys without their private halves, and manifests of stored objects."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import Outcome, PlatformAdmin, Trail, Verb, VerbForm, filters, shown, tenant_of
from apps.core.context import Context
from apps.core.scope import PLATFORM_TENANT_ID
from apps.vault import services
from apps.vault.events import ObjectDeleted, ObjectStored, SigningKeyCreated, SigningKeyRetired, SigningKeyRotated
from apps.vault.models import ObjectManifest, SigningKey
from apps.vault.types import RETENTION_TIERS, KeyStatus

STATES = {
    KeyStatus.ACTIVE: ("ok", "circle-check"),
    KeyStatus.RETIRING: ("warn", "clock"),
    KeyStatus.RETIRED: ("neutral", "lock"),
}


class RotateForm(VerbForm):
    """How long the old key still counts."""

    overlap_days = forms.IntegerField(
        label="Overlap in days",
        min_value=0,
        max_value=90,
        initial=7,
        help_text="So long, signatures by the key before are accepted too. 0 when it may be known to others.",
    )


def _rotate(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    made = services.rotate_key(ctx, overlap=timedelta(days=answers["overlap_days"]))
    return Outcome(f"{made.key_id} signs from now on.", made.key_id)


@admin.register(SigningKey)
class SigningKeyAdmin(PlatformAdmin):
    """Keys that sign checkpoints and statements."""

    read_action = "platform.vault.read"
    about = "Keys that sign checkpoints, statements and bundles. Public halves stay published for good."
    empty = "There is no signing key so far. One is made at start-up."
    keyset = "-created_at"
    search_hint = "key id"
    list_display = ("key_id", "state", "origin", "not_before", "not_after", "created_at")
    list_matters = ("key_id", "state")
    detail = (
        ("Signing key", ("key_id", "state", "origin", "not_before", "not_after", "created_at")),
        ("Public half", ("public_key",)),
    )
    verbs = (
        Verb(
            "rotate",
            "Rotate the signing key",
            "platform.vault.rotate",
            run=_rotate,
            icon="refresh-cw",
            form=RotateForm,
            creates=True,
            danger=True,
            lead="A new key is made and signs from the next checkpoint on.",
            consequences=lambda objects: (
                "The present key signs nothing more. When the overlap has passed its private half is destroyed.",
                "Whoever pins keys must fetch /.well-known/intelgraph/keys.json again.",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SigningKey]:
        """Keys without their sealed private halves: what is not read cannot be shown."""
        return cast("QuerySet[SigningKey]", super().get_queryset(request)).defer("private_sealed")

    def found(self, request: HttpRequest, rows: QuerySet[SigningKey], term: str) -> QuerySet[SigningKey]:
        """By key id."""
        return rows.filter(pk=term)

    @admin.display(description="status")
    def state(self, obj: SigningKey) -> shown.Mark:
        """The status with its tone."""
        return shown.Mark(obj.status, *STATES[KeyStatus(obj.status)])

    @admin.display(description="PEM")
    def public_key(self, obj: SigningKey) -> shown.Document:
        """The public half."""
        return shown.Document(obj.public_key_pem)

    def trail(self, obj: SigningKey) -> Trail:
        """The platform's ledger tells of all its keys: one record names two of them."""
        return Trail(PLATFORM_TENANT_ID, (SigningKeyCreated.name, SigningKeyRotated.name, SigningKeyRetired.name))


@admin.register(ObjectManifest)
class ObjectManifestAdmin(PlatformAdmin):
    """What lies in the object store."""

    noun, nouns = "stored object", "stored objects"
    read_action = "platform.vault.read"
    about = "References to bytes in the object store. Equal bytes of one tenant and region are kept once."
    empty = "No object is stored that fits."
    tenant_column = "tenant_id"
    search_hint = "id of the object"
    list_display = ("short", "tenant_label", "size", "content_type", "region", "retention_tier", "created_at")
    list_matters = ("short", "size")
    list_numeric = ("size",)
    list_filter = (
        filters.TenantFilter,
        filters.choice("retention", "retention_tier", [(t, t) for t in RETENTION_TIERS]),
    )
    detail = (
        ("Object", ("id", "tenant_label", "size", "content_type", "region", "retention_tier", "created_at")),
        ("Where it lies", ("sha256_copy", "key_copy")),
    )

    @admin.display(description="SHA-256")
    def short(self, obj: ObjectManifest) -> shown.Text:
        """The beginning of its hash."""
        return shown.Text(obj.sha256[:12], code=True)

    @admin.display(description="size")
    def size(self, obj: ObjectManifest) -> shown.Amount:
        """Its size."""
        return shown.Amount(obj.size_bytes, size=True)

    @admin.display(description="SHA-256")
    def sha256_copy(self, obj: ObjectManifest) -> shown.Copyable:
        """Its hash in full."""
        return shown.Copyable(obj.sha256, "SHA-256")

    @admin.display(description="key")
    def key_copy(self, obj: ObjectManifest) -> shown.Copyable:
        """Its key in the store."""
        return shown.Copyable(obj.key, "key")

    def trail(self, obj: ObjectManifest) -> Trail:
        """The tenant's ledger tells of its objects."""
        return Trail(tenant_of(obj), (ObjectStored.name, ObjectDeleted.name), "object_id", str(obj.pk))
