"""tests/plant_faults.py plants what it says, one change at a time, and the claims of a notebook are all guarded."""

import ast
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("faults are planted with fork", allow_module_level=True)

import plant_faults

SOURCE = '''
class Cell:

    def step(self, x, h, w=3, *, f, i=True):
        """One step of 3."""
        check(x, h, [w])
        i, f = split(x @ w + h, 2, axis=1)
        if f.size <= 4 and not flag & mask:
            raise ValueError(f"at least {4 + 1}")
        f *= -h if isinstance(h, list) else np.maximum(i, f)
        assert f, f"at least {4 + 1}"
        return [i * f for i in f if i]
'''
PLANTED = {
    "    def step(self, x, h, w=3, *, f, i=False):",
    "        None",
    "        check(h, x, [w])",
    "        f, i = split(x @ w + h, 2, axis=1)",
    "        i, f = split(x @ w - h, 2, axis=1)",
    "        i, f = split(w @ x + h, 2, axis=1)",
    "        i, f = split(x @ w + h, 3, axis=1)",
    "        i, f = split(x @ w + h, 2, axis=2)",
    "        if not (f.size <= 4 and (not flag & mask)):",
    "        if f.size <= 4 or not flag & mask:",
    "        if f.size < 4 and (not flag & mask):",
    "        if f.size <= 5 and (not flag & mask):",
    "        if f.size <= 4 and (not flag | mask):",
    "        f /= -h if isinstance(h, list) else np.maximum(i, f)",
    "        f *= +h if isinstance(h, list) else np.maximum(i, f)",
    "        f *= -h if not isinstance(h, list) else np.maximum(i, f)",
    "        assert True, f'at least {4 + 1}'",
    "        return [i / f for i in f if i]",
    "        return [i * f for i in f if not i]",
}


def test_each_fault_is_one_changed_line():
    tree = ast.parse(SOURCE)
    sound = ast.unparse(tree).splitlines()
    changed = []
    for line, what, change in plant_faults.Faults(tree).found:
        undo = change()
        faulty = ast.unparse(ast.fix_missing_locations(tree)).splitlines()
        undo()
        ((number, new),) = [(n, f) for n, (f, s) in enumerate(zip(faulty, sound, strict=True), 1) if f != s]
        assert number + 1 == line and what.startswith("Cell.step: ")  # the source begins with an empty line
        changed.append(new)
    assert sorted(changed) == sorted(PLANTED)
    assert ast.unparse(tree).splitlines() == sound


def test_faults_in_the_claims_of_a_notebook_are_caught():
    results = list(plant_faults.faults_in_claims(plant_faults.ROOT / "notebooks" / "day_16_gru.ipynb"))
    assert sum("D16." in what for what, _ in results) == 8 and sum("removed" in what for what, _ in results) > 18
    assert [what for what, caught in results if not caught] == []


def test_a_module_is_tested_by_the_files_that_import_it():
    tests = plant_faults.tests_of(plant_faults.ROOT / "architectures" / "lstm.py")
    assert "test_recurrent.py" in [path.name for path in tests]
    tests = plant_faults.tests_of(plant_faults.ROOT / "architectures" / "exercises.py")
    assert all(path.name.startswith("test_exercises") for path in tests) and tests
