"""Our own code through OpenFeature's interface."""

from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from apps.flags import provider, services
from tests.conftest import TenantKit
from tests.flags.test_registry import CTX, make

TYPES: list[tuple[str, str, Any, Any]] = [
    ("boolean", "boolean", True, False),
    ("string", "string", "a", "b"),
    ("integer", "integer", 4, 0),
    ("float", "float", 0.5, 0.0),
    ("object", "object", {"a": [1]}, {}),
]


@pytest.mark.parametrize(("kind", "ask", "wanted", "default"), TYPES)
def test_each_type_is_resolved(tenant: TenantKit, kind: str, ask: str, wanted: Any, default: Any) -> None:
    key = make(type=kind, variants={"only": wanted}, default="only")
    client = api.get_client()
    found = getattr(client, f"get_{ask}_details")(key, default, provider.context_of(tenant.ctx))
    assert (found.value, found.variant, found.reason, found.error_code) == (wanted, "only", "STATIC", None)
    other = "string" if ask != "string" else "integer"
    fallback = "mine" if other == "string" else 9
    wrong = getattr(client, f"get_{other}_details")(key, fallback, provider.context_of(tenant.ctx))
    assert (wrong.value, wrong.error_code) == (fallback, ErrorCode.TYPE_MISMATCH)


def test_it_is_registered_at_start() -> None:
    assert api.get_provider_metadata().name == provider.NAME


def test_the_tenant_goes_with_the_context(tenant: TenantKit, outsider: TenantKit) -> None:
    key = make(rules=[{"when": {"tenants": [tenant.info.slug]}, "serve": "on"}])
    client = api.get_client()
    assert client.get_boolean_value(key, False, provider.context_of(tenant.ctx)) is True
    assert client.get_boolean_value(key, True, provider.context_of(outsider.ctx)) is False
    assert client.get_boolean_value(key, True) is False, "without a context it is nobody's"
    pretended = provider.context_of(outsider.ctx, **{provider.TENANT: tenant.info.slug})
    assert client.get_boolean_value(key, True, pretended) is False, "attributes do not replace what is known"


def test_attributes_and_targeting_keys_go_along(tenant: TenantKit) -> None:
    key = make(rules=[{"when": {"attributes": {"plan": "pro"}}, "serve": "on"}])
    client = api.get_client()
    assert client.get_boolean_value(key, False, provider.context_of(tenant.ctx, plan="pro")) is True
    split = make(scope="global", rules=[{"split": {"on": 100}}])
    assert client.get_boolean_details(split, False, EvaluationContext("person-1")).reason == "SPLIT"
    assert client.get_boolean_details(split, True).error_code == ErrorCode.TARGETING_KEY_MISSING


def test_an_unknown_flag_falls_back_and_a_killed_one_is_off(tenant: TenantKit) -> None:
    client = api.get_client()
    missing = client.get_boolean_details("no.such.flag", True)
    assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    key = make(default="on")
    services.kill(CTX, key=key, reason="now")
    killed = client.get_boolean_details(key, True, provider.context_of(tenant.ctx))
    assert (killed.value, killed.reason) == (False, "DISABLED")


async def test_it_resolves_on_an_event_loop(tenant: TenantKit) -> None:
    found = await api.get_client().get_boolean_details_async("connectors.ingest", False)
    assert found.value is True
