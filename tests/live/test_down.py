"""The end of the lab: the engine has just been restarted, parts of it are gone already, and nothing of it stays."""

import pytest

from tests.live.conftest import PEER, WORKER, Lab, engine_restarted, eventually, nothing_added_to, run

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_down_of_a_lab_that_others_took_apart_leaves_nothing_on_the_machine(lab: Lab) -> None:
    engine_restarted(lab)
    run(lab.engine, "rm", "--force", PEER)
    run(lab.engine, "network", "disconnect", "--force", "e2e-net", WORKER)
    run(lab.engine, "network", "rm", "e2e-net")
    run(lab.engine, "rm", "--force", WORKER)
    assert lab.stack.down() == 0
    eventually(lambda: nothing_added_to(lab.before), seconds=20)
