"""Plant faults and report which the tests catch: ``python tests/plant_faults.py [--faults 30] [--seed 0] [FILE ...]``.

FILE is a module of a package (``architectures/gru.py``) or a notebook; without one, all modules. Faults go into a copy.

In a module, each fault is one change of its code: a sign, a comparison, a number, an axis, swapped arguments or gates, a
negated condition. The test files that name the module run until one fails. In a notebook, every claim is reworded, given
another verdict, and stripped of or given other assertions; and in every cell that prints numbers one saved digit is
changed, which nbval must find. A fault that tests/equivalent_faults.txt explains is not planted. Not on Windows (fork).
"""

import argparse
import ast
import contextlib
import copy
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import claim_map
import nbformat
from notebook_environment import notebook_environment

ROOT = Path(__file__).parents[1]
PACKAGES = ["tensorflow_basics", "keras_advanced", "architectures", "recommendation"]
EXPLAINED = Path(__file__).with_name("equivalent_faults.txt")
OTHER = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And},
}
COMMUTE = {"add", "mul", "multiply", "maximum", "minimum", "max", "min", "array_equal", "allclose", "logaddexp", "gcd"}


class Faults(ast.NodeVisitor):
    """Collects (line, what, change) of a tree; `change` makes the fault in the tree and returns what undoes it."""

    def __init__(self, tree):
        self.found, self.function = [], "module"
        self.visit(tree)

    def add(self, node, what, owner, field, value):
        def change():
            before = getattr(owner, field)
            setattr(owner, field, value)
            return lambda: setattr(owner, field, before)

        self.found.append((node.lineno, f"{self.function}: {what}", change))

    def visit_FunctionDef(self, node):
        outer, self.function = self.function, node.name
        self.generic_visit(node)  # the docstring holds no number
        self.function = outer

    def visit_Raise(self, node):
        """Not what an error says."""

    def visit_BinOp(self, node):
        if type(node.op) in OTHER:
            self.add(node, f"{ast.unparse(node)}: the operator", node, "op", OTHER[type(node.op)]())
        elif isinstance(node.op, ast.MatMult):
            self.add(node, f"{ast.unparse(node)}: swapped", node, "left", node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add(node, f"{ast.unparse(node)}: the sign", node, "op", ast.UAdd())
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        if type(node.op) in OTHER:
            self.add(node, f"{ast.unparse(node)}: the operator", node, "op", OTHER[type(node.op)]())
        self.generic_visit(node)

    def visit_Compare(self, node):
        for position, operator in enumerate(node.ops):
            ops = [*node.ops]
            ops[position] = OTHER[type(operator)]()
            self.add(node, f"{ast.unparse(node)}: comparison {position + 1}", node, "ops", ops)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        self.add(node, f"{ast.unparse(node)}: and/or", node, "op", OTHER[type(node.op)]())
        self.generic_visit(node)

    def visit_If(self, node):
        self.add(node, f"if {ast.unparse(node.test)}: negated", node, "test", ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, bool):
            self.add(node, f"{node.value}: the other", node, "value", not node.value)
        elif isinstance(node.value, int | float):
            self.add(node, f"{node.value}: one more", node, "value", node.value + 1)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        starred = any(isinstance(argument, ast.Starred) for argument in node.args[:2])
        if len(node.args) > 1 and not starred and name not in COMMUTE:
            first, second, *rest = node.args
            self.add(node, f"{ast.unparse(node)}: first two arguments swapped", node, "args", [second, first, *rest])
        self.generic_visit(node)

    def visit_Assign(self, node):
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) > 1:
            first, second, *rest = target.elts
            self.add(node, f"{ast.unparse(node)}: first two targets swapped", target, "elts", [second, first, *rest])
        self.generic_visit(node)


def tests_of(module):
    """The test files of the module's package that name it, its own first; of exercises, theirs; if none does, all."""
    pattern = "test_exercises*.py" if module.stem == "exercises" else "test_[!e]*.py"
    files = sorted((ROOT / "tests" / module.parent.name).glob(pattern))
    word = re.compile(rf"\b{module.stem}\b")
    files = [path for path in files if word.search(path.read_text(encoding="utf-8"))] or files
    return sorted(files, key=lambda path: path.stem != f"test_{module.stem}")


def run_pytest(project, arguments, log):
    """Run pytest in this process, which was forked for it; exit with its code."""
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.chdir(project)
        sys.path[:] = [str(project), str(project / "tests")] + [path for path in sys.path if not path.startswith(str(ROOT))]
        import pytest

        options = ["-n", "0", "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
        os._exit(pytest.main([*options, *arguments]))


class Runner:
    """A copy of the project and processes with the heavy libraries loaded to run its tests in."""

    def __init__(self, folder, minutes):
        self.project, self.log, self.deadline = folder / "project", folder / "log", time.monotonic() + 60 * minutes
        ignore = shutil.ignore_patterns(".git", "build", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT, self.project, ignore=ignore)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["torch", "tensorflow", "keras", "sklearn", "scipy", "plant_faults"])

    def fails(self, *arguments, limit=300):
        """Whether pytest fails; a run that takes longer than `limit` seconds has failed."""
        process = self.context.Process(target=run_pytest, args=(self.project, arguments, self.log))
        process.start()
        process.join(limit)
        if process.is_alive():
            process.kill()
            process.join()
        return process.exitcode != 0

    @property
    def late(self):
        return time.monotonic() > self.deadline


def explained():
    """The faults that tests/equivalent_faults.txt explains, as 'module, function: what'."""
    lines = EXPLAINED.read_text(encoding="utf-8").splitlines() if EXPLAINED.exists() else []
    return {line.partition(" -- ")[0] for line in lines if line and not line.startswith("#")}


def faults_in_module(runner, module, n_faults, seed):
    """Yield (what, caught) for `n_faults` faults of the module, drawn at random."""
    path = runner.project / module
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    faults = [fault for fault in Faults(tree).found if f"{module}, {fault[1]}" not in explained()]
    tests = [str(test.relative_to(ROOT)) for test in tests_of(ROOT / module)]
    if not tests:
        yield "no test file names this module", False
        return
    start = time.monotonic()
    if runner.fails("-x", "--cold-kernels", *tests):
        sys.exit(f"{module}: its tests fail without a fault:\n{runner.log.read_text(encoding='utf-8')[-3000:]}")
    limit = 60 + 5 * (time.monotonic() - start)
    for line, what, change in random.Random(seed).sample(faults, min(n_faults, len(faults))):
        if runner.late:
            return
        undo = change()
        path.write_text(ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))), encoding="utf-8")
        undo()
        yield f"{module}:{line}, {what}", runner.fails("-x", "--cold-kernels", *tests, limit=limit)
    path.write_text(source, encoding="utf-8")


def faults_in_claims(path):
    """Yield (what, caught) for four faults in each claim of the notebook; caught means named by the tests of the map."""
    record = {claim.id: claim.record for claim in claim_map.Day(path).claims}
    for claim_id in record:
        for fault in ("reworded", "other verdict", "assertions removed", "assertions changed"):
            day = claim_map.Day(path)
            cells = day.cells
            claim = next(cell for cell in cells if f"> **{claim_id}**" in cell.source)
            code = next(cell for cell in cells[cells.index(claim) :] if cell.cell_type == "code")
            line = next(line for line in claim.source.splitlines() if line.startswith(f"> **{claim_id}**"))
            if fault == "reworded":
                claim.source = claim.source.replace(line, line.replace(" - ", " in general - ", 1))
            elif fault == "other verdict":
                words, verdict = re.fullmatch(r"(.+) - (holds.*|no longer.*|wrong.*)", line).groups()
                other = "wrong" if verdict.startswith("holds") else "holds"
                claim.source = claim.source.replace(line, f"{words} - {other}")
            elif fault == "assertions removed":
                code.source = re.sub(r"\bassert ", "_ = ", re.sub(r"(\w+\.)*assert_\w+\(", "print(", code.source))
            else:
                code.source = re.sub(r"\bassert ", "assert not ", re.sub(r"\bassert_\w+\(", "assert_that(", code.source))
            caught = any(text.startswith(claim_id) for text in claim_map.differences([day], record))
            yield f"{path.name}, {claim_id}: {fault}", caught


def faults_in_outputs(runner, path, seed):
    """Yield (what, caught) for one changed digit in each output that prints one; caught: nbval fails that cell."""
    copied = runner.project / "notebooks" / path.name
    notebook, draw, planted = nbformat.read(copied, as_version=4), random.Random(seed), {}
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        texts = [output for output in cell.outputs if output.get("name") == "stdout" and re.search(r"\d", output.text)]
        if texts:
            output = draw.choice(texts)
            place = draw.choice(list(re.finditer(r"\d", output.text)))
            digit = str((int(place.group()) + draw.randint(1, 9)) % 10)
            line = output.text[: place.start()].count("\n") + 1
            output.text = output.text[: place.start()] + digit + output.text[place.end() :]
            planted[number] = f"{path.name}, In [{number + 1}], line {line}: {place.group()} for {digit}"
    nbformat.write(notebook, copied)
    runner.fails("--nbval", "--nbval-current-env", "-rf", f"notebooks/{path.name}", limit=1200)
    failed = set(map(int, re.findall(r"^FAILED .+::Cell (\d+)", runner.log.read_text(encoding="utf-8"), re.MULTILINE)))
    shutil.copy(path, copied)
    for number, what in planted.items():
        yield what, number in failed
    if extra := failed - set(planted):
        yield f"{path.name}: cells {sorted(extra)} failed without a fault", False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--faults", type=int, default=30, help="faults in each module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time")
    parser.add_argument("--no-outputs", action="store_true", help="of a notebook, only its claims: without running it")
    options = parser.parse_args()
    modules = [path for package in PACKAGES for path in sorted((ROOT / package).glob("*.py")) if path.stem != "__init__"]
    files = [path.resolve().relative_to(ROOT) for path in options.files or modules]
    os.environ.update(notebook_environment())
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401
    survivors, total = [], 0
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        runner = Runner(Path(folder), options.minutes)
        for file in files:
            if file.suffix == ".py":
                results = faults_in_module(runner, file, options.faults, options.seed)
            else:
                results = list(faults_in_claims(ROOT / file))
                results += [] if options.no_outputs else faults_in_outputs(runner, ROOT / file, options.seed)
            before, missed = total, len(survivors)
            for what, caught in results:
                total += 1
                if not caught:
                    survivors.append(what)
                    print(f"survived  {what}", flush=True)
            print(f"{file}: {total - before - len(survivors) + missed} of {total - before} caught", flush=True)
    print(f"{total - len(survivors)} of {total} faults caught ({(total - len(survivors)) / max(total, 1):.1%})")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
