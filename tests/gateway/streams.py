"""A tenant whose entities change without a pause, numbered and published as in production, for tests that race with it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connections

from apps.bus.management.commands.relay import system_conninfo
from apps.bus.relay import Delivery
from apps.core.scope import no_scope, tenant_scope
from apps.core.sockets import SUBSCRIBERS
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.ledger.sequencer import Sequencer
from tests.conftest import TenantKit


@dataclass
class Stream:
    """Writes go round the external ids `names`. Write `begun` was begun last; its number is the entity's name."""

    kit: TenantKit
    names: list[str] = field(default_factory=lambda: [f"{n}" for n in range(10)])
    begun: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Write until it is over."""
        try:
            with no_scope(), tenant_scope(self.kit.info.id):
                while not self.over.is_set():
                    self.begun += 1
                    which = self.names[self.begun % len(self.names)]
                    graph.upsert_entities(self.kit.ctx, inputs=[EntityInput("A", which, name=f"{self.begun}")])
        finally:
            connections.close_all()

    def relay(self) -> None:
        """Number and publish until it is over."""
        sequencer = Sequencer(system_conninfo())
        delivery = Delivery(SUBSCRIBERS.get("gateway.live"))
        try:
            while not self.over.is_set():
                if sequencer.acquire():
                    sequencer.tick()
                if not delivery.step():
                    time.sleep(0.002)
        finally:
            sequencer.release()
            connections.close_all()


@contextmanager
def streaming(kit: TenantKit) -> Iterator[Stream]:
    """Have a tenant's stream run beside the block."""
    stream = Stream(kit)
    threads = [threading.Thread(target=stream.relay), threading.Thread(target=stream.write)]
    for thread in threads:
        thread.start()
    try:
        yield stream
    finally:
        stream.over.set()
        for thread in threads:
            thread.join()
