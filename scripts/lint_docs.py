"""Check Markdown pages: links and anchors lead somewhere, code blocks name their language, headings are in order.

`python -m scripts.lint_docs [FILE...]`, by default every page that people read. Prints `file:line: problem` and exits with 1.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("*.md", "docs/**/*.md", "apps/*/README.md", "benchmarks/*.md", "fixtures/**/*.md", "deploy/**/*.md")
FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*(.*)$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
CODE_SPAN = re.compile(r"(`+).*?\1")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    found: dict[str, int] = {}
    made = set()
    for _, line in prose(text):
        heading = HEADING.match(line)
        if heading:
            slug = re.sub(r"[^\w\- ]", "", heading[2].replace("`", "").lower()).replace(" ", "-")
            count = found.get(slug, 0)
            found[slug] = count + 1
            made.add(f"{slug}-{count}" if count else slug)
    return made


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is outside code blocks."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence) and not mark[2]:
            fence = ""
        elif not fence:
            yield number, line


def unlabelled_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield a problem for each code block without a language, and for one that is never closed."""
    fence, opened_at = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and not fence:
            fence, opened_at = mark[1], number
            if not mark[2]:
                yield number, "code block without a language"
        elif mark and mark[1].startswith(fence) and not mark[2]:
            fence = ""
    if fence:
        yield opened_at, "code block is never closed"


def headings_out_of_order(text: str) -> Iterator[tuple[int, str]]:
    """Yield a problem for a page that does not begin with its one title, and for each level that is left out."""
    level = 0
    for number, line in prose(text):
        heading = HEADING.match(line)
        if heading is None:
            continue
        depth = len(heading[1])
        if depth == 1 and level:
            yield number, "a page has one title"
        elif depth > level + 1:
            yield number, f"heading of level {depth} after level {level}"
        level = depth
    if level == 0:
        yield 1, "page without a title"


def dead_links(page: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield a problem for each link to a file or heading that does not exist; other sites are not asked."""
    for number, line in prose(text):
        for target in LINK.findall(CODE_SPAN.sub("", line)):
            if re.match(r"[a-z][a-z0-9+.-]*:|//|/", target):
                continue  # another site, or an address of the running product
            path, _, anchor = target.partition("#")
            other = page.parent / unquote(path) if path else page
            if not other.exists():
                yield number, f"link to {path}, which does not exist"
            elif anchor and other.suffix == ".md" and anchor not in anchors(other.read_text(encoding="utf-8")):
                yield number, f"link to #{anchor}, which is no heading of {other.name}"


def problems(page: Path) -> list[str]:
    """Return the problems of one page as `file:line: problem`, in the order of its lines."""
    text = page.read_text(encoding="utf-8")
    found = [*unlabelled_blocks(text), *headings_out_of_order(text), *dead_links(page, text)]
    shown = page.relative_to(ROOT) if page.is_relative_to(ROOT) else page
    return [f"{shown}:{number}: {problem}" for number, problem in sorted(found)]


def pages() -> Iterable[Path]:
    """Return every page of the project."""
    return sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})


def main(arguments: list[str]) -> int:
    """Check the named pages, or all; return 1 when something is wrong, 2 when there is nothing to check."""
    chosen = [Path(argument).resolve() for argument in arguments] or list(pages())
    if not chosen:
        sys.stderr.write("no pages found\n")
        return 2
    found = [problem for page in chosen for problem in problems(page)]
    for problem in found:
        print(problem)
    print(f"{len(chosen)} pages, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
