"""node-files-delete.sh: files of the lab's go from a node that runs; of another there are none that matter."""

import subprocess

import pytest

from tests.scripts.conftest import NODES, Bench, in_node

FILES = ("/etc/cni/multus/net.d/kalico-ext-net.conflist", "/etc/cni/net.d/whereabouts.d/whereabouts.conf")
MARK = "/run/kalico/conf.ext-net"
OTHERS = ("/etc/cni/multus/net.d/kalico-lan.conflist", "/run/kalico/conf.lan", "/etc/cni/net.d/00-multus.conf")
REMOVED = f"{FILES[0]} /etc/cni/net.d/whereabouts.d {MARK}"
RUNNING = "podman inspect --format {{.State.Running}} "


@pytest.fixture
def configured(nodes: Bench) -> Bench:
    nodes.environment |= {"REMOVED": REMOVED}
    for name in NODES:
        for file in (*FILES, MARK, *OTHERS):
            in_node(nodes, name, file).parent.mkdir(parents=True, exist_ok=True)
            in_node(nodes, name, file).touch()
    return nodes


def delete(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    """From the first of NODES; the other is never touched."""
    return bench.run("node-files-delete", **{"NODE": NODES[0], **values})


def left(bench: Bench, name: str) -> set[str]:
    return {file for file in (*FILES, MARK, *OTHERS) if in_node(bench, name, file).exists()}


def test_files_and_folders_go_from_the_node_and_nothing_else_does(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "echo true")
    done = delete(configured)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [left(configured, name) for name in NODES] == [set(OTHERS), {*FILES, MARK, *OTHERS}]
    assert not in_node(configured, NODES[0], "/etc/cni/net.d/whereabouts.d").exists()


def test_gone_already_is_fine(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "echo true")
    delete(configured)
    assert delete(configured).returncode == 0


@pytest.mark.parametrize("answer", ["echo false", "echo 'no such container' >&2; exit 125"], ids=["stopped", "gone"])
def test_a_node_that_does_not_run_is_passed_over(configured: Bench, answer: str) -> None:
    configured.on(f"{RUNNING}*", answer)
    done = delete(configured)
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(" exec " in call for call in configured.calls)


def test_a_file_that_does_not_go_is_an_error(configured: Bench) -> None:
    configured.on(f"{RUNNING}*", "echo true")
    configured.on("podman exec * rm *", "echo 'read-only file system' >&2; exit 1")
    done = delete(configured)
    assert (done.returncode, done.stderr) == (1, "read-only file system\n")


@pytest.mark.parametrize("name", ["ENGINE", "NODE", "REMOVED"])
def test_it_does_nothing_without_all_it_has_to_know(configured: Bench, name: str) -> None:
    assert delete(configured, **{name: ""}).returncode != 0
    assert configured.calls == []
