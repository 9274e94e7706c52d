"""The demo's data, brought in as anybody's would be."""

import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from apps.connectors import selectors
from apps.connectors.services.jobs import start_ingest
from apps.connectors.services.mappings import put_mapping
from apps.connectors.services.running import run_ingest
from apps.connectors.types import JobState, JobView
from apps.core.context import Context
from apps.core.errors import Conflict

FOLDER = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
WAIT_S = 60.0
"""How long a job that a killed load left behind may still be leased to it."""


def bring_demo_data(ctx: Context, slug: str, *, folder: Path = FOLDER) -> list[JobView]:
    """Ingest what `demo.yaml` lists for the tenant in scope; what is in already costs nothing, what was cut goes on.

    Raises Conflict when a file did not come in whole.
    """
    jobs: list[JobView] = []
    for item in yaml.safe_load((folder / "demo.yaml").read_text(encoding="utf-8")).get(slug, []):
        if "document" in item:
            put_mapping(ctx, name=item["mapping"], text=(folder / item["document"]).read_bytes())
        path = folder / item["file"]
        job = start_ingest(
            ctx, source=item["mapping"], content=_parts(path), idempotency_key=f"demo {item['file']}", enqueue=False
        )
        give_up = time.monotonic() + WAIT_S
        while not job.state.final and time.monotonic() < give_up:
            job = run_ingest(ctx, job_id=job.id)
            if not job.state.final:
                time.sleep(0.5)
        if job.state is not JobState.SUCCEEDED:
            raise Conflict(f"{path.name} did not come in: the job is {job.state}", job_id=str(job.id))
        jobs.append(selectors.job(ctx, job.id))
    return jobs


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            yield part
