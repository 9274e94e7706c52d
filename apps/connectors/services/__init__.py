"""Verbs of ingest: save a mapping, start a job, run it, cancel it, bring in the demo."""

from apps.connectors.services.demo import bring_demo_data
from apps.connectors.services.jobs import cancel, start_ingest, sweep
from apps.connectors.services.mappings import check_mapping, put_mapping, read_mapping
from apps.connectors.services.running import run_ingest

__all__ = [
    "bring_demo_data",
    "cancel",
    "check_mapping",
    "put_mapping",
    "read_mapping",
    "run_ingest",
    "start_ingest",
    "sweep",
]
