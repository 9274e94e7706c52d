"""Ingest as a whole: what comes in, what is refused, and that nothing is half-written."""

from typing import Any

import orjson
import pytest

from apps.connectors import selectors, services
from apps.connectors.errors import IdempotencyMismatch, MappingInvalid
from apps.connectors.models import IngestBatch, IngestJob, IngestMapping, IngestRowError
from apps.connectors.types import JobState, JobView, Limits
from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.graph.models import Edge, Entity
from apps.ledger.models import Record
from tests.conftest import TenantKit
from tests.connectors.graphs import graph_of, ingest, mapping

PEOPLE = """
name: people
format: csv
defaults: {source: registry, dataClass: personal, retentionTier: short-30d}
entities:
  - {kind: Person, id: "{id}", name: "{name}", properties: {age: {column: age, type: int}}}
edges:
  - kind: reportsTo
    from: {kind: Person, id: "{id}"}
    to: {kind: Person, id: "{boss}"}
    when: [{column: boss, present: true}]
"""
PLACES = """
name: places
format: csv
entities:
  - {kind: Place, id: "{id}", name: "{id}"}
edges:
  - {kind: partOf, from: {kind: Place, id: "{id}"}, to: {kind: Place, id: "{within}"}, acyclic: true,
     when: [{column: within, present: true}]}
"""
ROWS = b"id,name,age,boss\n1,Ann,40,2\n2,Bo,50,\n3,Cy,30,1\n"


def codes(ctx: Context, job: JobView) -> list[tuple[int, str]]:
    return [(line["row"], line["code"]) for line in listed(ctx, job)]


def listed(ctx: Context, job: JobView) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in b"".join(selectors.row_errors(ctx, job.id)).splitlines()]


def identity(kind: str, number: int) -> str:
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


# -- what comes in


def test_rows_come_in_with_their_tags_and_their_ledger_records(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", ROWS)
    assert job.state is JobState.SUCCEEDED
    assert job.rows.as_dict() == {"read": 3, "created": 3, "updated": 0, "unchanged": 0, "rejected": 0, "skipped": 0}
    assert job.entities["created"] == 3 and job.edges["created"] == 2
    assert job.bytes_read == len(ROWS) and job.progress == 1.0
    entities, edges = graph_of(tenant.ctx)
    assert [(e[1], e[2], e[3], e[4], e[5], e[9]) for e in entities] == [
        ("1", "Ann", {"age": 40}, "personal", "short-30d", "registry"),
        ("2", "Bo", {"age": 50}, "personal", "short-30d", "registry"),
        ("3", "Cy", {"age": 30}, "personal", "short-30d", "registry"),
    ]
    assert [(e[0], e[2][1], e[3][1]) for e in edges] == [("reportsTo", "1", "2"), ("reportsTo", "3", "1")]
    types = list(Record.objects.filter(tenant_id=tenant.info.id).order_by("id").values_list("type", flat=True))
    assert [name for name in types if name.startswith(("connectors", "graph"))] == [
        "connectors.mapping.saved",
        "connectors.ingest.requested",
        "connectors.ingest.started",
        "graph.entities.upserted",
        "graph.edges.upserted",
        "connectors.ingest.finished",
    ]


def test_the_same_source_again_changes_nothing(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    ingest(tenant.ctx, "people", ROWS)
    before = graph_of(tenant.ctx)
    records = Record.objects.filter(tenant_id=tenant.info.id, type__startswith="graph.").count()
    job = ingest(tenant.ctx, "people", ROWS)
    assert job.rows.unchanged == 3 and job.rows.created == job.rows.updated == 0
    assert graph_of(tenant.ctx) == before
    assert Record.objects.filter(tenant_id=tenant.info.id, type__startswith="graph.").count() == records
    job = ingest(tenant.ctx, "people", ROWS.replace(b"Bo", b"Bob"))
    assert (job.rows.updated, job.rows.unchanged) == (1, 2)


def test_edges_may_stand_before_their_ends_and_references_may_point_outside(tenant: TenantKit) -> None:
    group, tool, gone = identity("intrusion-set", 1), identity("tool", 2), identity("identity", 9)
    objects = [
        {
            "type": "relationship",
            "id": identity("relationship", 3),
            "relationship_type": "uses",
            "source_ref": group,
            "target_ref": tool,
        },
        {
            "type": "relationship",
            "id": identity("relationship", 4),
            "relationship_type": "uses",
            "source_ref": group,
            "target_ref": gone,
        },
        {"type": "intrusion-set", "id": group, "name": "Group"},
        {"type": "tool", "id": tool, "name": "Tool", "owner_ref": gone, "maker_refs": [group]},
    ]
    job = ingest(tenant.ctx, "stix", orjson.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}))
    assert job.state is JobState.PARTIAL
    assert job.rows.as_dict() == {"read": 4, "created": 3, "updated": 0, "unchanged": 0, "rejected": 1, "skipped": 0}
    assert job.references_outside == 1
    assert codes(tenant.ctx, job) == [(2, "DANGLING_EDGE")]
    _, edges = graph_of(tenant.ctx)
    assert [(e[0], e[2][1], e[3][1]) for e in edges] == [("maker", tool, group), ("uses", group, tool)]


def test_a_key_that_stands_twice_is_written_as_its_last_row_says(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n1,Old,1,\n2,Bo,2,1\n1,New,3,\n2,Bo,2,1\n")
    assert job.state is JobState.SUCCEEDED
    assert job.rows.as_dict() == {"read": 4, "created": 2, "updated": 0, "unchanged": 2, "rejected": 0, "skipped": 0}
    assert job.duplicates == 3  # two entities, one edge
    entities, edges = graph_of(tenant.ctx)
    assert [(e[1], e[2], e[-1]) for e in entities] == [("1", "New", 1), ("2", "Bo", 1)]
    assert len(edges) == 1


def test_a_row_counts_once_and_rows_that_meet_no_condition_are_skipped(tenant: TenantKit) -> None:
    mapping(
        tenant.ctx,
        "some",
        """
format: jsonl
entities: [{kind: A, id: "{id}", when: [{column: kind, equals: a}]}]
edges: [{kind: e, from: {kind: A, id: "{id}"}, to: {kind: A, id: "{to}"}, when: [{column: to, present: true}]}]
""",
    )
    data = b'{"id": "1", "kind": "a"}\n{"id": "2", "kind": "a", "to": "1"}\n{"id": "1", "to": "2"}\n'
    data += b'{"id": "9"}\n{"id": "7", "to": "1"}\n'
    job = ingest(tenant.ctx, "some", data)
    assert job.rows.as_dict() == {"read": 5, "created": 3, "updated": 0, "unchanged": 0, "rejected": 1, "skipped": 1}


# -- what is refused


def test_bad_rows_are_told_and_the_good_ones_come_in(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    data = (
        b"id,name,age,boss\n1,Ann,40,2\n2,Bo,fifty,\n3,Cy\n4,\xff,1,\n,No,1,\n5,Di,20,9\n6,Ed,1,1\n7,"
        + b"x" * 2000
        + b",1,\n"
    )
    job = ingest(tenant.ctx, "people", data)
    assert job.state is JobState.PARTIAL
    assert codes(tenant.ctx, job) == [
        (4, "WRONG_COLUMNS"),
        (5, "WRONG_ENCODING"),
        (3, "NOT_AN_INTEGER"),
        (6, "MISSING_ID"),
        (9, "INVALID_VALUE"),
        (2, "DANGLING_EDGE"),
        (7, "DANGLING_EDGE"),
    ]
    # Rows 2 and 7 made their entity and lost their edge: they count under both.
    assert job.rows.as_dict() == {"read": 8, "created": 3, "updated": 0, "unchanged": 0, "rejected": 7, "skipped": 0}
    assert job.error_count == 7
    assert all(line["message"] and line["mend"] for line in listed(tenant.ctx, job))
    assert [e.code for e in selectors.first_errors(tenant.ctx, job.id)] == [c for _, c in codes(tenant.ctx, job)]
    assert [e[1] for e in graph_of(tenant.ctx)[0]] == ["1", "5", "6"]
    # A row whose entity was refused in the first reading and whose edge dangles in the second is one refused row.
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n8,Flo,x,1\n")
    assert (job.rows.read, job.rows.rejected, job.error_count) == (1, 1, 2)
    assert job.state is JobState.FAILED


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (b"1,Ann,40,2\n2,Bo,fifty,\n", [(3, "NOT_AN_INTEGER"), (2, "DANGLING_EDGE")]),
        (b"1,Ann,40,2\n2,Bo\n", [(3, "WRONG_COLUMNS"), (2, "DANGLING_EDGE")]),
        (b"1,Ann,40,9\n", [(2, "DANGLING_EDGE")]),
        (b"1,Ann,40,\n2," + b"x" * 2000 + b",1,1\n", [(3, "INVALID_VALUE"), (3, "DANGLING_EDGE")]),
    ],
)
def test_refuse_writes_nothing_when_one_row_is_wrong(
    tenant: TenantKit, rows: bytes, told: list[tuple[int, str]]
) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n" + rows, on_error="refuse")
    assert job.state is JobState.FAILED
    assert job.failure is not None and job.failure.code == "REFUSED" and "nothing was written" in job.failure.message
    assert codes(tenant.ctx, job) == told
    assert graph_of(tenant.ctx) == ([], [])
    assert job.rows.created == 0 and job.rows.rejected == len({row for row, _ in told})
    assert not Record.objects.filter(tenant_id=tenant.info.id, type__startswith="graph.").exists()
    good = ingest(tenant.ctx, "people", ROWS, on_error="refuse")
    assert good.state is JobState.SUCCEEDED and good.rows.created == 3 and good.edges["created"] == 2


def test_edges_that_close_a_cycle_are_refused_where_the_mapping_says_so(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "places", PLACES)
    rows = b"id,within\na,b\nb,c\nc,a\nd,d\ne,a\n"
    job = ingest(tenant.ctx, "places", rows)
    assert codes(tenant.ctx, job) == [(5, "SELF_LOOP"), (4, "CYCLE")]
    assert len(graph_of(tenant.ctx)[1]) == 3
    again = ingest(tenant.ctx, "places", rows)
    assert codes(tenant.ctx, again) == [(5, "SELF_LOOP"), (4, "CYCLE")]
    # Against what an earlier source brought in, and across batches.
    later = ingest(tenant.ctx, "places", b"id,within\nc,e\n", limits=Limits(block_rows=1))
    assert codes(tenant.ctx, later) == [(2, "CYCLE")]
    for option in ({"on_error": "refuse"}, {"dry_run": True}):
        fresh = ingest(tenant.ctx, "places", b"id,within\nx,y\ny,z\nz,x\n", **option)
        assert codes(tenant.ctx, fresh) == [(4, "CYCLE")]
    assert len(graph_of(tenant.ctx)[1]) == 3


def test_cycles_are_fine_in_a_graph(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n1,A,1,2\n2,B,1,1\n3,C,1,3\n")
    assert job.state is JobState.SUCCEEDED and job.edges["created"] == 3


@pytest.mark.parametrize(
    ("source", "data", "code"),
    [
        ("stix", b'{"type": "indicator"}', "NOT_A_BUNDLE"),
        ("stix", b"not json", "NOT_A_BUNDLE"),
        ("people", b"identity,name\n1,A\n", "MISSING_COLUMN"),
        ("people", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff", "DAMAGED_GZIP"),
        ("people", b"\n\n", "NO_HEADER"),
    ],
)
def test_a_source_that_is_none_fails_with_the_reason(tenant: TenantKit, source: str, data: bytes, code: str) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, source, data)
    assert job.state is JobState.FAILED
    assert job.failure is not None and job.failure.code == code and job.failure.mend
    assert graph_of(tenant.ctx) == ([], [])


def test_a_flood_of_errors_ends_the_job(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n1,A,1,\n" + b"x\n" * 9_000, limits=Limits(max_errors=1_000))
    assert job.failure is not None and job.failure.code == "TOO_MANY_ERRORS"
    assert job.state is JobState.PARTIAL
    assert 1_000 < job.error_count < 5_000
    assert IngestRowError.objects.filter(job_id=job.id).count() == 1_000
    assert len(listed(tenant.ctx, job)) == job.error_count


def test_what_cannot_be_started_says_why(tenant: TenantKit) -> None:
    with pytest.raises(NotFound) as unknown:
        services.start_ingest(tenant.ctx, source="nothing", content=[b"x"])
    assert "stix" in str(unknown.value.mend)
    mapping(tenant.ctx, "people", PEOPLE)
    for options in ({"format": "xml"}, {"format": "stix"}, {"on_error": "perhaps"}, {"idempotency_key": "x" * 300}):
        with pytest.raises(InvalidInput):
            services.start_ingest(tenant.ctx, source="people", content=[ROWS], **options)
    with pytest.raises(InvalidInput, match="empty"):
        services.start_ingest(tenant.ctx, source="people", content=[b""])
    assert not IngestJob.objects.exists()


def test_the_request_may_name_the_format(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", b'{"id": "1", "name": "Ann", "age": 40}\n', format="jsonl")
    assert job.state is JobState.SUCCEEDED and job.format == "jsonl"


# -- dry run, mappings, idempotency, who may see


def test_a_dry_run_says_what_would_be_and_writes_nothing(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    ingest(tenant.ctx, "people", b"id,name,age,boss\n1,Ann,40,\n2,Bo,50,\n")
    before = graph_of(tenant.ctx)
    records = Record.objects.filter(tenant_id=tenant.info.id, type__startswith="graph.").count()
    job = ingest(
        tenant.ctx, "people", b"id,name,age,boss\n1,Ann,41,2\n2,Bo,50,\n3,Cy,30,1\n4,Di,x,\n3,Cy,31,9\n", dry_run=True
    )
    assert job.state is JobState.PARTIAL and job.dry_run
    assert job.rows.as_dict() == {"read": 5, "created": 1, "updated": 1, "unchanged": 2, "rejected": 2, "skipped": 0}
    assert job.edges == {"created": 2, "updated": 0, "unchanged": 0, "rejected": 1}
    assert codes(tenant.ctx, job) == [(5, "NOT_AN_INTEGER"), (6, "DANGLING_EDGE")]
    shown = [(e["would"], (e.get("entity") or e["edge"])["kind"]) for e in job.examples]
    assert (
        ("be updated", "Person") in shown
        and ("be created", "reportsTo") in shown
        and ("be refused", "reportsTo") in shown
    )
    assert graph_of(tenant.ctx) == before
    assert Record.objects.filter(tenant_id=tenant.info.id, type__startswith="graph.").count() == records


def test_a_dry_run_knows_the_keys_of_earlier_batches(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    rows = [b"%d,P%d,1,%d" % (i % 1_200, i // 1_200, (i + 1) % 1_200) for i in range(2_400)]
    job = ingest(tenant.ctx, "people", b"id,name,age,boss\n" + b"\n".join(rows), dry_run=True)
    # Blocks have 2,000 rows: 800 of the first one stand twice in it, the 400 of the second one come again.
    assert (job.rows.read, job.rows.created, job.rows.updated, job.rows.unchanged) == (2_400, 1_200, 400, 800)


def test_mappings_have_versions_named_by_content(tenant: TenantKit, outsider: TenantKit) -> None:
    first, new = services.put_mapping(tenant.ctx, name="people", text=PEOPLE)
    assert (first.version, new) == (1, True)
    same, new = services.put_mapping(tenant.ctx, name="people", text="# the same\n" + PEOPLE)
    assert (same.version, same.sha256, new) == (1, first.sha256, False)
    second, new = services.put_mapping(tenant.ctx, name="people", text=PEOPLE.replace("registry", "census"))
    assert (second.version, new) == (2, True)
    assert selectors.mapping(tenant.ctx, "people").document["defaults"]["source"] == "census"
    assert [view.name for view in selectors.mappings(tenant.ctx)] == ["people", "stix"]
    with pytest.raises(MappingInvalid, match="name"):
        services.put_mapping(tenant.ctx, name="others", text=PEOPLE)
    with pytest.raises(MappingInvalid):
        services.put_mapping(tenant.ctx, name="Not A Name", text=PEOPLE)
    services.put_mapping(tenant.ctx, name="stix", text="format: stix\nstix: {skipTypes: [tool]}")
    assert selectors.mapping(tenant.ctx, "stix").version == 1


def test_the_same_key_is_the_same_job(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    first = services.start_ingest(tenant.ctx, source="people", content=[ROWS], idempotency_key="k1", enqueue=False)
    again = services.start_ingest(tenant.ctx, source="people", content=[ROWS], idempotency_key="k1", enqueue=False)
    assert again.id == first.id
    with pytest.raises(IdempotencyMismatch):
        services.start_ingest(
            tenant.ctx, source="people", content=[ROWS + b"4,D,1,\n"], idempotency_key="k1", enqueue=False
        )
    other = services.start_ingest(tenant.ctx, source="people", content=[ROWS], idempotency_key="k2", enqueue=False)
    assert other.id != first.id


def test_another_tenant_sees_nothing(tenant: TenantKit, outsider: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    job = ingest(tenant.ctx, "people", ROWS + b"x,,x,\n")
    assert selectors.jobs(tenant.ctx).jobs[0].id == job.id
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.jobs(outsider.ctx).jobs == []
        assert [view.name for view in selectors.mappings(outsider.ctx)] == ["stix"]
        for read in (selectors.job, selectors.row_errors, selectors.first_errors):
            with pytest.raises(NotFound):
                read(outsider.ctx, job.id)
        with pytest.raises(NotFound):
            services.cancel(outsider.ctx, job_id=job.id)
        with pytest.raises(NotFound):
            services.run_ingest(outsider.ctx, job_id=job.id)
        for model in (IngestJob, IngestBatch, IngestMapping, IngestRowError, Entity, Edge):
            assert model.objects.count() == 0
    with pytest.raises(NotFound):
        selectors.job(tenant.ctx, new_id())
    with pytest.raises(NotFound):
        selectors.job(tenant.ctx, "no id")


def test_jobs_are_listed_newest_first_page_by_page(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "people", PEOPLE)
    made = [ingest(tenant.ctx, "people", ROWS + b"%d,N,1,\n" % i).id for i in range(4, 9)]
    page = selectors.jobs(tenant.ctx, first=2)
    seen = [job.id for job in page.jobs]
    while page.end is not None:
        page = selectors.jobs(tenant.ctx, first=2, after=page.end)
        seen += [job.id for job in page.jobs]
    assert seen == made[::-1]
    assert selectors.jobs(tenant.ctx, state="failed").jobs == []
    for wrong in ({"first": 0}, {"state": "odd"}, {"after": "x"}):
        with pytest.raises(InvalidInput):
            selectors.jobs(tenant.ctx, **wrong)
