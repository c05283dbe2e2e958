"""A live test that fails says what the lab looked like; checked here without a lab."""

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.stack import Stack
from tests.commands.conftest import tools as tools  # the fixture itself
from tests.live.conftest import CLUSTER, diagnosis, pytest_runtest_makereport
from tests.scripts.conftest import Bench
from tests.scripts.conftest import bench as bench

STACK = Stack(name="e2e-podman")


@pytest.fixture
def broken(tools: Bench) -> Bench:
    """A machine on which containers are there and the cluster does not answer."""
    tools.on("podman ps --all", "echo kalico-e2e-worker")
    tools.on("podman network ls", "echo e2e-net")
    tools.on("kubectl *", "echo 'connection refused' >&2; exit 1")
    return tools


def test_a_diagnosis_has_every_question_with_its_answer_or_why_there_is_none(broken: Bench) -> None:
    shown = diagnosis(STACK)
    assert "$ podman ps --all\nkalico-e2e-worker\n" in shown
    assert f"$ kubectl --kubeconfig {broken.folder}/cache/run/{CLUSTER}/kubeconfig" in shown
    assert shown.count("connection refused") == shown.count("$ kubectl ") == 4
    for word in ("get pods,nodes --all-namespaces", "get events --all-namespaces", "--selector=name=multus"):
        assert word in shown


def test_a_machine_without_the_tools_is_no_failure_of_the_diagnosis(
    broken: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(broken.folder / "nothing"))
    assert "$ podman ps --all\n[Errno 2]" in diagnosis(STACK)


def reported(when: str, outcome: str, **funcargs: Any) -> list[tuple[str, str]]:
    """The sections that the hook adds to a report."""
    report: Any = SimpleNamespace(when=when, failed=outcome == "failed", sections=[])
    hook: Generator[None, Any, Any] = pytest_runtest_makereport(cast(Any, SimpleNamespace(funcargs=funcargs)))
    next(hook)
    with pytest.raises(StopIteration) as ended:
        hook.send(report)
    assert ended.value.value is report
    sections: list[tuple[str, str]] = report.sections
    return sections


def test_a_live_test_that_fails_shows_the_lab(broken: Bench) -> None:
    [(title, text)] = reported("call", "failed", stack=STACK)
    assert title == "the lab after the failure"
    assert "kalico-e2e-worker" in text


@pytest.mark.parametrize(
    ("when", "outcome", "funcargs"),
    [("call", "passed", {"stack": STACK}), ("setup", "failed", {"stack": STACK}), ("call", "failed", {})],
    ids=["it passed", "the fixture tells by itself", "no lab"],
)
def test_no_other_report_asks_for_it(broken: Bench, when: str, outcome: str, funcargs: dict[str, Any]) -> None:
    assert reported(when, outcome, **funcargs) == []
    assert broken.calls == []
