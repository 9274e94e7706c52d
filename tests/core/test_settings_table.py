"""The table of settings in the docs is the table in the code, and start-up refuses what is dangerous."""

import re
from pathlib import Path

import pytest

from apps.core import conf

PAGE = Path(__file__).parents[2] / "docs/operate/settings.md"
WHOLE = {
    "IG_MODE": "production",
    "IG_REGION": "eu-west-1",
    "IG_BASE_URL": "https://intelgraph.example",
    "SECRET_KEY": "k" * 50,
    "IG_KEY_SECRET": "s",
    "DATABASE_URL": "postgresql://a",
    "DATABASE_SYSTEM_URL": "postgresql://b",
    "REDIS_URL": "redis://c",
    "OBJECT_STORE_URL": "s3://d",
}


def test_the_page_shows_every_setting_as_it_is() -> None:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.M)
    shown = {name: (about, default.strip("`"), production) for name, about, default, production in rows}
    meant = {
        option.name: (option.about, option.default, "needed" if option.required else "") for option in conf.OPTIONS
    }
    assert shown == meant, "write the page anew: python -m scripts.settings_page"


@pytest.mark.parametrize(
    "name", [option.name for option in conf.OPTIONS if option.required and option.name != "IG_MODE"]
)
def test_production_needs_what_it_needs(name: str) -> None:
    assert not conf.read(WHOLE).embedded
    with pytest.raises(conf.ConfigurationError, match=name):
        conf.read({key: value for key, value in WHOLE.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IG_MODE", "prod"),
        ("SECRET_KEY", "short"),
        ("IG_BASE_URL", "http://plain.example"),
        ("IG_DATABASE_POOLING", "statement"),
        ("IG_METRICS_FROM", "10.0.0.0/8,nonsense"),
        ("IG_LOG_FORMAT", "xml"),
        ("IG_LOG_LEVEL", "LOUD"),
    ],
)
def test_dangerous_or_unknown_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(conf.ConfigurationError, match=name):
        conf.read({**WHOLE, name: value})
