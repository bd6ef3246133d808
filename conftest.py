"""One environment for every test and every kernel a test starts, so that the saved outputs are the same everywhere.

Options of ours: ``--threads N`` (default 1), ``--gpu`` (notebooks may use one; for tests/test_notebooks.py only, because
the saved outputs that nbval compares were made on a CPU), ``--cold-kernels`` (see tests/warm_kernels.py) and
``--changed-since REF`` (see tests/changes.py).
"""

import contextlib
import gc
import os

import nbformat
import pytest
from changes import changed_since, is_affected
from notebook_environment import BUILD, notebook_environment, use_unix_sockets
from warm_kernels import WarmKernels, needs_fresh_imports
from xdist.scheduler import LoadScopeScheduling

# PyTorch's GPU build brings Triton, which loaded after TensorFlow ends the process (tensorflow issue 124205).
with contextlib.suppress(ImportError):
    import triton  # noqa: F401


def pytest_addoption(parser):
    group = parser.getgroup("daybook")
    group.addoption("--threads", type=int, default=1, help="threads of each process (default: 1)")
    group.addoption("--gpu", action="store_true", help="let the notebooks see a GPU; with tests/test_notebooks.py")
    group.addoption("--changed-since", metavar="REF", help="only what a change since this git revision can have affected")
    group.addoption("--cold-kernels", action="store_true", help="start each kernel as a new process, as a reader does")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    threads, gpu = config.getoption("--threads"), config.getoption("--gpu")
    if threads < 1:
        raise pytest.UsageError(f"--threads must be at least 1, got {threads}")
    os.environ.update(notebook_environment(threads, gpu=gpu))
    gc.disable()  # until all is imported, of which nothing is garbage: that takes a fifth less time
    if ref := config.getoption("--changed-since"):
        try:
            changed = changed_since(ref)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
        config.pluginmanager.register(OnlyAffected(changed), "only-affected")
    config.add_cleanup(use_unix_sockets())
    if not (gpu or config.getoption("--cold-kernels")):
        config.pluginmanager.register(NotebookKernels(), "notebook-kernels")


def pytest_collection_finish():
    gc.freeze()  # what is there now stays
    gc.enable()


class OnlyAffected:
    """Leaves out notebooks and test files that `changed` paths cannot have affected."""

    def __init__(self, changed):
        self.changed = changed

    def pytest_ignore_collect(self, collection_path):
        if collection_path.suffix in (".py", ".ipynb") and not is_affected(collection_path, self.changed):
            return True

    def pytest_collection_modifyitems(self, config, items):
        """Also the tests that take a notebook as their parameter."""
        paths = {item: getattr(item, "callspec", None) and item.callspec.params.get("path") for item in items}
        unaffected = [item for item, path in paths.items() if path and not is_affected(path, self.changed)]
        config.hook.pytest_deselected(items=unaffected)
        items[:] = [item for item in items if item not in unaffected]


class NotebookKernels:
    """Starts kernels by a fork, unless the notebook cannot be run in one."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self):
        with WarmKernels() as self.kernels:
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        notebook = item.path if item.path.suffix == ".ipynb" else parameters.get("path")
        self.kernels.cold = notebook is not None and needs_fresh_imports(notebook)
        return (yield)


class NotebookScheduling(LoadScopeScheduling):
    """A notebook's cells stay on one worker, in order, and so do tests that share a dear fixture; others go anywhere."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return file if file.endswith((".ipynb", "test_test_system.py", "test_site.py")) or "benchmarks" in file else nodeid


def pytest_xdist_make_scheduler(config, log):
    return NotebookScheduling(config, log)


def pytest_collection_modifyitems(items):
    """Tests that run a whole notebook come before other single tests: started last, one would keep a worker alone."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


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
