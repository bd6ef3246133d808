"""Which notebooks and test files a change can have affected: ``pytest --changed-since origin/main`` runs only those."""

import ast
import functools
import json
import re
import subprocess

from notebook_environment import ROOT

PACKAGES = ["tensorflow_basics", "keras_advanced", "architectures", "recommendation"]
FOR_ALL = re.compile(
    r"constraints\.txt|pyproject\.toml|conftest\.py|notebooks/daybook\.mplstyle|tests/(?!test_)\w+\.py|tests/test_notebooks\.py"
)


def changed_since(ref):
    """Paths, relative to the root, of what differs from where this branch left `ref`, new files included.

    Raises
    ------
    ValueError
        If git does not know `ref`.
    """
    try:
        return _git("diff", "--name-only", "--merge-base", ref) | _git("ls-files", "--others", "--exclude-standard")
    except subprocess.CalledProcessError as error:
        raise ValueError(f"--changed-since {ref}: {error.stderr.strip()}") from error


def _git(*arguments):
    # core.quotePath: names as they are, also those outside ASCII
    command = ["git", "-c", "core.quotePath=off", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    return set(result.stdout.splitlines())


def is_affected(path, changed):
    """Whether the tests of the notebook, test file or module at `path` can end otherwise than before the change."""
    place = path.relative_to(ROOT).parts
    if len(place) < 2 or (place[0] == "tests" and len(place) == 2):
        return True  # tests of the whole: style, README, map, site
    if any(map(FOR_ALL.fullmatch, changed)):
        return True
    needs = {path} | {needed for module in imported(path) for needed in _closure(module)}
    return not changed.isdisjoint(needed.relative_to(ROOT).as_posix() for needed in needs)


@functools.cache
def imported(path):
    """The files of our packages that the notebook or module at `path` imports itself."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(file for name in names if name.split(".")[0] in PACKAGES for file in _files(name))


def _files(name):
    """What ``import name`` loads of a package of ours; the last part may name something in a module."""
    package, module = [*name.split("."), "__init__"][:2]
    candidates = [ROOT / package / "__init__.py", ROOT / package / f"{module}.py"]
    return [file for file in candidates if file.is_file()]


@functools.cache
def _closure(module):
    found, new = set(), {module}
    while new:
        found |= new
        new = {file for known in new for file in imported(known)} - found
    return frozenset(found)
