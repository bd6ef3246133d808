"""Every notebook in notebooks/: its form, its parameters, and a second run with other parameters and solved exercises.

nbval, switched on in pyproject.toml, compares the saved outputs. A new notebook needs no line here.
"""

import ast
import re

import nbformat
import papermill
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from notebook_environment import BUILD, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CLAIM = re.compile(r"^> \*\*D\d+\.\d+[a-z]?\*\* .+ - (holds|holds, but .+|no longer.*|wrong.*)$")

ABSOLUTE_PATH = r"(?<![\w.:/])(/(home|Users|root|tmp|work|var|private|opt|usr|mnt)/|[A-Z]:[\\/])"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def the_cell(notebook, tag):
    cells = tagged(notebook, tag)
    assert len(cells) == 1, (
        f"exactly one cell needs the tag {tag!r} (JupyterLab's property inspector), {len(cells)} have it"
    )
    return cells[0]


def outputs_as_text(notebook):
    """Yield (In number, text) for every output that can be read as text."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            texts = output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))
            yield cell.execution_count, "\n".join(texts)


# --- form ---------------------------------------------------------------------------------------------------------------


def test_is_valid_with_cell_ids_and_a_kernel(path, notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5), "cells need ids: save as nbformat 4.5 or later"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.get("kernelspec", {}).get("name") == "python3", "save with tests/save_outputs.py"
    keys = {key for cell in notebook.cells for key in cell.metadata}
    assert keys <= {"tags", "test_parameters", "alt"}, "save with tests/save_outputs.py"
    assert "version" not in notebook.metadata.get("language_info", {}), "save with tests/save_outputs.py"
    assert path.stat().st_size < 1.5e6


def test_was_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_saved_outputs_are_clean(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            number, kind, data = cell.execution_count, output.get("name", output.output_type), output.get("data", {})
            assert kind not in ("error", "stderr"), (
                f"In [{number}] holds {kind}: {output.get('text', output.get('evalue'))}"
            )
            is_figure, has_picture = data.get("text/plain", "").startswith("<Figure"), "image/png" in data
            assert is_figure == has_picture, f"In [{number}] has lost its figure"  # nbval does not compare pictures
    for number, text in outputs_as_text(notebook):
        for pattern in (r"\bat 0x[0-9a-f]+", ABSOLUTE_PATH, r"Warning\b", r"\x1b\["):
            assert not (found := re.search(pattern, text)), f"In [{number}] prints {found.group()!r}"


def test_code_cells_are_short_and_end_without_semicolon(notebook):
    for cell in code_cells(notebook):
        assert cell.source.strip(), "a code cell is empty: delete it"
        number, n_lines, last = cell.execution_count, len(cell.source.splitlines()), cell.source.rstrip()[-1]
        assert n_lines <= 30, f"In [{number}] has {n_lines} lines"
        assert last != ";", f"In [{number}]: end figures with plt.show()"


def test_every_claim_is_followed_by_an_assertion(notebook):
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and "> **D" in cell.source:
            claims = [line for line in cell.source.splitlines() if line.startswith("> **D")]
            malformed = [line for line in claims if not CLAIM.match(line)]
            assert not malformed, "a claim reads '> **Dn.m** what it says - verdict'"
            code_after = ((c.execution_count, c.source) for c in notebook.cells[position:] if c.cell_type == "code")
            number, code = next(code_after, (None, ""))
            nodes = list(ast.walk(ast.parse(code)))
            asserts = any(isinstance(node, ast.Assert) for node in nodes)
            asserts |= any(getattr(node, "attr", "").startswith("assert_") for node in nodes)  # np.testing's
            assert asserts, f"In [{number}] does not assert {claims}"


def test_has_three_exercises_with_check_hint_and_solution(notebook):
    stubs = [position for position, cell in enumerate(notebook.cells) if "exercise" in cell.metadata.get("tags", [])]
    is_day = notebook.cells[0].source.startswith("# Day ")  # the template shows one
    assert len(stubs) >= (3 if is_day else 1)
    for position in stubs:
        card, stub, check, hint, solution = notebook.cells[position - 1 : position + 4]
        assert re.match(r"### Exercise \d+: .+\n.*minutes", card.source)
        assert "raise NotImplementedError" in stub.source
        assert check.metadata.tags == ["check"]
        assert hint.source.startswith("<details><summary>Hint</summary>")
        assert solution.source.startswith("<details><summary>Solution</summary>") and solution_code(solution)
    minutes = re.findall(
        r"^### Exercise .+\n.*?(\d+) minutes", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE
    )
    front = re.search(r"(\d+) minutes for the exercises", notebook.cells[0].source)
    assert not is_day or abs(int(front[1]) - sum(map(int, minutes))) < 5, f"the cards add up to {sum(map(int, minutes))}"


def solution_code(cell):
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", cell.source, flags=re.DOTALL | re.MULTILINE))


# --- parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_say_what_they_are_and_have_other_values_for_the_test(path, notebook):
    cell = the_cell(notebook, "parameters")
    parameters = papermill.inspect_notebook(path)
    assert "SEED" in parameters
    for parameter in parameters.values():
        assert parameter["help"], f"{parameter['name']} lacks a comment with unit and range"
    others = cell.metadata.get("test_parameters")
    assert others, "the metadata of the parameters cell needs test_parameters, as in template.ipynb"
    assert set(others) <= set(parameters) and "SEED" in others, "papermill would silently ignore an unknown name"
    for name, value in others.items():
        assert repr(value) != parameters[name]["default"], f"test_parameters repeats the default of {name}"


def test_wrong_parameters_are_refused_by_name(path, notebook):
    parameters, checks = the_cell(notebook, "parameters"), the_cell(notebook, "check-parameters")
    names = list(papermill.inspect_notebook(path))
    exec(parameters.source + "\n" + checks.source, {})
    for name in names:
        for wrong in (object(), float("nan"), 1.5, -1, 10**12, "nowhere"):
            with pytest.raises((TypeError, ValueError), match=name):
                exec(f"{parameters.source}\n{name} = wrong\n{checks.source}", {"wrong": wrong})


# --- the second run -----------------------------------------------------------------------------------------------------


def test_holds_with_other_parameters_and_solved_exercises(path, notebook):
    """The assertions may not hang on one seed, and each folded solution must pass its check."""
    copy = BUILD / "papermill" / path.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    for stub, solution in zip(tagged(notebook, "exercise"), tagged(notebook, "solution"), strict=True):
        stub.source = solution_code(solution)
    parameters = the_cell(notebook, "parameters").metadata.test_parameters
    failure = None
    try:
        ran = papermill.execute_notebook(
            notebook,
            copy,
            parameters=parameters,
            kernel_name="python3",
            cwd=path.parent,
            progress_bar=False,
            request_save_on_cell_execute=False,
            start_timeout=60,
            execution_timeout=120,
            shutdown_kernel="immediate",
        )
    except papermill.PapermillExecutionError as error:
        failure = error
    except (CellTimeoutError, DeadKernelError) as error:
        pytest.fail(
            f"{path.name}: {type(error).__name__}: {error}; as far as it ran: {copy.relative_to(ROOT)}", pytrace=False
        )
    if failure:
        number = failure.exec_count - 1  # papermill has put a cell with the parameters before this one
        pytest.fail(
            f"{path.name}, In [{number}], with {dict(sorted(parameters.items()))} and the exercises solved: "
            f"{failure.ename}: {failure.evalue}\n\n{failure.source}\n\nas far as it ran: {copy.relative_to(ROOT)}",
            pytrace=False,
        )
    for check in tagged(ran, "check"):
        printed = "".join(output.get("text", "") for output in check.outputs)  # a busy machine may split a line
        assert printed == "Correct.\n", f"In [{check.execution_count}]: the folded solution fails its check"
