"""Plant faults and report which the tests catch: ``python tests/plant_faults.py [--faults 30] [--seed 0] [FILE ...]``.

FILE is a module of a package (``architectures/gru.py``) or a notebook; without one, all modules. Faults go into a copy.

In a module, each fault is one change of its code: a sign, a comparison, a number, an axis, swapped arguments or gates, a
negated condition, a call or an assertion left out. Its doctests and the test files that import it run until one fails. In a
notebook, every claim is reworded, given another verdict, and stripped of or given other assertions; and in the text that
each cell printed one digit or letter is changed, which nbval must find. A fault that tests/equivalent_faults.txt explains
is not planted. ``--only TEXT`` plants all faults whose report contains the text: does a new test catch a survivor? Not on
Windows (fork).
"""

import argparse
import ast
import contextlib
import copy
import gc
import itertools
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
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}
COMMUTE = {
    "add",
    "mul",
    "multiply",
    "maximum",
    "minimum",
    "max",
    "min",
    "array_equal",
    "allclose",
    "logaddexp",
    "isclose",
    "assert_allclose",
}


class Faults(ast.NodeVisitor):
    """Collects (line, what, change) of a tree; `change` makes the fault in the tree and returns what undoes it."""

    def __init__(self, tree, numbers=True):
        self.found, self.names, self.path, self.numbers = [], [], [], numbers
        self.visit(tree)

    def visit(self, node):
        self.path.append(node)
        super().visit(node)
        self.path.pop()

    def add(self, node, what, owner, **values):
        def change():
            before = {field: getattr(owner, field) for field in values}
            vars(owner).update(values)
            return lambda: vars(owner).update(before)

        self.found.append((node.lineno, f"{'.'.join(self.names) or 'module'}: {what}", change))

    def visit_FunctionDef(self, node):
        self.names.append(node.name)
        self.generic_visit(node)  # the docstring holds no number
        self.names.pop()

    visit_ClassDef = visit_FunctionDef

    def visit_arguments(self, node):
        """Not the numbers among the defaults: they are choices, and the notebooks' saved outputs hold them."""
        for default in [*node.defaults, *node.kw_defaults]:
            if not (isinstance(default, ast.Constant) and type(default.value) in (int, float)):
                self.visit(default or ast.Pass())

    def visit_keyword(self, node):
        if node.arg != "strict":  # of zip: changes nothing where lengths are equal
            self.generic_visit(node)

    def visit_Raise(self, node):
        """Not what an error says."""

    def visit_Assert(self, node):
        self.add(node, f"assert {ast.unparse(node.test)}: left out", node, test=ast.Constant(True))
        self.visit(node.test)  # not what it says

    def visit_BinOp(self, node):
        if type(node.op) in OTHER:
            self.add(node, f"{ast.unparse(node)}: the operator", node, op=OTHER[type(node.op)]())
        elif isinstance(node.op, ast.MatMult):
            self.add(node, f"{ast.unparse(node)}: swapped", node, left=node.right, right=node.left)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add(node, f"{ast.unparse(node)}: the sign", node, op=ast.UAdd())
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        if type(node.op) in OTHER:
            self.add(node, f"{ast.unparse(node)}: the operator", node, op=OTHER[type(node.op)]())
        self.generic_visit(node)

    def visit_Compare(self, node):
        for position, operator in enumerate(node.ops):
            ops = [*node.ops]
            ops[position] = OTHER[type(operator)]()
            self.add(node, f"{ast.unparse(node)}: comparison {position + 1}", node, ops=ops)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        self.add(node, f"{ast.unparse(node)}: and/or", node, op=OTHER[type(node.op)]())
        self.generic_visit(node)

    def visit_If(self, node):
        self.add(node, f"if {ast.unparse(node.test)}: negated", node, test=ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_IfExp = visit_If

    def visit_comprehension(self, node):
        for position, test in enumerate(node.ifs):
            ifs = [*node.ifs]
            ifs[position] = ast.UnaryOp(ast.Not(), test)
            self.add(test, f"if {ast.unparse(test)}: negated", node, ifs=ifs)
        self.generic_visit(node)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call):
            self.add(node, f"{ast.unparse(node)}: left out", node, value=ast.Constant(None))
        self.generic_visit(node)

    def visit_Constant(self, node):
        where = ast.unparse(self.path[-2])
        if isinstance(node.value, bool):
            self.add(node, f"{where}: {node.value} the other", node, value=not node.value)
        elif self.numbers and isinstance(node.value, int | float):
            self.add(node, f"{where}: {node.value} one more", node, value=node.value + 1)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "isinstance":
            return  # neither order nor types: no test could miss it
        for n, (first, second) in enumerate(itertools.pairwise(node.args)):
            if name not in COMMUTE and _may_swap(first, second):
                args = [*node.args[:n], second, first, *node.args[n + 2 :]]
                self.add(node, f"{ast.unparse(node)}: arguments {n + 1} and {n + 2} swapped", node, args=args)
        self.generic_visit(node)

    def visit_Assign(self, node):
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) > 1:
            first, second, *rest = target.elts
            self.add(node, f"{ast.unparse(node)}: first two targets swapped", target, elts=[second, first, *rest])
        self.generic_visit(node)


def _may_swap(first, second):
    """Whether two arguments look alike: an array and a list, say, swapped would be an error in every test."""
    return type(first) is type(second) is not ast.Starred and ast.unparse(first) != ast.unparse(second)


def tests_of(module):
    """The test files of the module's package that import it, its own first; of exercises, theirs; if none does, all."""
    pattern = "test_exercises*.py" if module.stem == "exercises" else "test_[!e]*.py"
    files = sorted((ROOT / "tests" / module.parent.name).glob(pattern))
    imported = re.compile(rf"\b{module.parent.name}(\.| import .*\b){module.stem}\b")
    files = [path for path in files if imported.search(path.read_text(encoding="utf-8"))] or files
    return sorted(files, key=lambda path: path.stem != f"test_{module.stem}")


def run_pytest(project, arguments, log):
    """Run pytest in this process, which was forked for it; exit with its code."""
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.chdir(project)
        sys.path[:] = [str(project), str(project / "tests")] + [path for path in sys.path if not path.startswith(str(ROOT))]
        gc.freeze()  # pytest collects garbage when it ends, and the libraries' objects are many
        sys.dont_write_bytecode = False  # in the copy: test files are compiled once
        import pytest

        options = ["-n", "0", "-q", "-o", "addopts=--import-mode=importlib --doctest-modules"]
        options += [f"-pno:{plugin}" for plugin in ("cacheprovider", "anyio", "benchmark")]
        os._exit(pytest.main([*options, *arguments]))


class Runner:
    """A copy of the project and processes with the heavy libraries loaded to run its tests in."""

    def __init__(self, folder, minutes):
        self.project, self.log, self.deadline = folder / "project", folder / "log", time.monotonic() + 60 * minutes
        ignore = shutil.ignore_patterns(".git", "build", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT, self.project, ignore=ignore)
        self.context = multiprocessing.get_context("forkserver")
        libraries = "torch tensorflow keras pandas sklearn.metrics scipy.stats matplotlib.pyplot nbformat networkx"
        self.context.set_forkserver_preload(libraries.split())

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


def faults_in_module(runner, module, n_faults, seed, only):
    """Yield (what, caught) for `n_faults` faults of the module, drawn at random, or for all that `only` is a part of."""
    path = runner.project / module
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    faults = [
        (f"{module}:{line}, {what}", change)
        for line, what, change in Faults(tree, numbers=module.stem != "exercises").found  # there they are data
        if f"{module}, {what}" not in explained()
    ]
    if only:
        faults = [fault for fault in faults if only in fault[0]]
    else:
        faults = random.Random(seed).sample(faults, min(n_faults, len(faults)))
    tests = [str(module), *(str(test.relative_to(ROOT)) for test in tests_of(ROOT / module))]
    start = time.monotonic()
    if runner.fails("-x", "--cold-kernels", *tests):
        sys.exit(f"{module}: its tests fail without a fault:\n{runner.log.read_text(encoding='utf-8')[-3000:]}")
    limit = 30 + 3 * (time.monotonic() - start)
    for number, (what, change) in enumerate(faults):
        if runner.late:
            return
        undo = change()
        path.write_text(ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree))), encoding="utf-8")
        undo()
        os.utime(path, (number, number))  # or a compiled version of the same second and length would be used
        yield what, runner.fails("-x", "--cold-kernels", *tests, limit=limit)
    path.write_text(source, encoding="utf-8")


def faults_in_claims(path):
    """Yield (what, caught) for four faults in each claim of the notebook and one assertion removed from each other cell.

    Caught means named by the tests of the map.
    """
    sound = claim_map.Day(path)
    record = {item.record[0]: item.record for item in (sound, *sound.claims)}

    def named(day, item_id):
        return any(re.match(rf"{item_id}\b(?!\.)", text) for text in claim_map.differences([day], record))

    for claim_id in [claim.id for claim in sound.claims]:
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
                code.source = _without_assertions(code.source)
            else:
                code.source = re.sub(r"\bassert ", "assert not ", re.sub(r"\bassert_\w+\(", "assert_that(", code.source))
            yield f"{path.name}, {claim_id}: {fault}", named(day, claim_id)
    claimed = {claim.assertions for claim in sound.claims}
    for position, cell in enumerate(sound.cells):
        found = claim_map.assertions(cell.source) if cell.cell_type == "code" else []
        if found and "\n".join(found) not in claimed:
            day = claim_map.Day(path)
            day.cells[position].source = _without_assertions(cell.source, count=1)
            yield f"{path.name}, cell {position}: first assertion removed", named(day, sound.record[0])


def _without_assertions(source, count=0):
    """The source with the first `count` assertions, or all, turned into something that asserts nothing."""
    pattern = r"\bassert |(\w+\.)*\bassert_\w+\("
    return re.sub(pattern, lambda found: "_ = " if found.group() == "assert " else "print(", source, count=count)


def faults_in_outputs(runner, path, seed):
    """Yield (what, caught) for one changed digit or letter in the text that each cell printed; caught: nbval fails it."""
    copied = runner.project / "notebooks" / path.name
    notebook, draw, planted = nbformat.read(copied, as_version=4), random.Random(seed), {}
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        texts = [(output, "text") for output in cell.outputs if output.get("name") == "stdout"]
        texts += [
            (output.data, kind) for output in cell.outputs for kind in output.get("data", {}) if kind.startswith("text/")
        ]
        if texts and "nbval-ignore-output" not in cell.metadata.get("tags", []):
            owner, key = draw.choice(texts)
            place = draw.choice(list(re.finditer(r"[0-9]", owner[key])) or list(re.finditer(r"[A-Za-z]", owner[key])))
            other = draw.choice([c for c in ("0123456789" if place.group().isdigit() else "abcxyz") if c != place.group()])
            line = owner[key][: place.start()].count("\n") + 1
            owner[key] = owner[key][: place.start()] + other + owner[key][place.end() :]
            planted[number] = f"{path.name}, In [{number + 1}], line {line} of its {key}: {other} for {place.group()}"
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
    parser.add_argument("--only", metavar="TEXT", help="all faults in modules whose report contains this, none at random")
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
                results = faults_in_module(runner, file, options.faults, options.seed, options.only)
            else:
                results = list(faults_in_claims(ROOT / file))
                results += [] if options.no_outputs else faults_in_outputs(runner, ROOT / file, options.seed)
            before, missed, start = total, len(survivors), time.monotonic()
            for what, caught in results:
                total += 1
                if not caught:
                    survivors.append(what)
                    print(f"survived  {what}", flush=True)
            caught = f"{total - before - len(survivors) + missed} of {total - before} caught"
            print(f"{file}: {caught} in {time.monotonic() - start:.0f} s", flush=True)
    print(f"{total - len(survivors)} of {total} faults caught ({(total - len(survivors)) / max(total, 1):.1%})")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
