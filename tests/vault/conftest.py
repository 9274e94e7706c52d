"""Installations that tests of the vault may damage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vault.installations import Installation, copy_of, filled


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A filled installation, to be read only."""
    with filled(tmp_path_factory.mktemp("installation")) as installation:
        yield installation


@pytest.fixture
def damaged(whole: Installation, tmp_path: Path) -> Iterator[Installation]:
    """A copy of it, to be damaged."""
    with copy_of(whole, tmp_path) as copy:
        yield copy
