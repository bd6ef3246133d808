"""A forked kernel differs from a fresh one in what is loaded, and in nothing else that a notebook can see."""

import ast
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from notebook_environment import ROOT
from warm_kernels import WarmKernels, needs_fresh_imports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

LOOK = """
import gc, multiprocessing, os, random, signal, sys, threading
{
    "cwd": os.getcwd(),
    "path": sys.path,
    "argv": len(sys.argv),
    "main": (__name__, sys.modules["__main__"].__dict__ is globals()),
    "environment": {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"},
    "interrupt": str(signal.getsignal(signal.SIGINT)),
    "leads its session": os.getsid(0) == os.getpid(),
    "parent": int(os.environ["JPY_PARENT_PID"]) == os.getppid(),
    "may have children": not multiprocessing.current_process().daemon,
    "collects garbage": gc.isenabled(),
    "threads": sorted(t.name.rstrip("0123456789-") for t in threading.enumerate()),
}
"""
LOADED = "import sys\n[name in sys.modules for name in ('tensorflow', 'torch', 'ipykernel.kernelapp')]"
RANDOM = "import random, numpy\n[random.random(), numpy.random.default_rng().random()]"


@pytest.fixture
def kernels():
    with WarmKernels() as kernels:
        yield kernels


def run(folder, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return [ast.literal_eval(cell.outputs[0].data["text/plain"]) for cell in notebook.cells]


def test_a_notebook_sees_no_difference_but_the_loaded_modules(kernels, tmp_path):
    warm, warm_loaded = run(tmp_path, LOOK, LOADED)
    kernels.cold = True
    cold, cold_loaded = run(tmp_path, LOOK, LOADED)
    assert warm == cold
    assert (warm_loaded, cold_loaded) == ([True] * 3, [False, False, True])


def test_two_kernels_draw_different_random_numbers(kernels, tmp_path):
    assert run(tmp_path, RANDOM) != run(tmp_path, RANDOM)


def test_a_kernel_that_dies_is_noticed(kernels, tmp_path):
    with pytest.raises(DeadKernelError):
        run(tmp_path, "import os\nos._exit(3)")


def test_a_notebook_that_chooses_a_backend_gets_a_fresh_kernel():
    chooses = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb") if needs_fresh_imports(path)}
    assert chooses == {"day_15_lstm"}
