"""STIX objects as entities and edges."""

from typing import Any

import orjson

from apps.connectors.mapping import document
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.mapping.stix import edge_kind_of, kind_of
from apps.connectors.plans import open_mapper, open_reader
from apps.connectors.types import Limits
from tests.connectors.streams import opener, read_all

TLP_RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
TLP_CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"


def identity(kind: str, number: int) -> str:
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


def thing(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": identity(kind, number), "created": "2026-01-01T00:00:00Z", **more}


def relation(number: int, source: str, target: str, kind: str = "uses", **more: Any) -> dict[str, Any]:
    return thing("relationship", number, relationship_type=kind, source_ref=source, target_ref=target, **more)


def run(objects: list[dict[str, Any]], **own: Any) -> tuple[Mapped, Mapped]:
    checked = document.load(orjson.dumps({"name": "t", "format": "stix", "stix": own}))
    reader = open_reader(checked, opener(orjson.dumps({"type": "bundle", "objects": objects})), Limits())
    mapper = open_mapper(checked, reader)
    block = read_all(reader)
    return mapper.entities(block), mapper.edges(block)


def test_objects_and_relationships() -> None:
    group, tool = identity("intrusion-set", 1), identity("tool", 2)
    entities, edges = run(
        [
            relation(9, group, tool, description="since 2020"),
            thing(
                "intrusion-set", 1, name="Group", aliases=["G"], revoked=True, created_by_ref=identity("identity", 3)
            ),
            thing("tool", 2, name="Tool"),
            thing("x-acme-thing", 4),
            thing("ipv4-addr", 5, value="192.0.2.1"),
        ]
    )
    assert [(e.kind, e.external_id, e.name) for e in entities.inputs] == [
        ("IntrusionSet", group, "Group"),
        ("Tool", tool, "Tool"),
        ("AcmeThing", identity("x-acme-thing", 4), identity("x-acme-thing", 4)),
        ("Ipv4Addr", identity("ipv4-addr", 5), "192.0.2.1"),
    ]
    assert entities.inputs[0].properties == {
        "created": "2026-01-01T00:00:00Z",
        "aliases": ["G"],
        "revoked": True,
        "created_by_ref": identity("identity", 3),
    }
    assert [
        (e.kind, e.external_id, e.source_kind, e.source_external_id, e.target_kind, e.target_external_id)
        for e in edges.inputs
    ] == [("uses", identity("relationship", 9), "IntrusionSet", group, "Tool", tool)]
    assert edges.inputs[0].properties == {"created": "2026-01-01T00:00:00Z", "description": "since 2020"}
    assert entities.rows == [2, 3, 4, 5] and edges.rows == [1]


def test_references_are_edges_that_may_point_outside() -> None:
    sighting = thing(
        "sighting",
        1,
        sighting_of_ref=identity("indicator", 2),
        where_sighted_refs=[identity("identity", 3)],
        created_by_ref=identity("identity", 4),
        object_marking_refs=[TLP_RED],
    )
    report = thing(
        "report",
        5,
        object_refs=[identity("malware", 6), identity("malware", 6), identity("relationship", 7), "nonsense", 5],
    )
    _, edges = run([sighting, report])
    assert [(e.kind, e.source_kind, e.target_external_id) for e in edges.inputs] == [
        ("sighting-of", "Sighting", identity("indicator", 2)),
        ("sighted-by", "Sighting", identity("identity", 3)),
        ("refers-to", "Report", identity("malware", 6)),
    ]
    assert edges.soft == [True, True, True]
    _, more = run([sighting], skipRefs=[])
    assert [(e.kind, e.target_kind) for e in more.inputs] == [
        ("sighting-of", "Indicator"),
        ("sighted-by", "Identity"),
        ("created-by", "Identity"),
        ("marked-with", "MarkingDefinition"),
    ]


def test_markings_and_people_set_the_data_class() -> None:
    entities, edges = run(
        [
            thing("malware", 1, object_marking_refs=[TLP_CLEAR]),
            thing("malware", 2, object_marking_refs=[TLP_CLEAR, TLP_RED]),
            thing("malware", 3),
            thing("identity", 4, name="Ann", identity_class="individual"),
            thing("identity", 5, identity_class="organization"),
            thing("email-addr", 6, value="Ann@X.example"),
            thing("marking-definition", 7, definition={"tlp": "amber"}),
            relation(8, identity("malware", 1), identity("malware", 2), object_marking_refs=[TLP_RED]),
        ]
    )
    assert [e.data_class for e in entities.inputs] == ["public", "sensitive", None, "personal", None, "personal", None]
    assert entities.inputs[3].subject_keys == (identity("identity", 4),)
    assert entities.inputs[5].subject_keys == (identity("email-addr", 6), "ann@x.example")
    assert entities.inputs[6].name == "TLP:AMBER"
    assert edges.inputs[0].data_class == "sensitive"


def test_publishers_stamp_source_and_licence() -> None:
    publisher = identity("identity", 1)
    entities, edges = run(
        [
            thing("tool", 2, created_by_ref=publisher),
            thing("tool", 3),
            thing("identity", 1),
            relation(4, identity("tool", 2), identity("tool", 3), created_by_ref=publisher),
        ],
        publishers={publisher: {"source": "Acme", "licence": "CC0", "dataClass": "public"}},
    )
    assert [(e.source, e.licence, e.data_class) for e in entities.inputs] == [
        ("Acme", "CC0", "public"),
        (None, None, None),
        ("Acme", "CC0", "public"),
    ]
    assert edges.inputs[0].source == "Acme"


def test_unsound_objects_are_told_once() -> None:
    objects: list[Any] = [
        {"id": identity("tool", 1)},
        {"type": "tool"},
        {"type": "tool", "id": "tool--1"},
        {"type": "tool", "id": identity("malware", 1)},
        thing("tool", 2, spec_version="1.1"),
        relation(3, "nonsense", identity("tool", 1)),
        relation(4, identity("relationship", 3), identity("tool", 1)),
        thing("relationship", 5, source_ref=identity("tool", 1), target_ref=identity("tool", 1)),
        relation(6, identity("tool", 1), "x", kind="no kind"),
    ]
    entities, edges = run(objects)
    assert not entities.inputs and not edges.inputs
    assert [(e.row, e.code, e.column) for e in entities.errors] == [
        (1, "MISSING_FIELD", "type"),
        (2, "INVALID_ID", "id"),
        (3, "INVALID_ID", "id"),
        (4, "INVALID_ID", "id"),
        (5, "UNSUPPORTED_VERSION", "spec_version"),
    ]
    assert [(e.row, e.code, e.column) for e in edges.errors] == [
        (6, "INVALID_REFERENCE", "source_ref"),
        (7, "EDGE_TO_EDGE", "source_ref"),
        (8, "MISSING_FIELD", "relationship_type"),
        (9, "MISSING_FIELD", "relationship_type"),
    ]


def test_names_of_kinds() -> None:
    assert kind_of("attack-pattern") == "AttackPattern"
    assert kind_of("x-mitre-data-source") == "MitreDataSource"
    assert kind_of("ipv4-addr") == "Ipv4Addr"
    assert edge_kind_of("host_vm_ref") == "host-vm"
    assert edge_kind_of("x_mitre_analytic_refs") == "mitre-analytic"
    entities, _ = run(
        [thing("x-mitre-tactic", 1), thing("tool", 2)], kinds={"x-mitre-tactic": "Tactic"}, skipTypes=["tool"]
    )
    assert [e.kind for e in entities.inputs] == ["Tactic"]
