"""What holds for all four packages: cheap imports, and style."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("package", ["tensorflow_basics", "keras_advanced", "architectures", "recommendation"])
def test_import_is_cheap(package):
    # Counts what is loaded rather than the time it takes, which belongs to tests/benchmarks.
    code = f"import sys; before = set(sys.modules); import {package}; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == [package]


@pytest.mark.parametrize("package", ["tensorflow_basics", "keras_advanced", "architectures", "recommendation"])
def test_every_check_of_an_exercise_has_its_list_of_wrong_answers(package):
    """The tests of the exercises hand each check to `assert_answers_back`, which demands three wrong answers."""
    checks = re.findall(r"^def (check_\w+)", (ROOT / package / "exercises.py").read_text(encoding="utf-8"), re.MULTILINE)
    tests = (ROOT / "tests" / package).glob("test_exercises*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in tests if "assert_answers_back(" in path.read_text())
    assert checks and [check for check in checks if f"exercises.{check}" not in text] == []


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_style(command):
    result = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
