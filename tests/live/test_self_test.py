"""The lab proves itself: what its self-test says of a lab that works, and of one that does not."""

from typing import Any

import pytest

from tests.live.conftest import PEER, TESTED, Lab, changed, previewed_and_done, run

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_up_has_asked_the_pod_itself_and_nothing_failed(lab: Lab) -> None:
    told = lab.stack.outputs()["self_test"]
    assert told["failed"] == 0, told
    passed = {each["name"]: each["figure"] for each in told["checks"] if each["ok"]}
    of_net1 = {"link", "address", "MAC", "MTU", "routes", "way out", "duplicates"}
    assert set(passed) == of_net1 | {"neighbour", "TCP", "large packet"} | {"DNS", "API", "has"}
    assert passed["address"] == f"{lab.net1()}/16"


def test_it_is_asked_again_at_any_time(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    assert lab.stack.check() == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1].startswith("self-test: 15 passed, 0 failed")


def test_a_neighbour_that_is_gone_is_all_that_is_reported_until_up_brings_it_back(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    run(lab.engine, "stop", "--time", "0", PEER)
    assert lab.stack.check() == 1
    failed = [line for line in capfd.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert {line.split(":")[0] for line in failed} == {f"FAIL  samplepod net1 {way} the peer" for way in ("to", "from")}
    assert previewed_and_done(lab.stack) == {"peers-e2e-net", *TESTED}
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def test_it_can_be_left_out_and_nothing_else_changes(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:selfTest"] = False
    assert changed(lab, config) == {"self-test-plan", *TESTED}
    assert "self_test" not in lab.stack.outputs()
    assert lab.stack.check() == 0
    del config["kalico:selfTest"]
    assert changed(lab, config) == {"self-test-plan", *TESTED}
    assert lab.stack.outputs()["self_test"]["failed"] == 0
