"""Every IPAM type side by side on two workers, and both families: proven by packets, and broken on purpose."""

import copy
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.config import settings_of
from tests.live.conftest import (
    CLUSTER,
    CONFIG,
    ENDS_AT_ONCE,
    PEER,
    TESTED,
    WORKER,
    WORKER2,
    Lab,
    allocations,
    attachments,
    changed,
    eventually,
    label,
    named_otherwise,
    previewed_and_done,
    run,
    stays,
    with_labelled_role,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

BOTH_FAMILIES = {"subnet6": "fd00:33::/64", "gateway6": "fd00:33::1"}
STATIC = {
    "name": "e2e-static",
    "subnet": "10.41.0.0/24",
    "subnet6": "fd00:41::/64",
    "gateway": "10.41.0.1",
    "peer": True,
    "ipam": {"type": "static"},
}
SHARED = {
    "name": "e2e-shared",
    "subnet": "10.42.0.0/24",
    "subnet6": "fd00:42::/64",
    "ipam": {"type": "whereabouts", "rangeStart": "10.42.0.10", "rangeEnd": "10.42.0.13"},
}
LEASED = {
    "name": "e2e-leased",
    "subnet": "10.44.0.0/24",
    "gateway": "peer",
    "peer": True,
    "ipam": {"type": "dhcp", "rangeStart": "10.44.0.10", "rangeEnd": "10.44.0.99", "leaseTime": "2m"},
}
SERVER = f"{CLUSTER}-dhcp-e2e-leased"
NETWORKS = "k8s.v1.cni.cncf.io/networks"


def pod(name: str, worker: str, host: int) -> dict[str, Any]:
    static = {"name": "e2e-static", "address": f"10.41.0.{host}", "address6": f"fd00:41::{host}"}
    networks = ["e2e-net", static, "e2e-shared", "e2e-leased"]
    return {"name": name, "image": "alpine", "command": ENDS_AT_ONCE, "node": worker, "networks": networks}


def addresses(lab: Lab, network: str) -> dict[str, list[str]]:
    """By pod, those of its interface on the network."""
    return {each["pod"]: each["ips"] for each in attachments(lab) if each["network"] == network}


def test_four_networks_with_a_type_each_and_pods_on_both_workers(lab: Lab, config: dict[str, Any]) -> None:
    first = copy.deepcopy(CONFIG["kalico:networks"][0]) | BOTH_FAMILIES
    first["ipam"]["rangeEnd"] = "10.33.0.105"  # three addresses a worker
    config["kalico:workers"] = 2
    config["kalico:networks"] = [first, *copy.deepcopy([STATIC, SHARED, LEASED])]
    config["kalico:pods"] = [pod("near", "worker", 7), pod("far", "worker2", 8)]
    touched = changed(lab, config)
    assert not touched & {"cluster-kind", "calico-default"}
    told = lab.stack.outputs()["self_test"]
    assert told["failed"] == 0, told
    asked = {(each["name"], each["what"].split()[0]) for each in told["checks"] if each["ok"]}
    for interface in ("net1", "net2", "net3", "net4"):
        assert asked >= {(name, interface) for name in ("address", "routes", "neighbour", "TCP", "large packet")}


def test_each_address_is_one_of_its_types_own(lab: Lab) -> None:
    assert addresses(lab, "e2e-static") == {
        "near": ["10.41.0.7", "fd00:41::7"],
        "far": ["10.41.0.8", "fd00:41::8"],
    }
    for network, first, last in (("e2e-shared", 10, 13), ("e2e-leased", 10, 99)):
        found = [ipaddress.IPv4Address(ips[0]).packed[3] for ips in addresses(lab, network).values()]
        assert len(set(found)) == 2
        assert all(first <= each <= last for each in found)


@pytest.mark.parametrize(
    ("interface", "network"), [("net1", "e2e-net"), ("net2", "e2e-static"), ("net3", "e2e-shared")]
)
def test_of_both_families_each_pod_has_an_address_that_the_other_reaches(
    lab: Lab, interface: str, network: str
) -> None:
    both = addresses(lab, network)
    for ips in both.values():
        assert [ipaddress.ip_address(ip).version for ip in ips] == [4, 6]
    assert both["near"][1] != both["far"][1]
    shown = lab.kubectl("exec", "near", "--", "ip", "-6", "address", "show", "dev", interface)
    assert f"inet6 {both['near'][1]}/64" in shown
    lab.kubectl("exec", "near", "--", "ping", "-6", "-c", "1", "-w", "5", "-I", interface, both["far"][1])


def test_the_versions_tell_what_the_types_need(lab: Lab) -> None:
    versions = lab.stack.outputs()["versions"]
    assert versions["dnsmasq"].startswith("Dnsmasq version 2.")
    assert versions["whereabouts"]


def server_log(lab: Lab) -> str:
    return run("sh", "-c", '"$1" logs "$2" 2>&1', "logs", lab.engine, SERVER)


def test_addresses_are_given_back_when_their_pod_goes(lab: Lab, config: dict[str, Any]) -> None:
    ((v4, _), (leased,)) = addresses(lab, "e2e-net")["far"], addresses(lab, "e2e-leased")["far"]
    assert allocations(lab) == {"default/near", "default/far"}
    gone = config["kalico:pods"].pop()
    assert changed(lab, config) == {"pods-far", *TESTED}
    assert allocations(lab) == {"default/near"}
    assert v4 not in run(lab.engine, "exec", WORKER2, "ls", "/var/lib/cni/networks/e2e-net").split()
    assert f"DHCPRELEASE(eth0) {leased} " in server_log(lab)
    config["kalico:pods"].append(gone)
    assert changed(lab, config) == {"pods-far", *TESTED}
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def reported(lab: Lab, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What `make check` says has failed: of what, and the name of the check."""
    assert lab.stack.check() == 1
    lines = [line.split(maxsplit=1)[1] for line in capfd.readouterr().out.splitlines() if line.startswith("FAIL")]
    return sorted(f"{what}: {said.split()[0]}" for what, said in (line.split(": ", 1) for line in lines))


def test_a_plugin_that_is_gone_is_what_is_reported_and_up_puts_it_back(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    run(lab.engine, "exec", WORKER2, "rm", "/opt/cni/bin/whereabouts")
    assert reported(lab, capfd) == [f"node {WORKER2}: whereabouts"]
    previewed_and_done(lab.stack)
    assert lab.stack.check() == 0


def test_a_lease_is_renewed_before_it_ends(lab: Lab) -> None:
    """After half of the two minutes, as the server counts them, most of which other tests have taken."""
    (near,) = addresses(lab, "e2e-leased")["near"]
    eventually(lambda: server_log(lab).count(f"DHCPACK(eth0) {near} ") > 1, seconds=100)


def test_a_daemon_that_is_killed_comes_back_and_one_that_is_stopped_is_what_is_reported(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    def process() -> str:
        return lab.in_node("systemctl", "show", "--property", "MainPID", "--value", "kalico-dhcp").strip()

    def leased() -> int:
        return server_log(lab).count(f"DHCPACK(eth0) {near} ")

    (near,) = addresses(lab, "e2e-leased")["near"]
    process_before, leased_before = process(), leased()
    lab.in_node("systemctl", "kill", "--signal=KILL", "kalico-dhcp")
    eventually(lambda: process() not in ("0", process_before), seconds=20)
    eventually(lambda: leased() > leased_before, seconds=20)
    assert lab.stack.check() == 0
    capfd.readouterr()
    lab.in_node("systemctl", "stop", "kalico-dhcp")
    assert reported(lab, capfd) == [f"node {WORKER}: dhcp"]
    previewed_and_done(lab.stack)
    assert lab.stack.check() == 0


@contextmanager
def taken(lab: Lab, address: str) -> Iterator[None]:
    """Somebody else on the network, who is none of the lab's, has the address, too."""
    name, image = f"{CLUSTER}-somebody", run(lab.engine, "inspect", "--format", "{{.Config.Image}}", PEER).strip()
    words = ("--detach", "--name", name, "--network", "e2e-net", "--cap-add", "NET_ADMIN", "--stop-signal", "SIGKILL")
    run(lab.engine, "run", *words, "--entrypoint", "sleep", image, "inf")
    try:
        run(lab.engine, "exec", name, "ip", "address", "add", f"{address}/32", "dev", "eth0")
        yield
    finally:
        run(lab.engine, "rm", "--force", name)


def test_an_address_that_somebody_else_has_too_is_what_is_reported(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    (far, _) = addresses(lab, "e2e-net")["far"]
    with taken(lab, far):
        assert reported(lab, capfd) == ["far net1: duplicates"]


def test_an_up_whose_self_test_fails_ends_so_with_its_outputs_in_place_and_the_next_one_tests_again(lab: Lab) -> None:
    (far, _) = addresses(lab, "e2e-net")["far"]
    with taken(lab, far):
        lab.kubectl("delete", "pod", "near", "--now")
        assert lab.stack.up(quiet=True) != 0
        outputs = lab.stack.outputs()
    failed = [
        (each["pod"], each["what"], each["name"]) for each in outputs["self_test"]["checks"] if each["ok"] is False
    ]
    assert failed == [("default/far", "net1", "duplicates")]
    assert outputs["net1_address"] == lab.net1("near")
    assert previewed_and_done(lab.stack) == TESTED
    assert lab.stack.outputs()["self_test"]["failed"] == 0


@contextmanager
def filled(lab: Lab, network: str, count: int) -> Iterator[list[str]]:
    """So many pods on near's worker beside the lab's, which take what the range has left."""
    names = [f"filler-{i}" for i in range(count)]
    create(lab, *(manifest(name, f"default/{network}") for name in names))
    try:
        yield names
    finally:
        lab.kubectl("delete", "pod", "--now", *names)


def manifest(name: str, networks: str) -> dict[str, Any]:
    container = {"name": name, "image": "alpine", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "inf"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {NETWORKS: networks}},
        "spec": {"nodeName": WORKER, "terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def create(lab: Lab, *documents: dict[str, Any]) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    run("sh", "-c", 'printf %s "$1" | kubectl --kubeconfig "$2" create -f -', "create", text, str(lab.kubeconfig))


def leases(lab: Lab, network: str) -> int:
    """How many addresses of IPv4 near's worker knows to be taken."""
    if network == "e2e-shared":
        return len(allocations(lab))
    return sum(name.startswith("10.") for name in lab.in_node("ls", f"/var/lib/cni/networks/{network}").split())


@pytest.mark.parametrize(
    ("network", "event"),
    [("e2e-net", "no IP addresses available in range set"), ("e2e-shared", "Could not allocate IP in range")],
)
def test_a_range_without_an_address_left_says_so_and_what_waits_for_one_is_what_is_reported(
    lab: Lab, network: str, event: str, capfd: pytest.CaptureFixture[str]
) -> None:
    networks = json.loads(lab.kubectl("get", "pod", "near", "--output", "json"))["metadata"]["annotations"][NETWORKS]
    before = leases(lab, network)
    with filled(lab, network, 3) as fillers:
        eventually(lambda: event in lab.kubectl("get", "events", "--output", "jsonpath={.items[*].message}"))
        lab.kubectl("delete", "pod", "near", "--now")
        # The one that had waited has near's address now.
        lab.kubectl("wait", "--for=condition=Ready", "--timeout=120s", *(f"pod/{name}" for name in fillers))
        create(lab, manifest("near", networks))
        of_near = (
            "get",
            "events",
            "--field-selector=involvedObject.name=near",
            "--output",
            "jsonpath={.items[*].message}",
        )
        eventually(lambda: event in lab.kubectl(*of_near))
        assert reported(lab, capfd) == [f"near net{i}: interface" for i in (1, 2, 3, 4)]
        lab.kubectl("delete", "pod", "near", "--now")
    assert previewed_and_done(lab.stack) == {"pods-near", *TESTED}
    assert lab.stack.check() == 0
    assert leases(lab, network) == before


def test_what_whereabouts_and_the_servers_are_made_of_can_be_changed_while_pods_run_on(
    lab: Lab, config: dict[str, Any], tmp_path: Path
) -> None:
    same = stays(lab, "near", "far")
    settings = settings_of({"networks": [SHARED], "pods": []})
    assert settings.whereabouts
    (daemon, *_), role = settings.whereabouts.manifests, "whereabouts-cni"
    with named_otherwise(lab.engine, settings.dhcp_server_image) as image:
        config["kalico:dhcpServerImage"] = image
        assert changed(lab, config) == {"leases-e2e-leased", "readiness-report"}
        assert image in run(lab.engine, "inspect", "--format", "{{.Config.Image}}", SERVER)
        del config["kalico:dhcpServerImage"]
        config["kalico:whereaboutsManifest"] = with_labelled_role(daemon, role, tmp_path)
        assert changed(lab, config) == {"leases-e2e-leased", f"whereabouts-{role}", "readiness-report"}
    assert label(lab, role) == "own"
    assert same()


def test_a_third_worker_gets_what_each_type_needs_and_leaves_nothing_leased(lab: Lab, config: dict[str, Any]) -> None:
    worker = f"{WORKER}3"
    third = pod("third", "worker3", 9)
    config["kalico:workers"] = 3
    config["kalico:pods"].append(third)
    touched = changed(lab, config)
    of_the_worker = {
        *(f"workers-{worker}", f"workers-{worker}-running", f"cni-plugins-{worker}"),
        *(f"whereabouts-left-{worker}", f"leases-daemon-{worker}", f"joins-e2e-leased-{worker}"),
    }
    assert touched >= {*of_the_worker, "whereabouts-files", "pods-third"}
    of_others = {name.replace(worker, other) for name in of_the_worker for other in (WORKER, WORKER2)}
    assert not touched & {"cluster-kind", "leases-e2e-leased", *of_others}
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    (leased,) = addresses(lab, "e2e-leased")["third"]
    config["kalico:workers"] = 2
    del third["node"]
    touched = changed(lab, config)
    assert touched >= {*of_the_worker, "pods-third"}
    assert not touched & {"cluster-kind", "leases-e2e-leased", *of_others}
    assert f"DHCPRELEASE(eth0) {leased} " in server_log(lab)
    assert lab.pod("third")["spec"]["nodeName"] in (WORKER, WORKER2)
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    config["kalico:pods"].remove(third)
    assert changed(lab, config) == {"pods-third", *TESTED}
    assert allocations(lab) == {"default/near", "default/far"}
