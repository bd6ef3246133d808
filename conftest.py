"""One environment for every test and every kernel a test starts, so that the saved outputs are the same everywhere.

Options of ours: ``--threads N`` (default 1) and ``--gpu`` (notebooks may use one; for tests/test_notebooks.py only, because
the saved outputs that nbval compares were made on a CPU).
"""

import contextlib
import os

import nbformat
import pytest
from notebook_environment import BUILD, notebook_environment, use_unix_sockets
from xdist.scheduler import LoadScopeScheduling

# PyTorch's GPU build brings Triton, which loaded after TensorFlow ends the process (tensorflow issue 124205).
with contextlib.suppress(ImportError):
    import triton  # noqa: F401


def pytest_addoption(parser):
    group = parser.getgroup("daybook")
    group.addoption("--threads", type=int, default=1, help="threads of each process (default: 1)")
    group.addoption("--gpu", action="store_true", help="let the notebooks see a GPU; with tests/test_notebooks.py")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    threads, gpu = config.getoption("--threads"), config.getoption("--gpu")
    if threads < 1:
        raise pytest.UsageError(f"--threads must be at least 1, got {threads}")
    os.environ.update(notebook_environment(threads, gpu=gpu))
    config.add_cleanup(use_unix_sockets())


class NotebookScheduling(LoadScopeScheduling):
    """A notebook's cells stay on one worker, in order, and so do tests that share a dear fixture; others go anywhere."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return file if file.endswith((".ipynb", "test_test_system.py")) or "benchmarks" in file else nodeid


def pytest_xdist_make_scheduler(config, log):
    return NotebookScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """When nbval finds a difference, name the cell as Jupyter does and keep what the notebook printed this time."""
    report = yield
    if report.failed and hasattr(item, "cell_num"):
        copy = BUILD / "nbval" / item.path.name
        report.longrepr = (
            f"{item.path.name}, In [{item.cell_num + 1}]: '-' is what this run printed, '+' what the notebook holds.\n"
            f"A copy with this run's outputs: {copy.relative_to(BUILD.parent)}\n{report.longrepr}"
        )
        _keep_copy(item.parent, copy)
    return report


def _keep_copy(notebook_file, copy):
    # nbval numbers the code cells from 0 and keeps each run's outputs on its item.
    notebook = nbformat.read(notebook_file.path, as_version=4)
    ran = {item.cell_num: item.test_outputs for item in notebook_file.session.items if item.parent is notebook_file}
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells):
        outputs = ran.get(number)
        cell.outputs = [nbformat.from_dict(output) for output in outputs or []]
        cell.execution_count = None if outputs is None else number + 1
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, copy)
