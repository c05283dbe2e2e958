"""Networks of other plugins in the program: what is made for them, and what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.scripts import script
from tests.components.conftest import RunLab
from tests.components.test_program import (
    JOIN,
    NAD,
    NAD_KIND,
    NETWORK,
    NODE_CONFS,
    OF_TWO_WORKERS,
    WORKER_RUNS,
    labs_environment,
    saying,
)
from tests.lab_config import network
from tests.recorder import Run

BRIDGE = network(without="mode", plugin="bridge")
BRIDGE_GOES = "Command attachments-ext-net-bridge-kalico-worker"
SECOND_GOES = "Command attachments-ext-net-bridge-kalico-worker2"
SAID = OF_TWO_WORKERS | {f"attachments-ext-net-bridge-{node}": "" for node in NODE_CONFS}


def plugins(run: Run) -> list[dict[str, Any]]:
    config = json.loads(run[NAD].inputs["spec"]["config"])
    found: list[dict[str, Any]] = config["plugins"]
    return found


def test_a_network_on_bridges_has_nothing_of_the_engines_and_nothing_to_join(run_lab: RunLab, program: Run) -> None:
    done = run_lab(answers=saying(SAID), networks=[BRIDGE])
    assert done.error is None, done.error
    assert program.labels - done.labels == {NETWORK, JOIN}
    assert done.labels - program.labels == {BRIDGE_GOES}
    assert plugins(done)[0]["bridge"] == "br-ext-net"
    assert done[NAD].depends_on == {NAD_KIND, WORKER_RUNS, BRIDGE_GOES}
    assert done[NAD].replace_with == {WORKER_RUNS, BRIDGE_GOES}
    assert done.outputs["networks"] == [
        {
            "name": "ext-net",
            "subnet": "10.23.0.0/16",
            "nodes": [
                {"name": "kalico-worker", "interface": "br-ext-net", "range": "10.23.0.100 to 10.23.0.240"},
            ],
        }
    ]


def test_bridges_of_several_workers_are_pointed_out_and_each_has_its_config(
    run_lab: RunLab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    done = run_lab(answers=saying(SAID), workers=2, networks=[BRIDGE])
    assert done.error is None, done.error
    running = {f"Command workers-{node}-running" for node in NODE_CONFS}
    for node, label in NODE_CONFS.items():
        assert done[label].depends_on == {f"Command workers-{node}-running"}
        assert done[label].inputs["triggers"][0] == f"id-of-workers-{node}-running"
        assert '"bridge": "br-ext-net"' in done[label].inputs["environment"]["CONFIG"]
    assert done[NAD].replace_with == {*running, BRIDGE_GOES, SECOND_GOES, *NODE_CONFS.values()}
    assert "each of its 2 workers has a bridge of its own" in caplog.text
    assert [node["interface"] for node in done.outputs["networks"][0]["nodes"]] == ["br-ext-net"] * 2


def test_the_bridges_that_the_plugin_made_go_with_the_network_after_its_nad(run_lab: RunLab, cache: Path) -> None:
    command = run_lab(answers=saying(SAID), workers=2, networks=[BRIDGE])[SECOND_GOES]
    assert command.inputs.get("create") is None
    assert command.inputs["delete"] == script("bridge-delete")
    assert command.inputs["environment"] == labs_environment(cache) | {"NODE": "kalico-worker2", "BRIDGE": "br-ext-net"}
    worker = "Command workers-kalico-worker2"
    assert command.inputs["triggers"][0] == "id-of-workers-kalico-worker2"
    assert command.depends_on == {worker, f"{worker}-running"}
    assert command.deleted_with == worker


def test_another_range_leaves_the_bridges_as_they_are(run_lab: RunLab) -> None:
    ranges = ("10.23.0.240", "10.23.0.241")
    inputs = [
        run_lab(answers=saying(SAID), networks=[BRIDGE | {"ipam": BRIDGE["ipam"] | {"rangeEnd": end}}])[
            BRIDGE_GOES
        ].inputs
        for end in ranges
    ]
    assert inputs[0] == inputs[1]


def test_an_ipvlans_network_is_made_and_joined_as_any_other(run_lab: RunLab, program: Run) -> None:
    done = run_lab(networks=[network(without="mode", plugin="ipvlan")])
    assert done.error is None, done.error
    assert done.labels == program.labels
    assert done[NETWORK].inputs["stdin"] == program[NETWORK].inputs["stdin"]
    assert (plugins(done)[0]["type"], plugins(done)[0]["master"]) == ("ipvlan", "eth1")
