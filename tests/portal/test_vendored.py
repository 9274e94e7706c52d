"""The front-end libraries that we carry are the ones that the table of checksums lists."""

import json
import shutil
from pathlib import Path

import pytest

from apps.portal import vendored

ROOT = Path(__file__).resolve().parents[2] / "static" / "vendor"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the vendor folder that a test may spoil."""
    folder = tmp_path / "vendor"
    shutil.copytree(ROOT, folder)
    return folder


def test_files_match_the_table() -> None:
    assert vendored.differences(ROOT) == []


def test_every_library_states_version_licence_source_and_use() -> None:
    for entry in vendored.libraries(ROOT):
        assert entry.version[0].isdigit() and entry.licence and entry.source.startswith("npm") and entry.use
        assert (ROOT / entry.folder / "LICENSE").read_text(encoding="utf-8").strip()


def test_a_changed_byte_is_noticed(copy: Path) -> None:
    path = copy / vendored.library(copy, "htmx.org").folder / "htmx.min.js"
    path.write_bytes(path.read_bytes() + b" ")
    assert vendored.differences(copy) == ["htmx.org/2.0.11/htmx.min.js: its bytes differ from the checksum"]


def test_missing_and_unlisted_files_are_noticed(copy: Path) -> None:
    (copy / "graphql-ws/6.4.2/LICENSE").unlink()
    (copy / "stray.js").write_text("1")
    assert vendored.differences(copy) == ["graphql-ws/6.4.2/LICENSE: listed, but missing", "stray.js: not listed"]


def test_a_library_without_licence_is_noticed(copy: Path) -> None:
    table = json.loads((copy / vendored.TABLE).read_text())
    for entry in table["libraries"]:
        if entry["name"] == "inter":
            del entry["files"]["LICENSE"]
    (copy / vendored.TABLE).write_text(json.dumps(table))
    assert vendored.differences(copy) == ["inter/5.3.0: carries no LICENSE", "inter/5.3.0/LICENSE: not listed"]


def test_writing_the_table_mends_checksums(copy: Path) -> None:
    path = copy / "htmx.org/2.0.11/htmx.min.js"
    path.write_bytes(b"// another build")
    vendored.write_table(copy)
    vendored.libraries.cache_clear()
    assert vendored.differences(copy) == []


def test_an_unknown_library_is_refused() -> None:
    with pytest.raises(LookupError, match="jquery"):
        vendored.library(ROOT, "jquery")
