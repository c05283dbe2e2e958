"""attachment-conf.sh: a node gets the config of its own, with its own interface for the master."""

import hashlib
import json
import subprocess

import pytest

from tests.scripts.conftest import NODES, Bench, in_node

FILE = "/etc/cni/multus/net.d/kalico-ext-net.conflist"
INTERFACES = dict(zip(NODES, ("eth1", "eth2"), strict=True))
STARTS = dict(zip(NODES, ("10.23.0.10", "10.23.0.20"), strict=True))


@pytest.fixture
def joined(nodes: Bench) -> Bench:
    """Nodes with what a join notes in them."""
    nodes.environment |= {"NETWORK": "ext-net", "FILE": FILE}
    for name, interface in INTERFACES.items():
        mark = in_node(nodes, name, "/run/kalico/join.ext-net")
        mark.parent.mkdir()
        mark.write_text(f"an earlier reason\n{interface} 9a:00:00:00:00:02\n")
    return nodes


def config(name: str, master: str = "@MASTER@") -> str:
    return json.dumps({"type": "macvlan", "master": master, "ipam": {"rangeStart": STARTS[name]}, "name": 'a\\b "c"'})


def write(
    bench: Bench, name: str = NODES[1], master: str = "@MASTER@", **values: str
) -> subprocess.CompletedProcess[str]:
    return bench.run("attachment-conf", **{"NODE": name, "CONFIG": config(name, master), **values})


def test_each_node_has_its_own_part_of_the_range_on_its_own_interface(joined: Bench) -> None:
    for name, interface in INTERFACES.items():
        done = write(joined, name)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {interface}\n", "")
        assert in_node(joined, name, FILE).read_text() == config(name, interface) + "\n"


def test_what_stands_there_already_is_replaced(joined: Bench) -> None:
    edited = in_node(joined, "lab-worker2", FILE)
    edited.parent.mkdir(parents=True)
    edited.write_text("edited\n" * 100)
    assert write(joined).returncode == 0
    assert edited.read_text() == config("lab-worker2", "eth2") + "\n"


def test_the_mark_is_the_reason_and_the_sum_of_what_was_written(joined: Bench) -> None:
    assert write(joined, BECAUSE="it was edited").returncode == 0
    written = hashlib.sha256(in_node(joined, "lab-worker2", FILE).read_bytes()).hexdigest()
    mark = in_node(joined, "lab-worker2", "/run/kalico/conf.ext-net").read_text()
    assert mark == f"it was edited\n{FILE} {written}\n"


def test_a_config_without_a_master_is_written_where_nothing_has_joined(nodes: Bench) -> None:
    nodes.environment |= {"NETWORK": "ext-net", "FILE": FILE}
    in_node(nodes, "lab-worker2", "/run/kalico").mkdir()
    done = write(nodes, master="br-ext-net")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "lab-worker2\n")
    assert in_node(nodes, "lab-worker2", FILE).read_text() == config("lab-worker2", "br-ext-net") + "\n"


@pytest.mark.parametrize("mark", [None, "", "an earlier reason\n"], ids=["none", "cut off", "half"])
def test_a_node_that_has_not_joined_is_named_and_gets_none(joined: Bench, mark: str | None) -> None:
    place = in_node(joined, "lab-worker2", "/run/kalico/join.ext-net")
    if mark is None:
        place.unlink()
    else:
        place.write_text(mark)
    done = write(joined)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "lab-worker2 has not joined network 'ext-net'"
    assert not in_node(joined, "lab-worker2", FILE).exists()


def test_a_node_that_cannot_be_written_to_is_an_error(joined: Bench) -> None:
    joined.on("podman exec --interactive *", "echo 'no space left' >&2; exit 1")
    done = write(joined)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no space left\n")


@pytest.mark.parametrize("name", ["ENGINE", "NODE", "NETWORK", "FILE", "CONFIG"])
def test_it_does_nothing_without_all_it_has_to_know(bench: Bench, name: str) -> None:
    assert write(bench, **{"NETWORK": "ext-net", "FILE": FILE, name: ""}).returncode != 0
    assert bench.calls == []
