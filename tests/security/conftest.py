"""The ground on which doors are tried."""

from collections.abc import Iterator

import pytest

from apps.core.scope import no_scope
from tests.security.callers import Ground, make_ground


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """Two tenants and everyone who may stand before a door."""
    with no_scope():
        yield make_ground()
