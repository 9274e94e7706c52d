"""The gateway's Prometheus metrics, in one place."""

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "ig_http_request_duration_seconds",
    "Time to answer an HTTP request, by route template, method and status (499: the client went away), in seconds",
    ["route", "method", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("ig_http_requests_in_flight", "HTTP requests that are being answered", multiprocess_mode="livesum")
POOL = Gauge(
    "ig_database_pool_connections",
    "Connections of this installation's pools, by state (waiting: callers that wait for one)",
    ["database", "state"],
    multiprocess_mode="livesum",
)
OPERATIONS = Counter(
    "ig_graphql_operations_total", "GraphQL operations run, by kind and first error code", ["kind", "code"]
)
OPERATION_SECONDS = Histogram(
    "ig_graphql_operation_seconds",
    "Time to run a GraphQL operation, in seconds",
    ["kind"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)
NOT_LISTED = Counter("ig_graphql_not_listed_total", "Documents refused because only the safelist runs")
REFUSALS = Counter("ig_pipeline_refusals_total", "Requests refused by a stage of the pipeline", ["stage", "code"])
SOCKETS = Gauge("ig_ws_connections", "Open websocket connections", multiprocess_mode="livesum")
SOCKET_CLOSES = Counter("ig_ws_closes_total", "Websocket connections closed by the server, by code", ["code"])
SUBSCRIPTIONS = Gauge("ig_ws_subscriptions", "Open subscriptions", ["field"], multiprocess_mode="livesum")
DELIVERIES = Counter("ig_ws_deliveries_total", "Updates handed to a connection", ["field"])
DROPPED = Counter("ig_ws_dropped_total", "Updates left out, and said to be, because the client reads too slowly")
SHED = Counter("ig_ws_shed_total", "Updates left out, and said to be, by the tenant's pace or a topic's", ["reason"])
COALESCED = Counter("ig_ws_coalesced_total", "Updates that a newer one of the same entity stood for", ["field"])
DISCONTINUITIES = Counter(
    "ig_ws_discontinuities_total", "Times that clients were told what they miss, by cause", ["reason"]
)
FANOUT_SECONDS = Histogram(
    "ig_ws_fanout_seconds",
    "From numbering an event to handing it to the connections, the oldest of each window, in seconds;"
    " without what is coalesced or waits for the tenant's pace",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30),
)
BUFFERED = Gauge(
    "ig_ws_buffered_bytes", "Updates that wait for clients that do not read, in bytes", multiprocess_mode="livesum"
)
QUEUE_DEPTH = Gauge(
    "ig_ws_queue_depth",
    "Messages that wait to be handed on (feed), or to be sent to clients that read slowly (outbox)",
    ["queue"],
    multiprocess_mode="livesum",
)
ACCOUNTS = Gauge("ig_ws_accounts", "Subscriptions whose deliveries are accounted for", multiprocess_mode="livesum")
STATEMENTS = Counter("ig_ws_statements_total", "Delivery statements asked for, by outcome", ["outcome"])
RETRIES = Counter(
    "ig_feed_retries_total",
    "Times that reading (feed) or publishing (publish) updates failed and was tried again",
    ["what"],
)
PASSED_OVER = Counter(
    "ig_feed_passed_over_total", "Events that were not published since Redis was away; readers find them in PostgreSQL"
)
GAPS = Counter("ig_feed_gaps_total", "Gaps in a tenant's feed that were filled from PostgreSQL", ["cause"])
FEEDS = Gauge("ig_feed_open", "Tenants' feeds that this process follows", multiprocess_mode="livesum")
PUBLISHED = Counter("ig_feed_published_total", "Messages published to tenants' feeds")
