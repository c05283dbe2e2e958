"""A change of config: what the preview says is what `up` does, and what need not go stays running."""

import copy
import ipaddress
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.config import settings_of
from components.engines import ENGINES, Standing, ask
from tests.live.conftest import (
    CLUSTER,
    ENDS_AT_ONCE,
    JOIN,
    TESTED,
    WORKER,
    WORKER2,
    Lab,
    attachments,
    changed,
    configure,
    label,
    of_ones_own,
    previewed_and_done,
    published,
    run,
    stays,
    with_labelled_role,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

SECOND = {
    "name": "e2e-b",
    "subnet": "10.35.0.0/16",
    "ipam": {"type": "host-local", "rangeStart": "10.35.0.10", "rangeEnd": "10.35.0.19"},
}


def test_another_range_reattaches_the_pods_of_the_network_and_nothing_else_and_the_preview_names_the_key(
    lab: Lab, config: dict[str, Any]
) -> None:
    config["kalico:networks"][0]["ipam"] |= {"rangeStart": "10.33.0.200", "rangeEnd": "10.33.0.230"}
    configure(lab, config)
    assert '"10.33.0.240" => "10.33.0.230"' in lab.stack.pulumi("preview", "--diff", quiet=True).stdout
    assert changed(lab, config) == {"attachments-e2e-net", "pods-samplepod", *TESTED}
    assert ipaddress.IPv4Address(lab.net1()) >= ipaddress.IPv4Address("10.33.0.200")


OF_THE_NETWORK = {
    *("networks-e2e-net", "peers-e2e-net", JOIN, "attachments-e2e-net", "pods-samplepod"),
    *TESTED,
}


def test_another_mode_and_mtu_replace_the_network_and_what_is_on_it(lab: Lab, config: dict[str, Any]) -> None:
    network = config["kalico:networks"][0]
    network |= {"mode": "vepa", "mtu": 9000}
    del network["peer"]  # of which an island keeps pods apart in that mode
    touched = {*OF_THE_NETWORK, "peers"}
    assert changed(lab, config) == touched
    shown = lab.kubectl("exec", "samplepod", "--", "cat", "/sys/class/net/net1/mtu")
    assert shown.strip() == "9000"
    assert "macvlan mode vepa" in lab.in_node("ip", "-details", "link", "show", "dev", lab.interface())
    del network["mode"], network["mtu"]
    network["peer"] = True
    assert changed(lab, config) == touched


@pytest.fixture
def parent(lab: Lab) -> Iterator[str]:
    """A bridge without a port, which goes once the lab's network is off it."""
    run("ip", "link", "add", "name", "e2e-parent", "type", "bridge")
    run("ip", "link", "set", "e2e-parent", "up")
    yield "e2e-parent"
    run("ip", "link", "delete", "e2e-parent")


def test_another_parent_and_subnet_replace_the_network_and_what_is_on_it(
    lab: Lab, config: dict[str, Any], parent: str
) -> None:
    (before,) = config["kalico:networks"]
    moved = json.loads(json.dumps(before).replace("10.33.", "10.37.")) | {
        "parent": parent,
        "peer": {"address": "10.37.0.9"},
    }
    config["kalico:networks"] = [moved]
    assert changed(lab, config) == OF_THE_NETWORK
    assert lab.net1().startswith("10.37.0.")
    assert f'"{parent}"' in run(lab.engine, "network", "inspect", "e2e-net")
    config["kalico:networks"] = [before]
    assert changed(lab, config) == OF_THE_NETWORK
    assert lab.net1().startswith("10.33.0.")


def test_another_manifest_changes_its_objects_in_place_and_pods_run_on(
    lab: Lab, config: dict[str, Any], tmp_path: Path
) -> None:
    same = stays(lab, "samplepod")
    settings = settings_of({})
    for layer, source, role in (
        ("multus", settings.multus_manifest, "multus"),
        ("calico", settings.calico_manifest, "tigera-operator"),
    ):
        config[f"kalico:{layer}Manifest"] = with_labelled_role(source, role, tmp_path)
        assert changed(lab, config) == {f"{layer}-{role}", "readiness-report"}
        assert label(lab, role) == "own"
    assert same()


def test_another_archive_of_plugins_is_unpacked_and_pods_run_on(
    lab: Lab, config: dict[str, Any], tmp_path: Path
) -> None:
    same = stays(lab, "samplepod")
    with tarfile.open(published(settings_of({}).cni_plugins)) as whole:
        whole.extractall(tmp_path / "plugins", filter="data")
    (tmp_path / "plugins/e2e-own").write_text("of this archive alone\n")
    with tarfile.open(tmp_path / "own.tgz", "w:gz", compresslevel=1) as own:
        own.add(tmp_path / "plugins", arcname=".")
    config["kalico:cniPluginsArchive"] = of_ones_own(tmp_path / "own.tgz")
    manifests = [config.pop(f"kalico:{layer}Manifest", None) for layer in ("multus", "calico")]
    roles = {"multus-multus", "calico-tigera-operator"} if all(manifests) else set()
    touched = changed(lab, config)
    plugins = {f"cni-plugins-{node}" for node in (f"{CLUSTER}-control-plane", WORKER)}
    assert touched >= {*plugins, *roles}
    assert touched <= {*plugins, "pods-attachable", "readiness-report", *roles}
    assert lab.in_node("cat", "/opt/cni/bin/e2e-own") == "of this archive alone\n"
    assert same()
    del config["kalico:cniPluginsArchive"]
    changed(lab, config)


def test_another_cluster_name_is_refused_as_long_as_a_network_is_there(lab: Lab, config: dict[str, Any]) -> None:
    said = refused(lab, config, "clusterName", "e2e-other")
    assert "e2e-net" in said
    assert "nothing was touched" in said


def test_an_engine_that_does_not_answer_is_refused(lab: Lab, config: dict[str, Any]) -> None:
    silent = [name for name, engine in ENGINES.items() if ask(engine).standing is Standing.SILENT]
    if not silent:
        pytest.skip("every engine answers here")
    assert f"{silent[0]} " in refused(lab, config, "engine", silent[0])


def refused(lab: Lab, config: dict[str, Any], key: str, value: str) -> str:
    configure(lab, config | {f"kalico:{key}": value})
    preview = lab.stack.pulumi("preview", quiet=True)
    configure(lab, config)
    assert preview.returncode
    return preview.stdout


FAR = "192.0.2.7"
BY_ETH0, BY_NET1 = "via 169.254.1.1 dev eth0", "via 10.33.0.1 dev net1"


def test_whatever_the_default_route_is_the_cluster_answers_at_the_first_try(lab: Lab, config: dict[str, Any]) -> None:
    check_source(lab)
    config["kalico:networks"][0]["defaultRoute"] = "net1"
    assert changed(lab, config) == {"attachments-e2e-net", "pods-samplepod", *TESTED}
    check_cluster(lab)
    assert own_rules(lab) == []
    assert (way(lab, FAR), way(lab, FAR, lab.net1())) == (BY_NET1, BY_NET1)
    config["kalico:networks"][0]["defaultRoute"] = "none"
    assert changed(lab, config) == {"attachments-e2e-net", "pods-samplepod", *TESTED}
    check_cluster(lab)
    assert own_rules(lab) == []
    assert (way(lab, FAR), way(lab, FAR, lab.net1())) == (BY_ETH0, BY_ETH0)
    del config["kalico:networks"][0]["defaultRoute"]
    assert changed(lab, config) == {"attachments-e2e-net", "pods-samplepod", *TESTED}
    check_source(lab)


def check_source(lab: Lab) -> None:
    check_cluster(lab)
    [rule] = own_rules(lab)
    assert rule.startswith(f"from {lab.net1()} lookup ")
    assert (way(lab, FAR), way(lab, FAR, lab.net1())) == (BY_ETH0, BY_NET1)


def check_cluster(lab: Lab) -> None:
    """Its DNS answers a question that is put once; it is reached over eth0, and the network over net1."""
    asked = ("nslookup", "-type=a", "-retry=1", "-timeout=2", "kubernetes.default.svc.cluster.local")
    assert "10.96.0.1\n" in lab.kubectl("exec", "samplepod", "--", *asked)
    node = lab.stack.outputs()["cluster"]["nodes"][0]["address"]
    assert {way(lab, each) for each in ("10.96.0.1", "10.34.0.9", node)} == {BY_ETH0}
    assert {way(lab, "10.33.0.77", source) for source in ("", lab.net1())} == {"dev net1"}


def way(lab: Lab, destination: str, source: str = "") -> str:
    """By which gateway, if any, and link a packet leaves the pod."""
    said = lab.kubectl(
        "exec", "samplepod", "--", *f"ip route get {destination}".split(), *(["from", source] * bool(source))
    )
    words = said.split()
    return " ".join(f"{key} {words[words.index(key) + 1]}" for key in ("via", "dev") if key in words)


def own_rules(lab: Lab) -> list[str]:
    """The pod's rules besides those that every namespace has."""
    lines = lab.kubectl("exec", "samplepod", "--", "ip", "rule").splitlines()
    return [line.split(":", 1)[1].strip() for line in lines if "from all " not in line]


def test_one_more_pod_is_one_more_pod(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "samplepod")
    config["kalico:pods"].append(config["kalico:pods"][0] | {"name": "second"})
    assert changed(lab, config) == {"pods-second", *TESTED}
    assert same()
    lab.kubectl("exec", "second", "--", "ping", "-c", "1", "-w", "10", "-I", "net1", lab.net1())


def test_one_more_network_leaves_the_pods_of_the_first_running(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "samplepod", "second")
    config["kalico:networks"].append(copy.deepcopy(SECOND))
    third = {"name": "third", "image": "alpine", "command": ENDS_AT_ONCE, "networks": ["e2e-b", "e2e-net", "e2e-b"]}
    config["kalico:pods"].append(third)
    assert changed(lab, config) == {
        *("networks-e2e-b", f"joins-e2e-b-{WORKER}", "attachments-e2e-b", "pods-third"),
        *TESTED,
    }
    assert same()
    found = [(each["network"], each["interface"]) for each in attachments(lab) if each["pod"] == "third"]
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
    gone = {*OF_THE_NETWORK, "peers", "pods-second"}  # the last peer, and with it their group
    assert changed(lab, config) == gone
    assert same()
    assert "e2e-net" not in run(lab.engine, "network", "ls", "--format", "{{.Name}}").split()
    config["kalico:networks"].insert(0, first)
    config["kalico:pods"][:0] = pods
    assert changed(lab, config) >= gone
    assert same()


def test_a_network_of_the_bridge_plugin_takes_its_bridge_with_it(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "samplepod", "third")
    networks, pods = copy.deepcopy([config["kalico:networks"], config["kalico:pods"]])
    ipam = {"type": "host-local", "rangeStart": "10.37.0.10", "rangeEnd": "10.37.0.20"}
    inside = {"name": "inside", "plugin": "bridge", "subnet": "10.37.0.0/24", "defaultRoute": "none", "ipam": ipam}
    config["kalico:networks"].append(inside)
    fourth = {"name": "fourth", "image": "alpine", "command": ENDS_AT_ONCE, "networks": ["inside"]}
    config["kalico:pods"].append(fourth)
    assert changed(lab, config) == {"attachments-inside", f"attachments-inside-bridge-{WORKER}", "pods-fourth", *TESTED}
    assert lab.in_node("ip", "-oneline", "link", "show", "type", "bridge").split()[1] == "br-inside:"
    config.update({"kalico:networks": networks, "kalico:pods": pods})
    assert changed(lab, config) == {"attachments-inside", f"attachments-inside-bridge-{WORKER}", "pods-fourth", *TESTED}
    assert lab.in_node("ip", "-oneline", "link", "show", "type", "bridge") == ""
    assert same()


def test_one_more_worker_joins_the_cluster_that_is_there_and_has_a_range_of_its_own(
    lab: Lab, config: dict[str, Any]
) -> None:
    config["kalico:networks"] = [config["kalico:networks"][0]]
    config["kalico:pods"] = [config["kalico:pods"][0]]
    changed(lab, config)
    nodes = {f"{CLUSTER}-control-plane", WORKER}
    born = {node: run(lab.engine, "inspect", "--format", "{{.State.StartedAt}}", node) for node in nodes}
    config["kalico:workers"] = 2
    assert changed(lab, config) == {
        *(f"workers-{WORKER2}", f"workers-{WORKER2}-running", f"cni-plugins-{WORKER2}", "multus-conf", "calico-look"),
        *(f"joins-e2e-net-{WORKER2}", "attachments-e2e-net"),
        *(f"attachments-e2e-net-conf-{worker}" for worker in (WORKER, WORKER2)),
        *("pods-attachable", "pods-samplepod", "readiness-report", *TESTED),
    }
    assert {node: run(lab.engine, "inspect", "--format", "{{.State.StartedAt}}", node) for node in nodes} == born
    told = {node["name"]: node["role"] for node in lab.stack.outputs()["cluster"]["nodes"]}
    assert told == {f"{CLUSTER}-control-plane": "control-plane", WORKER: "worker", WORKER2: "worker"}


def test_pods_of_two_workers_have_addresses_of_their_workers_ranges(lab: Lab, config: dict[str, Any]) -> None:
    there = {"image": "alpine", "command": ENDS_AT_ONCE, "networks": ["e2e-net"]}
    config["kalico:pods"] = [
        {**there, "name": "samplepod", "node": "worker"},
        {**there, "name": "far", "node": "worker2", "namespace": "elsewhere", "count": 2},
    ]
    changed(lab, config)
    assert _nodes(lab) == {
        WORKER: (lab.interface(), "10.33.0.200 to 10.33.0.214"),
        WORKER2: ("eth1", "10.33.0.215 to 10.33.0.230"),
    }
    addresses = {each["pod"]: each["ips"][0] for each in attachments(lab)}
    assert {pod: ipaddress.IPv4Address(address).packed[3] >= 215 for pod, address in addresses.items()} == {
        "samplepod": False,
        "elsewhere/far-1": True,
        "elsewhere/far-2": True,
    }
    assert len(set(addresses.values())) == 3
    for pod in ("elsewhere/far-1", "elsewhere/far-2"):
        lab.kubectl("exec", "samplepod", "--", "ping", "-c", "1", "-w", "10", "-I", "net1", addresses[pod])


def test_a_worker_that_is_drained_and_comes_back_hands_out_its_own_part_of_the_range(lab: Lab) -> None:
    # Without Typha: every Felix that is connected to one that goes is started again, some time within five minutes.
    others = "--pod-selector=k8s-app!=calico-typha"
    lab.kubectl("drain", WORKER2, others, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
    lab.kubectl("uncordon", WORKER2)
    # Who else was there, CoreDNS for one. Of Typha there is one fewer as long as the worker takes no pods.
    without_typha = "--selector=k8s-app!=calico-typha"
    lab.kubectl("wait", "--for=condition=Ready", "pods", without_typha, "--all-namespaces", "--timeout=180s")
    far = {"elsewhere/far-1", "elsewhere/far-2"}
    assert previewed_and_done(lab.stack) == {"pods-elsewhere.far-1", "pods-elsewhere.far-2", *TESTED}
    addresses = [each["ips"][0] for each in attachments(lab) if each["pod"] in far]
    assert all(215 <= ipaddress.IPv4Address(address).packed[3] <= 230 for address in addresses)
    assert len(set(addresses)) == 2


def test_a_workers_own_config_that_somebody_edits_is_put_back(lab: Lab) -> None:
    file = "/etc/cni/multus/net.d/kalico-e2e-net.conflist"
    run(lab.engine, "exec", WORKER2, "sh", "-c", f"echo >>{file}")
    assert previewed_and_done(lab.stack) == {
        f"attachments-e2e-net-conf-{WORKER2}",
        "attachments-e2e-net",
        "pods-samplepod",
        "pods-elsewhere.far-1",
        "pods-elsewhere.far-2",
        *TESTED,
    }


def test_a_pod_that_gets_another_node_or_command_is_replaced_and_no_other(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:pods"][0]["node"] = "worker2"
    assert changed(lab, config) == {"pods-samplepod", *TESTED}
    assert lab.pod()["spec"]["nodeName"] == WORKER2
    config["kalico:pods"][0]["command"] = ["sleep", "3600"]
    assert changed(lab, config) == {"pods-samplepod", *TESTED}
    assert lab.kubectl("exec", "samplepod", "--", "cat", "/proc/1/cmdline").split("\0")[:2] == ["sleep", "3600"]


def test_what_bnk_reads_of_the_workers_is_the_address_that_they_have_and_goes(lab: Lab, config: dict[str, Any]) -> None:
    key = "k8s.ovn.org/node-primary-ifaddr"

    def annotated() -> dict[str, str | None]:
        nodes = json.loads(lab.kubectl("get", "nodes", "--output", "json"))["items"]
        found = {node["metadata"]["name"]: node["metadata"]["annotations"].get(key) for node in nodes}
        assert found.pop(f"{CLUSTER}-control-plane") is None
        return found

    def given(*addresses: str) -> dict[str, str]:
        config["kalico:networks"][0]["nodeAddresses"] = list(addresses)
        assert changed(lab, config) >= {"node-annotations-bnk", JOIN, f"joins-e2e-net-{WORKER2}", "attachments-e2e-net"}
        for worker, address in zip((WORKER, WORKER2), addresses, strict=True):
            (interface, _) = _nodes(lab)[worker]
            shown = run(lab.engine, "exec", worker, "ip", "-4", "-oneline", "address", "show", "dev", interface)
            assert f" {address}/16 " in shown
        told = lab.stack.outputs()["node_annotations"]
        assert annotated() == {node: told[node][key] for node in told}
        return {node: json.loads(told[node][key])["ipv4"] for node in told}

    config["kalico:nodeAnnotations"] = {"bnk": True}
    assert given("10.33.0.21", "10.33.0.22") == {WORKER: "10.33.0.21/16", WORKER2: "10.33.0.22/16"}
    assert given("10.33.0.31", "10.33.0.32") == {WORKER: "10.33.0.31/16", WORKER2: "10.33.0.32/16"}
    lab.kubectl("annotate", "--overwrite", "node", WORKER, f"{key}=somebody's")
    assert previewed_and_done(lab.stack) == {"node-annotations-bnk"}
    assert annotated()[WORKER] == '{"ipv4":"10.33.0.31/16"}'
    del config["kalico:nodeAnnotations"], config["kalico:networks"][0]["nodeAddresses"]
    assert changed(lab, config) >= {"node-annotations-bnk", JOIN}
    assert annotated() == {WORKER: None, WORKER2: None}


def test_a_worker_may_leave_a_network_and_the_network_itself_stays(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:networks"][0]["nodes"] = ["worker2"]
    touched = changed(lab, config)
    assert touched >= {JOIN, "attachments-e2e-net", "pods-samplepod", "pods-elsewhere.far-1"}
    assert not touched & {"cluster-kind", "networks-e2e-net", "peers-e2e-net", f"joins-e2e-net-{WORKER2}"}
    assert list(_nodes(lab)) == [WORKER2]
    assert "macvlan" not in lab.in_node("ip", "-details", "link", "show")
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    del config["kalico:networks"][0]["nodes"]


def _nodes(lab: Lab) -> dict[str, tuple[str, str]]:
    (network,) = lab.stack.outputs()["networks"]
    return {node["name"]: (node["interface"], node["range"]) for node in network["nodes"]}
