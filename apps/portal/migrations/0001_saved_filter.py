"""Filters of lists that members keep under a name."""

import apps.core.ids
import apps.core.scope
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

from apps.core.rowsecurity import EnableRowSecurity


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenants', '0002_settings'),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedFilter',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('list', models.TextField()),
                ('name', models.TextField()),
                ('state', models.JSONField()),
                ('shared', models.BooleanField()),
                ('owner_id', models.UUIDField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('tenant', models.ForeignKey(default=apps.core.scope.require_tenant_id, editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenants.tenant')),
            ],
            options={
                'db_table': 'portal_saved_filter',
                'constraints': [models.UniqueConstraint(models.F('tenant'), models.F('list'), django.db.models.functions.text.Lower('name'), condition=models.Q(('shared', True)), name='portal_filter_shared_once'), models.UniqueConstraint(models.F('tenant'), models.F('list'), models.F('owner_id'), django.db.models.functions.text.Lower('name'), condition=models.Q(('shared', False)), name='portal_filter_own_once')],
            },
        ),
        EnableRowSecurity("portal_saved_filter"),
    ]
