"""Break one thing at a time in a module, and see whether its own unit tests notice.

    python tools/mutate.py policies.rollout policies.gates policies.stats [--sample 100] [--least 90]

Each mutant changes one comparison, operator, constant, condition or name of an enum member, and runs in a forked
child. Prints what survived, as file:line with the change, and the share killed; 1 if that is under `--least` percent.
"""

import argparse
import ast
import copy
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import cast

import hypothesis
import numpy as np  # noqa: F401 # pyright: ignore[reportUnusedImport] -- loaded once, so that no child has to
import pytest

TIMEOUT_S = 60
OPTIONS = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.", "--import-mode=importlib"]
SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.USub: (ast.UAdd,),
    ast.MatMult: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
}  # fmt: skip


def changes(node: ast.AST, members: dict[str, list[str]]) -> Iterator[tuple[str, ast.AST]]:
    """Ways to break one node, each with its description and the node that replaces it."""
    match node:
        case ast.Compare():
            for swap in SWAPS.get(type(node.ops[0]), ()):
                yield f"{type(node.ops[0]).__name__} -> {swap.__name__}", _with(node, ops=[swap(), *node.ops[1:]])
        case ast.UnaryOp(op=ast.Not()):
            yield "not x -> x", node.operand
        case ast.BinOp() | ast.BoolOp() | ast.UnaryOp() | ast.AugAssign():
            for swap in SWAPS.get(type(node.op), ()):
                yield f"{type(node.op).__name__} -> {swap.__name__}", _with(node, op=swap())
        case ast.Constant(value=bool() as value):
            yield f"{value} -> {not value}", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield f"{value} -> {value + 1}", ast.Constant(value + 1)
        case ast.If() | ast.IfExp():
            yield "condition -> not condition", _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in members.get(owner, ()):
            every = members[owner]
            other = every[(every.index(name) + 1) % len(every)]
            yield f"{name} -> {other}", _with(node, attr=other)
        case _:
            pass


def _with(node: ast.AST, **fields: object) -> ast.AST:
    found = copy.copy(node)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


class _Place(ast.NodeTransformer):
    """Replaces the n-th node that `visit` meets."""

    def __init__(self, index: int, node: ast.AST) -> None:
        self.left, self.node = index, node

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace this node, or go on below it."""
        self.left -= 1
        return ast.copy_location(self.node, node) if self.left == -1 else self.generic_visit(node)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes in the order in which `_Place` meets them."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One thing to break: its line, what is changed, which node of the tree, and what replaces it."""

    line: int
    told: str
    index: int
    node: ast.AST

    def tree(self, source: str) -> ast.Module:
        """The whole module, broken."""
        found = _Place(self.index, copy.deepcopy(self.node)).visit(ast.parse(source))
        return cast("ast.Module", ast.fix_missing_locations(found))


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module."""
    tree = ast.parse(source)
    used: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id[0].isupper():
            used.setdefault(node.value.id, [])
            if node.attr.isupper() and node.attr not in used[node.value.id]:
                used[node.value.id].append(node.attr)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    declared = {id(node) for found in classes for part in found.decorator_list for node in ast.walk(part)}
    members = {name: found for name, found in used.items() if len(found) > 1}
    for index, node in enumerate(_walk(tree)):
        if id(node) in declared:  # frozen and slots guard against bugs that no behaviour shows
            continue
        for told, other in changes(node, members):
            yield Mutant(getattr(node, "lineno", 0), told, index, other)


class _Overlay(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a tree instead of its file."""

    def __init__(self, name: str, tree: ast.Module, path: Path) -> None:
        self.name, self.tree, self.path = name, tree, path

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The mutant's spec; None for every other module."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant in place of the module."""
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)  # noqa: S102 -- our own tree


def survives(name: str, tree: ast.Module, path: Path, tests: Path) -> bool:
    """Whether the tests pass with the mutant in place."""
    gc.freeze()  # what is here now is no child's to look through
    child = os.fork()
    if not child:
        signal.alarm(TIMEOUT_S)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, _Overlay(name, tree, path))
        os._exit(int(pytest.main([*OPTIONS, str(tests)]) != 0))
    return os.waitpid(child, 0)[1] == 0


def main() -> int:
    """Mutate the modules named, and print what their tests let pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("modules", nargs="+")
    parser.add_argument(
        "--sample", type=int, default=0, help="at most about so many mutants of each module, evenly spread"
    )
    parser.add_argument("--least", type=float, default=90.0, help="percent that must be killed")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path.cwd()))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # pure modules need none, and a child would load them all
    found = hypothesis.Phase.explicit, hypothesis.Phase.generate  # a failure will do, it need not be the simplest
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=found)
    hypothesis.settings.load_profile("mutants")
    enough = True
    for name in arguments.modules:
        path = Path(*name.split(".")).with_suffix(".py")
        tests = Path("tests/unit", *path.parts[:-1], f"test_{path.name}")
        source = path.read_text(encoding="utf-8")
        if not survives(name, ast.parse(source), path, tests):
            print(f"{tests} fails as it is: nothing can be learnt from mutants")
            return 2
        every = list(mutants(source))
        step = max(1, len(every) // arguments.sample) if arguments.sample else 1
        tried, survived = 0, 0
        for mutant in every[::step]:
            tried += 1
            if survives(name, mutant.tree(source), path, tests):
                survived += 1
                print(f"{path}:{mutant.line}: survived: {mutant.told}", flush=True)
        killed = 100 * (tried - survived) / max(1, tried)
        print(
            f"{name}: {tried - survived} of {tried} mutants killed ({killed:.1f} %), of {len(every)} in all", flush=True
        )
        enough = enough and killed >= arguments.least
    return int(not enough)


if __name__ == "__main__":
    sys.exit(main())
