"""What happens to the lab behind Pulumi's back: the preview shows it, `up` does that, and the lab works again."""

import ipaddress

import pytest

from tests.live.conftest import (
    CLUSTER,
    JOIN,
    PEER,
    RANGE,
    TESTED,
    WORKER,
    Case,
    Lab,
    check_routes,
    eventually,
    previewed_and_done,
    run,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

CONTROL_PLANE = f"{CLUSTER}-control-plane"
ATTACHED = {"attachments-e2e-net", "pods-samplepod", *TESTED}
JOINED = {JOIN, *ATTACHED}
STARTED = {
    f"workers-{WORKER}-running",
    "calico-look",
    f"cni-plugins-{WORKER}",
    "multus-conf",
    "pods-attachable",
    "readiness-report",
    *JOINED,
}


CASES = {
    # First, as long as its interface has the number that docker gives it at a start: joined again it has another.
    "the worker is restarted": Case(happens=lambda lab: _restart(lab), repaired=STARTED),
    "the pod is deleted": Case(
        happens=lambda lab: lab.kubectl("delete", "pod", "samplepod", "--now"), repaired={"pods-samplepod", *TESTED}
    ),
    "the NAD is edited": Case(
        happens=lambda lab: lab.kubectl(
            "patch", "net-attach-def", "e2e-net", "--type=merge", "--patch", '{"spec":{"config":"{}"}}'
        ),
        repaired=ATTACHED,
    ),
    "the NAD is deleted": Case(
        happens=lambda lab: lab.kubectl("delete", "net-attach-def", "e2e-net"), repaired=ATTACHED
    ),
    "the worker's interface has an address": Case(
        happens=lambda lab: lab.in_node("ip", "address", "add", "10.33.250.9/16", "dev", lab.interface()),
        repaired=JOINED,
    ),
    "the worker is taken off the network": Case(
        happens=lambda lab: run(lab.engine, "network", "disconnect", "--force", "e2e-net", WORKER), repaired=JOINED
    ),
    "the network is removed": Case(
        happens=lambda lab: [
            run(lab.engine, "rm", "--force", PEER),
            run(lab.engine, "network", "disconnect", "--force", "e2e-net", WORKER),
            run(lab.engine, "network", "rm", "e2e-net"),
        ],
        repaired={"networks-e2e-net", "peers-e2e-net", *JOINED},
    ),
    "the peer has lost its address": Case(
        happens=lambda lab: run(lab.engine, "restart", "--time", "0", PEER), repaired={"peers-e2e-net", *TESTED}
    ),
    "Multus's conf is deleted": Case(
        happens=lambda lab: lab.in_node("rm", "/etc/cni/net.d/00-multus.conf"),
        repaired={"multus-conf", "pods-attachable", "readiness-report"},
    ),
    "a plugin is deleted": Case(
        happens=lambda lab: lab.in_node("rm", "/opt/cni/bin/macvlan"),
        repaired={f"cni-plugins-{WORKER}", "pods-attachable"},
    ),
    "every node is stopped": Case(
        happens=lambda lab: run(lab.engine, "stop", "--time", "2", WORKER, CONTROL_PLANE),
        repaired={"cluster-running", f"cni-plugins-{CONTROL_PLANE}", *STARTED},
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_the_lab_is_repaired_as_the_preview_says_when(lab: Lab, what: str) -> None:
    case = CASES[what]
    case.happens(lab)
    assert previewed_and_done(lab.stack) == case.repaired
    _works(lab)


def test_a_removed_node_is_a_reason_to_replace_the_cluster_and_the_preview_says_so(lab: Lab) -> None:
    run(lab.engine, "rm", "--force", "--volumes", WORKER)
    touched = previewed_and_done(lab.stack)
    assert "cluster-kind" in touched
    assert "networks-e2e-net" not in touched
    _works(lab)


def test_a_cluster_that_kind_deleted_comes_back_after_a_refresh(lab: Lab) -> None:
    run("kind", "delete", "cluster", "--name", CLUSTER, "--kubeconfig", str(lab.kubeconfig))
    refreshed = lab.stack.pulumi("refresh", "--yes", "--skip-preview", quiet=True)
    assert refreshed.returncode == 0, refreshed.stdout
    assert "cluster-kind" in previewed_and_done(lab.stack)
    _works(lab)


def _restart(lab: Lab) -> None:
    """The worker; and its pod has net1 again before anybody repairs anything."""
    before = lab.pod()["status"]["containerStatuses"][0]["containerID"]
    run(lab.engine, "restart", WORKER)
    eventually(lambda: lab.pod()["status"]["containerStatuses"][0]["containerID"] != before)
    eventually(lambda: RANGE[0] <= ipaddress.IPv4Address(lab.net1()) <= RANGE[1])
    check_routes(lab)


def _works(lab: Lab) -> None:
    """The outputs are true now, the pod has its address, and the worker its own way out."""
    outputs = lab.stack.outputs()
    assert lab.net1() == outputs["net1_address"]
    assert RANGE[0] <= ipaddress.IPv4Address(outputs["net1_address"]) <= RANGE[1]
    for node in outputs["cluster"]["nodes"]:
        assert f" {node['address']}/" in run(lab.engine, "exec", node["name"], "ip", "-4", "address", "show", "eth0")
    check_routes(lab)
    eventually(lambda: "can-api" in lab.kubectl("exec", "samplepod", "--", "sh", "-c", _API), seconds=60)


_API = "nc -w 3 kubernetes.default.svc.cluster.local 443 </dev/null && echo can-api"
