"""A layer that a network has asked for goes with the last such network, and with all that it put on the nodes."""

from typing import Any

import pytest

from tests.live.conftest import CLUSTER, JOIN, WORKER, WORKER2, Lab, changed, run

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

SHARED, LEASED = "e2e-shared", "e2e-leased"


def test_whereabouts_and_the_dhcp_daemon_leave_nothing_on_the_nodes(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:networks"] = [each for each in config["kalico:networks"] if each["name"] not in (SHARED, LEASED)]
    for pod in config["kalico:pods"]:
        pod["networks"] = [each for each in pod["networks"] if each not in (SHARED, LEASED)]
    touched = changed(lab, config)
    assert touched >= {"whereabouts", "leases", f"leases-daemon-{WORKER2}", "pods-near", "pods-far"}
    assert not touched & {"cluster-kind", "networks-e2e-net", JOIN}
    for node in (f"{CLUSTER}-control-plane", WORKER, WORKER2):
        folders = ("/opt/cni/bin", "/etc/cni/net.d", "/run/kalico", "/etc/systemd/system")
        there = run(lab.engine, "exec", node, "ls", *folders).split()
        assert not {"whereabouts", "whereabouts.d", "kalico-dhcp.service"} & set(there)
    assert lab.stack.outputs()["self_test"]["failed"] == 0
