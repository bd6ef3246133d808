"""Write notebooks/README.md, the map of the course, from the notebooks: ``python tests/claim_map.py``.

``python tests/claim_map.py D2.4 'D11.*'`` also accepts these claims as they stand: it records the words of each and the
assertion behind it in tests/claims.tsv. Until then the tests refuse a claim whose words or whose assertion has changed.
D2 stands for what day 2 asserts in its other cells.
"""

import ast
import fnmatch
import hashlib
import re
import statistics
import sys
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from urllib.parse import quote

import nbformat
import networkx as nx

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
FRAGMENT = "!$&'()*+,;=:@/?"  # what an anchor may hold as it is
RECORD = Path(__file__).with_name("claims.tsv")
CLAIM = re.compile(r"^> \*\*(D\d+\.\d+[a-z]?)\*\* (.+) - (holds|holds, but .+|no longer.*|wrong.*)$")


@dataclass(frozen=True)
class Claim:
    """One claim of the log; `assertions` is the source of what asserts it."""

    id: str
    words: str
    verdict: str
    day: "Day"
    section: str
    assertions: str

    @property
    def record(self):
        """The line of tests/claims.tsv: id, kind of verdict, digests of the words and of the assertions."""
        kind = re.match("holds, but|holds|no longer|wrong", self.verdict).group()
        return self.id, kind, _digest(self.words + self.verdict), _digest(self.assertions)


class Day:
    """What the map says of one notebook."""

    def __init__(self, path):
        try:
            self.cells = nbformat.read(path, as_version=4).cells
        except Exception as error:  # of many kinds: JSON, encoding, schema
            raise ValueError(f"{path.name} is not a notebook: {error}") from error
        self.path, self.number = path, int(path.name.split("_")[1])
        self.title = self.cells[0].source.splitlines()[0].removeprefix("# ")
        self.subject = re.sub(r"\b(rnn|lstm|gru)\b", lambda name: name[0].upper(), " ".join(path.stem.split("_")[2:]))

    @cached_property
    def front(self):
        """The source of the cells before the first code cell."""
        sources = []
        for cell in self.cells:
            if cell.cell_type == "code":
                return "\n\n".join(sources)
            sources.append(cell.source)

    def row(self, name):
        """The right side of the row `name` of the table at the top."""
        found = re.search(rf"^\| {name} \| (.+) \|$", self.front, re.MULTILINE)
        if not found:
            raise ValueError(f"{self.path.name}: the table at the top needs a row '{name}'")
        return found.group(1)

    @property
    def builds_on(self):
        """Numbers of the days that this one builds on: those in the first part of the row, before a semicolon."""
        return sorted(map(int, re.findall(r"Day (\d+)", self.row("Builds on").partition(";")[0])))

    @property
    def goals(self):
        """The goals, as a numbered list."""
        _, found, goals = self.front.partition("**By the end you can**")
        if not found:
            raise ValueError(f"{self.path.name}: the front page needs '**By the end you can**' and a numbered list")
        return "\n".join(line for line in goals.splitlines() if re.match(r"\d\. |   ", line))

    def link(self, section, text):
        """A link to a heading of this notebook."""
        heading = re.sub("[`*]", "", section)
        return f"[{text}]({self.path.name}#{quote(anchor(heading), safe=FRAGMENT)})"

    @cached_property
    def lines(self):
        """(heading above, line, position of its cell) of every line of the text."""
        found, section = [], ""
        for position, cell in enumerate(self.cells):
            if cell.cell_type == "markdown":
                fenced = False
                for line in cell.source.splitlines():
                    fenced ^= line.startswith("```")
                    if not fenced and (heading := re.match(r"#+ (.+)", line)):
                        section = heading.group(1).strip()
                    if not fenced:
                        found.append((section, line, position))
        return found

    def first_place_of(self, names):
        """The section that introduces the term with these names, or None."""
        names = "|".join(map(re.escape, names))
        for pattern in (rf"\*\*({names})s?\*\*", rf"(?<![\w*])({names})(?!\w)"):
            for section, line, _ in self.lines:
                if section != self.title and re.search(pattern, line, re.IGNORECASE):
                    return section
        return None

    @property
    def claims(self):
        """The claims, in the order of the page."""
        for section, line, position in self.lines:
            if found := CLAIM.match(line):
                code = next((cell.source for cell in self.cells[position:] if cell.cell_type == "code"), "")
                yield Claim(*found.groups(), self, section, "\n".join(assertions(code)))

    @property
    def record(self):
        """The line of tests/claims.tsv for the cells that assert something and follow no claim: how many, and a digest."""
        claimed = {claim.assertions for claim in self.claims}
        cells = ["\n".join(assertions(cell.source)) for cell in self.cells if cell.cell_type == "code"]
        others = [cell for cell in cells if cell and cell not in claimed]
        return f"D{self.number}", "other cells", str(len(others)), _digest("\n\n".join(others))


def anchor(heading):
    """A heading's anchor as Jupyter makes it; docs/conf.py takes it too, so that links work in both."""
    return heading.strip().replace(" ", "-")


def assertions(code):
    """The assertions in a cell's source, free of comments and layout: ``assert``, and calls of ``assert_...``."""
    nodes = (node for node in ast.walk(ast.parse(code)) if _asserts(node))
    return [ast.unparse(node) for node in sorted(nodes, key=lambda node: node.lineno)]


def _asserts(node):
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        return getattr(function, "attr", getattr(function, "id", "")).startswith("assert_")
    return isinstance(node, ast.Assert)


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _in_order(claim_id):
    day, number, letter = re.fullmatch(r"D(\d+)(?:\.(\d+)([a-z]?))?", claim_id).groups()
    return int(day), int(number or 0), letter


def read_days(folder=NOTEBOOKS):
    """The days in order."""
    return [Day(path) for path in sorted(folder.glob("day_*.ipynb"))]


def read_record():
    """{id: (id, kind of verdict, digest of the words, digest of the assertions)} of every claim and day."""
    rows = [tuple(line.split("\t")) for line in RECORD.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: row for row in rows}


def differences(days, record):
    """Yield for each claim that is not as recorded what differs, and where."""
    stand = {}
    for claim in (claim for day in days for claim in day.claims):
        where, old, new = f"{claim.day.path.name}, '{claim.section}'", record.get(claim.id), claim.record
        if claim.id in stand:
            yield f"{claim.id} stands twice: in {stand[claim.id]} and in {where}"
        elif old is None:
            yield f"{claim.id} in {where} is no claim of the log: tests/claims.tsv does not list it"
        elif not claim.assertions:
            yield f"{claim.id} in {where}: the code cell after it asserts nothing"
        elif old[1:] != new[1:]:
            changed = {
                (True, False): "the claim was reworded, its assertion is the old one: does the cell show the new words?",
                (False, True): "its assertion changed, its words are the old ones: does the cell still show them?",
                (True, True): "the claim and its assertion changed: does the cell show the new words?",
            }[old[1:3] != new[1:3], old[3] != new[3]]
            yield f"{claim.id} in {where}: {changed} If so: python tests/claim_map.py {claim.id}"
        stand[claim.id] = where
    for day in days:
        day_id, *_ = row = day.record
        stand[day_id] = day.path.name
        if record.get(day_id) != row:
            what = f"{day_id}: {day.path.name} asserts something else in cells that follow no claim"
            yield f"{what}. If it should: python tests/claim_map.py {day_id}"
    for claim_id in record:
        if claim_id not in stand:
            yield f"{claim_id} stands in no notebook"


def prerequisites(days):
    """The graph of the days as an SVG picture, and the same in words."""
    graph = nx.DiGraph((before, day.number) for day in days for before in day.builds_on)
    numbers = {day.number: day for day in days}
    graph.add_nodes_from(numbers)
    graph = nx.transitive_reduction(graph)
    place = {}  # number: (centre, top)
    for row, generation in enumerate(nx.topological_generations(graph)):
        wish = {n: statistics.fmean([place[p][0] for p in graph.predecessors(n)] or [360]) for n in generation}
        generation = sorted(generation, key=lambda n: (wish[n], n))
        middle, span = statistics.fmean(wish.values()), 176 * (len(generation) - 1)
        left = min(max(middle - span / 2, 92), 628 - span)
        place |= {number: (left + 176 * column, 12 + 74 * row) for column, number in enumerate(generation)}
    height = max(top for _, top in place.values()) + 58
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height:.0f}" font-family="sans-serif" font-size="12">',
        f'<rect width="720" height="{height:.0f}" rx="8" fill="#ffffff"/>',
    ]
    for before, after in sorted(graph.edges):
        (x0, y0), (x1, y1) = place[before], place[after]
        parts.append(
            f'<path d="M{x0:.0f} {y0 + 46:.0f}C{x0:.0f} {y1 - 14:.0f} {x1:.0f} {y0 + 60:.0f} {x1:.0f} {y1:.0f}" '
            'fill="none" stroke="#5a6b7b" stroke-width="1.5"/>'
        )
    for number, (x, y) in sorted(place.items()):
        name = numbers[number].subject if number in numbers else "to come"
        parts.append(
            f'<rect x="{x - 82:.0f}" y="{y:.0f}" width="164" height="46" rx="6" fill="#e8f0f8" stroke="#2b5c8a"/>'
            f'<text x="{x:.0f}" y="{y + 19:.0f}" text-anchor="middle" font-weight="bold" fill="#12324f">Day {number}</text>'
            f'<text x="{x:.0f}" y="{y + 36:.0f}" text-anchor="middle" fill="#12324f"'
            f"{_squeeze(name)}>{escape(name)}</text>"
        )
    words = "; ".join(
        f"Day {n} on {_list([f'Day {p}' for p in sorted(graph.predecessors(n))])}"
        for n in sorted(graph)
        if graph.in_degree(n)
    )
    return "\n".join([*parts, "</svg>", ""]), f"Which day builds on which: {words}"


def _squeeze(name):
    return ' textLength="152" lengthAdjust="spacingAndGlyphs"' if len(name) > 27 else ""


def _list(items):
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def glossary(days, path=NOTEBOOKS / "glossary.txt"):
    """The terms of the glossary, each with a link to where its day introduces it, and the terms that no day introduces.

    That is where the term first stands in bold, or, if it never does, where it first stands below the front page.

    Raises
    ------
    ValueError
        If a line is not ``day term: meaning``.
    """
    by_number, placed, missing = {day.number: day for day in days}, [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if not (parts := re.fullmatch(r"(\d+) (.+?): (.+)", line)):
            raise ValueError(f"{path.name}: '{line}' needs 'day term: meaning'")
        number, names, meaning = int(parts[1]), parts[2].split(" | "), parts[3]
        day = by_number.get(number)
        section = day and day.first_place_of(names)
        if section:
            placed.append(f"- **{', '.join(names)}**: {meaning} ({day.link(section, f'Day {number}')})")
        else:
            missing.append(f"Day {number} does not say '{names[0]}', which {path.name} promises")
    return sorted(placed, key=lambda entry: entry.replace("*", "").lower()), missing


def the_map(days):
    """The text of notebooks/README.md."""
    claims = sorted((claim for day in days for claim in day.claims), key=lambda claim: _in_order(claim.id))
    kinds = [claim.record[1] for claim in claims]
    parts = [
        "# Map of the course",
        "<!-- Written by `python tests/claim_map.py` from the notebooks and glossary.txt: change those, not this page. -->",
        "The days with their goals, every claim of the log with its verdict, and a glossary. Each link leads to the "
        "section of the notebook where the claim is asserted or the term introduced.",
        "## The days",
        "A day needs those from which a line leads down to it. Its first table also names, after a semicolon, what helps.",
        f"![{prerequisites(days)[1]}](prerequisites.svg)",
    ]
    for day in days:
        parts += [
            f"### {day.title}",
            f"[{day.path.stem}]({day.path.name}). {day.row('Time').rstrip('.')}. Builds on {day.row('Builds on')}. "
            "By the end you can",
            day.goals,
        ]
    parts += [
        "## The claims of the log",
        f"The course follows a log of daily notes. Of its {len(claims)} claims, including the follow-up questions that "
        f"they raise, {kinds.count('holds')} hold, {kinds.count('holds, but')} hold with a reservation, "
        f"{kinds.count('no longer')} no longer hold, and {kinds.count('wrong')} are wrong.",
        "| | claim | verdict | where |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {claim.id} | {_cell(claim.words)} | {_cell(claim.verdict)} | "
            f"{claim.day.link(claim.section, f'Day {claim.day.number}')} |"
            for claim in claims
        ),
        "## Glossary",
        "\n".join(glossary(days)[0]),
    ]
    return "\n\n".join(parts) + "\n"


def _cell(text):
    return text.replace("|", "\\|")


def pages(folder=NOTEBOOKS):
    """{path: text} of what this script writes."""
    days = read_days(folder)
    return {folder / "README.md": the_map(days), folder / "prerequisites.svg": prerequisites(days)[0]}


def accept(patterns):
    """Record the claims whose ids match the patterns, as they stand now."""
    record, stand = read_record(), {item.record[0]: item for day in read_days() for item in (day, *day.claims)}
    for pattern in patterns:
        if not fnmatch.filter(stand, pattern):
            sys.exit(f"no notebook has a claim {pattern}")
        for claim_id in fnmatch.filter(stand, pattern):
            record[claim_id] = stand[claim_id].record
    rows = [("id", "verdict", "words", "assertion"), *sorted(record.values(), key=lambda row: _in_order(row[0]))]
    RECORD.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        accept(sys.argv[1:])
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
