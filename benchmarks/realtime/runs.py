"""Runs: events published at a pace, deliveries counted at the clients, the server's CPU and memory beside them."""

import itertools
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

from benchmarks.load import HELLO, Subscribers, Target
from benchmarks.realtime.contenders import ASSET, SPREAD, Contender, numbered
from benchmarks.servers import cpu_s, running

RATE = 1_000
SUBSCRIBERS = 200
IDLE = 5_000
TOPICS = 100
CROWD, DEAD, DEAD_NAME, DEAD_S = 40, 10, 2_000, 16
LADDERS = {
    "intelgraph": (20, 50, 100, 200, 500, 1_000, 2_000, 3_000),
    "shared": (10, 20, 30, 40, 50, 60, 80, 100),
}
KEPT_MS = 250.0


@dataclass(frozen=True)
class Bench:
    """What all runs share: Redis, the load client's program, the core that servers have for themselves (if there are two)."""

    client: "redis.Redis"
    program: Path
    server_core: set[int] | None = None


@dataclass(frozen=True)
class Load:
    """One run: how many connections, how many events for each topic, how many topics (the connections share them out),
    how many connections read nothing, how many characters more a name has."""

    connections: int
    events: int
    topics: int = 1
    dead: int = 0
    longer: int = 0

    def asset(self, number: int) -> str:
        """Return what the number-th event is about."""
        return ASSET if self.topics == 1 else numbered(number % self.topics)


def _publish(bench: Bench, contender: Contender, load: Load, first: int) -> None:
    """Publish the run's events at RATE, in steps of a millisecond; `first` were published before."""
    count, padding = load.events * load.topics, "x" * load.longer
    sent, began = 0, time.perf_counter()
    while sent < count:
        due = min(count, int((time.perf_counter() - began) * RATE) + 1)
        if due == sent:
            time.sleep(0.001)
            continue
        with bench.client.pipeline(transaction=False) as pipe:
            for number in range(sent, due):
                mark = f"~t{time.time_ns()}~s{number // load.topics}~{padding}"
                asset = load.asset(number)
                pipe.publish(contender.channel(asset), contender.event(first + number, mark, asset))
            pipe.execute()
        sent = due


def _alone(contender: Contender, process: psutil.Process) -> None:
    """Wait until the server has let go of the connections of an earlier run."""
    while any(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == contender.server.port
        for each in process.net_connections("tcp")
    ):
        time.sleep(0.1)
    time.sleep(0.5)


def pushed(bench: Bench, contender: Contender, process: psutil.Process, load: Load) -> dict[str, float]:
    """Return what one run gives: CPU per delivery, latencies, loss; with dead clients also what each took of memory (kB),
    and how many of them were closed with a code."""
    if load.topics > 1:
        contender = contender.asking_for(SPREAD)
    greeted = itertools.count()

    def greet() -> None:
        for _ in range(load.topics):
            number = next(greeted)
            asset = load.asset(number)
            bench.client.publish(contender.channel(asset), contender.event(number, HELLO, asset))

    _alone(contender, process)
    memory = process.memory_info().rss
    subscribers = Subscribers(
        bench.program,
        contender.target,
        load.connections,
        events=load.events,
        warm=load.events // 10,
        limit_s=90,
        greet=greet,
        topics=load.topics if load.topics > 1 else 0,
        dead=load.dead,
    )
    before, began = cpu_s(process), time.monotonic()
    _publish(bench, contender, load, next(greeted))
    grown = process.memory_info().rss - memory
    found = subscribers.result()
    if found["acked"] < load.connections or found["disordered"] or not found["received"]:
        raise RuntimeError(f"{contender.server.name}: {found}")
    received = found["received"]
    told = {
        "us": (cpu_s(process) - before) / received * 1e6,
        "p50_ms": found["p50_ms"],
        "p95_ms": found["p95_ms"],
        "loss": found["missing"] / (load.events * (load.connections - load.dead)),
        "per_s": received / (time.monotonic() - began),
    }
    if load.dead:
        told |= {"kb_each": grown / load.dead / 1e3, "closed": found["closed_dead"] / load.dead}
    shown = " ".join(f"{key}={value:.4g}" for key, value in told.items())
    print(f"{contender.server.name}: {load}: {shown}", file=sys.stderr, flush=True)
    return told


def saturation(bench: Bench, contender: Contender, process: psutil.Process) -> float:
    """Return the most deliveries/s that were kept up with, climbing until a run is not."""
    kept = 0.0
    for connections in LADDERS[contender.server.name]:
        found = pushed(bench, contender, process, Load(connections, 3 * RATE))
        if found["p95_ms"] > KEPT_MS or found["loss"] > 0:
            break
        kept = float(connections * RATE)
    return kept


def middle(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of runs; of loss the most."""
    return {key: (max if key == "loss" else statistics.median)(run[key] for run in runs) for key in runs[0]}


def spread(bench: Bench, contenders: list[Contender], rounds: int, events: int) -> dict[str, dict[str, float]]:
    """Return, per contender, the figures of TOPICS topics with one subscriber each."""
    found: dict[str, list[dict[str, float]]] = {each.server.name: [] for each in contenders}
    for _ in range(rounds):
        for each in contenders:
            with running(each.server, bench.server_core) as process:
                load = Load(TOPICS, max(2, events // TOPICS), topics=TOPICS)
                pushed(bench, each, process, load)  # warm
                found[each.server.name].append(pushed(bench, each, process, load))
    return {name: middle(runs) for name, runs in found.items()}


def beside_the_dead(bench: Bench, contender: Contender) -> dict[str, float]:
    """Return what a quarter of clients that never read costs the others, and the server."""
    with running(contender.server, bench.server_core) as process:
        pushed(bench, contender, process, Load(CROWD, RATE, longer=DEAD_NAME))  # warm
        alone = pushed(bench, contender, process, Load(CROWD - DEAD, 4 * RATE, longer=DEAD_NAME))
        beside = pushed(bench, contender, process, Load(CROWD, DEAD_S * RATE, dead=DEAD, longer=DEAD_NAME))
    return {
        "dead_p95_ms": beside["p95_ms"],
        "dead_p95_of_without": beside["p95_ms"] / alone["p95_ms"],
        "dead_loss": beside["loss"],
        "dead_kb_each": beside["kb_each"],
        "dead_closed": beside["closed"],
    }


def idle_kb(bench: Bench, target: Target, process: psutil.Process) -> float:
    """Return the memory of an idle connection in kB."""
    before = process.memory_info().rss
    crowd = Subscribers(bench.program, target, IDLE)
    each = (process.memory_info().rss - before) / IDLE / 1e3
    if crowd.result(at_once=True)["acked"] < IDLE:
        raise RuntimeError("not all connections were acknowledged")
    return each
