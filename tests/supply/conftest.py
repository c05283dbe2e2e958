"""What the tests of the supply have in common: a web server on loopback, and a machine with an empty cache."""

import pwd
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from supply.download import Web
from supply.store import Store
from supply.ways import Machine
from tests.supply.loopback import QUICK, Program, Site, serving


@pytest.fixture(autouse=True)
def users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pulumi's home of a user who has never used it: not the one who runs the tests."""
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "home")))
    return tmp_path / "home/.pulumi"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as here:
        yield here


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def machine(tmp_path: Path, said: list[str]) -> Machine:
    """Not root, nothing on PATH, an empty cache, and impatient."""
    return Machine(
        store=Store(root=tmp_path / "cache"),
        web=Web(patience=QUICK),
        env={"PATH": "", "HOME": str(tmp_path)},
        say=said.append,
        root=False,
    )


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a shell script NAME that runs BODY; gives the folder it is in."""

    def write(name: str, body: str) -> Path:
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
        return folder

    return write
