"""self-test.sh and what is made of its answers, on network namespaces that stand in for pods, joined by a bridge."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from components.annotations import NETWORK_STATUS
from components.checks.judge import Result
from components.checks.plan import Peer, Plan, plan
from components.checks.run import Answer, NodeSession, check
from tests.lab_config import ROOT, lab, network, pod
from tests.scripts.conftest import NODES, Bench, in_node, inside, lose

PODS = {"one": NODES[0], "two": NODES[0], "three": NODES[1]}
"""By pod, its node."""
ADDRESSES = {"one": "10.23.0.100", "two": "10.23.0.101", "three": "10.23.0.102"}
MACS = {"one": "02:00:00:00:00:01", "two": "02:00:00:00:00:02", "three": "02:00:00:00:00:03"}
NAME_SERVER = "nameserver 10.96.0.10"

CTR = """#!/bin/bash
# Of containers, `NAMESPACE/NAME ID`; of tasks, `ID PID STATUS`.
case "$*" in
  '--namespace k8s.io tasks list') echo 'TASK PID STATUS' && cat /run/tasks ;;
  '--namespace k8s.io containers list --quiet labels."io.cri-containerd.kind"=="sandbox",'*)
    while read -r name id; do
      wanted="labels.\\"io.kubernetes.pod.name\\"==\\"${name#*/}\\",labels.\\"io.kubernetes.pod.namespace\\"==\\"${name%/*}\\""
      [[ $6 != *,"$wanted" ]] || echo "$id"
    done </run/containers
    ;;
  *) exit 97 ;;
esac
"""
GETENT = f"""#!/bin/bash
[ "$RES_OPTIONS" = 'attempts:1 timeout:2' ] && [ "$*" = 'ahosts kubernetes.default.svc' ] || exit 1
grep -qx '{NAME_SERVER}' /etc/resolv.conf && echo '10.96.0.1 STREAM kubernetes.default.svc.cluster.local'
"""
JOURNALCTL = """#!/bin/bash
[[ $* == *--unit\\ kubelet* && $* == *--unit\\ containerd* && $* == *--unit\\ kalico-dhcp* ]] || exit 1
for i in {1..30}; do echo "$i SetUp succeeded for one"; echo "$i RunPodSandbox of two failed: $(printf '%700d' 0)"; done
echo "31 node dhcp[7]: of every renewal" && echo "32 node kalico-dhcp-leases[8]: net1 has no lease $(printf '%700d' 0)"
"""
CURL = """#!/bin/bash
[[ $* == *--resolve\\ kubernetes.default.svc:443:10.96.0.1\\ * ]] && printf 200
"""


@dataclass(frozen=True, kw_only=True)
class Network:
    bench: Bench
    processes: dict[str, int]

    def check(self, made: Plan) -> list[Result]:
        sessions = {name: NodeSession(engine=str(self.bench.folder / "bin/podman"), name=name) for name in NODES}
        try:
            return check(made, [as_listed(name) for name in PODS], sessions)
        finally:
            for session in sessions.values():
                session.close()

    def within(self, name: str, command: str) -> None:
        """Run a command in a pod, or on the bridge's side of all (`bridge`)."""
        enter = "" if name == "bridge" else f"nsenter --target {self.processes[name]} --net -- "
        inside(self.bench, NODES[0], f"{enter}bash -euc '{command}'")


PEER = Peer(network="ext-net", address="10.23.0.50", container=NODES[1], mac="02:00:00:00:00:50")
"""In the second node itself."""


def as_listed(name: str) -> dict[str, Any]:
    status = {"name": "default/ext-net", "interface": "net1", "ips": [ADDRESSES[name]], "mac": MACS[name]}
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {NETWORK_STATUS: json.dumps([status])},
        },
        "spec": {"nodeName": PODS[name]},
    }


def made(**changes: Any) -> Plan:
    """What has to hold of the three pods, on a network without routes."""
    settings = lab(
        workers=1,
        networks=[network(defaultRoute="none", **changes)],
        pods=[pod(name=name) for name in PODS],
    )
    # The nodes of these tests are no workers of that lab.
    expected = plan(settings)
    return replace(expected, networks={name: replace(net, ranges={}) for name, net in expected.networks.items()})


@pytest.fixture
def ext_net(nodes: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    if (socat := shutil.which("socat")) is None:
        pytest.skip("socat, which every node has, is not on this machine")
    if os.geteuid() != 0:
        pytest.skip("only root can join the namespaces of two nodes by a bridge")
    monkeypatch.setenv("BENCH", str(nodes.folder))
    tools = nodes.folder / "tools"
    tools.mkdir()
    for name, text in {"ctr": CTR, "getent": GETENT, "curl": CURL, "journalctl": JOURNALCTL}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tools / "socat").symlink_to(socat)
    for node in NODES:
        in_node(nodes, node, "/etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
        process = (nodes.folder / "nodes" / node / "process").read_text()
        mount = ["nsenter", "--target", process, "--mount", "--", "mount", "--bind", str(tools), "/usr/local/bin"]
        subprocess.run(mount, check=True)
    etc = nodes.folder / "etc"
    etc.mkdir()
    (etc / "resolv.conf").write_text(f"search default.svc.cluster.local\n{NAME_SERVER}\n")
    inside(nodes, NODES[0], "ip link add name bridge type bridge && ip link set bridge up")
    running = {}
    try:
        for name in PODS:
            pod_ = f"mount --bind {etc} /etc && echo made && exec sleep infinity"
            words = ["unshare", "--net", "--mount", "bash", "-euc", pod_]
            running[name] = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            assert (out := running[name].stdout)
            assert out.readline() == "made\n"
        found = Network(bench=nodes, processes={name: each.pid for name, each in running.items()})
        for node in NODES:
            here = [name for name in PODS if PODS[name] == node]
            ended = "default/one id-of-an-earlier-one\n"
            in_node(nodes, node, "/run/containers").write_text(
                ended + "".join(f"default/{name} id-of-{name}\n" for name in here)
            )
            in_node(nodes, node, "/run/tasks").write_text(
                "".join(f"id-of-{name} {running[name].pid} RUNNING\n" for name in here)
                + "id-of-an-earlier-one 1 STOPPED\n"
            )
        for name, pid in found.processes.items():
            port = f"port-{name}"
            peer = f"peer name net1 address {MACS[name]} netns {pid}"
            found.within("bridge", f"ip link add name {port} type veth {peer}")
            found.within("bridge", f"ip link set {port} master bridge up")
            found.within(name, f"ip address add {ADDRESSES[name]}/16 brd + dev net1 && ip link set net1 up")
        yield found
    finally:
        for each in running.values():
            each.kill()
            each.communicate()


def by(results: list[Result], ok: bool | None) -> set[tuple[str, str, str]]:
    return {(each.name, each.pod.removeprefix("default/"), each.what) for each in results if each.ok is ok}


def test_on_a_network_that_works_every_check_passes(ext_net: Network) -> None:
    results = ext_net.check(made(mtu=1500))
    assert [str(each) for each in results if each.ok is False] == []
    passed = by(results, True)
    for name in PODS:
        assert {(check, name, "net1") for check in ("link", "address", "MAC", "MTU", "routes")} <= passed
        assert {(check, name, "eth0") for check in ("DNS", "API")} <= passed
        for other in PODS.keys() - {name}:
            to = f"net1 to {other} net1"
            assert {(check, name, to) for check in ("neighbour", "TCP", "large packet")} <= passed


@pytest.mark.parametrize(
    ("where", "damage", "told"),
    [
        ("two", "ip link set net1 mtu 1400", {("MTU", "two")}),
        ("two", "ip route add 10.99.0.0/16 dev net1", {("routes", "two")}),
        ("two", "ip address add 10.23.0.7/16 dev net1", {("address", "two")}),
        ("two", "ip address add 10.23.0.7/24 dev net1", {("address", "two"), ("routes", "two")}),
        (
            "two",
            "ip link set net1 address 02:00:00:00:00:99",
            {("MAC", "two"), ("neighbour", "one"), ("neighbour", "three")},
        ),
        ("bridge", "ip link set port-two mtu 1400", {("large packet", name) for name in PODS}),
        (
            "bridge",
            "ip link set port-two down",
            {("link", "two")} | {(check, name) for check in ("neighbour", "TCP", "large packet") for name in PODS},
        ),
    ],
)
def test_what_is_broken_is_told_and_nothing_else(
    ext_net: Network, where: str, damage: str, told: set[tuple[str, str]]
) -> None:
    ext_net.within(where, damage)
    failed = by(ext_net.check(made(mtu=1500)), False)
    assert {(name, pod) for name, pod, _ in failed} == told
    # Only what has to do with that pod.
    assert all(pod == "two" or "two" in what for _, pod, what in failed)


@pytest.fixture
def with_peer(ext_net: Network) -> Plan:
    """A plan with a peer, which is there."""
    process = (ext_net.bench.folder / "nodes" / NODES[1] / "process").read_text()
    ext_net.within("bridge", f"ip link add name port-peer type veth peer name ext address {PEER.mac} netns {process}")
    ext_net.within("bridge", "ip link set port-peer master bridge up")
    inside(ext_net.bench, NODES[1], f"ip address add {PEER.address}/16 dev ext && ip link set ext up")
    return replace(made(), peers=(PEER,))


PEERS_REQUESTS = """\
0 here p
1 serve p - 127.0.0.1 61000
sync
2 tcp p - 127.0.0.1 127.0.0.1 61000
3 tcp p - 127.0.0.1 127.0.0.1 61001
sync
"""


def test_nothing_is_left_in_a_peer_whose_first_process_takes_no_children_over(tmp_path: Path) -> None:
    if (socat := shutil.which("socat")) is None or os.geteuid() != 0:
        pytest.skip("it takes root, and socat, which every node has")
    (tmp_path / "socat").symlink_to(socat)
    apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net"]
    first = subprocess.Popen([*apart, "sleep", "infinity"])
    try:
        [process] = children(first.pid)
        in_peer = ["nsenter", "--target", process, "--pid", "--mount", "--net"]
        subprocess.run([*in_peer, "ip", "link", "set", "lo", "up"], check=True)
        told = subprocess.run(
            [*in_peer, "bash", "-c", (ROOT / "components/scripts/self-test.sh").read_text(), "self-test"],
            input=PEERS_REQUESTS,
            env={"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        listed = subprocess.run([*in_peer, "ps", "-eo", "comm="], capture_output=True, text=True, check=True).stdout
    finally:
        first.kill()
        first.communicate()
    assert "\n2 ok " in told
    assert "\n3 failed " in told
    assert listed.split() == ["sleep", "ps"]


def children(process: int) -> list[str]:
    """Waits for the first."""
    place = Path(f"/proc/{process}/task/{process}/children")
    for _ in range(100):
        if found := place.read_text().split():
            return found
        time.sleep(0.05)
    return []


TO_PEER = {("neighbour", "to"), ("TCP", "to"), ("large packet", "to"), ("TCP", "from")}


@pytest.mark.parametrize(
    ("damage", "told"), [("true", set()), ("mtu 1400", {("large packet", "to")}), ("down", TO_PEER)], ids=str
)
def test_a_peer_is_asked_and_asks_and_what_is_broken_on_its_way_is_told(
    ext_net: Network, with_peer: Plan, damage: str, told: set[tuple[str, str]]
) -> None:
    ext_net.within("bridge", damage if damage == "true" else f"ip link set port-peer {damage}")
    results = ext_net.check(with_peer)
    for ok, expected in ((False, told), (True, TO_PEER - told)):
        asked = {each for each in by(results, ok) if "the peer" in each[2]}
        assert asked == {(check, name, f"net1 {way} the peer") for check, way in expected for name in PODS}
    assert not [what for _, _, what in by(results, False) if "the peer" not in what]


def test_a_peer_needs_nothing_of_a_node(ext_net: Network, with_peer: Plan) -> None:
    (ext_net.bench.folder / "tools/ctr").unlink()
    session = NodeSession(engine=str(ext_net.bench.folder / "bin/podman"), name=PEER.container)
    try:
        told = session.ask([f"here {PEER.container}", f"serve {PEER.container} - {PEER.address} 61000"])
    finally:
        session.close()
    assert [each.ok for each in told] == [True, True]
    assert PEER.address in told[0].said


def test_who_else_answers_for_an_address_is_told_and_nothing_else(ext_net: Network) -> None:
    """The other is in the namespace of the bridge."""
    mac = "02:00:00:00:00:99"
    ext_net.within("bridge", f"ip link set bridge address {mac} && ip address add {ADDRESSES['two']}/32 dev bridge")
    results = ext_net.check(made(mtu=1500))
    assert by(results, False) == {("duplicates", "two", "net1")}
    (told,) = [each for each in results if each.ok is False]
    assert told.figure.startswith(f"{mac} has {ADDRESSES['two']}, too")
    passed = by(results, True)
    assert ("TCP", "one", "net1 to three net1") in passed
    assert not [what for _, _, what in passed if "to two" in what]


@pytest.mark.parametrize("address", ["fd23::101", "fd23::fffe:ffff:ffff:ffff", "fd23:ffff:8000::a:a0d"])
def test_who_else_answers_for_an_address_of_ipv6_is_told(ext_net: Network, address: str) -> None:
    """The other has taken it without asking whether it is free; and one that goes on from there has another."""
    asked = f"sole default/two net1 {ip_address(address).exploded}"
    ext_net.within("two", f"ip address add {address}/64 dev net1 nodad")
    session = NodeSession(engine=str(ext_net.bench.folder / "bin/podman"), name=NODES[0])
    try:
        _, alone = session.ask(["pod default/two two default", asked])
        ext_net.within("three", f"ip address add {ip_address(address) + 1}/64 dev net1 nodad")
        ext_net.within("bridge", f"ip address add {address}/64 dev bridge nodad")
        ext_net.within("bridge", "ip link set bridge address 02:00:00:00:00:99")
        _, told = session.ask(["pod default/two two default", asked])
    finally:
        session.close()
    assert (alone, told) == (Answer(ok=True, said=""), Answer(ok=True, said="02:00:00:00:00:99"))


def test_what_the_runtime_says_of_a_pod_is_told_in_a_few_lines_of_bounded_length(ext_net: Network) -> None:
    session = NodeSession(engine=str(ext_net.bench.folder / "bin/podman"), name=NODES[0])
    try:
        journal, nothing, links = session.ask(["journal two", "journal three", "links"])
    finally:
        session.close()
    assert [line.split()[0] for line in journal.more] == [str(i) for i in (*range(12, 31), 32)]
    assert {len(line) for line in journal.more} == {600}
    assert (nothing.ok, [line.split()[0] for line in nothing.more]) == (True, ["32"])
    assert any(line.startswith("bridge ") for line in links.more)


def test_a_name_server_that_does_not_answer_is_told_of_names_alone(ext_net: Network) -> None:
    (ext_net.bench.folder / "etc/resolv.conf").write_text("nameserver 192.0.2.2\n")
    assert by(ext_net.check(made()), False) == {("DNS", name, "eth0") for name in PODS}


def test_a_pod_that_does_not_run_on_its_node_is_told_and_the_others_are_asked(ext_net: Network) -> None:
    in_node(ext_net.bench, NODES[1], "/run/containers").write_text("")
    results = ext_net.check(made())
    assert by(results, False) == {("interface", "three", "net1")}
    assert ("TCP", "one", "net1 to two net1") in by(results, True)


def test_the_state_of_a_pod_is_told_for_who_has_to_look_further(ext_net: Network) -> None:
    session = NodeSession(engine=str(ext_net.bench.folder / "bin/podman"), name=NODES[0])
    try:
        session.ask(["pod default/one one default"])
        (state,) = session.ask(["state default/one"])
    finally:
        session.close()
    assert state.ok
    assert any("10.23.0.100/16" in line for line in state.more)


def test_a_node_that_is_not_there_fails_every_question_with_what_the_engine_says(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH", str(bench.folder))
    bench.on("podman exec *", "echo 'Error: no such container gone' >&2; exit 125")
    session = NodeSession(engine=str(bench.folder / "bin/podman"), name="gone")
    try:
        told = session.ask(["pod default/one one default", "pod default/two two default"])
    finally:
        session.close()
    said = "gone does not answer: Error: no such container gone"
    assert told == [Answer(ok=False, said=said)] * 2


def test_the_plan_is_kept_for_the_owner_alone_and_what_passed_is_noted(bench: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    bench.on("python *", 'cat >"$BENCH/plan"; echo \'{"passed": 3, "failed": 0, "checks": []}\'')
    values = {"PYTHON": "python", "PROGRAM": str(bench.folder), "BECAUSE": "why"}
    done = bench.run("check-lab", stdin='{"api": ""}\n', **values)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"passed": 3, "failed": 0, "checks": []}
    assert bench.calls == ["python -m components.checks.run --json"]
    assert bench.left("plan") == '{"api": ""}\n'
    assert (run_folder / "checks.json").stat().st_mode & 0o777 == 0o600
    assert (run_folder / "because/self-test").read_text() == "why\n"


def test_a_folder_that_goes_meanwhile_is_made_again_for_the_note(bench: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    lose(bench, run_folder / "because")
    bench.on("python *", 'echo \'{"passed": 3, "failed": 0, "checks": []}\'')
    done = bench.run("check-lab", stdin="{}\n", PYTHON="python", PROGRAM=str(bench.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert (run_folder / "because/self-test").exists()


def test_what_did_not_pass_leaves_no_note_and_its_results_are_handed_on(bench: Bench, run_folder: Path) -> None:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / "because/self-test").write_text("of an earlier one\n")
    bench.on("python *", 'echo \'{"passed": 3, "failed": 10, "checks": []}\'')
    done = bench.run("check-lab", stdin="{}\n", PYTHON="python", PROGRAM=str(bench.folder))
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (0, 10)
    assert not (run_folder / "because/self-test").exists()


def test_a_plan_alone_is_kept_for_the_owner_and_what_passed_before_is_still_noted(
    bench: Bench, run_folder: Path
) -> None:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / "because/self-test").write_text("of an earlier one\n")
    (run_folder / "checks.json").write_text("of an earlier one\n")
    done = bench.run("check-plan", stdin='{"api": ""}\n')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bench.calls == []
    assert (run_folder / "checks.json").read_text() == '{"api": ""}\n'
    assert (run_folder / "because/self-test").exists()
