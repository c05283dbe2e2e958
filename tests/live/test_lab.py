"""The lab as its user meets it: each layer is checked where it runs. The tests build on each other, in order."""

import dataclasses
import ipaddress
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.leftovers import Snapshot, snapshot
from commands.stack import Stack
from tests.live.conftest import (
    CLUSTER,
    RANGE,
    SUBNET,
    WORKER,
    Lab,
    check_routes,
    eventually,
    killed_up,
    nothing_added_to,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_down_after_a_killed_up_leaves_nothing(stack: Stack, before: Snapshot) -> None:
    killed_up(stack, "cluster-kind creating")
    assert stack.down() == 0
    eventually(lambda: nothing_added_to(before), seconds=20)


def test_the_net1_address_of_the_outputs_is_in_the_pod_and_in_the_range(lab: Lab) -> None:
    address = lab.stack.outputs()["net1_address"]
    assert lab.net1() == address
    assert RANGE[0] <= ipaddress.IPv4Address(address) <= RANGE[1]


def test_the_outputs_say_where_each_attachment_is(lab: Lab) -> None:
    (attachment,) = lab.stack.outputs()["attachments"]
    mac = lab.kubectl("exec", "samplepod", "--", "cat", "/sys/class/net/net1/address").strip()
    assert attachment == {
        "pod": "samplepod",
        "node": WORKER,
        "network": "e2e-net",
        "interface": "net1",
        "ips": [lab.net1()],
        "mac": mac,
    }


def test_the_outputs_name_the_cluster_as_it_runs(lab: Lab) -> None:
    cluster = lab.stack.outputs()["cluster"]
    nodes = json.loads(lab.kubectl("get", "nodes", "--output", "json"))["items"]
    addresses = {
        node["metadata"]["name"]: a["address"]
        for node in nodes
        for a in node["status"]["addresses"]
        if a["type"] == "InternalIP"
    }
    assert {node["name"]: node["address"] for node in cluster["nodes"]} == addresses
    assert [node["role"] for node in cluster["nodes"]] == ["control-plane", "worker"]
    assert (cluster["name"], cluster["engine"], cluster["kubeconfig"]) == (CLUSTER, lab.engine, str(lab.kubeconfig))


def test_every_node_is_open_to_all_pods(lab: Lab) -> None:
    shown = lab.kubectl("get", "nodes", "--output", "jsonpath={.items[*].spec.taints[*].key}")
    assert shown == "node-role.kubernetes.io/control-plane"


def test_the_versions_are_those_of_the_running_things(lab: Lab) -> None:
    versions = lab.stack.outputs()["versions"]
    assert versions["kubernetes"] == "v1.32.2"
    assert versions["multus"].count("4.2.3") == 1
    assert versions["cni-plugins"].endswith("v1.8.0")
    assert versions["calico"].startswith("v3.29.")


def test_all_is_ready_when_up_ends(lab: Lab) -> None:
    installation = json.loads(lab.kubectl("get", "installation", "default", "--output", "json"))
    ready = [c["status"] for c in installation["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]
    pods = json.loads(lab.kubectl("get", "pods", "--all-namespaces", "--output", "json"))["items"]
    unready = [
        pod["metadata"]["name"]
        for pod in pods
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] != "True"
    ]
    assert unready == []


def test_what_felix_says_is_read_on_every_node(lab: Lab) -> None:
    """A Felix that nobody listens to stands still once the pipe is full: hours later, or after a few restarts."""
    for pod in lab.kubectl("get", "pods", "-n=calico-system", "-l=k8s-app=calico-node", "--output", "name").split():
        said = lab.kubectl("logs", "-n=calico-system", pod, "--container", "calico-node")
        assert " felix/" in said
        assert "unable to start" not in said


def test_calico_has_the_nodes_addresses_on_the_clusters_own_network(lab: Lab) -> None:
    nodes = json.loads(lab.kubectl("get", "nodes", "--output", "json"))["items"]
    for node in nodes:
        calico = node["metadata"]["annotations"]["projectcalico.org/IPv4Address"].split("/")[0]
        assert calico in [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
        assert ipaddress.IPv4Address(calico) not in SUBNET


def test_the_worker_is_on_the_network_without_address_or_route_of_it(lab: Lab) -> None:
    assert lab.in_node("ip", "-4", "-oneline", "address", "show", "dev", "eth1") == ""
    check_routes(lab)


def test_neighbours_on_the_network_reach_each_other_over_net1(lab: Lab) -> None:
    """A second pod, made by hand with the lab's NAD, answers on the L2 at its own address."""
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "neighbour", "annotations": {"k8s.v1.cni.cncf.io/networks": "e2e-net"}},
        "spec": {
            "containers": [
                {"name": "n", "image": "alpine", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"]}
            ],
            "terminationGracePeriodSeconds": 0,
        },
    }
    manifest = lab.kubeconfig.parent / "neighbour.json"
    manifest.write_text(json.dumps(document))
    try:
        lab.kubectl("apply", "--filename", str(manifest))
        lab.kubectl("wait", "--for=condition=Ready", "pod/neighbour", "--timeout=90s")
        status = json.loads(lab.kubectl("get", "pod", "neighbour", "--output", "json"))["metadata"]["annotations"][
            "k8s.v1.cni.cncf.io/network-status"
        ]
        (address,) = [entry["ips"][0] for entry in json.loads(status) if entry.get("interface") == "net1"]
        assert address != lab.net1()
        lab.kubectl("exec", "samplepod", "--", "ping", "-c", "2", "-w", "10", "-I", "net1", address)
    finally:
        lab.kubectl("delete", "pod", "neighbour", "--ignore-not-found", "--wait")
        manifest.unlink()


def test_the_kubeconfig_is_its_owners_alone(lab: Lab) -> None:
    assert stat.S_IMODE(lab.kubeconfig.stat().st_mode) == 0o600


def test_a_preview_of_the_running_lab_shows_no_change(lab: Lab) -> None:
    preview = lab.stack.pulumi("preview", "--expect-no-changes", quiet=True)
    assert preview.returncode == 0, preview.stdout


def test_a_second_up_changes_nothing(lab: Lab) -> None:
    again = lab.stack.pulumi("up", "--yes", "--skip-preview", quiet=True)
    assert again.returncode == 0, again.stdout
    summary = again.stdout.partition("Resources:\n")[2].partition("\n\n")[0]
    assert re.fullmatch(r" *\d+ unchanged", summary), again.stdout


def test_faults_in_the_config_of_the_running_lab_are_all_told_and_nothing_of_it_is_touched(
    lab: Lab, tmp_path: Path
) -> None:
    assert lab.stack.config_file
    config = yaml.safe_load(lab.stack.config_file.read_text())
    config["config"]["kalico:workers"] = 0
    config["config"]["kalico:networks"][0]["gateway"] = "10.34.0.1"
    (tmp_path / "Pulumi.faulty.yaml").write_text(yaml.safe_dump(config))
    before, resources = snapshot(os.environ), _resources(lab.stack)
    faulty = dataclasses.replace(lab.stack, config_file=tmp_path / "Pulumi.faulty.yaml")
    refused = faulty.pulumi("up", "--yes", "--skip-preview", quiet=True)
    assert refused.returncode != 0
    for line in (
        "2 faults in the config, nothing was touched:",
        "- networks[0].gateway: 10.34.0.1 is no host address of 10.33.0.0/16;",
        "- workers: 0 leaves nothing that joins a network;",
    ):
        assert line in refused.stdout + refused.stderr
    assert _resources(lab.stack) == resources
    after = snapshot(os.environ)
    assert (after.containers, after.networks, after.links) == (before.containers, before.networks, before.links)
    eventually(lambda: nothing_added_to(before), seconds=20)


def _resources(stack: Stack) -> list[dict[str, Any]]:
    """What the stack's state knows of."""
    found: list[dict[str, Any]] = json.loads(stack.pulumi("stack", "export", quiet=True).stdout)["deployment"][
        "resources"
    ]
    return found
