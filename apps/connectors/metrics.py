"""Figures of ingest for Prometheus."""

from prometheus_client import Counter, Histogram

ROWS = Counter("ig_ingest_rows_total", "Rows of sources, by what became of them", ["format", "outcome"])
BYTES = Counter("ig_ingest_bytes_total", "Uncompressed bytes of sources that were read", ["format"])
JOBS = Counter("ig_ingest_jobs_total", "Ingest jobs that ended", ["format", "state"])
TAKEN_OVER = Counter("ig_ingest_taken_over_total", "Ingest jobs that a second worker went on with")
BATCH_SECONDS = Histogram(
    "ig_ingest_batch_seconds",
    "Time that one batch's transaction took",
    ["format", "phase"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
