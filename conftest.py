"""One environment for every test and every kernel a test starts, so that the saved outputs are the same everywhere.

Options of ours: ``--threads N`` (default 1) and ``--gpu`` (notebooks may use one; for tests/test_notebooks.py only, because
the saved outputs that nbval compares were made on a CPU).
"""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from notebook_environment import notebook_environment
from xdist.scheduler import LoadScopeScheduling

BUILD = Path(__file__).parent / "build"


def pytest_addoption(parser):
    group = parser.getgroup("daybook")
    group.addoption("--threads", type=int, default=1, help="threads of each process (default: 1)")
    group.addoption("--gpu", action="store_true", help="let the notebooks see a GPU; with tests/test_notebooks.py")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    os.environ.update(notebook_environment(config.getoption("--threads"), gpu=config.getoption("--gpu")))
    if os.name == "posix":
        _use_unix_sockets(config)


def _use_unix_sockets(config):
    """Give each kernel its own socket files: kernels that start together race for TCP ports (jupyter_client issue 487)."""
    folder = tempfile.mkdtemp(prefix="kernels")
    counter = itertools.count()
    original = KernelManager.__init__

    def __init__(self, *args, **kwargs):
        original(self, *args, transport="ipc", ip=f"{folder}/{next(counter)}", **kwargs)

    KernelManager.__init__ = __init__
    config.add_cleanup(lambda: (setattr(KernelManager, "__init__", original), shutil.rmtree(folder, ignore_errors=True)))


class NotebookScheduling(LoadScopeScheduling):
    """A notebook's cells stay on one worker, in order; every other test goes wherever there is room."""

    def _split_scope(self, nodeid):
        return nodeid.split("::")[0] if ".ipynb::" in nodeid else nodeid


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
            f"A copy with this run's outputs: {copy.relative_to(item.config.rootpath)}\n{report.longrepr}"
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
