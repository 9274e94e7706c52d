"""One index of page ranges for filters that compare tags, versions and times of creation by order."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('graph', '0003_match_in_windows'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='entity',
            index=BrinIndex(
                autosummarize=True,
                fields=['created_at', 'version', 'kind', 'data_class', 'retention_tier', 'redaction_policy', 'licence', 'source', 'region'],
                name='graph_entity_ranges',
                pages_per_range=32,
            ),
        ),
    ]
