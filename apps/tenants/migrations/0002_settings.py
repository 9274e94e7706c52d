"""Settings that a tenant changes itself: how long its data is kept by default, and a version to save against."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="retention_tier",
            field=models.TextField(db_default="standard-365d", default="standard-365d"),
        ),
        migrations.AddField(
            model_name="tenant",
            name="version",
            field=models.IntegerField(db_default=1, default=1),
        ),
    ]
