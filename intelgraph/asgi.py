"""The web process as an ASGI application: which door takes what, and what begins and ends with the process.

HTTP passes the edge (request id, trace, figures, headers), then goes to the door of its path; whatever has no door of
its own is Django's. `uvicorn intelgraph.asgi:application --lifespan on` serves it.
"""

import os

import django

from apps.core import conf
from apps.core.processes import share_metrics

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "intelgraph.settings")
share_metrics(conf.get().var / "metrics")  # before anything is counted
django.setup()

# What follows needs the apps.
from channels.routing import ProtocolTypeRouter  # noqa: E402

from apps.flags import services as flags  # noqa: E402
from apps.gateway import asgi as graphql  # noqa: E402
from apps.gateway import health, scrape  # noqa: E402
from apps.gateway.doors import App, HttpDoors  # noqa: E402
from apps.gateway.edge import Edge  # noqa: E402
from apps.gateway.handler import Handler  # noqa: E402
from apps.gateway.lifespan import Lifespan  # noqa: E402
from apps.policy import services as policy  # noqa: E402

HTTP_DOORS: dict[str, App] = {
    "/graphql": graphql.graphql(),
    "/healthz": health.live,
    "/readyz": health.ready,
    "/metrics": scrape.metrics,
}

application = ProtocolTypeRouter(
    {
        "http": Edge(HttpDoors(HTTP_DOORS, otherwise=Handler())),
        "websocket": graphql.Sockets(),
        "lifespan": Lifespan(warm=[graphql.engine, policy.warm, flags.begin]),
    }
)
