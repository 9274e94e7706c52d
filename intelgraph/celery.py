"""The worker and the scheduler: `celery -A intelgraph worker`, `celery -A intelgraph beat`.

Tasks live in each app's `tasks.py`; when they run by themselves stands here, as data.
"""

import os
from collections.abc import Mapping
from typing import Any

import django

from apps.core import conf
from apps.core.processes import share_metrics

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "intelgraph.settings")
share_metrics(conf.get().var / "metrics")  # before anything is counted
django.setup()

from celery.signals import beat_init, worker_ready  # noqa: E402  after the figures are shared
from django.apps import apps as installed  # noqa: E402  needs the settings

from apps.core.jobs import app  # noqa: E402  needs the apps
from apps.core.side_door import open_side_door  # noqa: E402

SCHEDULE: Mapping[str, tuple[str, float]] = {
    "ledger checkpoints": ("vault.checkpoints.sign", 60.0),
    "old decisions": ("policy.decisions.sweep", 600.0),
    "flags past their date or out of use": ("flags.registry.tend", 3_600.0),
    "proposals nobody decided on": ("portal.proposals.expire", 300.0),
    "ingest jobs whose worker died": ("connectors.jobs.sweep", 30.0),
    "times of staff in tenants that are over": ("identity.acting.expire", 30.0),
    "invitations that were not sent": ("identity.invitations.sweep", 60.0),
}
"""What runs by itself: name -> (task, every how many seconds)."""

app.autodiscover_tasks(lambda: [config.name for config in installed.get_app_configs()], force=True)
app.conf.beat_schedule = {
    name: {"task": task, "schedule": every_s, "options": {"expires": every_s}}
    for name, (task, every_s) in SCHEDULE.items()
}


@worker_ready.connect
@beat_init.connect
def _show_figures(**_: Any) -> None:
    open_side_door()


__all__ = ["SCHEDULE", "app"]
