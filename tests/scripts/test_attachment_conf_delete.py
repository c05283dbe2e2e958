"""attachment-conf-delete.sh: a network's config goes from the nodes that run; of others there is none that matters."""

import subprocess

import pytest

from tests.scripts.conftest import NODES, Bench, in_node

FILES = ("/etc/cni/multus/net.d/kalico-ext-net.conflist", "/run/kalico/conf.ext-net")
OTHERS = ("/etc/cni/multus/net.d/kalico-lan.conflist", "/run/kalico/conf.lan", "/run/kalico/join.ext-net")
RUNNING = "podman inspect --format {{.State.Running}} "


@pytest.fixture
def configured(nodes: Bench) -> Bench:
    nodes.environment |= {"NETWORK": "ext-net"}
    for name in NODES:
        for file in (*FILES, *OTHERS):
            in_node(nodes, name, file).parent.mkdir(parents=True, exist_ok=True)
            in_node(nodes, name, file).touch()
    return nodes


def delete(bench: Bench) -> subprocess.CompletedProcess[str]:
    return bench.run("attachment-conf-delete", stdin="".join(f'{name} {{"type": "macvlan"}}\n' for name in NODES))


def left(bench: Bench, name: str) -> set[str]:
    return {file for file in (*FILES, *OTHERS) if in_node(bench, name, file).exists()}


def test_the_config_and_its_mark_go_from_every_node_and_nothing_else_does(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "cat; echo true")
    done = delete(configured)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [left(configured, name) for name in NODES] == [set(OTHERS)] * 2


def test_gone_already_is_fine(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "echo true")
    delete(configured)
    assert delete(configured).returncode == 0


@pytest.mark.parametrize("answer", ["echo false", "echo 'no such container' >&2; exit 125"], ids=["stopped", "gone"])
def test_a_node_that_does_not_run_is_passed_over(configured: Bench, answer: str) -> None:
    configured.on(f"{RUNNING}lab-worker", answer)
    configured.on(f"{RUNNING}*", "echo true")
    done = delete(configured)
    assert (done.returncode, done.stderr) == (0, "")
    assert not any("exec lab-worker " in call for call in configured.calls)
    assert left(configured, "lab-worker2") == set(OTHERS)


def test_a_config_that_does_not_go_is_an_error(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "echo true")
    configured.on("podman exec * rm *", "echo 'read-only file system' >&2; exit 1")
    done = delete(configured)
    assert (done.returncode, done.stderr) == (1, "read-only file system\n")
