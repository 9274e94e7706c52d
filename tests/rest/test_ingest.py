"""Sources come in over REST: streamed, once per key, followed and stopped; others see nothing of it."""

import gzip
import threading
from typing import Any

import orjson
import pytest
from django.db import connections

from apps.connectors import services as connectors
from apps.connectors.models import IngestJob
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.gateway.rest import schemas
from tests.conftest import TenantKit
from tests.rest.conftest import Api, content_of, problem_of

CSV = b"id,name\n1,Ada\n2,Grace\n3\n"


def start(api: Api, body: bytes = CSV, path: str = "/ingest/people", **more: Any) -> dict[str, Any]:
    answer = api.send("POST", path, body=body, **{"content_type": "text/csv", **more})
    assert answer.status_code == 202, answer.content
    job: dict[str, Any] = answer.json()
    schemas.IngestJob.model_validate(job)
    assert answer.headers["Location"] == f"/api/v1/ingest/jobs/{job['id']}"
    return job


def test_a_source_is_brought_in_and_followed(api: Api) -> None:
    api.save_people()
    job = start(api)
    assert job["state"] == "queued" and job["started_at"] is None and job["mapping"]["name"] == "people"
    waiting = api.get(f"/ingest/jobs/{job['id']}")
    assert waiting.headers["Retry-After"] == "1"
    connectors.run_ingest(api.kit.ctx, job_id=IngestJob.objects.get(id=job["id"]).id)
    answer = api.get(f"/ingest/jobs/{job['id']}")
    done = answer.json()
    schemas.IngestJob.model_validate(done)
    assert (done["state"], done["rows"]["created"], done["rows"]["rejected"]) == ("partial", 2, 1)
    assert done["bytes_read"] == len(CSV) and done["finished_at"] and "Retry-After" not in answer.headers
    errors = api.get(f"/ingest/jobs/{job['id']}/errors", Accept="application/jsonl")
    assert errors.headers["Content-Type"] == "application/jsonl"
    lines = [orjson.loads(line) for line in content_of(errors).splitlines()]
    assert [(line["row"], line["code"]) for line in lines] == [(4, lines[0]["code"])] and lines[0]["message"]


def test_a_dry_run_writes_nothing_and_shows_what_it_would(api: Api) -> None:
    api.save_people()
    job = start(api, path="/ingest/people?dry_run=1")
    connectors.run_ingest(api.kit.ctx, job_id=IngestJob.objects.get(id=job["id"]).id)
    done = api.get(f"/ingest/jobs/{job['id']}").json()
    schemas.IngestJob.model_validate(done)
    assert done["dry_run"] and done["examples"][0]["would"] == "be created"
    assert done["examples"][0]["entity"]["externalId"] == "1"
    again = start(api)
    assert again["rows"]["created"] == 0 and again["id"] != job["id"]


@pytest.mark.parametrize("sent", ["gzip", "multipart", "jsonl"])
def test_other_ways_to_send_a_file(api: Api, sent: str) -> None:
    api.save_people()
    if sent == "gzip":
        job = start(api, gzip.compress(CSV), Content_Encoding="gzip")
    elif sent == "multipart":
        form = (
            b'--b0\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\nContent-Type: text/csv\r\n\r\n'
            + CSV
            + b"\r\n--b0--\r\n"
        )
        job = start(api, form, content_type="multipart/form-data; boundary=b0")
    else:
        job = start(
            api, b'{"id": "1", "name": "Ada"}\n{"id": "2", "name": "Grace"}\n', content_type="application/x-ndjson"
        )
    connectors.run_ingest(api.kit.ctx, job_id=IngestJob.objects.get(id=job["id"]).id)
    assert api.get(f"/ingest/jobs/{job['id']}").json()["rows"]["created"] == 2


def test_a_form_needs_exactly_one_file(api: Api) -> None:
    api.save_people()
    part = b'--b0\r\nContent-Disposition: form-data; name="%s"; filename="p.csv"\r\n\r\nid,name\n1,a\r\n'
    field = b'--b0\r\nContent-Disposition: form-data; name="note"\r\n\r\nx\r\n'
    for form, place in (
        (part % b"file" + part % b"file" + b"--b0--\r\n", "file"),
        (part % b"other" + b"--b0--\r\n", "other"),
        (part % b"file" + field + b"--b0--\r\n", "note"),
        (b"--b0--\r\n", "file"),
        (b"no form at all", "file"),
    ):
        refused = api.send("POST", "/ingest/people", body=form, content_type="multipart/form-data; boundary=b0")
        assert problem_of(refused, 400)["field"] == place
    refused = api.send("POST", "/ingest/people", body=b"x", content_type="multipart/form-data")
    assert problem_of(refused, 400)["field"] == "Content-Type"
    assert not IngestJob.objects.exists()


def test_the_same_key_has_one_effect(api: Api) -> None:
    api.save_people()
    first = start(api, Idempotency_Key="k-1")
    assert start(api, Idempotency_Key="k-1") == first
    refused = api.send("POST", "/ingest/people", body=CSV + b"4,x\n", content_type="text/csv", Idempotency_Key="k-1")
    assert problem_of(refused, 409)["title"] == "Idempotency key used before"
    refused = api.send("POST", "/ingest/people?dry_run=1", body=CSV, content_type="text/csv", Idempotency_Key="k-1")
    problem_of(refused, 409)
    assert IngestJob.objects.count() == 1


def test_the_same_key_at_the_same_time_has_one_effect(api: Api) -> None:
    api.save_people()
    api.key("admin")
    together, ids, wrong = threading.Barrier(6), [], []

    def send() -> None:
        try:
            together.wait()
            answer = api.send("POST", "/ingest/people", body=CSV, content_type="text/csv", Idempotency_Key="k-2")
            ids.append(answer.json()["id"] if answer.status_code == 202 else answer.content)
        except Exception as error:  # whatever it is, the test shows it
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong and len(ids) == 6 and len(set(ids)) == 1
    assert IngestJob.objects.count() == 1


def test_keys_of_two_tenants_do_not_meet(api: Api, outsider: TenantKit) -> None:
    api.save_people()
    mine = start(api, Idempotency_Key="same")
    with_other = Api(outsider)
    with_other.save_people()
    theirs = start(with_other, Idempotency_Key="same")
    assert theirs["id"] != mine["id"]


def test_bad_sources_are_refused(api: Api) -> None:
    api.save_people()
    assert problem_of(api.send("POST", "/ingest/nope", body=CSV, content_type="text/csv"), 404)["field"] == "mapping"
    assert problem_of(api.send("POST", "/ingest/people", body=b"", content_type="text/csv"), 400)["field"] == "body"
    assert (
        problem_of(api.send("POST", "/ingest/people", body=CSV, content_type="image/png"), 415)["field"]
        == "Content-Type"
    )
    refused = api.send("POST", "/ingest/people", body=CSV, content_type="text/csv", Content_Encoding="br")
    assert problem_of(refused, 415)["field"] == "Content-Encoding"
    for query, place in (
        ("dry_run=maybe", "dry_run"),
        ("on_error=shrug", "on_error"),
        ("format=xml", "format"),
        ("fromat=csv", "fromat"),
    ):
        assert (
            problem_of(api.send("POST", f"/ingest/people?{query}", body=CSV, content_type="text/csv"), 400)["field"]
            == place
        )
    refused = api.send("POST", "/ingest/people", body=CSV, content_type="text/csv", Idempotency_Key="with space")
    assert problem_of(refused, 400)["field"] == "Idempotency-Key"
    assert not IngestJob.objects.exists()


def test_a_job_is_stopped_and_stays_stopped(api: Api) -> None:
    api.save_people()
    job = start(api)
    for _ in range(2):
        answer = api.send("POST", f"/ingest/jobs/{job['id']}/cancel")
        assert answer.status_code == 202 and answer.json()["state"] == "cancelled"


def test_jobs_are_listed_newest_first_in_pages(api: Api) -> None:
    api.save_people()
    made = [start(api, CSV + f"{n},x\n".encode())["id"] for n in range(5, 10)]
    page = api.get("/ingest/jobs?first=2")
    schemas.IngestJobs.model_validate(page.json())
    seen = [job["id"] for job in page.json()["items"]]
    while page.json()["next"]:
        assert page.headers["Link"] == f'</api/v1/ingest/jobs?first=2&after={page.json()["next"]}>; rel="next"'
        page = api.get(f"/ingest/jobs?first=2&after={page.json()['next']}")
        seen += [job["id"] for job in page.json()["items"]]
    assert seen == made[::-1] and "Link" not in page.headers
    assert api.get("/ingest/jobs?state=failed").json()["items"] == []


def test_outsiders_and_readers_see_and_start_nothing(api: Api, outsider: TenantKit) -> None:
    api.save_people()
    job = start(api)
    stranger = Api(outsider)
    for path in (f"/ingest/jobs/{job['id']}", f"/ingest/jobs/{job['id']}/errors"):
        problem_of(stranger.get(path), 404)
    problem_of(stranger.send("POST", f"/ingest/jobs/{job['id']}/cancel"), 404)
    assert stranger.get("/ingest/jobs").json()["items"] == []
    problem_of(api.send("POST", "/ingest/people", body=CSV, content_type="text/csv", scope="reader"), 403)
    problem_of(api.send("POST", f"/ingest/jobs/{job['id']}/cancel", scope="reader"), 403)
    with tenant_scope(api.kit.info.id):
        assert IngestJob.objects.get(id=job["id"]).state == "queued"
    problem_of(api.get(f"/ingest/jobs/{new_id()}"), 404)
    problem_of(api.get("/ingest/jobs/not-an-id"), 400)
