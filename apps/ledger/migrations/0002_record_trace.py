from django.db import migrations, models


class Migration(migrations.Migration):
    """A nullable column without a default: no rewrite, no long lock."""

    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="record",
            name="trace",
            field=models.TextField(
                blank=True, help_text="W3C traceparent of the writer; not part of what is hashed", null=True
            ),
        ),
    ]
