"""kind-delete.sh: the cluster goes with all it has on the machine; gone already is fine, anything else is not."""

import re
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench


@pytest.fixture
def lived_in(run_folder: Path) -> Path:
    run_folder.mkdir(parents=True)
    (run_folder / "because").mkdir()
    for name in (
        "kubeconfig",
        "kubeconfig.lock",
        "engine",
        "because/cluster",
        "because/node.lab-worker",
        "because/self-test",
        "checks.json",
    ):
        (run_folder / name).write_text("podman\n")
    return run_folder


def test_the_cluster_its_network_and_its_files_go(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *", 'printf %s "$KIND_EXPERIMENTAL_PROVIDER" >"$BENCH/provider"')
    bench.on("podman network inspect lab")
    bench.on("podman network rm lab", "echo lab")
    done = bench.run("kind-delete")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bench.calls == [
        f"kind delete cluster --name lab --kubeconfig {lived_in}/kubeconfig",
        "podman network inspect lab",
        "podman network rm lab",
    ]
    assert bench.left("provider") == "podman"
    assert not lived_in.exists()


def test_the_volume_of_a_node_that_somebody_removed_goes(bench: Bench, lived_in: Path) -> None:
    (lived_in / "volumes").mkdir()
    (lived_in / "volumes/lab-worker").write_text("gone\n\nstays\n")
    bench.on("kind delete cluster *")
    bench.on("podman volume inspect stays")
    bench.on("podman volume inspect *", "exit 1")
    bench.on("podman volume rm *")
    bench.on("podman network *", "exit 1")
    assert bench.run("kind-delete").returncode == 0
    assert [call for call in bench.calls if "volume rm" in call] == ["podman volume rm stays"]
    assert not lived_in.exists()


def test_gone_already_is_fine(bench: Bench, run_folder: Path) -> None:
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab", "exit 1")
    done = bench.run("kind-delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(call.startswith("podman network rm") for call in bench.calls)
    assert not run_folder.exists()


def test_what_the_lab_has_beside_the_cluster_stays(bench: Bench, lived_in: Path) -> None:
    (lived_in / "networks").mkdir()
    (lived_in / "because/network.ext-net").write_text("\n\n")
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab", "exit 1")
    assert bench.run("kind-delete").returncode == 0
    assert sorted(path.name for path in lived_in.rglob("*")) == ["because", "network.ext-net", "networks"]


@pytest.mark.parametrize("network", [None, "stack"])
def test_whose_lab_it_was_is_forgotten_with_the_last_of_it(bench: Bench, lived_in: Path, network: str | None) -> None:
    (lived_in / "stack").write_text("dev\n")
    if network:
        (lived_in / "networks").mkdir()
        (lived_in / "networks" / network).write_text("podman kalico-0a1b2c3d\n")
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab", "exit 1")
    assert bench.run("kind-delete").returncode == 0
    assert lived_in.exists() is (lived_in / "stack").exists() is (network is not None)


def test_a_cluster_that_does_not_go_is_an_error_and_stays_the_labs(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *", "echo 'no engine' >&2; exit 1")
    done = bench.run("kind-delete")
    assert done.returncode != 0
    assert "no engine" in done.stderr
    assert (lived_in / "engine").exists()
    assert (lived_in / "because/cluster").exists()


def test_the_lock_says_who_holds_it(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *", 'cp "$RUN/lock" "$BENCH/holder"')
    bench.on("podman network inspect lab", "exit 1")
    assert bench.run("kind-delete").returncode == 0
    assert re.fullmatch(r"process \d+ \(kind-delete\)\n", bench.left("holder"))


def test_a_lock_that_does_not_come_free_is_said_with_its_holder(bench: Bench, lived_in: Path) -> None:
    (lived_in / "lock").write_text("process 4711 (kind-create)\n")
    bench.on("flock --exclusive --timeout 300 9", "exit 1")
    done = bench.run("kind-delete")
    assert (done.returncode, bench.calls) == (1, ["flock --exclusive --timeout 300 9"])
    (line,) = done.stderr.splitlines()
    assert f"process 4711 (kind-create) has held {lived_in}/lock for 300 s" in line
    assert (lived_in / "engine").exists()


def test_a_network_that_does_not_go_is_an_error(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab")
    bench.on("podman network rm lab", "echo 'in use' >&2; exit 2")
    done = bench.run("kind-delete")
    assert (done.returncode, done.stderr) == (2, "in use\n")
    assert (lived_in / "engine").exists()


def test_a_folder_that_another_script_is_the_first_to_remove_is_no_error(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab", "exit 1")
    bench.on("rmdir *", '/usr/bin/rmdir "$2"; exec /usr/bin/rmdir "$@"')
    assert bench.run("kind-delete").returncode == 0
    assert not lived_in.exists()


def test_a_folder_that_cannot_be_removed_is_an_error(bench: Bench, lived_in: Path) -> None:
    bench.on("kind delete cluster *")
    bench.on("podman network inspect lab", "exit 1")
    bench.on("rmdir *", "echo 'not permitted' >&2; exit 1")
    done = bench.run("kind-delete")
    assert (done.returncode, done.stderr) == (1, "not permitted\n")
