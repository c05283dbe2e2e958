"""node-look.sh: what the other scripts left in a node is found as it was, and what became of it since is told."""

import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from components.drift import Drift, Look
from components.engines import ENGINES
from components.node_look import Mark, NodeLook, State, look_at_node
from tests.scripts.conftest import NODES, Bench, in_node, inside

MAC = "9a:00:00:00:00:02"
CONF = "/etc/cni/multus/net.d/kalico-ext-net.conflist"
MULTUS = "/etc/cni/net.d/00-multus.conf"
MACVLAN = "/opt/cni/bin/macvlan"
PEER_MAC = "9a:00:00:00:00:07"
ROUTES = "/opt/cni/bin/kalico-routes"
THINGS = ("node", "plugins", "multus", "join.ext-net", "conf.ext-net")
LINKS = {"eth1@peer": "veth peer name peer", "eth1": "bridge"}
"""How a link is shown, by how it is made."""


def make_all(nodes: Bench, link: str = "eth1@peer", because: str = "", address: str = "") -> None:
    """Have all scripts leave their marks, as a first `up` does."""
    nodes.environment |= {"BECAUSE": because, "NETWORK": "ext-net", "SECONDS_AT_MOST": "20", "ARCH": "amd64"}
    nodes.environment |= {"FILE": "/etc/cni/multus/net.d/kalico-ext-net.conflist"}
    nodes.environment |= {"ROUTES_PLUGIN": "#!/bin/bash\n", "DAEMON": "multus", "FILES": MULTUS}
    nodes.on("podman exec * uname -m", "echo x86_64")
    nodes.on("podman exec * kubelet --version", "echo Kubernetes v1.32.2")
    nodes.on(f"podman inspect *MacAddress* {NODES[0]}", "", f"echo {MAC}")
    nodes.on("podman inspect *State.Running*", "echo true false")
    nodes.on("podman inspect *.Mounts*")
    Path(nodes.environment["RUN"]).mkdir(parents=True, exist_ok=True)
    nodes.on("podman inspect *", "echo worker 10.89.0.3")
    nodes.on(
        "podman network connect *",
        f"""podman exec {NODES[0]} ip link add name eth1 address {MAC} type {LINKS[link]}
podman exec {NODES[0]} ip address add 10.23.0.5/16 dev eth1""",
    )
    nodes.on("kubectl * get --raw /readyz", "echo ok")
    for name in NODES:
        in_node(nodes, name, MACVLAN).parent.mkdir(parents=True)
        in_node(nodes, name, MULTUS).parent.mkdir(parents=True)
        in_node(nodes, name, MULTUS).write_text("{}")
    nodes.environment |= {"NODES": " ".join(NODES), "ARCHIVE": str(plugins(nodes.folder / "plugins.tgz"))}
    nodes.environment |= {"ADDRESS": address, "CONFIG": '{"type": "macvlan", "master": "@MASTER@"}'}
    steps = {
        "node-run": NODES,
        "cni-plugins": NODES,
        "daemon-files": NODES[:1],  # of all at once
        "network-join": NODES[:1],
        "attachment-conf": NODES[:1],
    }
    for name, names in steps.items():
        for node in names:
            done = nodes.run(name, NODE=node)
            assert done.returncode == 0, f"{name}: {done.stderr}"


def plugins(path: Path) -> Path:
    """An archive with a macvlan that says what it is."""
    content = b"#!/bin/bash\necho CNI macvlan plugin v1.8.0 >&2\n"
    macvlan = tarfile.TarInfo("./macvlan")
    macvlan.size, macvlan.mode = len(content), 0o755
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(macvlan, BytesIO(content))
    return path


@pytest.fixture
def made(nodes: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("PATH", f"{nodes.folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("BENCH", str(nodes.folder))
    return nodes


def look(name: str = NODES[0]) -> NodeLook:
    """As the program looks."""
    return look_at_node(ENGINES["podman"], name)


@pytest.mark.parametrize("link", LINKS)
def test_what_all_scripts_have_left_is_as_it_was_left(made: Bench, link: str) -> None:
    make_all(made, link)
    assert f" {link}: " in inside(made, NODES[0], "ip -oneline link show")
    assert look() == NodeLook(state=State.RUNS, marks=dict.fromkeys(THINGS, Mark(because="")))
    assert look(NODES[1]).marks.keys() == {"node", "plugins", "multus"}


def test_each_thing_tells_the_reason_for_which_it_was_made(made: Bench) -> None:
    reason = "2026-01-02T03:04:05Z node lab-worker: eth1 has an address"
    make_all(made, because=reason)
    assert look().marks == dict.fromkeys(THINGS, Mark(because=reason))


OFF = "it is not on the network any more"


@pytest.mark.parametrize(
    ("thing", "damage", "wrong"),
    [
        ("join.ext-net", "ip link delete eth1", OFF),
        ("join.ext-net", "ip link set eth1 address 9a:00:00:00:00:99", OFF),
        ("join.ext-net", "ip link set eth1 name eth10", OFF),
        ("join.ext-net", "ip link set eth1 name eth9 && ip link set peer name eth1", OFF),
        ("join.ext-net", "ip address add 10.23.0.5/16 dev eth1", "eth1 has an address"),
        ("conf.ext-net", f"rm {CONF}", f"{CONF} is not the lab's"),
        ("conf.ext-net", f"echo >>{CONF}", f"{CONF} is not the lab's"),
        ("multus", f"rm {MULTUS}", f"{MULTUS} is gone"),
        ("plugins", f"rm {MACVLAN}", f"{MACVLAN} is gone"),
        ("plugins", f"rm {ROUTES}", f"{ROUTES} is gone"),
    ],
)
def test_what_is_not_as_it_was_left_is_told_of_that_thing_alone(
    made: Bench, thing: str, damage: str, wrong: str
) -> None:
    make_all(made, because="an earlier reason")
    inside(made, NODES[0], damage)
    whole = Mark(because="an earlier reason")
    assert look().marks == dict.fromkeys(THINGS, whole) | {thing: replace(whole, wrong=wrong)}


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("true", ""),
        ("ip link set eth1 up", ""),
        ("ip address flush dev eth1", "eth1 has no address, not just inet 10.23.10.10/16"),
        (
            "ip address flush dev eth1 && ip address add 10.23.10.11/16 dev eth1",
            "eth1 has inet 10.23.10.11/16, not just inet 10.23.10.10/16",
        ),
        (
            "ip address flush dev eth1 && ip address add 10.23.10.10/24 dev eth1",
            "eth1 has inet 10.23.10.10/24, not just inet 10.23.10.10/16",
        ),
        (
            "ip address add 10.23.0.5/16 dev eth1",
            "eth1 has inet 10.23.10.10/16, inet 10.23.0.5/16, not just inet 10.23.10.10/16",
        ),
    ],
    ids=["as it was", "up", "none", "another", "another prefix", "one more"],
)
def test_a_node_that_was_given_an_address_has_that_one_alone(made: Bench, damage: str, wrong: str) -> None:
    make_all(made, address="10.23.10.10/16")
    inside(made, NODES[0], damage)
    assert look().marks == dict.fromkeys(THINGS, Mark(because="")) | {"join.ext-net": Mark(because="", wrong=wrong)}


def test_what_a_thing_tells_of_itself_is_what_is_wrong_with_it_and_no_thing_of_its_own(made: Bench) -> None:
    make_all(made)
    told = in_node(made, NODES[0], "/run/kalico/.plugins")
    (here := in_node(made, NODES[0], "/run/netns-a")).touch()
    told.write_text("/run/netns-a net1 has another lease\n/run/netns-b net2 is gone\n/run/netns-a net3 has no lease\n")
    marks = dict.fromkeys(THINGS, Mark(because=""))
    assert look().marks == marks | {"plugins": Mark(because="", wrong="net1 has another lease, net3 has no lease")}
    here.unlink()
    assert look().marks == marks
    told.write_text("")
    assert look().marks == marks


def test_a_link_beside_it_with_an_address_is_none_of_the_labs_business(made: Bench) -> None:
    make_all(made)
    inside(made, NODES[0], "ip link add name eth10 type bridge && ip address add 10.23.0.6/16 dev eth10")
    assert look().marks["join.ext-net"].wrong == ""


def test_a_node_that_was_started_again_has_no_marks(made: Bench) -> None:
    make_all(made)
    inside(made, NODES[0], "rm -r /run/*")
    assert look() == NodeLook(state=State.RUNS)


@pytest.mark.parametrize("thing", ["join.ext-net", "conf.ext-net"])
def test_a_mark_that_was_cut_off_vouches_for_nothing(made: Bench, thing: str) -> None:
    make_all(made)
    in_node(made, NODES[0], f"/run/kalico/{thing}").write_text("")
    assert [name for name, mark in look().marks.items() if mark.wrong] == [thing]


def peer_made(made: Bench, address: str = "10.23.0.9/16") -> Bench:
    """A peer that peer-create.sh made, in the place of the second node."""
    made.environment |= {"BECAUSE": "an earlier reason", "NETWORK": "ext-net", "PEER": NODES[1]}
    made.environment |= {"IMAGE": "node:1", "ADDRESS": address}
    made.on("podman ps --all *")
    made.on("podman inspect --type container *", "exit 125")
    made.on(
        "podman run *",
        f"""podman exec {NODES[1]} ip link add name eth0 address {PEER_MAC} type veth peer name other
podman exec {NODES[1]} ip address add 10.23.254.1/16 dev eth0""",
    )
    made.on("podman inspect *MacAddress*", f"echo {PEER_MAC}")
    done = made.run("peer-create")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"eth0 {PEER_MAC}\n", "")
    return made


@pytest.fixture
def peer(made: Bench) -> Bench:
    return peer_made(made)


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("true", ""),
        (
            "ip -6 address flush dev eth0",
            "eth0 has inet 10.23.0.9/16, not just inet 10.23.0.9/16, inet6 fd23::9/64",
        ),
        (
            "ip -4 address flush dev eth0",
            "eth0 has inet6 fd23::9/64, not just inet 10.23.0.9/16, inet6 fd23::9/64",
        ),
        # As a router on the link tells a host to.
        ("ip address add fd99::7/64 dev eth0 valid_lft 600 preferred_lft 600", ""),
    ],
    ids=["as it was", "no IPv6", "no IPv4", "one more by a router"],
)
def test_a_peer_has_an_address_of_each_family(made: Bench, damage: str, wrong: str) -> None:
    peer_made(made, "10.23.0.9/16 fd23::9/64")
    inside(made, NODES[1], damage)
    assert look(NODES[1]).marks == {"peer.ext-net": Mark(because="an earlier reason", wrong=wrong)}


def test_a_peer_has_its_own_address_in_the_place_of_the_engines(peer: Bench) -> None:
    addresses = inside(peer, NODES[1], "ip -oneline -4 address show dev eth0")
    assert " 10.23.0.9/16 " in addresses
    assert "10.23.254.1" not in addresses
    assert look(NODES[1]).marks == {"peer.ext-net": Mark(because="an earlier reason")}


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("ip address flush dev eth0", "eth0 has no address, not just inet 10.23.0.9/16"),
        *(
            (
                f"ip address flush dev eth0; ip address add {other} dev eth0",
                f"eth0 has inet {other}, not just inet 10.23.0.9/16",
            )
            for other in ("10.23.0.99/16", "10.23.0.9/24")
        ),
        ("ip link delete eth0", OFF),
        ("ip link set eth0 address 9a:00:00:00:00:99", OFF),
        ("ip link set eth0 name eth1", OFF),
    ],
)
def test_a_peer_that_is_not_as_it_was_left_is_told(peer: Bench, damage: str, wrong: str) -> None:
    inside(peer, NODES[1], damage)
    assert look(NODES[1]).marks == {"peer.ext-net": Mark(because="an earlier reason", wrong=wrong)}


def test_a_conf_that_went_comes_back_by_the_reason_that_the_look_gives(made: Bench) -> None:
    make_all(made)
    inside(made, NODES[1], f"rm {MULTUS}")
    nothing = Look(nodes={}, networks=frozenset(), links=frozenset(), records={}, pods={}, nads={})
    drift = Drift(look=replace(nothing, nodes={name: look(name) for name in NODES}), now="2026-01-02T03:04:05Z")
    because = drift.in_nodes("multus", NODES)
    made.on("kubectl delete pods *", f'echo of the daemon >"{in_node(made, NODES[1], MULTUS)}"')
    done = made.run("daemon-files", BECAUSE=because)
    assert done.returncode == 0, done.stderr
    assert [look(name).marks["multus"] for name in NODES] == [Mark(because=because)] * 2
