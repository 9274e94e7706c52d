"""Copies of frozen values are what `dataclasses.replace` makes."""

from dataclasses import FrozenInstanceError, replace

import pytest

from apps.core.context import Context, SessionFacts
from apps.core.values import altered


def test_a_copy_is_that_of_dataclasses() -> None:
    ctx = Context(tenant_slug="alpha", session=SessionFacts(ip="127.0.0.1"))
    changed = altered(ctx, tenant_slug="beta", roles=frozenset({"reader"}))
    assert changed == replace(ctx, tenant_slug="beta", roles=frozenset({"reader"}))
    assert (ctx.tenant_slug, ctx.roles) == ("alpha", frozenset())
    assert altered(ctx) == ctx
    assert altered(ctx) is not ctx
    with pytest.raises(FrozenInstanceError):
        changed.tenant_slug = "gamma"  # type: ignore[misc]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TypeError, match="SessionFacts has no colour, size"):
        altered(SessionFacts(), colour="red", size=3)
