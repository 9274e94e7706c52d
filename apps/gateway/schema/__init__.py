"""The GraphQL schema: what interfaces promise, and nothing besides."""

import graphene

from apps.gateway.schema.mutations import Mutation
from apps.gateway.schema.objects import Asset, Entity
from apps.gateway.schema.queries import Query
from apps.gateway.schema.subscriptions import Subscription

schema = graphene.Schema(query=Query, mutation=Mutation, subscription=Subscription, types=[Entity, Asset])

__all__ = ["schema"]
