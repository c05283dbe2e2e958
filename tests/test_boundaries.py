"""Who may know of whom: the settings nothing of Pulumi, the program nothing of the supply, one place the engines."""

import ast
import gc
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.engines import ENGINES
from components.settings.ipam import IPAM_TYPES
from tests.lab_config import ROOT
from tests.scripts.test_shell_files import SCRIPTS

COMPONENTS = sorted((ROOT / "components").rglob("*.py"))
PROGRAM = [ROOT / "__main__.py", *COMPONENTS]
PURE = [
    *sorted((ROOT / "components/settings").glob("*.py")),
    *(ROOT / f"components/{n}.py" for n in ("annotations", "engines", "machine", "node_look", "records", "upstream")),
]


@pytest.fixture(autouse=True)
def parsed_undisturbed() -> Iterator[None]:
    """`ast.parse` fails in Python 3.11 where what other tests left is collected meanwhile (cpython's gh-106905)."""
    gc.disable()
    yield
    gc.enable()


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """Every module that the file imports, in full and by each of its packages."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[: i + 1]) for name in names for i in range(name.count(".") + 1)}


def test_there_is_something_to_look_at() -> None:
    assert len(COMPONENTS) > 10


@pytest.mark.parametrize("path", PURE, ids=by_path)
def test_the_settings_and_the_engines_import_nothing_of_pulumi(path: Path) -> None:
    assert not {name for name in imported(path) if name.startswith("pulumi")}


def test_the_settings_and_the_engines_load_without_pulumi() -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PURE]
    program = f"import sys, {', '.join(modules)}; print([m for m in sys.modules if m.startswith('pulumi')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("path", PROGRAM, ids=by_path)
def test_a_new_ipam_type_is_one_class_and_one_row(path: Path) -> None:
    """Whoever else knew of a class would be a further place to see to."""
    classes = {f"{type_.__module__}.{type_.__name__}" for type_ in IPAM_TYPES.values()}
    assert not imported(path) & classes
    assert not re.search(r"isinstance\([^)]*\bipam\b", path.read_text())


@pytest.mark.parametrize("path", PROGRAM, ids=by_path)
def test_the_program_knows_nothing_of_the_supply_its_commands_or_its_tests(path: Path) -> None:
    assert not imported(path) & {"supply", "commands", "tests"}


@pytest.mark.parametrize("path", PROGRAM, ids=by_path)
def test_the_program_does_not_look_into_the_supplys_folder(path: Path) -> None:
    assert not [text for text in texts(path) if re.search(r"\bsupply\b", text)]


def texts(path: Path, docstrings: bool = False) -> Iterator[str]:
    """The string literals of the file's code."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (docstrings or id(node) not in alone):
            yield node.value


@pytest.mark.parametrize("path", COMPONENTS, ids=by_path)
def test_engines_are_named_in_one_place_and_in_the_settings(path: Path) -> None:
    if path in PURE:
        return
    names = {token.string for token in tokens(path) if token.type == tokenize.NAME}
    named = {engine for engine in ENGINES for text in [*texts(path), *names] if engine in text.lower()}
    assert not named


@pytest.mark.parametrize("path", SCRIPTS, ids=by_path)
def test_a_script_asks_for_the_engine_that_it_is_given(path: Path) -> None:
    code = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    # (Not so the variables of kind, which have an engine's name within theirs.)
    assert not {engine for engine in ENGINES if re.search(rf"\b{engine}\b", code)}


def tokens(path: Path) -> Iterator[tokenize.TokenInfo]:
    yield from tokenize.generate_tokens(io.StringIO(path.read_text()).readline)


@pytest.mark.parametrize("path", COMPONENTS, ids=by_path)
def test_no_value_is_formatted_into_a_script(path: Path) -> None:
    """A Command is made in one place only, and its `create` and `delete` are nothing but a file's text."""
    commands = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Command")
    ]
    if path != ROOT / "components/scripts/__init__.py":
        assert not commands
        return
    [command] = commands
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in command.keywords}
    assert given["create"] == "script(create) if create else None"
    assert given["delete"] == "script(delete) if delete else None"
    assert "update" not in given


def test_every_script_is_run_by_the_program() -> None:
    named = {text for path in COMPONENTS for text in texts(path)}
    assert {path.stem for path in SCRIPTS} <= named


def test_the_program_is_a_table_of_contents() -> None:
    """Nothing is decided, repeated, caught or defined in `__main__.py`."""
    plain = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    tree = ast.parse((ROOT / "__main__.py").read_text())
    assert not [ast.unparse(node) for node in tree.body if not isinstance(node, plain)]
    busy = (ast.IfExp, ast.comprehension, ast.Lambda, ast.BoolOp, ast.NamedExpr)
    assert not [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, busy)]


@pytest.mark.parametrize("path", COMPONENTS, ids=by_path)
def test_a_components_type_is_its_modules_class(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and "pulumi.ComponentResource" in map(ast.unparse, node.bases):
            assert f"kalico:lab:{node.name}" in set(texts(path))
