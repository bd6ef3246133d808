"""README, CONTRIBUTING, constraints and CI say what is there."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = {
    Requirement(line).name.lower().replace("_", "-"): Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
}


def test_every_day_is_in_the_table_and_every_row_of_it_exists():
    linked = re.findall(r"\| \[(day_\d\d_\w+)\]\(notebooks/\1\.ipynb\) \|", README)
    assert linked == sorted(path.stem for path in (ROOT / "notebooks").glob("day_*.ipynb"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), f"{page} links to {target}"


def test_ci_runs_the_second_command_of_the_readme():
    commands = re.findall(r"^python -m pip install .* && .*$", README, flags=re.MULTILINE)
    assert commands == [
        "python -m pip install -c constraints.txt -e . && jupyter lab notebooks",
        'python -m pip install -c constraints.txt -e ".[test]" && pytest',
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (wanted,) = re.findall(r"grep -m1 -F -- '(.+)' README.md", script)
    assert [command for command in commands if wanted in command] == commands[1:]
    assert "pip install" not in script.replace(wanted, ""), "nothing else does the set-up"


def test_the_examples_of_the_readme_run():
    blocks = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(block, {})


EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = {*PROJECT["dependencies"], *EXTRAS["test"], *EXTRAS["site"]} - {"daybook[site]"}


@pytest.mark.parametrize("line", sorted(REQUIREMENTS))
def test_a_requirement_is_pinned_and_the_pin_is_what_runs(line):
    requirement = Requirement(line)
    pin = PINS[requirement.name.lower()]
    assert [specifier.operator for specifier in pin.specifier] == ["=="]
    assert version(requirement.name) in pin.specifier, "the saved outputs were made with the version in constraints.txt"
    assert version(requirement.name) in requirement.specifier
