"""The Makefile: what it hands over to the supply, and that a long installation shows signs of life."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab_config import ROOT

PYTHON3 = """#!/bin/bash
# Stands for python3 and for the python and pip of an environment.
case "$*" in
  -V) echo "Python ${PYTHON_IS:-3.11.2}" ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$0" "$3/bin/pip" ;;
  "install "*) echo one >>"$INSTALLS"; sleep "$PIP_SECONDS" ;;
  "-m supply env") echo "export STACK_WAS=$KALICO_STACK ENGINE_WAS=${KALICO_ENGINE-none}" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    stub = tmp_path / "bin/python3"
    stub.parent.mkdir()
    stub.write_text(PYTHON3)
    stub.chmod(0o755)
    ours = ("KALICO", "MAKE", "MFLAGS", "STACK", "ENGINE")  # `make test` has its own
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "PATH": f"{stub.parent}:/usr/bin:/bin",
        "KALICO_CACHE": str(tmp_path / "cache"),
        "PIP_SECONDS": "0",
        "INSTALLS": str(tmp_path / "installs"),
    }


def make(machine: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", *words], cwd=ROOT, env=machine, capture_output=True, text=True, timeout=30, check=False
    )


def wait_for(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_env_is_of_the_stack_that_is_named(machine: dict[str, str]) -> None:
    assert make(machine, "env").stdout == "export STACK_WAS=dev ENGINE_WAS=none\n"
    assert make(machine, "env", "STACK=other").stdout == "export STACK_WAS=other ENGINE_WAS=none\n"
    assert make(machine, "env", "ENGINE=docker").stdout == "export STACK_WAS=dev ENGINE_WAS=docker\n"


def test_a_long_installation_shows_signs_of_life_and_they_end_with_it(machine: dict[str, str]) -> None:
    done = make({**machine, "PIP_SECONDS": "1"}, "env", "BEAT=0.2")
    assert done.returncode == 0
    signs = [line for line in done.stderr.splitlines() if "pip at work" in line]
    assert 2 <= len(signs) <= 5
    assert done.stdout == "export STACK_WAS=dev ENGINE_WAS=none\n"  # nothing of it for eval


def test_a_short_installation_says_its_one_line(machine: dict[str, str]) -> None:
    assert make(machine, "env").stderr == "python environment: installing requirements.txt\n"
    assert make(machine, "env").stderr == ""


def test_a_later_checkout_with_the_same_requirements_installs_nothing(machine: dict[str, str]) -> None:
    make(machine, "env")
    (ready,) = Path(machine["KALICO_CACHE"]).glob("venv/*/ready")
    os.utime(ready, (0, 0))
    assert make(machine, "env").stderr == ""


def test_a_newer_python_has_an_environment_of_its_own(machine: dict[str, str]) -> None:
    """The old one's `python` would be the new one, which does not find its packages."""
    make(machine, "env")
    assert make({**machine, "PYTHON_IS": "3.11.9"}, "env").stderr == ""
    assert "installing" in make({**machine, "PYTHON_IS": "3.13.5"}, "env").stderr
    assert len(list(Path(machine["KALICO_CACHE"]).glob("venv/*/ready"))) == 2


def test_of_two_installations_at_once_the_second_waits_and_finds_it_done(machine: dict[str, str]) -> None:
    slow = {**machine, "PIP_SECONDS": "2"}
    with subprocess.Popen(["make", "-s", "env"], cwd=ROOT, env=slow, stdout=subprocess.PIPE, text=True) as first:
        wait_for(lambda: Path(machine["INSTALLS"]).exists())
        assert make(machine, "env").returncode == 0
        assert first.wait(timeout=30) == 0
    assert Path(machine["INSTALLS"]).read_text().splitlines() == ["one"]


def test_an_installation_that_fails_is_not_taken_for_done(machine: dict[str, str]) -> None:
    for _ in range(2):
        done = make({**machine, "PIP_SECONDS": "no number"}, "env")
        assert done.returncode != 0
        assert done.stdout == ""
