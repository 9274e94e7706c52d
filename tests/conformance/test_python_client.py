"""The Python client gql as it comes: schema and queries over HTTP, subscriptions over the websocket."""

import asyncio
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from graphql import GraphQLError

from tests.conformance.conftest import Service

TYPE = gql("query Type($name: String!) { __type(name: $name) { name } }")
CHANGES = gql("subscription ($tenant: ID!) { changes(tenantId: $tenant) { id op entity { name } } }")
UPSERT = gql("mutation ($input: [EntityInput!]!) { upsertEntities(input: $input) { entities { id } errors { code } } }")
WAIT_S = 15


def over_http(service: Service) -> AIOHTTPTransport:
    return AIOHTTPTransport(url=f"{service.live.url}/graphql", headers={"Authorization": f"Bearer {service.token}"})


def over_socket(service: Service) -> AIOHTTPWebsocketsTransport:
    return AIOHTTPWebsocketsTransport(
        url=service.live.ws_url,
        init_payload={"Authorization": f"Bearer {service.token}"},
        subprotocols=[AIOHTTPWebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        ping_interval=1,
        pong_timeout=5,
    )


@pytest.mark.parametrize("way", [over_http, over_socket])
async def test_a_query_with_variables(service: Service, way: Any) -> None:
    async with asyncio.timeout(WAIT_S), Client(transport=way(service)) as session:
        assert (await session.execute(TYPE, variable_values={"name": "Query"}))["__type"]["name"] == "Query"


@pytest.mark.parametrize("way", [over_http, over_socket])
async def test_what_is_wrong_comes_back_as_errors(service: Service, way: Any) -> None:
    async with asyncio.timeout(WAIT_S), Client(transport=way(service)) as session:
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql("{ noSuchFieldAnywhere }"))
        assert "noSuchFieldAnywhere" in refused.value.errors[0]["message"]


async def test_the_schema_is_fetched_and_documents_are_checked_by_it(service: Service) -> None:
    client = Client(transport=over_http(service), fetch_schema_from_transport=True)
    async with asyncio.timeout(WAIT_S), client as session:
        assert session.client.schema is not None and session.client.schema.subscription_type is not None
        assert {"changes", "jobProgress", "usageUpdated"} <= set(session.client.schema.subscription_type.fields)
        with pytest.raises(GraphQLError):
            await session.execute(gql("{ noSuchFieldAnywhere }"))


async def test_a_subscription_yields_what_is_written_while_it_pings(service: Service) -> None:
    async with (
        asyncio.timeout(WAIT_S),
        Client(transport=over_socket(service)) as session,
        Client(transport=over_http(service)) as writer,
    ):
        names: list[str] = []

        async def listen() -> None:
            async for event in session.subscribe(CHANGES, variable_values={"tenant": service.slug}):
                names.append(event["changes"]["entity"]["name"])
                if len(names) == 3:
                    return

        listening = asyncio.create_task(listen())
        await asyncio.sleep(2.5)  # at least two pings of its own have to be answered meanwhile
        for name in ("one", "two", "three"):
            given = [{"kind": "A", "externalId": f"gql {name}", "name": name}]
            assert (await writer.execute(UPSERT, variable_values={"input": given}))["upsertEntities"]["errors"] == []
        await listening
        assert names == ["one", "two", "three"]
