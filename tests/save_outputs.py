"""Run notebooks in a fresh kernel and save their outputs: ``python tests/save_outputs.py [notebooks/day_01_*.ipynb ...]``.

Without arguments, every notebook. The environment is that of the tests, so what is saved is what nbval will compare with.
A notebook is replaced only when all of it has run; one that fails stays as it was, and the copy that shows how far it
got is kept in build/.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_environment import notebook_environment

ROOT = Path(__file__).parents[1]


def save_outputs(path):
    """Execute the notebook at `path` and write its outputs into it."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    copy = ROOT / "build" / "save_outputs" / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        client.execute()
    finally:  # also when a cell failed or the kernel died
        notebook.metadata.kernelspec = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        notebook.metadata.language_info = {"name": "python"}  # no version: it differs between readers
        nbformat.write(notebook, copy)
    os.replace(copy, path)


def main(arguments):
    os.environ.update(notebook_environment())
    # ipykernel copies what C libraries write to stderr into the notebook, except in a test; nbval's run is one.
    os.environ["PYTEST_CURRENT_TEST"] = "save_outputs"
    paths = [Path(argument).resolve() for argument in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in paths:
        start = time.perf_counter()
        try:
            save_outputs(path)
        except CellExecutionError as error:
            sys.exit(f"{path.name} failed; build/save_outputs/{path.name} shows how far it got\n{error}")
        print(f"{path.name}: saved after {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
