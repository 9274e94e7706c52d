"""`manage.py ingest SOURCE --tenant T --mapping M`: bring a file in, here and now, with its progress shown.

Ctrl-C leaves a job that the same command goes on with; so does `kill -9`. Exit codes: 0 every row is in (or would be),
1 some or all rows were refused, or it was stopped, 2 the usage or the input is wrong (one line on standard error).
"""

import hashlib
import json
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from apps.connectors import selectors, services
from apps.connectors.types import Format, JobState, JobView, OnError
from apps.core.context import Context, service_context
from apps.core.errors import IgError, InvalidInput, NotFound
from apps.core.ids import parse_id
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy

PART_BYTES = 1 << 20
WAIT_S = 1.0
SHOW_EVERY_S = 0.2
NOT_THE_INPUT = frozenset({"REFUSED", "STUCK"})


class Command(BaseCommand):
    """Bring a file in."""

    help = "Bring a file (CSV, JSON Lines or STIX, plain or gzipped) into a tenant's graph."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the source, the tenant, the mapping and how to go about it."""
        parser.add_argument("source", help="file, or - for standard input")
        parser.add_argument("--tenant", required=True, help="slug or id of the tenant")
        parser.add_argument(
            "--mapping", required=True, help="name of a mapping (stix comes along), or a YAML or JSON file"
        )
        parser.add_argument("--format", choices=[item.value for item in Format], help="replaces the mapping's format")
        parser.add_argument(
            "--on-error",
            choices=[item.value for item in OnError],
            help="keep: good rows come in (default); refuse: one wrong row and nothing does",
        )
        parser.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written")
        parser.add_argument("--errors", type=Path, metavar="FILE", help="write all row errors to FILE, as JSON Lines")
        parser.add_argument("--json", action="store_true", help="print the job as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Bring the source in and exit with the code that says how it went."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._shown_at = 0.0
        try:
            code = self._ingest(options)
        except IgError as error:
            mend = f" {error.mend}" if error.mend else ""
            self.stderr.write(f"error: {error.message}.{mend}")
            code = 2
        except OSError as error:
            self.stderr.write(f"error: {error.filename}: {error.strerror}")
            code = 2
        if code:
            sys.exit(code)

    def _ingest(self, options: dict[str, Any]) -> int:
        with tenancy.enter(_context(options["tenant"])) as ctx:
            mapping = _mapping(ctx, options["mapping"])
            job = self._job(ctx, mapping, options)
            try:
                while not job.state.final:
                    job = services.run_ingest(ctx, job_id=job.id, on_progress=self._progress)
                    if not job.state.final:  # another worker has it, or had it a moment ago
                        self._progress(job)
                        time.sleep(WAIT_S)
            except KeyboardInterrupt:
                self._end_line()
                job = selectors.job(ctx, job.id)
                self.stderr.write(f"stopped at row {job.rows.read}: the same command goes on with job {job.id}")
                return 1
            self._end_line()
            if options["errors"] is not None:
                with options["errors"].open("wb") as stream:
                    stream.writelines(selectors.row_errors(ctx, job.id))
            self._show(ctx, job, as_json=options["json"])
        return _code(job)

    def _job(self, ctx: Context, mapping: str, options: dict[str, Any]) -> JobView:
        """Return the unfinished job of the same file and mapping, or a new one."""
        name = options["source"]
        if name == "-":
            return self._new_job(ctx, sys.stdin.buffer, "standard input", mapping, options)
        with Path(name).open("rb") as stream:
            if not options["format"] and not options["on_error"]:
                found = selectors.resumable(
                    ctx,
                    object_sha256=_sha256(stream),
                    mapping_sha256=selectors.mapping(ctx, mapping).sha256,
                    dry_run=options["dry_run"],
                )
                if found is not None:
                    self.stderr.write(f"going on with job {found.id} at row {found.rows.read}")
                    return found
                stream.seek(0)
            return self._new_job(ctx, stream, Path(name).name, mapping, options)

    def _new_job(self, ctx: Context, stream: BinaryIO, source: str, mapping: str, options: dict[str, Any]) -> JobView:
        return services.start_ingest(
            ctx,
            source=source,
            content=_parts(stream),
            mapping=mapping,
            format=options["format"],
            dry_run=options["dry_run"],
            on_error=options["on_error"],
            enqueue=False,
        )

    def _progress(self, job: JobView) -> None:
        """Show on a terminal how far the job is."""
        if not self.stderr.isatty() or time.monotonic() - self._shown_at < SHOW_EVERY_S:
            return
        self._shown_at = time.monotonic()
        rows = job.rows
        self.stderr.write(
            f"\r{job.progress:4.0%} {job.phase}: {rows.read} rows read, {rows.created} created, {rows.updated} updated,"
            f" {rows.unchanged} unchanged, {rows.rejected} refused ",
            ending="",
        )
        self.stderr.flush()

    def _end_line(self) -> None:
        if self._shown_at:
            self.stderr.write("")

    def _show(self, ctx: Context, job: JobView, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(job.as_document(), cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
            return
        rows = job.rows
        self.stdout.write(
            f"{job.state}: {rows.read} rows read, {rows.created} created, {rows.updated} updated, {rows.unchanged}"
            f" unchanged, {rows.rejected} refused" + (" (dry run: nothing was written)" if job.dry_run else "")
        )
        if job.failure is not None:
            self.stderr.write(f"error: {job.failure.message}. {job.failure.mend}")
        for error in selectors.first_errors(ctx, job.id, first=5):
            self.stderr.write(f"  row {error.row}: {error.message}. {error.mend}")
        if job.error_count > 5:
            self.stderr.write(f"  and {job.error_count - 5} more: --errors FILE writes all of them")
        for shown in job.examples:
            self.stdout.write(json.dumps(shown, ensure_ascii=False))


def _context(tenant: str) -> Context:
    known = parse_id(tenant)
    found = tenants.by_id(known) if known else tenants.by_slug(tenant)
    if found is None:
        raise NotFound(f"there is no tenant {tenant!r}", field="tenant")
    tenancy.admit(found)
    return service_context(
        "command-line", tenant_id=found.id, tenant_slug=found.slug, region=found.home_region, purpose="investigation"
    )


def _mapping(ctx: Context, given: str) -> str:
    """Return the mapping's name; a file is saved first, under the name that it gives itself."""
    path = Path(given)
    if path.suffix not in {".yaml", ".yml", ".json"}:
        return given
    if not path.is_file():
        raise InvalidInput(f"there is no file {given!r}", field="mapping")
    return services.put_mapping(ctx, name=None, text=path.read_bytes())[0].name


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    for part in _parts(stream):
        digest.update(part)
    return digest.hexdigest()


def _parts(stream: BinaryIO) -> Iterator[bytes]:
    while part := stream.read(PART_BYTES):
        yield part


def _code(job: JobView) -> int:
    if job.state is JobState.SUCCEEDED:
        return 0
    return 2 if job.failure is not None and job.failure.code not in NOT_THE_INPUT else 1
