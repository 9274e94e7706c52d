"""Chromium's virtual authenticator, and ceremonies run by hand in a page (WebAuthn Level 3 JSON)."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import CDPSession, Page

CEREMONY = """async ([what, given]) => {
  const publicKey = what === "create" ? PublicKeyCredential.parseCreationOptionsFromJSON(given)
                                      : PublicKeyCredential.parseRequestOptionsFromJSON(given);
  return (await navigator.credentials[what === "create" ? "create" : "get"]({ publicKey })).toJSON();
}"""
POST = """async ([path, body]) => {
  const answer = await fetch(path, { method: "POST", credentials: "same-origin",
    headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}"""


@dataclass
class Authenticator:
    """A virtual authenticator in a page, and what a script of that page can ask of us."""

    page: Page
    verifies: bool = True
    cdp: CDPSession = field(init=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.cdp = self.page.context.new_cdp_session(self.page)
        self.cdp.send("WebAuthn.enable")
        self.plug(self.verifies)

    def plug(self, verifies: bool) -> None:
        """Plug in an authenticator that can verify its user, or one that cannot."""
        options = {
            "protocol": "ctap2", "transport": "internal" if verifies else "usb", "hasResidentKey": True,
            "hasUserVerification": verifies, "isUserVerified": verifies, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def unplug(self) -> list[dict[str, Any]]:
        """Unplug it; return the credentials that it held."""
        held = self.credentials()
        self.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})
        return held

    def credentials(self) -> list[dict[str, Any]]:
        """Return what it holds."""
        found: list[dict[str, Any]] = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})[
            "credentials"
        ]
        return found

    def clear(self) -> None:
        """Let it forget everything."""
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.id})

    def hold(self, credential: dict[str, Any], **changes: Any) -> None:
        """Put a credential into it."""
        self.cdp.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": {**credential, **changes}})

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Send JSON from the page; return status and body."""
        answer = self.page.evaluate(POST, [path, body if body is not None else {}])
        return answer["status"], answer["body"]

    def options(self, kind: str) -> dict[str, Any]:
        """Begin a ceremony (`register` or `assert`)."""
        status, body = self.post(f"/webauthn/{kind}/options")
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def run(self, kind: str, **changes: Any) -> dict[str, Any]:
        """Begin a ceremony and let the authenticator answer; return its credential's JSON."""
        what = "create" if kind == "register" else "get"
        found: dict[str, Any] = self.page.evaluate(CEREMONY, [what, {**self.options(kind), **changes}])
        return found


def with_client_data(credential: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a credential whose client data says something else."""
    raw = credential["response"]["clientDataJSON"]
    said = json.loads(base64.urlsafe_b64decode(raw + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**said, **changes}).encode()).decode().rstrip("=")
    return {**credential, "response": {**credential["response"], "clientDataJSON": forged}}


def with_response(credential: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a credential whose response has other parts."""
    return {**credential, "response": {**credential["response"], **changes}}


def flipped(text: str) -> str:
    """Return base64url text with one bit group changed."""
    return f"{text[:10]}{'B' if text[10] == 'A' else 'A'}{text[11:]}"
