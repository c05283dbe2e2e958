"""kalico-routes.sh: the routes and rules that a pod has after it, asked of the kernel, and its answers to the runtime.

The node is a network namespace, the pod one in it; neither outlives its test.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from components.scripts import script
from tests.scripts.conftest import ENTER, LEAVE

pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="no jq here, as nodes have it")

LINKS = """
ip link set lo up
{ ip link add eth0 type veth peer name eth0-end && ip link add net1 type veth peer name net1-end; } 2>&1
for link in eth0 eth0-end net1 net1-end; do ip link set "$link" up; done
"""
NODE = LINKS + "ip address add 10.89.0.3/24 dev eth0; ip address add 10.23.0.7/16 dev net1; echo made; exec sleep inf"
POD = (
    LINKS
    + """
ip address add 10.24.1.5/32 dev eth0
ip address add fd24::5/128 dev eth0 nodad
for family in '-4 169.254.1.1' '-6 fd24::1'; do
  read -r family gateway <<<"$family"
  ip "$family" route add "$gateway" dev eth0
  ip "$family" route add default via "$gateway" dev eth0
done
ip address add 10.23.0.100/16 dev net1
ip address add fd23::100/64 dev net1 nodad
ip route add 10.9.0.0/16 via 10.23.0.2
echo made
exec sleep inf
"""
)
"""As Calico's plugin, and then macvlan's with an IPAM's, leave it."""

IPS = [
    {"version": "4", "interface": 1, "address": "10.23.0.100/16"},
    {"version": "6", "interface": 1, "address": "fd23::100/64"},
    {"version": "4", "interface": 0, "address": "10.99.0.1/16", "gateway": "10.99.0.2"},
]
RESULT = {"cniVersion": "0.3.1", "interfaces": [{"name": "eth1"}, {"name": "net1", "sandbox": "/s"}], "ips": IPS}
KEEP = ["10.24.0.0/16", "10.96.0.0/16", "fd96::/112"]


@dataclass(frozen=True)
class Machine:
    """A node and a pod, by the processes that hold their namespaces."""

    node: int
    pod: int

    def inside(
        self, process: int, *words: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "--target", str(process), *ENTER.split(), "--net", "--", *words],
            input=stdin,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def ip(self, words: str) -> list[str]:
        """What `ip` says in the pod, a line each, without what it ends lines with."""
        done = self.inside(self.pod, "ip", *words.split())
        assert done.returncode == 0, done.stderr
        return [line.strip() for line in done.stdout.splitlines()]

    def plugin(self, command: str, **config: Any) -> subprocess.CompletedProcess[str]:
        config = {"cniVersion": "0.3.1", "name": "ext-net", "type": "kalico-routes", "prevResult": RESULT} | config
        netns = f"/proc/{self.pod}/ns/net"
        words = ("bash", "-c", script("kalico-routes"))
        stdin = json.dumps(config)
        return self.inside(self.node, *words, stdin=stdin, CNI_COMMAND=command, CNI_NETNS=netns, CNI_IFNAME="net1")

    def added(self, **config: Any) -> None:
        done = self.plugin("ADD", **config)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert json.loads(done.stdout) == RESULT

    def way(self, destination: str, source: str = "") -> str:
        """By which gateway or link a packet leaves the pod."""
        family = "-6" if ":" in destination else "-4"
        [route, *_] = self.ip(f"{family} route get {destination}" + (f" from {source}" if source else ""))
        words = route.split()
        return words[words.index("via") + 1] if "via" in words else words[words.index("dev") + 1]

    def table(self) -> str:
        """net1's own."""
        [link] = self.ip("-oneline link show dev net1")
        return str(1000 + int(link.split(":")[0]))


def holder(words: list[str], setup: str) -> subprocess.Popen[str]:
    """A process in a network namespace of its own, in which `setup` has run."""
    process = subprocess.Popen([*words, "bash", "-euc", setup], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    if (said := process.stdout.readline()) != "made\n":
        process.kill()
        process.communicate()
        pytest.skip(f"no namespaces here that could stand in for a pod: {said.strip()}")
    return process


@pytest.fixture
def machine() -> Iterator[Machine]:
    begun = []
    try:
        begun.append(node := holder(["unshare", *LEAVE.split(), "--net"], NODE))
        into = ["nsenter", "--target", str(node.pid), *ENTER.split(), "--net", "--", "unshare", "--net"]
        begun.append(pod := holder(into, POD))
        yield Machine(node.pid, pod.pid)
    finally:
        for process in begun:
            process.send_signal(signal.SIGKILL)
            process.communicate()


BOTH = ["10.23.0.1", "fd23::1"]
OUT = [("10.23.0.100", "192.0.2.7", "10.23.0.1"), ("fd23::100", "2001:db8::7", "fd23::1")]
"""Of each family: net1's address, one that is far away, and net1's gateway."""


@pytest.mark.parametrize(("address", "far", "gateway"), OUT)
def test_by_source_what_is_bound_to_the_address_leaves_by_the_gateway_and_all_else_by_eth0(
    machine: Machine, address: str, far: str, gateway: str
) -> None:
    before = machine.way(far)
    machine.added(defaultRoute="source", gateway=BOTH)
    assert machine.way(far, address) == gateway
    assert machine.way(far) == before != gateway


@pytest.mark.parametrize("source", ["", "10.23.0.100"])
def test_by_source_the_network_is_reached_over_net1_from_any_socket(machine: Machine, source: str) -> None:
    machine.added(defaultRoute="source", gateway="10.23.0.1")
    assert machine.way("10.23.0.50", source) == "net1"
    assert machine.way("10.9.0.1", source) == "10.23.0.2"


def test_by_source_a_default_route_that_a_lease_brought_does_not_stay(machine: Machine) -> None:
    machine.inside(machine.pod, "ip", "route", "append", "default", "via", "10.23.0.1", "dev", "net1")
    assert len(machine.ip("-4 route show default")) == 2
    machine.added(defaultRoute="source", gateway="10.23.0.1")
    assert machine.ip("-4 route show default") == ["default via 169.254.1.1 dev eth0"]


def test_a_table_is_an_interfaces_own(machine: Machine) -> None:
    machine.added(defaultRoute="source", gateway="10.23.0.1")
    [rule] = [line for line in machine.ip("-4 rule") if "10.23.0.100" in line]
    assert rule.endswith(f"from 10.23.0.100 lookup {machine.table()}")


@pytest.mark.parametrize(("address", "far", "gateway"), OUT)
def test_by_net1_all_leaves_by_the_gateway(machine: Machine, address: str, far: str, gateway: str) -> None:
    machine.added(defaultRoute="net1", gateway=BOTH, keep=KEEP)
    assert machine.way(far) == machine.way(far, address) == gateway


@pytest.mark.parametrize(
    "of_cluster", ["10.24.9.9", "10.96.0.10", "10.89.0.2", "fd96::a"], ids=["pod", "service", "node", "IPv6"]
)
def test_by_net1_the_cluster_stays_on_eth0(machine: Machine, of_cluster: str) -> None:
    before = machine.way(of_cluster)
    assert before in ("169.254.1.1", "fd24::1")
    machine.added(defaultRoute="net1", gateway=BOTH, keep=KEEP)
    assert machine.way(of_cluster) == before


def test_by_net1_a_subnet_of_the_nodes_other_links_is_none_of_the_clusters(machine: Machine) -> None:
    machine.added(defaultRoute="net1", gateway="10.23.0.1", keep=KEEP)
    assert machine.way("10.23.0.7") == "net1"


@pytest.mark.parametrize("way", ["source", "net1"])
def test_a_family_without_a_gateway_stays_as_it_is(machine: Machine, way: str) -> None:
    def of_ipv6() -> list[str]:
        """Without what the kernel adds by itself once a link is up."""
        shown = [*machine.ip("-6 route"), *machine.ip("-6 rule")]
        return [line for line in shown if not line.startswith("fe80::/64 ")]

    before = of_ipv6()
    machine.added(defaultRoute=way, gateway="10.23.0.1", keep=KEEP)
    assert of_ipv6() == before


def leased(gateway: str | None) -> dict[str, Any]:
    """What an IPAM's result is whose gateway the config does not say."""
    given = {"gateway": gateway} if gateway else {}
    return {"prevResult": RESULT | {"ips": [IPS[0] | given, *IPS[1:]]}}


@pytest.mark.parametrize("way", ["source", "net1"])
def test_the_gateway_may_be_the_results(machine: Machine, way: str) -> None:
    done = machine.plugin("ADD", defaultRoute=way, keep=KEEP, **leased("10.23.0.9"))
    assert done.returncode == 0, done.stdout
    assert machine.way("192.0.2.7", "10.23.0.100") == "10.23.0.9"


def test_by_source_an_interface_without_gateway_stays_as_it_is(machine: Machine) -> None:
    before = machine.ip("route"), machine.ip("rule")
    machine.added(defaultRoute="source")
    assert (machine.ip("route"), machine.ip("rule")) == before


def test_a_gateway_of_the_config_is_the_only_one_whatever_the_result_says(machine: Machine) -> None:
    """host-local claims the first address of a range for one."""
    before = machine.ip("-6 route"), machine.ip("-6 rule")
    result = RESULT | {"ips": [IPS[0], IPS[1] | {"gateway": "fd23::1"}]}
    done = machine.plugin("ADD", defaultRoute="source", gateway="10.23.0.1", prevResult=result)
    assert done.returncode == 0, done.stdout
    assert (machine.ip("-6 route"), machine.ip("-6 rule")) == before


@pytest.mark.parametrize("way", ["source", "net1"])
def test_an_address_of_ipv6_is_waited_for(machine: Machine, way: str) -> None:
    for words in ("address delete fd23::100/64 dev net1", "address add fd23::100/64 dev net1"):
        assert machine.inside(machine.pod, "ip", *words.split()).returncode == 0
    assert machine.ip("-6 address show dev net1 tentative")
    machine.added(defaultRoute=way, gateway=BOTH, keep=KEEP)
    assert machine.ip("-6 address show dev net1 tentative") == []


def test_an_address_of_ipv6_that_another_has_is_an_error(machine: Machine) -> None:
    for words in (
        "address add fd23::7/64 dev net1-end nodad",
        "address add fd23::7/64 dev net1",
    ):
        assert machine.inside(machine.pod, "ip", *words.split()).returncode == 0
    config: dict[str, Any] = {"defaultRoute": "source", "gateway": BOTH}
    assert error(machine.plugin("ADD", **config)) == (100, "kalico-routes: net1: another has its address")


def error(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said.pop("cniVersion") == "0.3.1"
    return said.pop("code"), said.pop("msg")


def test_by_net1_an_interface_without_gateway_is_an_error(machine: Machine) -> None:
    before = machine.ip("route")
    assert error(machine.plugin("ADD", defaultRoute="net1")) == (7, "kalico-routes: net1 has no gateway")
    assert machine.ip("route") == before


@pytest.mark.parametrize("way", ["source", "net1"])
def test_what_the_kernel_refuses_is_told_to_the_runtime(machine: Machine, way: str) -> None:
    code, message = error(machine.plugin("ADD", defaultRoute=way, gateway="10.77.0.1", keep=KEEP))
    assert code == 100
    assert message.startswith("kalico-routes: net1: Error: ")


@pytest.mark.parametrize(
    ("way", "damage", "wrong"),
    [
        ("source", "ip rule delete from 10.23.0.100", "there is no rule for 10.23.0.100"),
        ("source", "ip route flush table TABLE", " does not lead to 10.23.0.1"),
        ("net1", "ip route replace default via 10.23.0.2", "the default route is not by 10.23.0.1 on net1"),
    ],
)
def test_a_check_tells_what_is_not_as_it_was_left(machine: Machine, way: str, damage: str, wrong: str) -> None:
    config: dict[str, Any] = {"defaultRoute": way, "gateway": BOTH, "keep": KEEP}
    machine.added(**config)
    assert (machine.plugin("CHECK", **config).returncode, machine.plugin("CHECK", **config).stdout) == (0, "")
    assert machine.inside(machine.pod, *damage.replace("TABLE", machine.table()).split()).returncode == 0
    code, message = error(machine.plugin("CHECK", **config))
    assert code == 100
    assert message.endswith(wrong)


def answer(stdin: str = "{}", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script("kalico-routes")],
        input=stdin,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


NET1 = {"CNI_COMMAND": "ADD", "CNI_NETNS": "/nowhere", "CNI_IFNAME": "net1"}


def test_a_delete_has_nothing_to_do_wherever_the_pod_is() -> None:
    done = answer(**NET1 | {"CNI_COMMAND": "DEL"})
    assert (done.returncode, done.stdout) == (0, "")


def test_it_tells_the_versions_that_it_speaks() -> None:
    done = answer('{"cniVersion": "0.3.1"}', CNI_COMMAND="VERSION")
    assert done.returncode == 0
    assert "0.3.1" in json.loads(done.stdout)["supportedVersions"]


@pytest.mark.parametrize(
    ("stdin", "environment", "code", "message"),
    [
        ("{}", NET1 | {"CNI_COMMAND": "DANCE"}, 4, "CNI_COMMAND is DANCE"),
        ("{}", NET1 | {"CNI_NETNS": ""}, 4, "CNI_NETNS and CNI_IFNAME are needed"),
        ("{", NET1, 6, "the config is no JSON object"),
        ("", NET1, 6, "the config is no JSON object"),
        ('{"cniVersion": "0.3.1"}', NET1, 7, "it has to follow a plugin that gives addresses"),
        (
            json.dumps({"cniVersion": "0.3.1", "prevResult": RESULT, "defaultRoute": "none"}),
            NET1,
            7,
            "defaultRoute is none, neither source nor net1",
        ),
        (
            json.dumps({"cniVersion": "0.3.1", "prevResult": RESULT, "defaultRoute": "net1", "gateway": "10.23.0.1"}),
            NET1,
            100,
            "net1: nsenter: cannot open /nowhere: No such file or directory",
        ),
    ],
)
def test_what_it_cannot_work_with_is_an_error_as_runtimes_read_it(
    stdin: str, environment: dict[str, str], code: int, message: str
) -> None:
    assert error(answer(stdin, **environment)) == (code, f"kalico-routes: {message}")
