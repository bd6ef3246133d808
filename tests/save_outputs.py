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
from nbclient.exceptions import CellControlSignal, CellExecutionError, CellTimeoutError, DeadKernelError
from notebook_environment import BUILD, ROOT, notebook_environment, use_unix_sockets


def save_outputs(path):
    """Execute the notebook at `path` and write its outputs into it.

    Raises
    ------
    CellExecutionError, CellTimeoutError, DeadKernelError
        If a cell fails, takes over two minutes, or kills its kernel; `path` is untouched then.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        for key in ("execution", "lines_to_next_cell"):  # timings; jupytext's notes to itself
            cell.metadata.pop(key, None)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    try:
        client.execute()
    finally:  # also when a cell failed or the kernel died
        notebook.metadata.kernelspec = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        notebook.metadata.language_info = {"name": "python"}  # no version: it differs between readers
        copy = BUILD / "save_outputs" / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, copy)
    part = path.with_suffix(".part")  # beside the notebook, so that the replacement is one step
    part.write_bytes(copy.read_bytes())
    os.replace(part, path)


def main(arguments):
    os.environ.update(notebook_environment())
    # ipykernel copies what C libraries write to stderr into the notebook, except in a test; nbval's run is one.
    os.environ["PYTEST_CURRENT_TEST"] = "save_outputs"
    undo = use_unix_sockets()
    paths = [Path(argument).resolve() for argument in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if missing := [str(path) for path in paths if not path.is_file()]:
        sys.exit(f"no such notebook: {', '.join(missing)}")
    try:
        for path in paths:
            start = time.perf_counter()
            save_outputs(path)
            print(f"{path.name}: saved after {time.perf_counter() - start:.1f} s")
    except (CellControlSignal, CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        sys.exit(f"{path.name} failed and was left as it was; build/save_outputs/{path.name} shows how far it got\n{error}")
    finally:
        undo()


if __name__ == "__main__":
    main(sys.argv[1:])
