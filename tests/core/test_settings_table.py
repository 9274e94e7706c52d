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
        ("IG_DRAIN_S", "-1"),
        ("IG_DRAIN_S", "1.5"),
        ("IG_DRAIN_S", "99999999"),
    ],
)
def test_dangerous_or_unknown_values_are_refused(name: str, value: str) -> None:
    with pytest.raises(conf.ConfigurationError, match=name):
        conf.read({**WHOLE, name: value})


@pytest.mark.parametrize("value", ["9000", ":9000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x"])
def test_the_side_door_needs_an_address_and_a_port(value: str) -> None:
    with pytest.raises(conf.ConfigurationError, match="IG_SIDE_LISTEN"):
        conf.read({**WHOLE, "IG_SIDE_LISTEN": value})


def test_a_setting_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.write_text("postgresql://from-a-file\n", encoding="utf-8")
    without = {key: value for key, value in WHOLE.items() if key != "DATABASE_URL"}
    assert conf.read({**without, "DATABASE_URL_FILE": str(file)})["DATABASE_URL"] == "postgresql://from-a-file"
    with pytest.raises(conf.ConfigurationError, match="both set"):
        conf.read({**WHOLE, "DATABASE_URL_FILE": str(file)})
    with pytest.raises(conf.ConfigurationError, match="DATABASE_URL_FILE cannot be read"):
        conf.read({**without, "DATABASE_URL_FILE": str(tmp_path / "absent")})
    file.write_text(" \n", encoding="utf-8")
    with pytest.raises(conf.ConfigurationError, match="DATABASE_URL is not set"):
        conf.read({**without, "DATABASE_URL_FILE": str(file)})
