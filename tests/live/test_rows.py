"""The rows of the README's tables that the other live tests have no need of, on two workers and all IPAM types.

They take about as long again as the half hour that `make e2e` has: `make e2e LONG=1`.
"""

import copy
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from components.macvlan_networks import bridge_name
from tests.live.conftest import (
    CLUSTER,
    ENDS_AT_ONCE,
    TESTED,
    WORKER,
    WORKER2,
    Case,
    Lab,
    allocations,
    attachments,
    changed,
    configure,
    engine_restarted,
    eventually,
    killed_up,
    previewed_and_done,
    run,
    stays,
)

pytestmark = [pytest.mark.live, pytest.mark.long, pytest.mark.timeout(900)]

SERVER = f"{CLUSTER}-dhcp-e2e-leased"
PEER = f"{CLUSTER}-peer-e2e-static"
PODS = {"pods-near", "pods-far"}
NODES = (f"{CLUSTER}-control-plane", WORKER, WORKER2)
CTR = ("ctr", "--namespace", "k8s.io", "images")


def attached(network: str) -> set[str]:
    """What is made anew where a network's pods are attached anew, on two workers."""
    return {*confs(network), f"attachments-{network}", *PODS, *TESTED}


def confs(network: str) -> set[str]:
    return {f"attachments-{network}-conf-{worker}" for worker in (WORKER, WORKER2)}


def joins(network: str) -> set[str]:
    return {f"joins-{network}-{worker}" for worker in (WORKER, WORKER2)}


@pytest.fixture
def static(config: dict[str, Any]) -> dict[str, Any]:
    return network(config, "e2e-static")


def network(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in config["kalico:networks"] if each["name"] == name)
    return found


def shown(lab: Lab, pod: str, *words: str) -> str:
    return lab.kubectl("exec", pod, "--", *words)


def test_routes_and_a_gateway_are_the_pods(lab: Lab, config: dict[str, Any], static: dict[str, Any]) -> None:
    static["routes"] = [{"dst": "10.99.0.0/16", "gw": "10.41.0.3"}]
    static["ipam"]["routes"] = [{"dst": "10.98.0.0/16"}]
    assert changed(lab, config) == attached("e2e-static")
    routes = shown(lab, "near", "ip", "route").splitlines()
    assert any(line.startswith("10.99.0.0/16 via 10.41.0.3 dev net2") for line in routes)
    assert any(line.startswith("10.98.0.0/16 via 10.41.0.1 dev net2") for line in routes)
    del static["routes"], static["ipam"]["routes"]
    static["gateway"] = "10.41.0.2"
    touched = changed(lab, config)
    assert touched >= attached("e2e-static")
    assert lab.engine == "docker" or touched == attached("e2e-static")
    assert "via 10.41.0.2 dev net2" in shown(lab, "near", "ip", "route", "get", "192.0.2.7", "from", "10.41.0.7")


def test_a_peer_comes_moves_and_goes_by_itself(lab: Lab, config: dict[str, Any], static: dict[str, Any]) -> None:
    same = stays(lab, "near", "far")
    of_the_peer = {"peers-e2e-static", *TESTED}
    static["peer"] = {"address": "10.41.0.77"}
    assert changed(lab, config) == of_the_peer
    shown(lab, "near", "ping", "-c", "1", "-w", "10", "-I", "net2", "10.41.0.77")
    del static["peer"]
    assert changed(lab, config) == of_the_peer
    assert PEER not in run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split()
    static["peer"] = True
    assert changed(lab, config) == of_the_peer
    assert same()


def test_a_peer_that_is_the_gateway_and_moves_takes_the_default_route_along(lab: Lab, config: dict[str, Any]) -> None:
    network(config, "e2e-leased")["peer"] = {"address": "10.44.0.200"}
    assert changed(lab, config) >= {"peers-e2e-leased", *attached("e2e-leased")}
    (near,) = [each["ips"][0] for each in attachments(lab) if (each["pod"], each["network"]) == ("near", "e2e-leased")]
    way = shown(lab, "near", "ip", "route", "get", "192.0.2.7", "from", near)
    assert "via 10.44.0.200 " in way


def test_another_lease_time_replaces_the_server_and_attaches_anew(lab: Lab, config: dict[str, Any]) -> None:
    network(config, "e2e-leased")["ipam"]["leaseTime"] = "3m"
    touched = attached("e2e-leased") - confs("e2e-leased")  # the plugin is not told of it
    assert changed(lab, config) == {"leases-e2e-leased", "readiness-report", *touched}
    assert lab.stack.outputs()["self_test"]["failed"] == 0


@pytest.fixture
def own_server(lab: Lab) -> Iterator[str]:
    """A DHCP server that somebody has put on the network; another range tells its leases from the lab's."""
    name = f"{CLUSTER}-own-server"
    image = run(lab.engine, "inspect", "--format", "{{.Config.Image}}", SERVER).strip()
    serve = (
        "ip address flush dev eth0 && ip address add 10.44.0.201/24 dev eth0 && exec dnsmasq --keep-in-foreground"
        " --conf-file=/dev/null --user=root --port=0 --no-resolv --no-hosts --no-ping --dhcp-authoritative"
        " --dhcp-range=10.44.0.150,10.44.0.160,255.255.255.0,2m --dhcp-option=3 --dhcp-leasefile=/run/leases"
        " --log-facility=-"
    )
    rights = ("--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--tmpfs", "/run")
    words = ("--detach", "--name", name, "--network", "e2e-leased", *rights, "--entrypoint", "sh", image, "-c", serve)
    run(lab.engine, "run", *words)
    yield name
    run(lab.engine, "rm", "--force", name)


def test_where_the_network_has_a_server_of_its_own_the_pods_have_its_leases(
    lab: Lab, config: dict[str, Any], own_server: str
) -> None:
    leased = network(config, "e2e-leased")
    before, leased["ipam"] = leased["ipam"], {"type": "dhcp", "server": False}
    touched = changed(lab, config)
    assert touched >= {"leases-e2e-leased", *attached("e2e-leased") - confs("e2e-leased")}
    assert own_server in run(lab.engine, "ps", "--format", "{{.Names}}").split()
    ips = [ipaddress.IPv4Address(each["ips"][0]) for each in attachments(lab) if each["network"] == "e2e-leased"]
    assert len(set(ips)) == 2
    assert all(150 <= ip.packed[3] <= 160 for ip in ips)
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    leased["ipam"] = before
    run(lab.engine, "stop", "--time", "0", own_server)
    assert changed(lab, config) == touched
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def test_the_seeds_default_route_is_there_beside_eth0s_and_the_plan_warns_of_it(
    lab: Lab, config: dict[str, Any], static: dict[str, Any]
) -> None:
    static["defaultRoute"] = "literal"
    assert changed(lab, config) == attached("e2e-static")
    routes = [line for line in shown(lab, "near", "ip", "route").splitlines() if line.startswith("default ")]
    assert len(routes) == 2
    warning = "warning: network e2e-static (`defaultRoute: literal`): its pods have a second default route"
    assert warning in " ".join(lab.stack.pulumi("preview", quiet=True).stdout.split())
    del static["defaultRoute"]
    changed(lab, config)


def test_another_plugin_takes_the_network_and_its_joins_and_comes_back(
    lab: Lab, config: dict[str, Any], static: dict[str, Any]
) -> None:
    before = copy.deepcopy(static)
    static["plugin"] = "bridge"
    del static["peer"], static["gateway"]
    touched = changed(lab, config)
    bridges = {f"attachments-e2e-static-bridge-{worker}" for worker in (WORKER, WORKER2)}
    of_the_network = {"networks-e2e-static", "peers-e2e-static", *joins("e2e-static")}
    assert touched >= {
        *of_the_network,
        *bridges,
        *attached("e2e-static"),
    }
    assert not touched & {"cluster-kind", "networks-e2e-net", *joins("e2e-net")}
    assert "e2e-static" not in run(lab.engine, "network", "ls", "--format", "{{.Name}}").split()
    static.clear()
    static.update(before)
    assert changed(lab, config) == touched
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def test_another_type_of_ipam_takes_what_the_old_one_needed_and_brings_its_own(
    lab: Lab, config: dict[str, Any]
) -> None:
    leased = network(config, "e2e-leased")
    before, leased["ipam"] = (
        leased["ipam"],
        {"type": "host-local", "rangeStart": "10.44.0.10", "rangeEnd": "10.44.0.99"},
    )
    touched = changed(lab, config)
    of_leases = {"leases-e2e-leased", *(f"leases-daemon-{worker}" for worker in (WORKER, WORKER2))}
    assert touched >= {*of_leases, *attached("e2e-leased")}
    assert not touched & {"cluster-kind", "networks-e2e-net", *joins("e2e-net")}
    assert SERVER not in run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split()
    assert "kalico-dhcp.service" not in lab.in_node("ls", "/etc/systemd/system").split()
    ips = {each["node"]: each["ips"][0] for each in attachments(lab) if each["network"] == "e2e-leased"}
    assert ips == {WORKER: "10.44.0.10", WORKER2: "10.44.0.55"}
    leased["ipam"] = before
    assert changed(lab, config) >= {*of_leases, *attached("e2e-leased")}
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def test_a_second_family_goes_and_comes_with_the_network_anew(lab: Lab, config: dict[str, Any]) -> None:
    first = network(config, "e2e-net")
    family = {key: first.pop(key) for key in ("subnet6", "gateway6")}
    of_the_network = {"networks-e2e-net", "peers-e2e-net", *joins("e2e-net"), *attached("e2e-net")}
    assert changed(lab, config) == of_the_network
    assert [len(each["ips"]) for each in attachments(lab) if each["network"] == "e2e-net"] == [1, 1]
    assert "inet6 fd00" not in shown(lab, "near", "ip", "-6", "address", "show", "dev", "net1")
    first |= family
    assert changed(lab, config) == of_the_network
    assert [len(each["ips"]) for each in attachments(lab) if each["network"] == "e2e-net"] == [2, 2]
    assert lab.stack.outputs()["self_test"]["failed"] == 0


def test_an_mtu_up_to_1500_is_the_pods_and_the_networks_where_the_engine_sets_it(
    lab: Lab, config: dict[str, Any], static: dict[str, Any]
) -> None:
    of_the_network = {"networks-e2e-static", "peers-e2e-static", *joins("e2e-static")}
    touched = attached("e2e-static") | (set() if lab.engine == "docker" else of_the_network)
    static["mtu"] = 1400
    assert changed(lab, config) == touched
    assert shown(lab, "near", "cat", "/sys/class/net/net2/mtu").strip() == "1400"
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    del static["mtu"]
    assert changed(lab, config) == touched
    assert shown(lab, "near", "cat", "/sys/class/net/net2/mtu").strip() == "1500"


@contextmanager
def named_otherwise_in_nodes(lab: Lab, image: str) -> Iterator[str]:
    """Another name of an image that the nodes have."""
    name = "localhost/kalico-e2e:own"
    for node in NODES:
        run(lab.engine, "exec", node, *CTR, "tag", "--force", image, name)
    yield name
    for node in NODES:
        run(lab.engine, "exec", node, *CTR, "rm", name)


@pytest.mark.parametrize(
    ("key", "daemon", "touched"),
    [
        ("multusImage", "kube-multus-ds", {"multus-kube-multus-ds", "readiness-report"}),
        ("whereaboutsImage", "whereabouts", {"whereabouts-whereabouts", "readiness-report"}),
    ],
)
def test_another_image_of_a_daemon_is_rolled_out_and_pods_run_on(
    lab: Lab, config: dict[str, Any], key: str, daemon: str, touched: set[str]
) -> None:
    same = stays(lab, "near", "far")
    of_the_daemon = ("get", "daemonset", daemon, "--namespace=kube-system", "--output")
    image = lab.kubectl(*of_the_daemon, "jsonpath={.spec.template.spec.containers[0].image}")
    with named_otherwise_in_nodes(lab, image) as own:
        config[f"kalico:{key}"] = own
        assert changed(lab, config) == touched
        assert lab.kubectl(*of_the_daemon, "jsonpath={.spec.template.spec.containers[0].image}") == own
        assert lab.kubectl(*of_the_daemon, "jsonpath={.status.updatedNumberScheduled}") == str(len(NODES))
        assert lab.stack.check() == 0
        del config[f"kalico:{key}"]
        assert changed(lab, config) == touched
    assert same()


def test_one_pod_more_of_a_kind_and_another_namespace_touch_no_other_pod(lab: Lab, config: dict[str, Any]) -> None:
    same = stays(lab, "near", "far")
    many = {"name": "many", "image": "alpine", "command": ENDS_AT_ONCE, "networks": ["e2e-leased"], "count": 1}
    config["kalico:pods"].append(many)
    assert changed(lab, config) == {"pods-many-1", *TESTED}
    many["count"] = 2
    assert changed(lab, config) == {"pods-many-2", *TESTED}
    many["namespace"] = "apart"
    assert changed(lab, config) >= {"pods-many-1", "pods-many-2", "pods-apart.many-1", "pods-apart.many-2", *TESTED}
    config["kalico:pods"].remove(many)
    changed(lab, config)
    assert same()


def test_what_bnk_reads_comes_and_goes_and_nothing_else_does(lab: Lab, config: dict[str, Any]) -> None:
    network(config, "e2e-net")["nodeAddresses"] = ["10.33.0.21", "10.33.0.22"]
    changed(lab, config)
    config["kalico:nodeAnnotations"] = {"bnk": True}
    assert {name for name in changed(lab, config) if name != "node-annotations"} == {"node-annotations-bnk"}
    del config["kalico:nodeAnnotations"]
    assert {name for name in changed(lab, config) if name != "node-annotations"} == {"node-annotations-bnk"}
    del network(config, "e2e-net")["nodeAddresses"]
    changed(lab, config)


def test_a_worker_that_is_dropped_before_its_making_came_to_an_end_goes_with_the_next_up(
    lab: Lab, config: dict[str, Any]
) -> None:
    third = f"{WORKER}3"
    configure(lab, config | {"kalico:workers": 3})
    killed_up(lab.stack, f"workers-{third} creating", with_scripts=f"NODE={third}")
    assert third in run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split()
    configure(lab, config)
    assert lab.stack.up() == 0
    assert third not in run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split()
    assert third not in lab.kubectl("get", "nodes", "--output", "name")
    assert lab.stack.check() == 0


CASES = {
    "a peer is removed": Case(
        happens=lambda lab: run(lab.engine, "rm", "--force", PEER), repaired={"peers-e2e-static", *TESTED}
    ),
    "the DHCP server is removed": Case(
        happens=lambda lab: run(lab.engine, "rm", "--force", SERVER),
        repaired={"leases-e2e-leased", "readiness-report"},
    ),
    "the DHCP server is stopped": Case(
        happens=lambda lab: run(lab.engine, "stop", "--time", "1", SERVER),
        repaired={"leases-e2e-leased", "readiness-report"},
    ),
    "an interface is taken out of a pod's annotation": Case(
        happens=lambda lab: lab.kubectl("annotate", "pod", "near", "k8s.v1.cni.cncf.io/network-status-"),
        repaired={"pods-near", *TESTED},
    ),
    "whereabouts' plugin and conf are deleted": Case(
        happens=lambda lab: lab.in_node("rm", "-r", "/etc/cni/net.d/whereabouts.d"),
        repaired={"whereabouts-files", "readiness-report"},
    ),
}


@pytest.mark.parametrize("refreshed", [False, True], ids=["up alone", "refresh and up"])
@pytest.mark.parametrize("what", CASES)
def test_the_lab_is_repaired_as_the_preview_says_when(lab: Lab, what: str, refreshed: bool) -> None:
    case = CASES[what]
    case.happens(lab)
    if refreshed:
        done = lab.stack.pulumi("refresh", "--yes", "--skip-preview", quiet=True)
        assert done.returncode == 0, done.stdout
    assert previewed_and_done(lab.stack) == case.repaired
    assert lab.stack.check() == 0


def test_an_islands_bridge_that_is_gone_comes_back_with_all_that_is_on_it(lab: Lab) -> None:
    run("ip", "link", "delete", bridge_name(CLUSTER, "e2e-static"))
    touched = previewed_and_done(lab.stack)
    assert touched >= {"networks-e2e-static", "peers-e2e-static", *joins("e2e-static"), *attached("e2e-static")}
    assert not touched & {"cluster-kind", "networks-e2e-net"}
    eventually(lambda: lab.stack.check() == 0, seconds=60)


@pytest.mark.parametrize("refreshed", [False, True], ids=["up alone", "refresh and up"])
def test_after_a_reboot_the_same_cluster_works_again(lab: Lab, refreshed: bool) -> None:
    """Which leaves containers that do not run, and no link of the lab's."""
    names = run(lab.engine, "ps", "--format", "{{.Names}}").split()
    run(lab.engine, "stop", "--time", "2", *(name for name in names if name.startswith(CLUSTER)))
    links = run("ip", "-oneline", "link", "show")
    for each in ("e2e-net", "e2e-static", "e2e-shared", "e2e-leased"):
        if (bridge := bridge_name(CLUSTER, each)) in links:
            run("ip", "link", "delete", bridge)
    if refreshed:
        done = lab.stack.pulumi("refresh", "--yes", "--skip-preview", quiet=True)
        assert done.returncode == 0, done.stdout
    touched = previewed_and_done(lab.stack)
    assert touched >= {"cluster-running", "leases-e2e-leased", "peers-e2e-static", *PODS}
    assert "cluster-kind" not in touched
    eventually(lambda: lab.stack.check() == 0, seconds=60)


def test_after_a_restart_of_the_engine_the_same_cluster_works_again(lab: Lab) -> None:
    engine_restarted(lab)
    touched = previewed_and_done(lab.stack)
    assert touched >= {"cluster-running", "leases-e2e-leased", "peers-e2e-static", *PODS}
    assert "cluster-kind" not in touched
    eventually(lambda: lab.stack.check() == 0, seconds=60)


def test_a_worker_that_is_lost_gives_its_address_back(lab: Lab) -> None:
    """Within a turn of the reconciler, which comes every five minutes."""
    assert allocations(lab) == {"default/near", "default/far"}
    run(lab.engine, "rm", "--force", WORKER2)
    lab.kubectl("delete", "node", WORKER2)
    eventually(lambda: allocations(lab) == {"default/near"}, seconds=480)
    assert "cluster-kind" in previewed_and_done(lab.stack)
    assert lab.stack.check() == 0
