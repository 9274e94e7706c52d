"""Fixtures of the portal's tests."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from apps.core.scope import no_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit


@dataclass(frozen=True)
class Graph:
    """Ids of a small graph: a group that uses two tools, and a person."""

    group: UUID
    hammer: UUID
    saw: UUID
    person: UUID


@pytest.fixture
def graph_of(settle: Callable[[], None]) -> Callable[[TenantKit], Graph]:
    """Makes a small graph in a tenant, numbered and projected."""

    def make(kit: TenantKit) -> Graph:
        with no_scope(), tenant_scope(kit.info.id):
            rows = graph.upsert_entities(
                kit.ctx,
                inputs=[
                    EntityInput("Group", "g-1", name="Nordlicht", source="field notes", data_class="public",
                                licence="MITRE ATT&CK Terms of Use. Shown with permission.",
                                properties={"aliases": ["Aurora", "NL-7"], "description": "Seen in <b>many</b> ports. " * 12}),
                    EntityInput("Tool", "t-1", name="Hammer", data_class="public"),
                    EntityInput("Tool", "t-2", name="Saw", data_class="confidential", purposes=("fraud-risk",)),
                    EntityInput("Person", "p-1", name="Ada Quist", data_class="personal", properties={"born": "1815"}),
                ],
            ).rows  # fmt: skip
            ids = [row.id for row in rows]
            graph.upsert_edges(
                kit.ctx,
                inputs=[
                    EdgeInput("uses", source_id=ids[0], target_id=ids[1], data_class="public"),
                    EdgeInput("uses", source_id=ids[0], target_id=ids[2], data_class="public"),
                    EdgeInput("leads", source_id=ids[3], target_id=ids[0], data_class="public"),
                ],
            )
        settle()
        return Graph(*ids)

    return make
