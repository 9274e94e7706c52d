"""Figures of several processes make one page; those of ended ones do not linger."""

import subprocess
import sys
import textwrap
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from apps.core import metrics

PROCESS = """
    import sys, pathlib
    from apps.core.processes import share_metrics
    assert share_metrics(pathlib.Path(sys.argv[1]))
    from prometheus_client import Counter, Gauge
    Counter("ig_probe_total", "Probe", ["kind"]).labels("a").inc(int(sys.argv[2]))
    Gauge("ig_probe_open", "Probe", multiprocess_mode="livesum").set(7)
    print("counted", flush=True)
    sys.stdin.read()
"""


def counting(folder: Path, amount: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROCESS), str(folder), str(amount)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stdout.readline() == "counted\n"
    return process


def page(folder: Path, accept: str = "") -> str:
    code = (
        "import sys, os; os.environ['PROMETHEUS_MULTIPROC_DIR'] = sys.argv[1]\n"
        "from apps.core.metrics import exposition\n"
        "sys.stdout.write(exposition(sys.argv[2])[0].decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), accept],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout


def sample(text: str, name: str) -> float | None:
    found = [s.value for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    return found[0] if found else None


def test_processes_add_up_and_gauges_go_with_their_process(tmp_path: Path) -> None:
    first, second = counting(tmp_path, 2), counting(tmp_path, 3)
    try:
        both = page(tmp_path)
        assert sample(both, "ig_probe_total") == 5 and sample(both, "ig_probe_open") == 14
        list(openmetrics.text_string_to_metric_families(page(tmp_path, "application/openmetrics-text; version=1.0.0")))
        first.kill()
        first.wait()
        one = page(tmp_path)
        assert sample(one, "ig_probe_total") == 5, "a total does not fall"
        assert sample(one, "ig_probe_open") == 7
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_a_web_process_that_starts_forgets_the_ended(tmp_path: Path, monkeypatch: "object") -> None:
    gone = counting(tmp_path, 1)
    gone.kill()
    gone.wait()
    alive = counting(tmp_path, 1)
    code = "import sys, os; os.environ['PROMETHEUS_MULTIPROC_DIR'] = sys.argv[1]\nfrom apps.core.metrics import forget_ended_processes as f; print(f())"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        assert int(done.stdout) >= 2
        left = {path.stem.rsplit("_", 1)[1] for path in tmp_path.glob("*.db")}
        assert str(alive.pid) in left and str(gone.pid) not in left
    finally:
        alive.kill()
        alive.wait()


def test_alone_a_process_shows_its_own() -> None:
    registry = CollectorRegistry()
    Gauge("ig_probe_alone", "Probe", registry=registry).set(3)
    body, content_type = metrics.exposition("", [registry])
    assert sample(body.decode(), "ig_probe_alone") == 3 and content_type.startswith("text/plain")
    assert b"ig_jobs_running" in body


def test_what_is_declared_shows_before_it_is_counted(tmp_path: Path) -> None:
    process = counting(tmp_path, 1)
    text = page(tmp_path)
    assert "# TYPE ig_mail_total untyped" in text
    assert "# TYPE ig_mail_total unknown" in page(tmp_path, "application/openmetrics-text; version=1.0.0")
    assert sample(text, "ig_mail_total") is None
    assert text.count("# TYPE ig_jobs_running gauge") == 1
    process.communicate()
