import django.db.models.deletion
from django.db import migrations, models

import apps.core.ids
import apps.core.scope
from apps.core.rowsecurity import EnableRowSecurity

# Signing keys belong to the platform, so no tenant policy fits: the application role is granted the table like any
# other, and sees no row of it.
SYSTEM_ONLY = """
alter table vault_signing_key enable row level security;
alter table vault_signing_key force row level security;
create policy system_rows on vault_signing_key to ig_system using (true) with check (true);
create policy owner_rows on vault_signing_key to current_user using (true) with check (true);
"""
OPEN_AGAIN = """
drop policy owner_rows on vault_signing_key;
drop policy system_rows on vault_signing_key;
alter table vault_signing_key no force row level security;
alter table vault_signing_key disable row level security;
"""
TIERS = [(tier, tier) for tier in ("short-30d", "standard-365d", "long-1825d", "legal-hold")]


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("key_id", models.TextField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.TextField(choices=[("active", "active"), ("retiring", "retiring"), ("retired", "retired")]),
                ),
                (
                    "origin",
                    models.TextField(choices=[("stored", "stored"), ("file", "file"), ("external", "external")]),
                ),
                ("public_key_pem", models.TextField()),
                ("private_sealed", models.TextField(blank=True, default="")),
                ("not_before", models.DateTimeField()),
                ("not_after", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "vault_signing_key",
                "ordering": ["-created_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active")),
                        fields=("status",),
                        name="vault_signing_key_one_active",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ObjectManifest",
            fields=[
                (
                    "id",
                    models.UUIDField(default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False),
                ),
                ("key", models.TextField()),
                ("sha256", models.TextField()),
                ("size_bytes", models.BigIntegerField()),
                ("content_type", models.TextField()),
                ("region", models.TextField()),
                ("retention_tier", models.TextField(choices=TIERS)),
                ("created_at", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(
                        default=apps.core.scope.require_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "db_table": "vault_object_manifest",
                "indexes": [
                    models.Index(fields=["tenant", "key"], name="vault_object_key"),
                    models.Index(fields=["tenant", "retention_tier", "created_at"], name="vault_object_retention"),
                ],
            },
        ),
        EnableRowSecurity("vault_object_manifest"),
        migrations.RunSQL(SYSTEM_ONLY, OPEN_AGAIN),
    ]
