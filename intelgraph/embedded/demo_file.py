"""The file with the demo's sign-ins: kept in step with this start's addresses, and shown."""

from typing import Any

from intelgraph.embedded.layout import Layout, read_object, write_object


def refresh(layout: Layout, addresses: dict[str, str | None]) -> dict[str, Any]:
    """Write this start's `addresses` into `demo.json` if the demo is loaded, and return the file's contents, `{}` without one."""
    known = read_object(layout.demo)
    if known and known != known | addresses:
        known |= addresses
        write_object(layout.demo, known)
    return known


def sign_ins(demo: dict[str, Any]) -> list[str]:
    """Return the lines that tell people how to sign in to the demo."""
    users = demo.get("users")
    if not isinstance(users, dict) or not users:
        return []
    return [f"Demo sign-ins, all with the password {demo.get('password')}", *(f"  {email}" for email in users)]
