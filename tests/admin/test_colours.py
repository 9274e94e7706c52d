"""Django-unfold's style sheet takes its colours from variables that it expects in the page; ours are in admin.css."""

import re
from pathlib import Path

import unfold
from django.conf import settings

UNFOLD = Path(unfold.__file__).parent / "static" / "unfold" / "css" / "styles.css"
OURS = Path(settings.BASE_DIR) / "static" / "css"
WANTED = re.compile(r"var\((--color-(?:base|primary|font)-[a-z0-9-]+)")
DARK_ONLY = re.compile(r"-dark$")


def test_every_colour_that_unfold_expects_is_one_of_our_roles() -> None:
    wanted = {name for name in WANTED.findall(UNFOLD.read_text()) if not DARK_ONLY.search(name)}
    assert len(wanted) > 20
    admin = (OURS / "admin.css").read_text()
    given = dict(re.findall(r"(--color-[a-z0-9-]+): var\((--[a-z0-9-]+)\);", admin))
    assert wanted - given.keys() == set()
    roles = set(re.findall(r"^\s+(--[a-z0-9-]+):", (OURS / "intelgraph.css").read_text(), re.MULTILINE))
    assert set(given.values()) <= roles
