"""What was delivered to a subscription, signed; and which accounts of deliveries are kept."""

from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from apps.core.errors import Unauthenticated
from apps.gateway import deliveries
from apps.gateway.schema.arguments import bounded
from apps.gateway.schema.guards import call_of, guarded
from apps.gateway.schema.scalars import JSON, DateTime

MAX_ACCOUNTS = 100


class DeliveryAccount(graphene.ObjectType):
    """What one subscription was handed, in figures. Counts are whole numbers; a Float holds those above 2,147,483,647 too."""

    account = graphene.ID(required=True, description="Under this id it can be asked for within a day.")
    actor = graphene.String(required=True, description="Whose subscription it is.")
    operation = graphene.String(required=True, description="The id of its subscribe message.")
    field = graphene.String(required=True)
    state = graphene.String(required=True, description="open or ended.")
    opened_at = DateTime(required=True)
    as_of = DateTime(required=True, description="What was handed on after this moment is not in it.")
    sequence = graphene.Float(required=True, description="The number of the last update that was handed on.")
    acknowledged = graphene.Float(
        description="Up to which number the client has confirmed that it came, by a pong; null while it has not."
    )
    delivered = graphene.Float(required=True, description="Messages that were handed to the socket.")
    coalesced = graphene.Float(required=True, description="Updates that newer ones stood for.")
    shed = graphene.Float(required=True, description="Updates that were left out, and said to be.")
    last_event_id = graphene.String(description="The event of the last message: the place to resume from.")

    @classmethod
    def said(cls, predicate: dict[str, Any]) -> "DeliveryAccount":
        """Return the figures of a statement."""
        return cls(**_figures(predicate))


class DeliveryStatement(graphene.ObjectType):
    """A signed statement of what one subscription was handed."""

    account = graphene.Field(DeliveryAccount, required=True)
    head = graphene.String(required=True, description="The head of the hash chain over its messages, hexadecimal.")
    envelope = graphene.Field(
        JSON,
        required=True,
        description="The in-toto Statement v1 in its DSSE envelope: keep it, `ig-ledger verify` checks it.",
    )


def _figures(predicate: dict[str, Any]) -> dict[str, Any]:
    return {
        "account": predicate["account"],
        "actor": predicate["actor"],
        "operation": predicate["operation"],
        "field": predicate["subscription"]["field"],
        "state": predicate["state"],
        "opened_at": predicate["times"]["opened"],
        "as_of": predicate["times"]["asOf"],
        "sequence": predicate["sequence"]["to"],
        "acknowledged": predicate["acknowledged"]["sequence"],
        "delivered": predicate["counts"]["delivered"],
        "coalesced": predicate["counts"]["coalesced"],
        "shed": predicate["counts"]["shed"],
        "last_event_id": predicate["events"]["last"],
    }


class StatementQueries(graphene.ObjectType):
    """The query fields about deliveries."""

    delivery_statement = graphene.Field(
        DeliveryStatement,
        id=graphene.ID(required=True),
        description="What a subscription was handed, signed. `id` is that of a subscription of this websocket which asked for an account"
        " (`extensions: {statement: true}`), or an account's. Another's is only for who may `ledger.delivery.read`. Null when there is none.",
    )
    delivery_accounts = graphene.Field(
        graphene.NonNull(graphene.List(graphene.NonNull(DeliveryAccount))),
        first=graphene.Int(default_value=20),
        description="The accounts of deliveries that the tenant's subscriptions asked for within a day, those opened last first.",
    )

    @staticmethod
    @guarded("identity.self.read")
    async def resolve_delivery_statement(root: Any, info: GraphQLResolveInfo, id: str) -> DeliveryStatement | None:
        """Return a statement. Permission is asked for again: that of the subscription, or for another's."""
        call = call_of(info)
        made = await deliveries.statement(call.ctx, call.book, id)
        if made is None:
            call.warn("id", "there is no account of deliveries under this id, or it is not yours to see")
            return None
        return DeliveryStatement(
            account=DeliveryAccount.said(made.predicate),
            head=made.predicate["digest"]["head"],
            envelope=made.envelope,
        )

    @staticmethod
    @guarded(deliveries.READ_OTHERS)
    async def resolve_delivery_accounts(
        root: Any, info: GraphQLResolveInfo, first: int | None = 20
    ) -> list[DeliveryAccount]:
        """Return what is kept."""
        call = call_of(info)
        count = bounded(call, "first", first, 20, 1, MAX_ACCOUNTS)
        if call.ctx.tenant_id is None:
            raise Unauthenticated("sign in to a tenant first")
        return [DeliveryAccount.said(each) for each in await deliveries.newest(call.ctx.tenant_id, count)]
