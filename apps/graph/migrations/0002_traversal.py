"""Indexes that carry both ends of an edge, and the record of Neo4j's schema changes."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("graph", "0001_initial"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="edge",
            index=models.Index(
                fields=["tenant", "source_entity_id", "kind", "id"],
                include=["target_entity_id"],
                name="graph_edge_outward",
            ),
        ),
        AddIndexConcurrently(
            model_name="edge",
            index=models.Index(
                fields=["tenant", "target_entity_id", "kind", "id"],
                include=["source_entity_id"],
                name="graph_edge_inward",
            ),
        ),
        RemoveIndexConcurrently(model_name="edge", name="graph_edge_out"),
        RemoveIndexConcurrently(model_name="edge", name="graph_edge_in"),
        migrations.CreateModel(
            name="CypherMigration",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "graph_id", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("graph_id", models.UUIDField()),
                ("name", models.TextField()),
                ("checksum", models.TextField()),
                ("applied_at", models.DateTimeField()),
            ],
            options={
                "db_table": "graph_cypher_migration",
            },
        ),
    ]
