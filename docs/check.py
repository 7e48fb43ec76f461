"""Checks the pages of this folder against the repository that they speak of.

    python3 docs/check.py

- Links to files and headings lead somewhere.
- operations.md names every parameter of template.yaml, with its default, and every alarm; and no other.
- The outputs that commands ask for are the template's; the metrics that it watches are explained.
- Pieces of shell, Python and JSON can be parsed.
- The tables of cost.md are those that cost.py computes.
- SECURITY.md: its links lead somewhere, and each test that it names is there.

Says what is wrong and exits with 1 if anything is.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import cost

DOCS = Path(__file__).resolve().parent
TEMPLATE = (DOCS.parent / "template.yaml").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")

# What the page says in words where the template has a bare value.
IN_WORDS = {"": "none", "0": "never"}
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def section(name: str) -> str:
    """A top-level section of the template."""
    return re.split(r"^\w", TEMPLATE.split(f"\n{name}:\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists():
            yield f"{page.name} links to {link}, which is not there"
        elif heading and heading not in anchors(target):
            yield f"{page.name} links to {link}, a heading that is not there"


def pieces(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    for piece in FENCE.finditer(text):
        code, line = textwrap.dedent(piece[3]), text[: piece.start()].count("\n") + 1
        try:
            match piece[2]:
                case "sh":
                    subprocess.run(["bash", "-n"], input=code, text=True, check=True, capture_output=True)
                case "python":
                    ast.parse(code)
                case "json":
                    json.loads(code)
        except (SyntaxError, ValueError, subprocess.CalledProcessError) as error:
            yield f"{page.name}, line {line}: the piece of {piece[2]} cannot be parsed: {error}"


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table with this heading, by each of the names in their first cell."""
    table = OPERATIONS.split(f"\n{heading}")[1].split("\n\n")[0].split("\n")[2:]
    found = {}
    for row in table:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        for place, name in enumerate(re.findall(r"`([^`]+)`", cells[0])):
            found[name] = [str(place), *cells[1:]]
    return found


def parameters() -> Iterator[str]:
    entry = re.compile(r'^  (\w+):\n(?:    .*\n)*?    Default: "?([^"\n]*)"?$', re.MULTILINE)
    declared = dict(entry.findall(section("Parameters")))
    told = rows("| parameter | default |")
    for name in declared.keys() ^ told.keys():
        yield f"the parameter {name} is in only one of template.yaml and operations.md"
    for name in declared.keys() & told.keys():
        place, default, _ = told[name]
        # Either one for all in the row, or one for each.
        said = default.replace("`", "").split(", ")
        said = said[int(place)] if len(said) > 1 else said[0]
        if said not in (declared[name], IN_WORDS.get(declared[name])):
            yield f"the default of {name} is {declared[name]!r}, and operations.md says {said!r}"


def alarms() -> Iterator[str]:
    declared = {
        re.sub(r"\$\{(\w+)\}", lambda name: f"<{name[1].lower()}>", alarm)
        for alarm in re.findall(r"AlarmName: !Sub \$\{AWS::StackName\}-(\S+)", TEMPLATE)
    }
    for name in declared ^ rows("| alarm | when |").keys():
        yield f"the alarm {name} is in only one of template.yaml and operations.md"


def names() -> Iterator[str]:
    for output in re.findall(r"\boutput ([A-Z]\w+)", OPERATIONS):
        if not re.search(rf"^  {output}:$", section("Outputs"), re.MULTILINE):
            yield f"operations.md asks for the output {output}, which the template does not have"
    watched = set(re.findall(r"Namespace: !Sub Pinlake/.*\n +MetricName: (\w+)", TEMPLATE))
    watched |= set(re.findall(r'Function[^\n]*MetricName="(\w+)"', TEMPLATE)) - {"Errors", "Throttles", "Duration"}
    for metric in watched:
        if f"`{metric}`" not in OPERATIONS:
            yield f"the template watches {metric}, which operations.md does not explain"


def costs() -> Iterator[str]:
    page = cost.PAGE.read_text(encoding="utf-8")
    if cost.filled(page) != page:
        yield "the tables of cost.md are not those of cost.py: see cost.py --check"


def tests() -> Iterator[str]:
    page = DOCS.parent / "SECURITY.md"
    yield from links(page)
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){2,})`", page.read_text(encoding="utf-8")))
    sources = [path for folder in ("crates", "functions", "src", "tests") for path in (DOCS.parent / folder).rglob("*.rs")]
    there = {name for path in sources for name in re.findall(r"\bfn (\w+)", path.read_text(encoding="utf-8"))}
    for name in sorted(named - there):
        yield f"SECURITY.md names the test {name}, which is not there"


def main() -> int:
    pages = sorted(DOCS.glob("*.md"))
    wrong = [fault for page in pages for check in (links, pieces) for fault in check(page)]
    wrong += [fault for check in (parameters, alarms, names, costs, tests) for fault in check()]
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
