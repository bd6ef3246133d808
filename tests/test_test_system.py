"""The tests of the notebooks can fail: each planted fault turns the run red, and the report says where.

Every fault is planted in a copy of the template notebook, in a project of its own.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]


def run_pytest(project, *arguments):
    """Run pytest in `project` and return its exit code, its output and the set of failed tests."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-rf", *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True)
    return result.returncode, result.stdout, set(re.findall(r"^FAILED (.+?)(?: - .*)?$", result.stdout, re.MULTILINE))


def copy_project(folder, *names):
    for name in (
        "conftest.py",
        "pyproject.toml",
        "tests/notebook_environment.py",
        "tests/changes.py",
        "tests/warm_kernels.py",
        "tests/test_notebooks.py",
        *names,
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    kernels = folder / "tests" / "warm_kernels.py"
    what_the_template_imports = 'PRELOADED = ["sklearn.utils", "matplotlib.pyplot", "ipykernel.ipkernel"]'
    source, n = re.subn(r"^PRELOADED = \[.*?\]$", what_the_template_imports, kernels.read_text(), flags=re.M | re.S)
    assert n == 1
    kernels.write_text(source)
    return folder


def write_notebook(path, *cells):
    """Write a notebook of (source, text that is saved as its output or None) pairs."""
    notebook = nbformat.v4.new_notebook()
    for number, (source, text) in enumerate(cells, start=1):
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []
        notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=number))
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def code_cell(notebook, text):
    return next(cell for cell in notebook.cells if cell.cell_type == "code" and text in cell.source)


def changed_number(notebook):
    (output,) = code_cell(notebook, "error_of_mean = ").outputs
    output.text = output.text.replace("0.50", "0.51")


def deleted_output(notebook):
    code_cell(notebook, "error_with_drift = ").outputs = []


def stripped(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def lost_figure(notebook):
    del code_cell(notebook, "plt.show()").outputs[0].data["image/png"]


def saved_warning(notebook):
    output = nbformat.v4.new_output("stream", name="stderr", text="UserWarning: careful\n")
    code_cell(notebook, "error_of_mean = ").outputs.append(output)


def saved_path(notebook):
    code_cell(notebook, "error_of_mean = ").outputs[0].text += "see /private/var/x\n"


def saved_windows_path(notebook):
    code_cell(notebook, "error_of_mean = ").outputs[0].text += "see C:\\Users\\x\n"


def dead_kernel(notebook):
    code_cell(notebook, "error_of_mean = ").source += "\nimport os\n\nos._exit(1)"


def untagged(notebook):
    code_cell(notebook, "check_scalar").metadata.tags = []


def unasserted_claim(notebook):
    cell = code_cell(notebook, "error_with_drift = ")
    cell.source = cell.source.replace("assert ", "assert_that = ")


def unchecked_parameter(notebook):
    cell = code_cell(notebook, "check_scalar(N_REPEATS")
    cell.source = cell.source.split("N_REPEATS = check_scalar")[0]


def result_of_one_seed(notebook):
    cell = code_cell(notebook, "error_of_mean = ")
    cell.source += "\nassert SEED == 1"


def wrong_solution(notebook):
    cell = next(cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", []))
    cell.source = cell.source.replace("ddof=1", "ddof=0")


PRINT_OPTIONS = """import os

print(*(os.environ[name] for name in ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES"]))"""
TESTS = "tests/test_notebooks.py::test"
FAULTS = {
    dead_kernel: f"{TESTS}_holds_with_other_parameters_and_solved_exercises[dead_kernel]",
    untagged: f"{TESTS}_wrong_parameters_are_refused_by_name[untagged]",
    saved_path: f"{TESTS}_saved_outputs_are_clean[saved_path]",
    saved_windows_path: f"{TESTS}_saved_outputs_are_clean[saved_windows_path]",
    changed_number: "notebooks/changed_number.ipynb::Cell 3",
    deleted_output: "notebooks/deleted_output.ipynb::Cell 4",
    stripped: f"{TESTS}_was_executed_from_top_to_bottom[stripped]",
    lost_figure: f"{TESTS}_saved_outputs_are_clean[lost_figure]",
    saved_warning: f"{TESTS}_saved_outputs_are_clean[saved_warning]",
    unasserted_claim: f"{TESTS}_every_claim_is_followed_by_an_assertion[unasserted_claim]",
    unchecked_parameter: f"{TESTS}_wrong_parameters_are_refused_by_name[unchecked_parameter]",
    result_of_one_seed: f"{TESTS}_holds_with_other_parameters_and_solved_exercises[result_of_one_seed]",
    wrong_solution: f"{TESTS}_holds_with_other_parameters_and_solved_exercises[wrong_solution]",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """One run over a sound copy of the template and one copy for each fault."""
    project = copy_project(tmp_path_factory.mktemp("planted"))
    (project / "notebooks").mkdir()
    for name in ("template.ipynb", "daybook.mplstyle"):
        shutil.copy(ROOT / "notebooks" / name, project / "notebooks" / name)
    for plant in FAULTS:
        notebook = nbformat.read(ROOT / "notebooks" / "template.ipynb", as_version=4)
        plant(notebook)
        nbformat.write(notebook, project / "notebooks" / f"{plant.__name__}.ipynb")
    write_notebook(project / "options.ipynb", (PRINT_OPTIONS, "1 1 -1\n"))
    # Kernels are dear: execute only where execution has to find the fault, and the sound copies.
    nbval = ["options.ipynb", *(f"notebooks/{name}.ipynb" for name in ("template", "changed_number", "deleted_output"))]
    papermill = "not with_other_parameters or template or result_of_one_seed or wrong_solution or dead_kernel"
    code, output, failed = run_pytest(project, *nbval, "tests/test_notebooks.py", "-k", papermill)
    assert code == 1
    return project, output, failed


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_turns_the_run_red(plant, planted):
    _, _, failed = planted
    assert FAULTS[plant] in failed


def test_nothing_else_turns_red(planted):
    _, _, failed = planted
    assert failed == set(FAULTS.values())


def test_a_difference_is_reported_with_notebook_cell_and_lines(planted):
    project, output, _ = planted
    assert "changed_number.ipynb, In [4]: '-' is what this run printed, '+' what the notebook holds" in output
    assert re.search(r"^ *- error of the mean of four readings: 0\.50$", output, re.MULTILINE)
    assert re.search(r"^ *\+ error of the mean of four readings: 0\.51$", output, re.MULTILINE)
    copy = nbformat.read(project / "build" / "nbval" / "changed_number.ipynb", as_version=4)
    assert code_cell(copy, "error_of_mean = ").outputs[0].text == "error of the mean of four readings: 0.50\n"


def test_a_failed_run_keeps_the_partly_executed_copy_and_the_original(planted):
    project, output, _ = planted
    assert "result_of_one_seed.ipynb, In [4], with {'N_REPEATS': 20000, 'SEED': 7}" in output
    copy = nbformat.read(project / "build" / "papermill" / "result_of_one_seed.ipynb", as_version=4)
    assert code_cell(copy, "error_of_mean = ").outputs, "the copy shows how far it got"
    assert code_cell(copy, "error_with_drift = ").execution_count is None
    original = nbformat.read(project / "notebooks" / "result_of_one_seed.ipynb", as_version=4)
    assert code_cell(original, "error_with_drift = ").outputs


def test_a_dead_kernel_is_named(planted):
    _, output, _ = planted
    assert "dead_kernel.ipynb: DeadKernelError: Kernel died" in output


def test_the_options_reach_the_kernels(tmp_path):
    """The planted run has the defaults; this one prints something else, and `--cold-kernels` starts new processes."""
    project = copy_project(tmp_path)
    write_notebook(project / "options.ipynb", (PRINT_OPTIONS, "1 1 -1\n"))
    code, output, failed = run_pytest(project, "options.ipynb", "--threads", "3", "--cold-kernels")
    assert code == 1 and failed == {"options.ipynb::Cell 0"}, output
    assert re.search(r"^ *- 3 3 -1$", output, re.MULTILINE), output


def save_outputs(project, notebook):
    command = [sys.executable, "tests/save_outputs.py", notebook]
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert not list(project.rglob("*.part"))
    return ran.returncode, ran.stderr


def test_save_outputs_replaces_what_ran_to_its_end(tmp_path):
    project = copy_project(tmp_path, "tests/save_outputs.py", "notebooks/daybook.mplstyle")
    notebook = nbformat.read(ROOT / "notebooks" / "template.ipynb", as_version=4)
    stripped(notebook)
    path = project / "notebooks" / "day.ipynb"
    nbformat.write(notebook, path)
    code, errors = save_outputs(project, "notebooks/day.ipynb")
    assert code == 0, errors
    saved = nbformat.read(path, as_version=4)
    assert [c.execution_count for c in saved.cells if c.cell_type == "code"] == list(range(1, 10))
    assert code_cell(saved, "error_of_mean = ").outputs[0].text == "error of the mean of four readings: 0.50\n"


@pytest.mark.parametrize("fault", ["assert False", "import os\n\nos._exit(1)"])
def test_save_outputs_leaves_what_fails_as_it_was(tmp_path, fault):
    project = copy_project(tmp_path, "tests/save_outputs.py")
    path = project / "notebooks" / "day.ipynb"
    write_notebook(path, ("print(2)", "1\n"), (fault, None))
    before = path.read_bytes()
    code, errors = save_outputs(project, "notebooks/day.ipynb")
    assert code == 1 and "day.ipynb failed and was left as it was" in errors
    assert path.read_bytes() == before
    copy = nbformat.read(project / "build" / "save_outputs" / "day.ipynb", as_version=4)
    assert copy.cells[0].outputs[0].text == "2\n", "the copy shows how far it got"


@pytest.mark.parametrize(
    ("module", "right", "wrong", "tests"),
    [
        (
            "recommendation/metrics.py",
            "return _mean(gains @ discount / _best_dcg(relevant, k)",
            "return _mean(gains @ discount * _best_dcg(relevant, k)",
            "tests/recommendation/test_metrics.py",
        )
    ],
)
def test_a_broken_package_function_turns_the_run_red(tmp_path, module, right, wrong, tests):
    shutil.copytree(ROOT / Path(module).parent, tmp_path / Path(module).parent)
    project = copy_project(tmp_path, tests)
    source = (project / module).read_text()
    assert source.count(right) == 1
    (project / module).write_text(source.replace(right, wrong))
    code, output, failed = run_pytest(project, tests, "-k", "ndcg")
    assert code == 1 and len(failed) >= 3, output
