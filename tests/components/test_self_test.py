"""The self-test in the program: what it is asked, when again, and how a failure ends an `up`."""

import atexit
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.checks.judge import Result, as_output
from components.checks.plan import from_json, plan
from components.scripts import script
from components.self_test import ALREADY_SAID, end
from components.workspace import owner
from tests.components.conftest import ANSWERS, STDOUT, Left, RunLab
from tests.components.test_program import BORN, STARTED
from tests.lab_config import ROOT, lab, pod
from tests.recorder import Answers, Run

SELF_TEST = "Command self-test-checks"
PLAN = "Command self-test-plan"
PASSED = Result(name="MTU", pod="default/samplepod", what="net1", ok=True, figure="1500")
FAILED = Result(name="TCP", pod="default/samplepod", what="net1", ok=False, figure="no answer", where="its events")


def saying(*results: Result) -> Answers:
    answers = STDOUT | {"self-test-checks": as_output(results)}
    return {**ANSWERS, "command:local:Command": lambda name, inputs: {"stdout": answers[name]}}


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What the program would do at its end, and the errors that it tells."""
    found: dict[str, list[Any]] = {"with": [], "errors": []}
    monkeypatch.setattr(atexit, "register", lambda *call: found["with"].extend([call] if call[0] is end else []))
    monkeypatch.setattr(pulumi.log, "error", lambda text: found["errors"].append(text))
    return found


def test_the_plan_goes_to_the_script_with_the_python_that_runs_the_program(program: Run) -> None:
    inputs = program[SELF_TEST].inputs
    assert from_json(inputs["stdin"]) == plan(lab())
    assert inputs["environment"]["PYTHON"] == sys.executable
    assert Path(inputs["environment"]["PROGRAM"]) == ROOT


def test_it_is_asked_again_of_other_pods_and_after_the_start_of_a_node(program: Run) -> None:
    assert program[SELF_TEST].inputs["triggers"][:-1] == [STARTED, "uid-of-pods-samplepod"]


def test_one_that_passed_is_left_alone_and_one_that_did_not_is_made_again(run_lab: RunLab, left: Left) -> None:
    def because(left: Left) -> str:
        done = run_lab(left=left)
        assert done.error is None
        said: str = done[SELF_TEST].inputs["environment"]["BECAUSE"]
        return said

    assert because(left) == ""
    assert because(replace(left, records=left.records | {"self-test": "an earlier reason\n"})) == "an earlier reason"
    without = {name: text for name, text in left.records.items() if name != "self-test"}
    assert because(replace(left, records=without)).endswith(" the last one did not pass")


@pytest.mark.parametrize("self_test", ["true", "false"])
@pytest.mark.parametrize("pods", [[], [pod(networks=[])]], ids=["none", "on no network"])
def test_without_pods_on_a_network_the_plan_that_is_kept_is_of_the_nodes_alone(
    run_lab: RunLab, pods: list[dict[str, Any]], self_test: str
) -> None:
    """And not the last one that had any, of which `make check` would go on telling."""
    done = run_lab(pods=pods, selfTest=self_test)
    assert done.error is None
    assert {label for label in done.labels if "self-test" in label} == {PLAN, "SelfTest self-test"}
    assert from_json(done[PLAN].inputs["stdin"]).interfaces == ()
    assert "self_test" not in done.outputs


def test_turned_off_its_plan_is_kept_and_nobody_is_asked(run_lab: RunLab, program: Run) -> None:
    done = run_lab(selfTest="false")
    assert done.error is None
    assert done.labels == program.labels - {SELF_TEST} | {PLAN}
    assert "self_test" not in done.outputs
    kept = done[PLAN]
    assert (kept.inputs["create"], kept.inputs.get("delete")) == (script("check-plan"), None)
    assert kept.inputs["stdin"] == program[SELF_TEST].inputs["stdin"]
    assert kept.parent == "SelfTest self-test"
    assert "Command readiness-report" in kept.depends_on


def test_the_plan_is_kept_again_in_another_cluster_and_not_for_another_pod(run_lab: RunLab) -> None:
    assert run_lab(selfTest="false")[PLAN].inputs["triggers"][:-1] == [BORN]


def test_what_passed_ends_the_program_well(run_lab: RunLab, ending: dict[str, list[Any]]) -> None:
    done = run_lab(answers=saying(PASSED))
    assert done.outputs["self_test"] == {"passed": 1, "failed": 0, "checks": [asdict(PASSED)]}
    assert ending == {"with": [], "errors": []}


def test_what_failed_is_told_and_ends_the_program_badly_when_all_outputs_are_there(
    run_lab: RunLab, ending: dict[str, list[Any]]
) -> None:
    done = run_lab(answers=saying(PASSED, FAILED))
    assert done.error is None
    assert done.outputs["self_test"] == json.loads(as_output([PASSED, FAILED]))
    assert ending["errors"] == [f"the self-test failed:\n{FAILED}"]
    assert [call for call, *_ in ending["with"]] == [end]


def test_the_end_of_a_program_with_failures_leaves_whose_the_lab_is(tmp_path: Path) -> None:
    """It is the last that runs: what else was to be done at the end is not."""
    program = f"""
import atexit, pathlib
from components.self_test import end
atexit.register(print, "not reached")
atexit.register(end, pathlib.Path({str(tmp_path / "run")!r}), "own")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (ALREADY_SAID, "", "")
    assert owner(tmp_path / "run") == "own"
