"""End to end: from the commit of a write, by way of sequencer and relay, to clients of two web processes."""

import array
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness
from benchmarks.load import Subscribers
from benchmarks.realtime.contenders import Party, target, web
from benchmarks.realtime.runs import RATE, SUBSCRIBERS
from benchmarks.servers import Server, running

CHANGES = 'subscription ($t: ID!) { changes(tenantId: $t, kinds: ["Asset"]) { eventId id op entity { name } } }'


@contextmanager
def _relay() -> Iterator[None]:
    """Run sequencer and relay."""
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=harness.ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@dataclass(frozen=True)
class Pace:
    """Writes at a pace: so many in a transaction, so many transactions, so many changes a second."""

    batch: int
    batches: int
    per_s: float

    @property
    def changes(self) -> int:
        """How many changes these are."""
        return self.batch * self.batches

    def write(self, party: Party) -> tuple[dict[int, int], float]:
        """Write, each change marked with its number; return when each batch was committed and how long all took (s)."""
        began, committed = time.perf_counter(), {}
        for number in range(self.batches):
            first = number * self.batch
            committed[number] = party.write([f"~t{time.time_ns()}~s{first + n}~" for n in range(self.batch)])
            time.sleep(max(0.0, began + (number + 1) * self.batch / self.per_s - time.perf_counter()))
        return committed, time.perf_counter() - began


class Followers:
    """A tenant's subscribers, spread over web processes."""

    def __init__(self, program: Path, folder: Path, webs: list[Server], party: Party, count: int, pace: Pace) -> None:
        self.count, self.pace = count, pace
        self._files = [folder / f"{party.ctx.tenant_slug}-{each.port}-{time.time_ns()}" for each in webs]
        self._crowds = [
            Subscribers(
                program,
                target(each, party, CHANGES),
                count // len(webs),
                events=pace.changes,
                warm=pace.changes // 10,
                arrivals=file,
                greet=party.greet,
            )
            for each, file in zip(webs, self._files, strict=True)
        ]

    def stop(self) -> None:
        """Let them go, whatever they have received."""
        for crowd in self._crowds:
            crowd.result(at_once=True)

    def took(self, committed: dict[int, int]) -> tuple[float, float]:
        """Wait until they have all; return p95 from the commit to the arrival (ms), and the share that was lost."""
        missing = sum(crowd.result()["missing"] for crowd in self._crowds)
        found = []
        for file in self._files:
            rows = array.array("q")
            rows.frombytes(file.read_bytes())
            found += [at - committed[n // self.pace.batch] for n, at in zip(rows[::2], rows[1::2], strict=True)]
        return sorted(found)[int(len(found) * 0.95)] / 1e6, missing / (self.count * self.pace.changes)


HOT = Pace(100, 49, RATE)
CALM, CALM_CLIENTS = Pace(5, 60, 50), 50


@contextmanager
def _running(program: Path) -> Iterator[Callable[[Party, int, Pace], Followers]]:
    """Run two web processes, sequencer and relay; yield what makes a tenant's followers."""
    webs = [web(), web()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ig-bench-")))
        stack.enter_context(_relay())
        for each in webs:
            stack.enter_context(running(each))
        yield lambda party, count, pace: Followers(program, folder, webs, party, count, pace)


def end_to_end(program: Path, party: Party) -> dict[str, float]:
    """Write 1,000 changes/s and return how long after its commit a change is read, and what was lost."""
    with _running(program) as followers:
        party.write([f"{n}" for n in range(HOT.batch)])
        time.sleep(3)  # numbered and handed on before anybody subscribes
        crowd = followers(party, SUBSCRIBERS, HOT)
        committed, seconds = HOT.write(party)
        p95_ms, loss = crowd.took(committed)
    return {
        "end_to_end_p95_ms": p95_ms,
        "end_to_end_loss": loss,
        "end_to_end_changes_per_s": HOT.changes / seconds,
    }


def neighbour(program: Path, loud: Party, calm: Party) -> dict[str, float]:
    """Return what a tenant's clients notice while another tenant writes ten times what its plan hands on."""
    from django.db import connections

    with _running(program) as followers:
        for party, pace in ((loud, HOT), (calm, CALM)):
            party.write([f"{n}" for n in range(pace.batch)])
        time.sleep(3)
        flooded = followers(loud, SUBSCRIBERS, HOT)
        alone_ms, alone_loss = _calmly(followers, calm)
        over = threading.Event()

        def flood() -> None:
            try:
                while not over.is_set():
                    HOT.write(loud)
            finally:
                connections.close_all()

        writer = threading.Thread(target=flood)
        writer.start()
        time.sleep(2)  # its bucket is empty by then
        try:
            beside_ms, beside_loss = _calmly(followers, calm)
        finally:
            over.set()
            writer.join()
        flooded.stop()
    return {
        "neighbour_p95_ms_alone": alone_ms,
        "neighbour_p95_ms": beside_ms,
        "neighbour_loss": max(alone_loss, beside_loss),
    }


def _calmly(followers: Callable[[Party, int, Pace], Followers], party: Party) -> tuple[float, float]:
    crowd = followers(party, CALM_CLIENTS, CALM)
    committed, _ = CALM.write(party)
    return crowd.took(committed)
