"""The roof: GraphQL over HTTP and websocket, REST, and the pipeline that every request passes."""

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
