"""Write the table of settings in `docs/operate/settings.md` from the code: `python -m scripts.settings_page`."""

from pathlib import Path

from apps.core.conf import OPTIONS

PAGE = Path(__file__).resolve().parent.parent / "docs/operate/settings.md"
BEGIN, END = "<!-- settings -->", "<!-- end of settings -->"


def table() -> str:
    """Return the table of every setting."""
    lines = ["| setting | what it is for | default | production |", "| --- | --- | --- | --- |"]
    for option in OPTIONS:
        default = f"`{option.default}`" if option.default else ""
        lines.append(f"| `{option.name}` | {option.about} | {default} | {'needed' if option.required else ''} |")
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
