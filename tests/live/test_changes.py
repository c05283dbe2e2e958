"""A change of config: what the preview says is what `up` does, and what need not go stays running."""

import copy
import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.live.conftest import CLUSTER, CONFIG, TESTED, WORKER, Lab, previewed_and_done, run

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

SECOND = {
    "name": "e2e-b",
    "subnet": "10.35.0.0/16",
    "ipam": {"type": "host-local", "rangeStart": "10.35.0.10", "rangeEnd": "10.35.0.19"},
}


@pytest.fixture(scope="module")
def config(lab: Lab) -> Iterator[dict[str, Any]]:
    """The config of the lab, which these tests change one after the other; in the end it is as before."""
    assert lab.stack.config_file
    whole = yaml.safe_load(lab.stack.config_file.read_text())
    before = copy.deepcopy(whole)
    yield whole["config"]
    lab.stack.config_file.write_text(yaml.safe_dump(before))


def changed(lab: Lab, config: dict[str, Any]) -> set[str]:
    assert lab.stack.config_file
    lab.stack.config_file.write_text(yaml.safe_dump({"config": config}))
    return previewed_and_done(lab.stack)


def stays(lab: Lab, *pods: str) -> Callable[[], bool]:
    """Whether these pods are still the same containers."""

    def containers() -> list[str]:
        return [lab.pod(pod)["status"]["containerStatuses"][0]["containerID"] for pod in pods]

    before = containers()
    return lambda: containers() == before


def test_another_range_reattaches_the_pods_of_the_network_and_nothing_else(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:networks"][0]["ipam"]["rangeStart"] = "10.33.0.200"
    assert changed(lab, config) == {"attachments-e2e-net", "pods-samplepod", *TESTED}
    assert ipaddress.IPv4Address(lab.net1()) >= ipaddress.IPv4Address("10.33.0.200")


def test_the_preview_names_the_key_that_is_the_cause(lab: Lab, config: dict[str, Any]) -> None:
    ipam = config["kalico:networks"][0]["ipam"]
    ipam["rangeEnd"] = "10.33.0.230"
    assert lab.stack.config_file
    lab.stack.config_file.write_text(yaml.safe_dump({"config": config}))
    preview = lab.stack.pulumi("preview", "--diff", quiet=True).stdout
    assert '"10.33.0.240" => "10.33.0.230"' in preview
    changed(lab, config)


def test_one_more_pod_is_one_more_pod(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "samplepod")
    config["kalico:pods"].append(config["kalico:pods"][0] | {"name": "second"})
    assert changed(lab, config) == {"pods-second", *TESTED}
    assert same()
    lab.kubectl("exec", "second", "--", "ping", "-c", "1", "-w", "10", "-I", "net1", lab.net1())


def test_one_more_network_leaves_the_pods_of_the_first_running(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "samplepod", "second")
    config["kalico:networks"].append(copy.deepcopy(SECOND))
    third = {"name": "third", "image": "alpine", "command": ["sleep", "inf"], "networks": ["e2e-b", "e2e-net", "e2e-b"]}
    config["kalico:pods"].append(third)
    assert changed(lab, config) == {"networks-e2e-b", "joins-e2e-b", "attachments-e2e-b", "pods-third", *TESTED}
    assert same()
    found = [(each["network"], each["interface"]) for each in _attachments(lab) if each["pod"] == "third"]
    assert found == [("e2e-b", "net1"), ("e2e-net", "net2"), ("e2e-b", "net3")]


def test_an_address_and_a_mac_of_ones_own_are_in_the_pod(lab: Lab, config: dict[str, Any]) -> None:
    own = {"name": "e2e-b", "address": "10.35.0.17", "mac": "02:00:00:00:00:17"}
    config["kalico:pods"][-1]["networks"] = [own]
    assert changed(lab, config) == {"pods-third", *TESTED}
    assert lab.net1("third") == "10.35.0.17"
    assert lab.kubectl("exec", "third", "--", "cat", "/sys/class/net/net1/address").strip() == "02:00:00:00:00:17"


def test_the_first_network_may_go_and_the_second_stays_right(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "third")
    first, pods = config["kalico:networks"].pop(0), config["kalico:pods"][:2]
    del config["kalico:pods"][:2]
    gone = {"networks-e2e-net", "joins-e2e-net", "attachments-e2e-net", "pods-samplepod", "pods-second", *TESTED}
    assert changed(lab, config) == gone
    assert same()
    assert "e2e-net" not in run(lab.engine, "network", "ls", "--format", "{{.Name}}").split()
    config["kalico:networks"].insert(0, first)
    config["kalico:pods"][:0] = pods
    assert changed(lab, config) >= gone
    assert same()


def test_one_more_worker_replaces_the_cluster_and_has_a_range_of_its_own(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:workers"] = 2
    config["kalico:networks"] = [config["kalico:networks"][0]]
    there = {"image": "alpine", "command": ["sleep", "inf"], "networks": ["e2e-net"]}
    config["kalico:pods"] = [
        {**there, "name": "samplepod", "node": "worker"},
        {**there, "name": "far", "node": "worker2", "namespace": "elsewhere", "count": 2},
    ]
    touched = changed(lab, config)
    assert "cluster-kind" in touched
    assert "networks-e2e-net" not in touched
    assert _nodes(lab) == {
        WORKER: ("eth1", "10.33.0.200 to 10.33.0.214"),
        f"{WORKER}2": ("eth1", "10.33.0.215 to 10.33.0.230"),
    }
    addresses = {each["pod"]: each["ips"][0] for each in _attachments(lab)}
    assert {pod: ipaddress.IPv4Address(address).packed[3] >= 215 for pod, address in addresses.items()} == {
        "samplepod": False,
        "elsewhere/far-1": True,
        "elsewhere/far-2": True,
    }
    assert len(set(addresses.values())) == 3
    for pod in ("elsewhere/far-1", "elsewhere/far-2"):
        lab.kubectl("exec", "samplepod", "--", "ping", "-c", "1", "-w", "10", "-I", "net1", addresses[pod])


def test_a_workers_own_config_that_somebody_edits_is_put_back(lab: Lab) -> None:
    file = "/etc/cni/multus/net.d/kalico-e2e-net.conf"
    run(lab.engine, "exec", f"{WORKER}2", "sh", "-c", f"echo >>{file}")
    assert previewed_and_done(lab.stack) == {
        "attachments-e2e-net-conf",
        "attachments-e2e-net",
        "pods-samplepod",
        "pods-elsewhere.far-1",
        "pods-elsewhere.far-2",
        *TESTED,
    }


def test_another_pod_subnet_replaces_the_cluster(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:podSubnet"] = "10.36.0.0/16"
    config["kalico:workers"] = 1
    config["kalico:pods"] = copy.deepcopy(CONFIG["kalico:pods"])
    assert "cluster-kind" in changed(lab, config)
    assert lab.pod()["status"]["podIP"].startswith("10.36.")
    assert [node["name"] for node in lab.stack.outputs()["cluster"]["nodes"]] == [f"{CLUSTER}-control-plane", WORKER]


def _attachments(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.stack.outputs()["attachments"]
    return found


def _nodes(lab: Lab) -> dict[str, tuple[str, str]]:
    (network,) = lab.stack.outputs()["networks"]
    return {node["name"]: (node["interface"], node["range"]) for node in network["nodes"]}
