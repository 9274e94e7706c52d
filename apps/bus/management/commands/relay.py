"""`manage.py relay`: number and chain records, deliver them to subscribers, until told to stop."""

import signal
import threading
from typing import Any

import redis
from django.core.management.base import BaseCommand
from django.db import connections
from prometheus_client import Counter, Gauge

from apps.bus import relay, wake
from apps.core import conf, sockets
from apps.core.scope import system_scope
from apps.core.side_door import open_side_door
from apps.core.telemetry import get_logger, start_tracing
from apps.ledger import services as ledger

log = get_logger(__name__)

LINKED = Counter("ig_ledger_linked_total", "Records that were numbered and chained")
LEADING = Gauge("ig_ledger_sequencer_leading", "1 in the process that is the sequencer", multiprocess_mode="max")


def system_conninfo() -> str:
    """Return libpq's connection string of the system role."""
    with system_scope("ledger.sequencer"):
        params = connections["system"].get_connection_params()
    wanted = {
        k: v for k, v in params.items() if k in {"host", "port", "dbname", "user", "password", "sslmode", "sslrootcert"}
    }
    return " ".join(
        f"{key}='{str(value).replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for key, value in wanted.items()
    )


class _Notes(ledger.OnTick):
    def __init__(self, followers: list[threading.Event]) -> None:
        self.followers = followers
        self.leading: bool | None = None

    def __call__(self, tick: ledger.Tick | None, error: Exception | None) -> None:
        leads = tick is not None
        if leads != self.leading:
            self.leading = leads
            LEADING.set(int(leads))
            log.info("sequencer" if leads else "not the sequencer", error=repr(error) if error else None)
        if tick is not None and tick.linked:
            LINKED.inc(tick.linked)
            for follower in self.followers:
                follower.set()
            wake.links()


class Command(BaseCommand):
    help = "Number and chain records, deliver them to subscribers."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGINT or SIGTERM."""
        start_tracing("relay")
        stop, tail = threading.Event(), threading.Event()
        subscribers = list(sockets.SUBSCRIBERS)
        followers = [threading.Event() for _ in subscribers]

        def end(*_: Any) -> None:
            stop.set()
            tail.set()
            for follower in followers:
                follower.set()

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        conninfo = system_conninfo()
        threads = [
            threading.Thread(
                target=ledger.run_sequencer,
                name="sequencer",
                args=(ledger.Sequencer(conninfo),),
                kwargs={"stop": stop, "woken": tail, "on_tick": _Notes(followers)},
            ),
            threading.Thread(target=_listen, name="wake-ups", args=(stop, tail, followers), daemon=True),
        ]
        threads += [
            threading.Thread(target=relay.run, name=s.name, args=(s,), kwargs={"stop": stop, "woken": f})
            for s, f in zip(subscribers, followers, strict=True)
        ]
        for thread in threads:
            thread.start()
        open_side_door(alive=lambda: all(thread.is_alive() for thread in threads))
        log.info("relay started", subscribers=[s.name for s in subscribers])
        stop.wait()
        for thread in threads:
            thread.join(timeout=10)


def _listen(stop: threading.Event, tail: threading.Event, followers: list[threading.Event]) -> None:
    """Turn Redis messages into wake-ups; without Redis the polling goes on."""
    while not stop.is_set():
        try:
            client = redis.Redis.from_url(conf.get()["REDIS_URL"], socket_connect_timeout=1)
            with client.pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(wake.SEQUENCER_CHANNEL, wake.LINKS_CHANNEL)
                while not stop.is_set():
                    message = channel.get_message(timeout=1.0)
                    if message is None:
                        continue
                    if message["channel"] == wake.SEQUENCER_CHANNEL.encode():
                        tail.set()
                    else:
                        for follower in followers:
                            follower.set()
        except redis.RedisError as error:
            log.warning("no wake-ups: Redis is away", error=type(error).__name__)
            stop.wait(1.0)
