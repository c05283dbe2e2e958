"""The program's haste leaves out what nobody reads, and only that."""

import gc
from collections.abc import Iterator

import pulumi
import pytest

from components.haste import hurry


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the engine is told, of whatever severity."""
    found: list[str] = []
    monkeypatch.setattr(pulumi.log, "get_engine", lambda: "engine")
    monkeypatch.setattr(pulumi.log, "_log", lambda _engine, _severity, message, *_: found.append(message))
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    yield found
    gc.enable()


def test_the_engine_is_told_all_but_the_lines_of_debug(told: list[str]) -> None:
    hurry()
    for tell in (pulumi.log.debug, pulumi.log.info, pulumi.log.warn, pulumi.log.error):
        tell(f"by {tell.__name__}", None, None, None)
    assert told == ["by info", "by warn", "by error"]


@pytest.mark.usefixtures("told")
def test_no_garbage_is_looked_for() -> None:
    hurry()
    assert not gc.isenabled()
