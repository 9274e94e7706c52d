"""A REST client of a tenant made for the test."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import Client

from apps.core.scope import no_scope
from tests.conftest import TenantKit

PEOPLE = {"format": "csv", "entities": [{"kind": "Person", "id": "{id}", "name": "{name}"}]}


@dataclass
class Api:
    """Sends requests as a key of one tenant. `scope` "" sends none."""

    kit: TenantKit
    keys: dict[str, str] = field(default_factory=dict)

    def key(self, scope: str) -> str:
        if scope not in self.keys:
            with no_scope():
                self.keys[scope] = self.kit.key(scope)
        return self.keys[scope]

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str = "admin",
        body: Any = None,
        content_type: str = "application/json",
        **headers: str,
    ) -> HttpResponse:
        """Send a request to `/api/v1` + path; headers as `Idempotency_Key="…"`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if scope:
            named["Authorization"] = f"Bearer {self.key(scope)}"
        body = json.dumps(body) if isinstance(body, dict) else body
        given = {"data": body, "content_type": content_type} if body is not None else {}
        with no_scope():  # the server's side knows nothing of the test's tenant
            return Client().generic(method, f"/api/v1{path}", headers=named, **given)  # type: ignore[no-any-return]

    def get(self, path: str, **more: Any) -> HttpResponse:
        return self.send("GET", path, **more)

    def save_people(self) -> None:
        """Save a mapping named `people`."""
        answer = self.send("PUT", "/mappings/people", body=PEOPLE)
        assert answer.status_code in {200, 201}, answer.content


@pytest.fixture
def api(tenant: TenantKit) -> Api:
    return Api(tenant)


def content_of(answer: Any) -> bytes:
    """Return the whole of a streamed answer."""

    async def gather() -> bytes:
        return b"".join([part async for part in answer])

    with no_scope():
        return async_to_sync(gather)()


def problem_of(answer: HttpResponse, status: int) -> dict[str, Any]:
    """Return the problem that an answer is, after checking what every problem has."""
    assert answer.status_code == status, (answer.status_code, answer.content[:500])
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()  # type: ignore[attr-defined]
    assert problem["status"] == status and problem["title"] and problem["detail"]
    assert problem["type"] == f"/developers/errors#{problem['code'].lower().replace('_', '-')}"
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
