"""node-annotate.sh and node-annotate-delete.sh: a node tells the address that its interface has."""

import json
import subprocess
from pathlib import Path

import pytest

from components.annotations import BECAUSE, CONTENT, NODE_ADDRESS, digest
from components.drift import annotation_wrong
from components.node_annotations import told
from tests.scripts.conftest import NODES, Bench, in_node, inside

VALUE = '{"ipv4":"10.23.10.10/16"}'
SHOWN = "4: eth1    inet 10.23.10.10/16 scope global eth1\\       valid_lft forever preferred_lft forever"


@pytest.fixture
def lab(bench: Bench) -> Bench:
    bench.environment |= {"NETWORK": "ext-net", "KEY": NODE_ADDRESS, "BECAUSE_KEY": BECAUSE, "CONTENT_KEY": CONTENT}
    return bench


@pytest.fixture
def workers(lab: Bench) -> Bench:
    """Of each the engine tells, without a node, what a node would say."""
    lab.on("podman exec * sed *", "echo eth1")
    lab.on("podman exec * ip *", f"cat; echo '{SHOWN}'")
    return lab


WRITES = "kubectl * annotate *"


def annotate(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("node-annotate", stdin="".join(f"{name}\n" for name in NODES), **values)


def written(bench: Bench, node: str) -> dict[str, str | None]:
    """The annotations that kubectl was asked to write; None: to take off."""
    words = bench.words(f"kubectl --kubeconfig {bench.environment['RUN']}/kubeconfig annotate --overwrite node {node} ")
    pairs = [word.partition("=") for word in words[words.index(node) + 1 :]]
    return {key if found else key.removesuffix("-"): value if found else None for key, found, value in pairs}


def test_each_node_tells_the_address_of_its_interface_as_ovn_kubernetes_does(workers: Bench) -> None:
    workers.on(WRITES, "echo noise")
    done = annotate(workers)
    assert (done.returncode, done.stderr) == (0, "")
    assert told(done.stdout) == {name: {"k8s.ovn.org/node-primary-ifaddr": VALUE} for name in NODES}
    assert json.loads(VALUE) == {"ipv4": "10.23.10.10/16"}
    for name in NODES:
        assert written(workers, name) == {NODE_ADDRESS: VALUE, CONTENT: digest(VALUE), BECAUSE: None}
        assert f"podman exec {name} sed -n 2s/ .*//p /run/kalico/join.ext-net" in workers.calls
        assert f"podman exec {name} ip -oneline -4 address show dev eth1 scope global" in workers.calls


def test_what_it_writes_is_what_the_look_finds_well(workers: Bench) -> None:
    workers.on(WRITES)
    annotate(workers, BECAUSE="2025-11-25T04:00:00Z node lab-worker has none")
    annotations = written(workers, NODES[0])
    assert annotations[BECAUSE] == "2025-11-25T04:00:00Z node lab-worker has none"
    assert annotation_wrong({"metadata": {"annotations": annotations}}) == ""


def test_the_address_is_the_nodes_own_of_now(lab: Bench, nodes: Bench) -> None:
    nodes.on(WRITES)
    for name, address in zip(NODES, ("10.23.10.10/16", "10.40.0.5/24"), strict=True):
        inside(nodes, name, f"ip link add name eth7 type bridge && ip address add {address} dev eth7")
        in_node(nodes, name, "/run/kalico").mkdir()
        in_node(nodes, name, "/run/kalico/join.ext-net").write_text("because\neth7 9a:00:00:00:00:02\n")
    done = annotate(nodes)
    assert done.stdout.splitlines() == [
        'lab-worker {"ipv4":"10.23.10.10/16"}',
        'lab-worker2 {"ipv4":"10.40.0.5/24"}',
    ]


def test_an_interface_without_an_address_is_an_error_with_its_remedy(lab: Bench) -> None:
    lab.on("podman exec * sed *", "echo eth1")
    lab.on("podman exec * ip *")
    done = annotate(lab)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"lab-worker has no address on eth1 that {NODE_ADDRESS} could tell" in done.stderr
    assert "give network 'ext-net' nodeAddresses" in done.stderr
    assert not any("kubectl" in call for call in lab.calls)


def test_a_node_that_cannot_be_annotated_ends_it(workers: Bench) -> None:
    workers.on(WRITES, "echo 'nodes not found' >&2; exit 1")
    done = annotate(workers)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "nodes not found\n")


# Taken off again


def take_off(bench: Bench) -> subprocess.CompletedProcess[str]:
    return bench.run("node-annotate-delete", stdin="".join(f"{name}\n" for name in NODES))


def test_all_that_was_written_is_taken_off_the_nodes_that_are_there(lab: Bench) -> None:
    lab.on("kubectl --request-timeout 5s get --raw /readyz", "echo ok")
    lab.on("kubectl get nodes *", "echo node/lab-worker2")
    lab.on("kubectl annotate *", 'echo "$KUBECONFIG" >"$BENCH/kubeconfig"')
    done = take_off(lab)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert lab.calls == [
        "kubectl --request-timeout 5s get --raw /readyz",
        "kubectl get nodes --ignore-not-found --output name lab-worker lab-worker2",
        f"kubectl annotate node/lab-worker2 {NODE_ADDRESS}- {BECAUSE}- {CONTENT}-",
    ]
    assert Path(lab.left("kubeconfig").strip()) == Path(lab.environment["RUN"]) / "kubeconfig"


def test_where_the_api_does_not_answer_nothing_is_asked_of_it(lab: Bench) -> None:
    lab.on("kubectl --request-timeout *", "echo refused >&2; exit 1")
    done = take_off(lab)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(lab.calls) == 1


def test_an_annotation_that_does_not_go_is_an_error(lab: Bench) -> None:
    lab.on("kubectl --request-timeout *", "echo ok")
    lab.on("kubectl get nodes *", "echo node/lab-worker")
    lab.on("kubectl annotate *", "echo forbidden >&2; exit 1")
    done = take_off(lab)
    assert (done.returncode, done.stderr) == (1, "forbidden\n")
