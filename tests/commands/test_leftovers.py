"""What a killed run left goes by its own records, and what is still there afterwards is named."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands.leftovers import (
    Begun,
    Snapshot,
    begun,
    end_orphans,
    is_frame,
    nft_rules,
    remove,
    residue,
    runs_of,
    snapshot,
    sweep,
    trail,
)
from commands.leftovers import run_folder as folder_of
from components.engines import ENGINES
from components.workspace import claim
from tests.scripts.conftest import Bench

BRIDGES = {"ext-net": "kalico-0a1b2c3d", "lan": "kalico-ffffffff"}


@pytest.fixture
def lived_in(run_folder: Path) -> Path:
    """The live files of a lab on podman that has a cluster and two networks, and of one beside it."""
    for folder in (run_folder, run_folder.with_name("other")):
        (folder / "networks").mkdir(parents=True)
        (folder / "because").mkdir()
        for name, bridge in BRIDGES.items():
            (folder / "networks" / name).write_text(f"podman {bridge}\n")
            (folder / f"because/network.{name}").write_text(f"\n{bridge}\n")
        (folder / "because/cluster").write_text("\n")
        for name in ("engine", "lock", "kubeconfig"):
            (folder / name).write_text("podman\n")
    return run_folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def there(tools: Bench) -> Bench:
    """A machine on which all of the lab is there and goes when asked to; a test's own rules come before."""
    late = dataclasses.replace(tools, rules=900)
    late.on("podman network ls *", "echo abc")
    late.on("podman ps *")
    late.on("podman network *")
    late.on("ip link *")
    late.on("kind delete cluster *")
    return tools


def test_the_run_folder_is_the_clusters_own_in_the_cache() -> None:
    assert folder_of({"KALICO_CACHE": "/srv/kalico"}, "lab") == Path("/srv/kalico/run/lab")


def test_networks_and_then_the_cluster_go_by_the_labs_own_scripts(
    there: Bench, lived_in: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sweep(lived_in, "lab") == []
    assert there.calls == [
        *(
            call
            for name, bridge in BRIDGES.items()
            for call in (
                f"podman network ls --quiet --filter name=^{name}$ --filter label=kalico=lab",
                f"podman ps --all --filter network={name} --format {{{{.Names}}}}",
                f"podman network rm {name}",
                f"ip link show {bridge}",
                f"ip link delete {bridge}",
            )
        ),
        f"kind delete cluster --name lab --kubeconfig {lived_in}/kubeconfig",
        "podman network inspect lab",
        "podman network rm lab",
    ]
    assert capfd.readouterr().out.splitlines() == [
        "clearing up after an earlier run: network-delete ext-net kalico-0a1b2c3d",
        "clearing up after an earlier run: network-delete lan kalico-ffffffff",
        "clearing up after an earlier run: kind-delete",
    ]


def test_its_folder_goes_and_that_of_another_lab_stays_as_it_is(there: Bench, lived_in: Path) -> None:
    other = lived_in.with_name("other")
    before = {name: (other / name).read_text() for name in files(other)}
    assert sweep(lived_in, "lab") == []
    assert not lived_in.exists()
    assert {name: (other / name).read_text() for name in files(other)} == before
    assert len(before) == 8


def test_each_thing_is_asked_of_the_engine_that_its_record_names(tools: Bench, run_folder: Path) -> None:
    (run_folder / "networks").mkdir(parents=True)
    (run_folder / "networks/ext-net").write_text("docker kalico-0a1b2c3d\n")
    (run_folder / "engine").write_text("podman\n")
    tools.on("docker network ls *")
    tools.on("ip link show *", "exit 1")
    tools.on("kind delete cluster *", 'printf %s "$KIND_EXPERIMENTAL_PROVIDER" >"$BENCH/provider"')
    tools.on("podman network inspect lab", "exit 1")
    assert sweep(run_folder, "lab") == []
    assert [call.split()[0] for call in tools.calls] == ["docker", "ip", "kind", "podman"]
    assert tools.left("provider") == "podman"
    assert not run_folder.exists()


def test_all_gone_already_is_fine(tools: Bench, lived_in: Path) -> None:
    tools.on("podman network ls *")
    tools.on("podman network inspect *", "exit 1")
    tools.on("ip link show *", "exit 1")
    tools.on("kind delete cluster *")
    assert sweep(lived_in, "lab") == []
    assert not lived_in.exists()


def test_where_no_run_has_begun_anything_no_tool_is_asked(tools: Bench, run_folder: Path) -> None:
    run_folder.with_name("other").mkdir(parents=True)
    assert sweep(run_folder, "lab") == []
    assert tools.calls == []
    assert run_folder.with_name("other").is_dir()


@pytest.mark.parametrize(
    "name", ["lock", "networks/ext-net", "peers/lan", "servers/lan", "engine", "because/network.ext-net"]
)
def test_a_record_cut_off_before_its_first_word_is_of_nothing(tools: Bench, run_folder: Path, name: str) -> None:
    for folder in ("networks", "peers", "servers", "because"):
        (run_folder / folder).mkdir(parents=True)
    (run_folder / name).touch()
    run_folder.with_name("other").mkdir()
    assert sweep(run_folder, "lab") == []
    assert tools.calls == []
    assert [path.name for path in run_folder.parent.iterdir()] == ["other"]


@pytest.mark.parametrize(
    "name",
    ["because/cluster", "because/node.lab-worker", "because/network.ext-net", "because/self-test", "checks.json"],
)
def test_the_reason_for_a_thing_that_has_no_record_keeps_nobody(tools: Bench, run_folder: Path, name: str) -> None:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / name).write_text("2026-01-02T03:04:05Z there is none\n\n")
    assert sweep(run_folder, "lab") == []
    assert tools.calls == []
    assert not run_folder.exists()


@pytest.mark.parametrize("made", ["nothing", "a cluster", "a network"])
def test_a_run_that_was_killed_before_it_kept_a_reason_leaves_nothing(
    there: Bench, run_folder: Path, made: str
) -> None:
    for folder in ("networks", "because"):
        (run_folder / folder).mkdir(parents=True)
    if made == "a cluster":
        (run_folder / "engine").write_text("podman\n")
    if made == "a network":
        (run_folder / "networks/ext-net").write_text("podman kalico-0a1b2c3d\n")
    assert sweep(run_folder, "lab") == []
    assert not run_folder.exists()


def test_a_network_that_does_not_go_is_told_and_the_rest_goes(there: Bench, lived_in: Path) -> None:
    there.on("podman network rm ext-net", "echo 'ext-net is in use' >&2; exit 2")
    assert sweep(lived_in, "lab") == [
        "network-delete on podman: ext-net is in use",
        f"{lived_in}/networks/ext-net",
    ]
    assert files(lived_in) == ["because/network.ext-net", "networks/ext-net"]
    assert there.calls[-1] == "podman network rm lab"


@pytest.fixture
def with_peer(there: Bench, lived_in: Path) -> Bench:
    """A lab of which one network has a peer; a test's own rules come before."""
    (lived_in / "peers").mkdir()
    (lived_in / "peers/lan").write_text("podman lab-peer-lan\n")
    late = dataclasses.replace(there, rules=800)
    late.on("podman ps --all --filter label=kalico=lab *", "echo lab-peer-lan")
    late.on("podman rm *")
    return there


def test_a_peer_goes_before_the_network_that_it_is_on(with_peer: Bench, lived_in: Path) -> None:
    assert sweep(lived_in, "lab") == []
    removals = [call for call in with_peer.calls if " rm " in call]
    assert removals[0] == "podman rm --force --volumes lab-peer-lan"
    assert "podman network rm lan" in removals
    assert not lived_in.exists()


def test_a_dhcp_server_goes_before_the_network_that_it_is_on_with_its_own_record(
    with_peer: Bench, lived_in: Path
) -> None:
    (lived_in / "servers").mkdir()
    (lived_in / "servers/lan").write_text("podman lab-dhcp-lan\n")
    with_peer.on("podman ps --all --filter label=kalico=lab *", "printf 'lab-peer-lan\\nlab-dhcp-lan\\n'")
    assert sweep(lived_in, "lab") == []
    removals = [call for call in with_peer.calls if " rm " in call]
    assert removals[:2] == [f"podman rm --force --volumes lab-{name}-lan" for name in ("dhcp", "peer")]
    assert "podman network rm lan" in removals
    assert not lived_in.exists()


def test_a_peer_that_does_not_go_is_told_and_the_rest_goes(with_peer: Bench, lived_in: Path) -> None:
    with_peer.on("podman rm *", "echo 'no engine' >&2; exit 2")
    assert sweep(lived_in, "lab") == ["peer-delete on podman: no engine", f"{lived_in}/peers/lan"]
    assert files(lived_in) == ["peers/lan"]


@pytest.fixture
def with_workers(with_peer: Bench, lived_in: Path) -> Bench:
    """A lab whose second worker is being made; a server is on lan, too."""
    (lived_in / "volumes").mkdir()
    for name in ("lab-control-plane", "lab-worker", "lab-worker2"):
        (lived_in / f"volumes/{name}").write_text("")
    for name in ("lab-control-plane", "lab-worker"):
        (lived_in / f"because/node.{name}").write_text("\n")
    (lived_in / "servers").mkdir()
    (lived_in / "servers/lan").write_text("podman lab-dhcp-lan\n")
    late = dataclasses.replace(with_peer, rules=700)
    late.on("podman ps --all --filter label=kalico=lab *", "printf 'lab-peer-lan\\nlab-dhcp-lan\\n'")
    late.on("podman inspect --format {{.State.Running}} *", "echo true")
    late.on("podman inspect *", "echo lab")
    late.on("kubectl *")
    return with_peer


def one(run: Path, resource: str) -> Begun:
    return next(each for each in begun(run) if each.resource == resource)


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("workers-lab-worker2", "lab-worker2"),
        ("leases-lan", "lab-dhcp-lan"),
        ("peers-lan", "lab-peer-lan"),
        ("networks-lan", "lan"),
    ],
)
def test_what_a_run_has_begun_goes_by_itself_with_its_record(
    with_workers: Bench, lived_in: Path, resource: str, name: str
) -> None:
    before, thing = files(lived_in), one(lived_in, resource)
    assert remove(lived_in, "lab", thing) == []
    assert [call.split()[-1] for call in with_workers.calls if call.startswith("podman") and " rm " in call] == [name]
    assert str(thing.record.relative_to(lived_in)) in set(before) - set(files(lived_in))


def test_a_worker_leaves_kubernetes_too_and_the_users_own_kubectl_cache_stays(
    with_workers: Bench, lived_in: Path
) -> None:
    with_workers.on("kubectl delete *", 'echo "$KUBECACHEDIR" >"$BENCH/kubectls"')
    remove(lived_in, "lab", one(lived_in, "workers-lab-worker2"))
    assert "kubectl delete node lab-worker2 --ignore-not-found" in with_workers.calls
    assert with_workers.left("kubectls").strip() == str(lived_in.parent.parent / "kubectl")


def test_what_is_on_the_networks_goes_before_them(with_workers: Bench, lived_in: Path) -> None:
    assert [each.resource for each in begun(lived_in)] == [
        *("workers-lab-worker", "workers-lab-worker2"),
        *("leases-lan", "peers-lan", "networks-ext-net", "networks-lan"),
    ]


def test_what_does_not_go_is_told(with_workers: Bench, lived_in: Path) -> None:
    with_workers.on("podman network rm lan", "echo 'lan is in use' >&2; exit 2")
    assert remove(lived_in, "lab", one(lived_in, "networks-lan")) == ["network-delete on podman: lan is in use"]


def test_what_has_a_record_that_was_cut_off_is_nothing(with_workers: Bench, lived_in: Path) -> None:
    (lived_in / "networks/lan").write_text("")
    assert remove(lived_in, "lab", one(lived_in, "networks-lan")) == []
    assert with_workers.calls == []
    assert not (lived_in / "networks/lan").exists()


def test_the_labs_of_a_stack_are_those_that_it_has_claimed(lived_in: Path) -> None:
    for name, stack in (("lab", "dev"), ("other", "dev2"), ("before", "dev")):
        claim(lived_in.with_name(name), stack)
    cache = lived_in.parent.parent
    assert [run.name for run in runs_of({"KALICO_CACHE": str(cache)}, "dev")] == ["before", "lab"]
    assert runs_of({"KALICO_CACHE": str(cache / "none")}, "dev") == []


def test_a_cluster_that_does_not_go_is_told_and_stays_the_labs(there: Bench, lived_in: Path) -> None:
    there.on("kind delete cluster *", "echo 'no engine' >&2; exit 1")
    problems = sweep(lived_in, "lab")
    assert problems[0] == "kind-delete on podman: no engine"
    assert sorted(problems[1:]) == [f"{lived_in}/engine", f"{lived_in}/kubeconfig"]
    assert files(lived_in) == ["because/cluster", "engine", "kubeconfig"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("diary", "mine\n"),
        ("because/diary", "mine\n"),
        ("networks/ext-net", "not a record\n"),
        ("networks/ext-net", "podman"),
    ],
)
def test_a_file_that_no_record_explains_stays_and_is_told(
    tools: Bench, run_folder: Path, name: str, content: str
) -> None:
    for folder in ("networks", "because"):
        (run_folder / folder).mkdir(parents=True)
    (run_folder / name).write_text(content)
    assert sweep(run_folder, "lab") == [str(run_folder / name)]
    assert (run_folder / name).read_text() == content
    assert tools.calls == []


def test_a_second_sweep_finds_nothing_to_do(there: Bench, lived_in: Path) -> None:
    sweep(lived_in, "lab")
    asked = len(there.calls)
    assert sweep(lived_in, "lab") == []
    assert len(there.calls) == asked


NOTHING = Snapshot(**{field.name: frozenset() for field in dataclasses.fields(Snapshot)})


@pytest.mark.parametrize("kind", [field.name for field in dataclasses.fields(Snapshot)])
def test_what_came_is_named_by_its_kind_and_what_was_there_or_went_is_not(kind: str) -> None:
    before = dataclasses.replace(NOTHING, **{kind: frozenset({"stays", "goes"})})
    after = dataclasses.replace(NOTHING, **{kind: frozenset({"stays", "b", "a"})})
    assert after.added_to(before) == [f"{kind}: a", f"{kind}: b"]


def test_a_name_that_is_known_of_one_kind_is_new_as_another() -> None:
    before = dataclasses.replace(NOTHING, networks=frozenset({"lab"}))
    after = dataclasses.replace(before, volumes=frozenset({"lab"}), containers=frozenset({"c"}))
    assert after.added_to(before) == ["containers: c", "volumes: lab"]
    assert after.added_to(after) == []


def rules(count: int) -> str:
    """An answer of iptables-save."""
    lines = ["# Generated", "*nat", f":POSTROUTING DROP [12:{count}]", "-A POSTROUTING -j MASQUERADE", "COMMIT"]
    return "\n".join(["cat <<'END'", *lines, "END"])


# As `nft --stateless list ruleset` writes, but for its tabs.
RULESET = """\
# Warning: table ip nat is managed by iptables-nft, do not touch!
table ip nat {
        set nodes {
                type ipv4_addr
                elements = { 10.89.0.2, 10.89.0.3,
                             10.89.0.4 }
        }

        chain POSTROUTING {
                type nat hook postrouting priority srcnat; policy accept;
                ip saddr { 10.0.0.0/8, 172.16.0.0/12 } counter masquerade
                ip daddr @nodes tcp dport vmap { 80 : drop, 443 : accept }
        }

        chain EMPTY {
        }
}
table inet filter {
        chain input {
                type filter hook input priority filter
                policy drop;
        }
}
"""
RULES = [
    "table ip nat, set nodes: type ipv4_addr",
    "table ip nat, set nodes: elements = { 10.89.0.2, 10.89.0.3,",
    "table ip nat, set nodes: 10.89.0.4 }",
    "table ip nat, chain POSTROUTING: ip saddr { 10.0.0.0/8, 172.16.0.0/12 } counter masquerade",
    "table ip nat, chain POSTROUTING: ip daddr @nodes tcp dport vmap { 80 : drop, 443 : accept }",
]


# The same rule in the tables of both families is two.
TWICE = ("-A POSTROUTING -j MASQUERADE", "IPv6: -A POSTROUTING -j MASQUERADE")


def test_rules_of_nft_are_told_with_the_chain_that_they_are_in() -> None:
    assert nft_rules(RULESET.splitlines()) == RULES


@pytest.mark.parametrize(
    "rule",
    [
        ":PREROUTING ACCEPT",
        ":NETAVARK_FORWARD -",
        '-A FORWARD -m comment --comment "netavark firewall plugin rules" -j NETAVARK_FORWARD',
        "-A NETAVARK-HOSTPORT-SETMARK -j MARK --set-xmark 0x2000/0x2000",
        "table ip nat, chain POSTROUTING: counter packets jump NETAVARK-HOSTPORT-MASQ",
    ],
)
def test_what_podman_keeps_for_all_networks_is_nothing_that_a_lab_left(rule: str) -> None:
    assert is_frame(rule)


@pytest.mark.parametrize(
    "rule",
    [
        ":INPUT DROP",
        ":NETAVARK-1D8721804F16F -",
        "-A POSTROUTING -s 10.89.0.0/24 -j NETAVARK-1D8721804F16F",
        "-A NETAVARK-1D8721804F16F ! -d 224.0.0.0/4 -j MASQUERADE",
        "-A NETAVARK_FORWARD -s 10.89.0.0/24 -j ACCEPT",
        "-A NETAVARK_FORWARD -d fd00:89::/64 -j ACCEPT",
        "-A FORWARD -j DROP",
        "table ip nat, chain POSTROUTING: ip saddr 10.89.0.0/24 counter jump NETAVARK-1D8721804F16F",
    ],
)
def test_a_rule_of_one_network_is_left_by_the_lab_that_made_it(rule: str) -> None:
    assert not is_frame(rule)


@pytest.fixture
def machine(tools: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A machine with podman, one thing of each kind, and a docker whose server does not answer."""
    tools.on("docker info *", "exit 1")
    tools.on("podman info *", "echo false")
    tools.on("podman ps --all *", "echo lab-worker")
    tools.on("podman network ls *", "echo podman")
    tools.on("podman volume ls *", "echo data")
    tools.on(
        "ip -oneline link show",
        r"""echo '1: lo: <LOOPBACK,UP> mtu 65536 qdisc noqueue state UNKNOWN \    link/loopback'
echo '7: veth0@if2: <BROADCAST,UP> mtu 1500 qdisc noqueue state UP \    link/ether 9a:00:00:00:00:01'""",
    )
    tools.on("ip netns list", "echo 'cni-1 (id: 0)'; echo cni-2")
    tools.on("iptables-save*", rules(count=345), rules(count=999))
    tools.on("ip6tables-save*", "echo ':INPUT ACCEPT [1:2]'; echo '-A POSTROUTING -j MASQUERADE'")
    tools.on("nft --stateless list ruleset", f"cat <<'END'\n{RULESET}END")
    monkeypatch.setattr("commands.leftovers.CNI", (tools.folder / "opt/cni", tools.folder / "etc/cni"))
    return tools


def seen(tools: Bench) -> Snapshot:
    return snapshot({"KALICO_CACHE": str(tools.folder / "cache"), "HOME": str(tools.folder / "home")})


def test_a_snapshot_is_what_the_tools_show_of_each_kind(machine: Bench, lived_in: Path) -> None:
    (lived_in.parent / "docker.pid").write_text("1\n")
    found = seen(machine)
    assert found.containers == {"podman lab-worker"}
    assert found.networks == {"podman podman"}
    assert found.volumes == {"podman data"}
    assert found.links == {"lo", "veth0"}
    assert found.namespaces == {"cni-1", "cni-2"}
    assert found.rules == {":POSTROUTING DROP", *TWICE, *RULES}
    assert found.files == {
        str(folder / name) for folder in (lived_in, lived_in.with_name("other")) for name in files(lived_in)
    }


def test_counters_of_rules_are_no_difference(machine: Bench) -> None:
    before, after = seen(machine), seen(machine)
    assert before.rules == after.rules == {":POSTROUTING DROP", *TWICE, *RULES}


def test_an_engine_whose_server_does_not_answer_is_not_asked_further(machine: Bench) -> None:
    seen(machine)
    assert [call for call in machine.calls if call.startswith("docker")] == [
        f"docker info --format {ENGINES['docker'].info_format}"
    ]


def added(tools: Bench, before: Snapshot) -> list[str]:
    """What came but for processes, which are those of the machine that runs the tests."""
    return dataclasses.replace(seen(tools), processes=before.processes).added_to(before)


def test_a_change_of_the_users_own_kubeconfig_is_seen(machine: Bench) -> None:
    file = machine.folder / "home/.kube/config"
    absent = seen(machine)
    file.parent.mkdir()
    file.write_text("current-context: mine\n")
    mine = seen(machine)
    file.write_text("current-context: kind-lab\n")
    assert [line.split(" and ")[0] for line in added(machine, mine)] == [
        f"kubeconfig: {file} with current-context kind-lab"
    ]
    file.write_text("current-context: mine\nclusters: []\n")
    [changed] = added(machine, mine)
    assert changed.startswith(f"kubeconfig: {file} with current-context mine and sha256 ")
    file.write_text(":")
    assert f"{file} with current-context None" in added(machine, mine)[0]
    file.unlink()
    assert added(machine, mine) == [f"kubeconfig: {file} is not there"]
    assert added(machine, absent) == []


def test_cni_plugins_and_configs_that_came_onto_the_machine_are_seen(machine: Bench) -> None:
    before = seen(machine)
    for name in ("opt/cni/bin/macvlan", "etc/cni/net.d/00-multus.conf"):
        (machine.folder / name).parent.mkdir(parents=True)
        (machine.folder / name).touch()
    came = added(machine, before)
    assert f"cni: {machine.folder}/opt/cni/bin/macvlan" in came
    assert f"cni: {machine.folder}/etc/cni/net.d/00-multus.conf" in came


def test_a_process_that_a_lab_starts_is_seen_with_its_id(machine: Bench) -> None:
    sleeper = machine.folder / "bin/conmon-of-a-lab"
    sleeper.symlink_to("/bin/sleep")
    before = seen(machine)
    with subprocess.Popen([sleeper, "60"]) as process:
        try:
            after = seen(machine)
        finally:
            process.kill()
    assert f"processes: conmon-of-a-lab {process.pid}" in after.added_to(before)


def test_a_machine_without_the_tools_is_seen_as_empty(machine: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.folder / "nothing"))
    found = seen(machine)
    assert found.kubeconfig == {f"{machine.folder}/home/.kube/config is not there"}
    assert dataclasses.replace(found, processes=frozenset(), kubeconfig=frozenset()) == NOTHING


# What an engine lists without a filter, a line each: this is a machine that has more than the lab on it.
LISTED = {
    "ps --all --filter label=kalico=lab": ["lab-peer-lan"],
    "ps --all --filter label=io.x-k8s.kind.cluster=lab": ["lab-control-plane", "lab-worker"],
    "network ls --filter label=kalico=lab": ["ext-net"],
    "network ls --format": ["podman", "lab", "lab-b", "ext-net", "theirs"],
    "volume ls": ["data", "0a1b", "2c3d"],
}
LINKS = "echo '1: lo: <UP>'; echo '5: kalico-0a1b2c3d: <UP>'; echo '6: kalico-99999999: <UP>'; echo '7: eth0@if2: <UP>'"


def has(tools: Bench, engine: str, listed: dict[str, list[str]]) -> None:
    """An engine that lists so, and nothing else; a test's own rules come before."""
    for beginning, names in listed.items():
        tools.on(f"{engine} {beginning} *", f"printf '%s\\n' {' '.join(names)}")
    for words in ("ps", "network ls", "volume ls"):
        tools.on(f"{engine} {words} *")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for to end by itself."""
    monkeypatch.setattr("commands.leftovers.PATIENCE", 0)


@pytest.mark.usefixtures("at_once")
def test_all_that_is_still_there_of_a_lab_is_told_and_nothing_of_anybody_else(tools: Bench, lived_in: Path) -> None:
    (lived_in / "volumes").mkdir()
    for node, volumes in {"lab-control-plane": "0a1b\n", "lab-worker": "2c3d\n\n4e5f\n"}.items():
        (lived_in / "volumes" / node).write_text(volumes)
    (lived_in.with_name("other") / "networks/lan").write_text("podman kalico-99999999\n")
    made = trail(lived_in, "lab")
    has(tools, "podman", LISTED)
    tools.on("ip -oneline link show", LINKS)
    assert residue(made) == [
        "containers: podman lab-control-plane",
        "containers: podman lab-peer-lan",
        "containers: podman lab-worker",
        "networks: podman ext-net",
        "networks: podman lab",
        "volumes: podman 0a1b",
        "volumes: podman 2c3d",
        "links: kalico-0a1b2c3d",
    ]
    assert not [call for call in tools.calls if call.startswith("docker")], "it has nothing of the lab's"


def test_what_is_to_be_there_is_known_though_the_folder_of_live_files_went_with_the_lab(
    there: Bench, lived_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.leftovers.PATIENCE", 0)
    made = trail(lived_in, "lab")
    assert sweep(lived_in, "lab") == []
    there.on("podman network ls --filter *")
    there.on("podman network ls --format *", "echo lab")
    there.on("ip -oneline link show", LINKS)
    assert not lived_in.exists()
    assert residue(made) == ["networks: podman lab", "links: kalico-0a1b2c3d"]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("record", [None, "", "mine"])
def test_a_cluster_network_and_volumes_of_the_users_own_by_the_labs_name_are_not_told(
    tools: Bench, run_folder: Path, record: str | None
) -> None:
    """Where the name was taken, `up` was refused and no cluster begun; the lab's own things have its label."""
    if record is not None:
        run_folder.mkdir(parents=True)
        (run_folder / "engine").write_text(record)
    has(tools, "podman", LISTED)
    has(tools, "docker", {})
    assert residue(trail(run_folder, "lab")) == ["containers: podman lab-peer-lan", "networks: podman ext-net"]


@pytest.mark.usefixtures("at_once")
def test_an_engine_that_has_a_part_of_the_lab_and_does_not_answer_is_told(tools: Bench, lived_in: Path) -> None:
    (lived_in / "networks/lan").write_text("docker kalico-ffffffff\n")
    has(tools, "docker", {"network ls --filter label=kalico=lab": ["lan"]})
    tools.on("podman *", "echo 'no server' >&2; exit 125")
    tools.on("ip -oneline link show", LINKS)
    assert residue(trail(lived_in, "lab")) == [
        "networks: docker lan",
        "links: kalico-0a1b2c3d",
        "podman does not answer: what it has of the lab is not known",
    ]


def test_engines_that_no_lab_was_on_are_waited_for_no_more_than_a_second(tools: Bench, run_folder: Path) -> None:
    for engine in ENGINES:
        tools.on(f"{engine} *", "exec sleep 60")
    start = time.monotonic()
    assert residue(trail(run_folder, "lab")) == []
    assert time.monotonic() - start < 10


def test_a_machine_without_any_engine_has_nothing_of_a_lab(
    run_folder: Path, tools: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tools.folder / "nothing"))
    assert residue(trail(run_folder, "lab")) == []


def test_what_ends_by_itself_is_not_told_nor_an_engine_that_did_not_answer_once(tools: Bench, lived_in: Path) -> None:
    tools.on("podman ps --all --filter label=kalico=lab *", "echo lab-peer-lan.aid", "exit 125", "")
    has(tools, "podman", {})
    tools.on("ip -oneline link show")
    assert residue(trail(lived_in, "lab")) == []


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("name", "told"), [("lab", True), ("lab-b", False)])
def test_a_kind_that_outlived_a_script_of_the_lab_is_told_and_that_of_another_lab_is_not(
    tools: Bench, run_folder: Path, name: str, *, told: bool
) -> None:
    has(tools, "podman", {})
    has(tools, "docker", {})
    kind = tools.folder / "kind"
    kind.symlink_to("/bin/sleep")
    with subprocess.Popen([kind, "60"], env={"RUN": str(run_folder.with_name(name))}) as process:
        try:
            left = residue(trail(run_folder, "lab"))
        finally:
            process.kill()
    assert left == ([f"processes: kind {process.pid}"] if told else [])


Start = Callable[[Path, str], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes by any name in any folder; they end with the test."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
        """One called `name`, or, as `PARENT/NAME`, one called PARENT that has a child called NAME."""
        for each in name.split("/"):
            tool = tmp_path / "tools" / each
            tool.parent.mkdir(exist_ok=True)
            tool.unlink(missing_ok=True)
            tool.symlink_to("/bin/sleep")
        if "/" in name:
            tool = tmp_path / "tools" / name.split("/")[0]
            tool.unlink()
            tool.write_text(f'#!/bin/bash\n"{tmp_path}/tools/{name.split("/")[1]}" 60 & echo\nwait\n')
            tool.chmod(0o755)
        begun.append(subprocess.Popen([tool, "60"], cwd=folder, stdout=subprocess.PIPE, start_new_session=True))
        if "/" in name:
            assert begun[-1].stdout
            begun[-1].stdout.readline()
            [child] = children(begun[-1])
            # A child is its parent by name until it is what it is to be.
            while Path(f"/proc/{child}/comm").read_text().strip() != name.split("/")[1][:15]:
                time.sleep(0.01)
        return begun[-1]

    yield start
    for process in begun:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def children(process: subprocess.Popen[bytes]) -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.parametrize("name", ["pulumi-language-python", "pulumi-resource-kubernetes", "systemd/pulumi-resource-x"])
def test_a_helper_without_a_pulumi_above_it_is_ended_whatever_its_parent_is(
    tmp_path: Path, start: Start, name: str
) -> None:
    process = start(tmp_path, name)
    end_orphans(tmp_path)
    # The `systemd` here ends with its one child.
    process.wait(timeout=10)


@pytest.mark.parametrize("parent", ["pulumi", ".pulumi-wrapped"])
def test_a_helper_of_a_pulumi_that_runs_is_left_alone(tmp_path: Path, start: Start, parent: str) -> None:
    process = start(tmp_path, f"{parent}/pulumi-resource-x")
    [child] = children(process)
    end_orphans(tmp_path)
    time.sleep(0.3)
    assert children(process) == [child]


def test_helpers_of_another_program_and_processes_by_another_name_are_left_alone(tmp_path: Path, start: Start) -> None:
    (tmp_path / "other").mkdir()
    others = [start(tmp_path / "other", "pulumi-resource-x"), start(tmp_path, "python-pulumi")]
    end_orphans(tmp_path)
    time.sleep(0.3)
    assert [process.poll() for process in others] == [None, None]
