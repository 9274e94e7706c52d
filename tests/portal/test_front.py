"""The front page, appearance, error pages, and what every answer carries."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.core import conf
from apps.core.errors import Conflict, RateLimited, Unavailable
from apps.core.scope import no_scope, tenant_scope
from apps.identity import services as identity
from apps.portal import errors
from tests.conftest import TenantKit
from tests.portal.visitors import Visitor, signed_in, text_of

STATIC = Path(__file__).resolve().parents[2] / "static"
FIRST_LOAD_BYTES = 200_000


def test_strangers_see_the_product() -> None:
    page = text_of(Visitor().get("/"))
    assert "Sign in to your tenant" in page and "var/demo.json" in page


def test_someone_without_a_tenant_is_told_what_to_do(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    assert visitor.get("/")["Location"] == f"/t/{tenant.info.slug}/"
    with no_scope(), tenant_scope(tenant.info.id):
        user_id = visitor.client.session["_auth_user_id"]
        identity.remove_member(tenant.ctx, user_id=user_id)
    assert "Nobody has invited you so far" in text_of(visitor.get("/"))


def test_someone_with_two_tenants_chooses(tenant: TenantKit, outsider: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    with no_scope(), tenant_scope(outsider.info.id):
        identity.add_member(outsider.ctx, user_id=visitor.client.session["_auth_user_id"], roles=frozenset({"reader"}))
    page = text_of(visitor.get("/"))
    assert f"/t/{tenant.info.slug}/" in page and f"/t/{outsider.info.slug}/" in page
    assert visitor.get(f"/t/{outsider.info.slug}/entities/").status_code == 200


def test_every_page_carries_a_strict_policy_with_a_fresh_nonce() -> None:
    answers = [Visitor().get(path) for path in ("/", "/", "/login/", "/nothing-here/")]
    nonces = []
    for answer in answers:
        (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)';", answer["Content-Security-Policy"])
        page = text_of(answer)
        assert re.findall(r"<script[^>]*>", page) and all(
            f'nonce="{nonce}"' in tag and " src=" in tag for tag in re.findall(r"<script[^>]*>", page)
        )
        assert "<style" not in page and not re.search(r"\s(style|on\w+)=", page)
        nonces.append(nonce)
    assert len(set(nonces)) == len(nonces)


def test_a_page_loads_little(tenant: TenantKit) -> None:
    page = text_of(signed_in(tenant, "owner").get(""))
    wanted = {
        re.sub(r"^/static/", "", path) for path in re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page)
    }
    modules = {f"js/{name}" for name in re.findall(r'from "\./([\w.]+)"', (STATIC / "js/app.js").read_text())}
    assert "css/intelgraph.css" in wanted and "js/app.js" in wanted
    files = wanted | modules | {"js/live.js", "js/toasts.js"}
    assert sum((STATIC / name).stat().st_size for name in files) < FIRST_LOAD_BYTES


@pytest.mark.parametrize("path", ["/nothing/", "/t/no-such-tenant/", "/static/no.css"])
def test_what_is_not_there_says_so_with_a_request_id(path: str, tenant: TenantKit) -> None:
    answer = signed_in(tenant, "owner").get(path, headers={"x-request-id": "abcd-1234-efgh"})
    assert answer.status_code == 404 and "There is nothing here" in text_of(answer)
    assert "abcd-1234-efgh" in text_of(answer) and answer["x-request-id"] == "abcd-1234-efgh"


def test_programs_get_problem_details() -> None:
    answer = Visitor().get("/api/v1/nothing")
    assert answer.status_code == 404 and answer["Content-Type"].startswith("application/problem+json")
    assert answer.json()["status"] == 404 and answer.json()["request_id"]


def test_refusals_keep_their_words_and_status(rf: object) -> None:
    request = rf.get("/t/x/")  # type: ignore[attr-defined]
    limited = errors.refusal(request, RateLimited("the quota is used up", retry_after_s=7.2))
    assert limited.status_code == 429 and limited["Retry-After"] == "8" and "The quota is used up." in text_of(limited)
    away = errors.refusal(request, Unavailable("the object store does not answer", mend="try again in a minute"))
    assert away.status_code == 503 and "Try again in a minute." in text_of(away)
    clash = errors.refusal(request, Conflict("it is under legal hold <b>"))
    assert clash.status_code == 409 and "It is under legal hold &lt;b&gt;." in text_of(clash)
    assert errors.server_error(request).status_code == 500 and errors.bad_request(request).status_code == 400
    assert "You may not open this" in text_of(errors.permission_denied(request))


def test_what_may_answer_later_is_offered_again(rf: object) -> None:
    asked = rf.get("/t/x/", query_params={"q": '"><b>'})  # type: ignore[attr-defined]
    asked.path = "//evil.example/"
    broken = text_of(errors.server_error(asked))
    assert '<a class="button button-primary" href="/%2Fevil.example/?q=%22%3E%3Cb%3E">Try again</a>' in broken
    for request in (rf.post("/t/x/"), rf.get("/t/x/")):  # type: ignore[attr-defined]
        assert "Try again</a>" not in text_of(errors.permission_denied(request))
    assert "Try again</a>" not in text_of(errors.server_error(rf.post("/t/x/")))  # type: ignore[attr-defined]


def test_appearance_is_remembered_without_scripts() -> None:
    visitor = Visitor()
    answer = visitor.post("/-/preferences/", {"theme": "dark", "next": "/login/"})
    assert (answer.status_code, answer["Location"]) == (302, "/login/")
    assert 'data-theme="dark"' in text_of(visitor.get("/login/"))
    visitor.post("/-/preferences/", {"theme": "auto", "next": "https://evil.example/"})
    assert "data-theme" not in text_of(visitor.get("/"))


def test_preferences_never_lead_elsewhere_and_take_known_values_only() -> None:
    answer = Visitor().post("/-/preferences/", {"theme": '"><script>', "next": "//evil.example/"})
    assert answer["Location"] == "/" and not answer.cookies["ig_theme"].value


def test_robots_stay_away_from_interfaces() -> None:
    lines = text_of(Visitor().get("/robots.txt")).splitlines()
    assert lines[0] == "User-agent: *" and "Disallow: /api/" in lines and "Allow: /" in lines


def test_researchers_find_whom_to_write_to() -> None:
    answer = Visitor().get("/.well-known/security.txt")
    fields = dict(line.split(": ", 1) for line in text_of(answer).splitlines() if line)
    expires = datetime.fromisoformat(fields["Expires"])
    assert fields["Contact"].startswith("mailto:") and answer["Content-Type"] == "text/plain; charset=utf-8"
    assert timedelta(days=30) < expires - datetime.now(UTC) < timedelta(days=365)


def test_the_gallery_is_for_embedded_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Components" in text_of(Visitor().get("/-/components/"))
    settings = conf.get()
    production = conf.Settings({**settings.values, "IG_MODE": "production"})
    monkeypatch.setattr(conf, "get", lambda: production)
    assert Visitor().get("/-/components/").status_code == 404
