"""Saving mappings: each change is a new version, named by its content."""

import re
from typing import Any

from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.connectors.errors import MappingInvalid, Problem
from apps.connectors.events import MappingSaved
from apps.connectors.mapping import document as documents
from apps.connectors.mapping import schema
from apps.connectors.models import IngestMapping
from apps.connectors.types import MappingView
from apps.core.context import Context
from apps.core.errors import Conflict
from apps.core.routers import write_alias

_NAME = re.compile(schema.NAME_PATTERN)


def read_mapping(text: bytes) -> Any:
    """Return what a mapping's text (YAML or JSON) holds, not checked yet. Raises MappingInvalid for what is neither."""
    return documents.parse(text)


def check_mapping(document: dict[str, Any]) -> None:
    """Check a mapping's document without saving it. Raises MappingInvalid listing each problem with its mend."""
    documents.check(document)


def put_mapping(ctx: Context, *, name: str | None, text: bytes | str) -> tuple[MappingView, bool]:
    """Save a mapping (YAML or JSON) and return its newest version, and whether that is new.

    Without a `name` the document's own is used. The same content again makes no new version. Raises MappingInvalid
    listing each problem with its mend, Conflict when two savers of one name met.
    """
    if name is not None and not _NAME.match(name):
        raise MappingInvalid(
            [Problem("name", f"{name[:60]!r} is not a valid name", f"It must match {schema.NAME_PATTERN}.")]
        )
    document = documents.load(text, name=name)
    return _save(ctx, document["name"], document)


def _save(ctx: Context, name: str, document: dict[str, Any]) -> tuple[MappingView, bool]:
    sha256 = documents.digest(document)
    try:
        with transaction.atomic(using=write_alias()):
            newest = IngestMapping.objects.filter(name=name).order_by("-version").first()
            changed = newest is None or newest.sha256 != sha256
            if newest is None or changed:
                newest = IngestMapping(
                    name=name,
                    version=(newest.version if newest else 0) + 1,
                    sha256=sha256,
                    document=document,
                    created_by=ctx.actor.ref,
                    created_at=ctx.now,
                )
                newest.save(force_insert=True)
                bus.record(ctx, MappingSaved(name, newest.version, sha256))
    except IntegrityError:
        raise Conflict(
            f"the mapping {name!r} was saved by someone else just now", field="name", mend="Read it and save again."
        ) from None
    return MappingView(name, newest.version, sha256, newest.document, newest.created_by, newest.created_at), changed
