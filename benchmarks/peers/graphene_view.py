"""A plain graphene-django view over the table `bench_asset`, as graphene-django's documentation builds one.

PEER_DSN="host=… port=… dbname=… user=… password=…" gunicorn -w 1 -k gthread --threads 4 benchmarks.peers.graphene_view:application
"""

import os
from typing import Any

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

_DSN = conninfo_to_dict(os.environ["PEER_DSN"])
settings.configure(
    SECRET_KEY="for-benchmarks-only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["graphene_django"],
    MIDDLEWARE=[],
    GRAPHENE={"MIDDLEWARE": []},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _DSN["dbname"],
            "USER": _DSN["user"],
            "PASSWORD": _DSN["password"],
            "HOST": _DSN["host"],
            "PORT": _DSN["port"],
            "OPTIONS": {"pool": {"min_size": 4, "max_size": 8}},
        }
    },
)
django.setup()

import graphene  # noqa: E402  Django must be set up first
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from graphene_django import DjangoObjectType  # noqa: E402
from graphene_django.views import GraphQLView  # noqa: E402


class Asset(models.Model):
    """A row."""

    id = models.TextField(primary_key=True)
    tenant_id = models.TextField()
    name = models.TextField()
    kind = models.TextField()
    description = models.TextField()

    class Meta:
        app_label = "bench"
        db_table = "bench_asset"
        managed = False

    def __str__(self) -> str:
        return self.name


class AssetType(DjangoObjectType):
    """A row as clients see it."""

    id = graphene.ID(required=True)

    class Meta:
        model = Asset
        name = "Asset"


class Query(graphene.ObjectType):
    """One row, or the first of them."""

    asset = graphene.Field(AssetType, id=graphene.ID(required=True))
    assets = graphene.List(graphene.NonNull(AssetType), first=graphene.Int(default_value=100))

    @staticmethod
    def resolve_asset(root: Any, info: Any, id: str) -> Any:
        """Return a row."""
        return Asset.objects.filter(tenant_id="alpha", id=id).first()

    @staticmethod
    def resolve_assets(root: Any, info: Any, first: int) -> Any:
        """Return the first rows."""
        return Asset.objects.filter(tenant_id="alpha").order_by("id")[:first]


urlpatterns = [path("graphql", csrf_exempt(GraphQLView.as_view(schema=graphene.Schema(query=Query))))]
application = get_wsgi_application()
