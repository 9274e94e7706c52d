"""Imports in the portal: a file goes in by a form, and its page says what became of every row."""

from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile

from apps.connectors import selectors, services
from apps.core.scope import no_scope, tenant_scope
from tests.conftest import TenantKit
from tests.portal.visitors import Visitor, signed_in, streamed_bytes, text_of

BUNDLE = b"""{"type": "bundle", "id": "bundle--1", "objects": [
 {"type": "tool", "id": "tool--00000000-0000-4000-8000-000000000001", "name": "Hammer", "spec_version": "2.1",
  "created": "2024-01-01T00:00:00.000Z", "modified": "2024-01-01T00:00:00.000Z"},
 {"type": "tool", "name": "no id"}]}"""


def send(visitor: Visitor, content: bytes, key: str = "one", **more: str) -> object:
    file = SimpleUploadedFile("bundle.json", content)
    return visitor.post("imports/new/", {"key": key, "file": file, "mapping": "stix", "on_error": "keep", **more})


def run_all(tenant: TenantKit) -> None:
    with no_scope(), tenant_scope(tenant.info.id):
        for job in selectors.jobs(tenant.ctx).jobs:
            services.run_ingest(tenant.ctx, job_id=job.id)


def test_a_file_comes_in_and_its_page_says_what_became_of_it(tenant: TenantKit, settle: Callable[[], None]) -> None:
    visitor = signed_in(tenant, "analyst")
    assert "Nothing brought in yet" in text_of(visitor.get("imports/"))
    sent = send(visitor, BUNDLE)
    assert sent.status_code == 302, text_of(sent)  # type: ignore[attr-defined,arg-type]
    page = sent["Location"]  # type: ignore[index]
    waiting = text_of(visitor.get(page))
    assert "queued" in waiting and 'data-live="job"' in waiting and "Cancel" in waiting
    run_all(tenant)
    settle()
    done = text_of(visitor.get(page))
    assert "partly in" in done and "Wrong rows" in done and "data-live" not in done
    lines = streamed_bytes(visitor.get(f"{page}errors/"))
    assert lines.count(b"\n") == 1
    assert "Hammer" in text_of(visitor.get("entities/"))
    assert "partly in" in text_of(visitor.get("imports/"))
    assert "No import in this state" in text_of(visitor.get("imports/?state=failed"))


def test_sending_the_same_form_twice_makes_one_import(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    first, second = send(visitor, BUNDLE), send(visitor, BUNDLE)
    assert first["Location"] == second["Location"]  # type: ignore[index]


def test_an_import_is_cancelled(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    page = send(visitor, BUNDLE)["Location"]  # type: ignore[index]
    assert visitor.post(f"{page}cancel/").status_code == 302
    assert "cancelled" in text_of(visitor.get(page))


def test_what_cannot_be_taken_is_said_at_the_field(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    missing = visitor.post("imports/new/", {"key": "k", "mapping": "stix", "on_error": "keep"})
    assert missing.status_code == 422 and "Choose a file." in text_of(missing)
    empty = send(visitor, b"")
    assert empty.status_code == 422 and "The file is empty" in text_of(empty)  # type: ignore[attr-defined,arg-type]
    unknown = send(visitor, BUNDLE, mapping="nothing")
    assert "There is no such mapping" in text_of(unknown)  # type: ignore[arg-type]
    assert visitor.get("imports/01a1fbc4-66ef-7067-9143-231c37394f1b/").status_code == 404


def test_readers_bring_nothing_in(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "reader")
    assert visitor.get("imports/").status_code == 403
    assert send(visitor, BUNDLE).status_code == 403  # type: ignore[attr-defined]
