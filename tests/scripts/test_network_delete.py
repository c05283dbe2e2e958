"""network-delete.sh: the network and its bridge go, containers stay; gone already is fine, anything else is not."""

from pathlib import Path

import pytest

from tests.scripts.conftest import Bench

LIST = "podman network ls --quiet --filter name=^ext-net$ --filter label=kalico=lab"


@pytest.fixture
def network(bench: Bench, run_folder: Path) -> Bench:
    bench.environment |= {"NETWORK": "ext-net", "BRIDGE": "kalico-0a1b2c3d"}
    (run_folder / "networks").mkdir(parents=True)
    (run_folder / "networks/ext-net").write_text("podman kalico-0a1b2c3d\n")
    (run_folder / "because").mkdir()
    (run_folder / "because/network.ext-net").write_text("\nkalico-0a1b2c3d\n")
    return bench


def test_containers_are_taken_off_before_it_goes_with_its_bridge(network: Bench, run_folder: Path) -> None:
    network.on(LIST, "echo abc")
    network.on("podman ps --all --filter network=ext-net *", "printf 'lab-worker\\nlab-worker2\\n'")
    network.on("podman network disconnect *")
    network.on("podman network rm ext-net", "echo ext-net")
    network.on("ip link *")
    done = network.run("network-delete")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert network.calls[2:] == [
        "podman network disconnect --force ext-net lab-worker",
        "podman network disconnect --force ext-net lab-worker2",
        "podman network rm ext-net",
        "ip link show kalico-0a1b2c3d",
        "ip link delete kalico-0a1b2c3d",
    ]
    assert not run_folder.exists()


def test_gone_already_is_fine(network: Bench, run_folder: Path) -> None:
    network.on(LIST)
    network.on("ip link show *", "exit 1")
    done = network.run("network-delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert not run_folder.exists()


def test_a_network_of_that_name_that_is_not_the_labs_stays(network: Bench) -> None:
    network.on(LIST)
    network.on("podman network ls *", "echo abc")
    network.on("ip link show *", "exit 1")
    assert network.run("network-delete").returncode == 0
    assert not any(call.split()[2] in ("rm", "disconnect") for call in network.calls)


def test_what_the_lab_has_beside_the_network_stays(network: Bench, run_folder: Path) -> None:
    (run_folder / "networks/lan").write_text("podman kalico-ffffffff\n")
    (run_folder / "because/network.lan").write_text("\nkalico-ffffffff\n")
    (run_folder / "engine").write_text("podman\n")
    network.on(LIST)
    network.on("ip link show *", "exit 1")
    assert network.run("network-delete").returncode == 0
    left = sorted(str(path.relative_to(run_folder)) for path in run_folder.rglob("*"))
    assert left == ["because", "because/network.lan", "engine", "networks", "networks/lan"]


@pytest.mark.parametrize(
    "failing",
    [
        "podman network ls *",
        "podman ps *",
        "podman network disconnect *",
        "podman network rm *",
    ],
)
def test_a_network_that_does_not_go_is_an_error_and_stays_the_labs(
    network: Bench, run_folder: Path, failing: str
) -> None:
    network.on(failing, "echo 'no engine' >&2; exit 3")
    network.on(LIST, "echo abc")
    network.on("podman ps *", "echo lab-worker")
    network.on("podman network *")
    network.on("podman inspect --type container lab-worker")
    network.on("ip link show *", "exit 1")
    done = network.run("network-delete")
    assert done.returncode != 0
    assert "no engine" in done.stderr
    assert (run_folder / "networks/ext-net").exists()
    assert (run_folder / "because/network.ext-net").exists()


def test_a_container_that_goes_meanwhile_is_none_to_be_taken_off(network: Bench, run_folder: Path) -> None:
    network.on(LIST, "echo abc")
    network.on("podman ps *", "echo lab-worker2")
    network.on("podman network disconnect *", "echo 'no such container' >&2; exit 1")
    network.on("podman inspect --type container lab-worker2", "exit 125")
    network.on("podman network rm ext-net")
    network.on("ip link *")
    assert network.run("network-delete").returncode == 0
    assert not run_folder.exists()


def test_the_last_of_a_lab_takes_along_whose_it_was(network: Bench, run_folder: Path) -> None:
    (run_folder / "stack").write_text("dev\n")
    network.on(LIST)
    network.on("ip link show *", "exit 1")
    assert network.run("network-delete").returncode == 0
    assert not run_folder.exists()


def test_a_bridge_that_does_not_go_is_an_error(network: Bench, run_folder: Path) -> None:
    network.on(LIST)
    network.on("ip link show *")
    network.on("ip link delete *", "exit 2")
    assert network.run("network-delete").returncode == 2
    assert (run_folder / "networks/ext-net").exists()


def test_a_folder_that_another_script_is_the_first_to_remove_is_no_error(network: Bench, run_folder: Path) -> None:
    network.on(LIST)
    network.on("ip link show *", "exit 1")
    network.on("rmdir *", '/usr/bin/rmdir "$2"; exec /usr/bin/rmdir "$@"')
    assert network.run("network-delete").returncode == 0
    assert not run_folder.exists()


def test_a_folder_that_cannot_be_removed_is_an_error(network: Bench, run_folder: Path) -> None:
    network.on(LIST)
    network.on("ip link show *", "exit 1")
    network.on("rmdir *", "echo 'not permitted' >&2; exit 1")
    done = network.run("network-delete")
    assert (done.returncode, done.stderr) == (1, "not permitted\n")
