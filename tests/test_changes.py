"""--changed-since leaves out what a change cannot have affected, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import changes
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("file", "changed", "affected"),
    [
        ("notebooks/day_16_gru.ipynb", "notebooks/day_16_gru.ipynb", True),
        ("notebooks/day_16_gru.ipynb", "notebooks/day_15_lstm.ipynb", False),
        ("notebooks/day_16_gru.ipynb", "architectures/gru.py", True),
        ("notebooks/day_16_gru.ipynb", "architectures/recurrent.py", True),  # only through gru.py
        ("notebooks/day_16_gru.ipynb", "architectures/logistic_regression.py", False),
        ("notebooks/day_16_gru.ipynb", "tensorflow_basics/federated.py", False),
        ("notebooks/day_16_gru.ipynb", "constraints.txt", True),
        ("notebooks/day_16_gru.ipynb", "notebooks/daybook.mplstyle", True),
        ("notebooks/day_16_gru.ipynb", "tests/notebook_environment.py", True),
        ("notebooks/day_16_gru.ipynb", "README.md", False),
        ("notebooks/day_16_gru.ipynb", "tests/test_readme.py", False),
        ("tests/architectures/test_recurrent.py", "architectures/recurrent.py", True),
        ("tests/architectures/test_recurrent.py", "architectures/logistic_regression.py", False),
        ("tests/architectures/test_recurrent.py", "tests/exercise_cases.py", True),
        ("architectures/gru.py", "architectures/__init__.py", True),
        ("architectures/gru.py", "recommendation/__init__.py", False),
        ("tests/test_readme.py", "README.md", True),
        ("tests/test_site.py", "notebooks/day_16_gru.ipynb", True),
    ],
)
def test_what_a_change_affects(file, changed, affected):
    assert changes.is_affected(ROOT / file, {changed}) == affected


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository with three copies of the template and one commit."""
    project = tmp_path_factory.mktemp("project")
    for name in ("conftest.py", "pyproject.toml", *(f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py"))):
        (project / name).parent.mkdir(exist_ok=True)
        if name not in ("tests/test_changes.py", "tests/test_site.py"):
            shutil.copy(ROOT / name, project / name)
    (project / "notebooks").mkdir()
    for name in ("one", "two", "three"):
        shutil.copy(ROOT / "notebooks" / "template.ipynb", project / "notebooks" / f"{name}.ipynb")
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "three notebooks"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    path = project / "notebooks" / "two.ipynb"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    return project


def collected(project, *arguments):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "--cold-kernels", *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def test_pytest_collects_only_the_changed_notebook(project):
    code, output = collected(project, "notebooks", "tests/test_notebooks.py", "--changed-since", "main")
    assert code == 0, output
    assert (
        "notebooks/two.ipynb::Cell 0" in output and "test_notebooks.py::test_was_executed_from_top_to_bottom[two]" in output
    )
    assert "one" not in output and "three.ipynb" not in output and "[three]" not in output


def test_a_revision_that_git_does_not_know_is_refused(project):
    code, output = collected(project, "--changed-since", "nowhere")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "--changed-since nowhere: fatal:" in output
