"""Acts of staff that wait for a second person."""

import apps.core.ids
from django.db import migrations, models

from apps.core.rowsecurity import EnableRowSecurity


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0001_saved_filter'),
    ]

    operations = [
        migrations.CreateModel(
            name='Proposal',
            fields=[
                ('id', models.UUIDField(default=apps.core.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('tenant_id', models.UUIDField(null=True)),
                ('model', models.TextField()),
                ('verb', models.TextField()),
                ('label', models.TextField()),
                ('action', models.TextField()),
                ('object_id', models.TextField()),
                ('about', models.TextField()),
                ('answers', models.JSONField()),
                ('changes', models.JSONField()),
                ('verdict', models.JSONField()),
                ('state', models.TextField(choices=[('open', 'open'), ('applied', 'applied'), ('rejected', 'rejected'), ('expired', 'expired')], default='open')),
                ('made_by', models.UUIDField()),
                ('made_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('decided_by', models.UUIDField(null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('outcome', models.TextField(default='')),
            ],
            options={
                'db_table': 'portal_proposal',
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='portal_proposal_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('decided_by', None), models.Q(('decided_by', models.F('made_by')), _negated=True), ('state', 'rejected'), _connector='OR'), name='portal_proposal_two_people')],
            },
        ),
        EnableRowSecurity("portal_proposal"),
    ]
