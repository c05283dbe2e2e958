"""worker-delete.sh: a worker leaves its cluster in order, and gone already is fine."""

import fcntl
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest

from tests.scripts.conftest import Bench

THERE = "kubectl --request-timeout 20s get node lab-worker2 --ignore-not-found --output name"
CLUSTER_RUNS = "podman inspect --format {{.State.Running}} lab-control-plane"
RUNS = "podman inspect --format {{.State.Running}} lab-worker2"
LABEL = "podman inspect --type container --format *kind.cluster* lab-worker2"
DRAIN = "kubectl drain lab-worker2"
REMOVE = "podman rm --force --volumes lab-worker2"


@pytest.fixture
def worker(bench: Bench, run_folder: Path) -> Bench:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / "volumes").mkdir()
    for name in ("because/node.lab-worker", "because/node.lab-worker2", "volumes/lab-worker"):
        (run_folder / name).touch()
    (run_folder / "volumes/lab-worker2").write_text("0a1b\n\n")
    bench.environment["NODE"] = "lab-worker2"
    later = replace(bench, rules=500)  # a test's own rules come before
    later.on("kubectl delete node lab-worker2 --ignore-not-found", 'printf %s "$KUBECONFIG" >"$BENCH/asked"')
    later.on(REMOVE)
    later.on(CLUSTER_RUNS, "echo true")
    later.on(THERE, "echo node/lab-worker2")
    later.on("kubectl wait --for=condition=Available deployments *", "echo met")
    later.on("podman volume inspect *", "exit 1")
    return bench


def steps(bench: Bench) -> list[str]:
    """What was done to it, not what was asked."""
    return [" ".join(call.split()[:3]) for call in bench.calls if not {"inspect", "get"} & set(call.split())]


def test_its_pods_go_first_then_the_node_then_the_container(worker: Bench, run_folder: Path) -> None:
    worker.on(RUNS, "echo true")
    worker.on(f"{DRAIN} *", 'ls "$RUN/because" >"$BENCH/remembered"')
    worker.on(LABEL, "echo lab")
    done = worker.run("worker-delete")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert worker.left("remembered") == "node.lab-worker\n"  # its own is gone by then
    assert steps(worker) == [
        DRAIN,
        "kubectl delete node",
        "podman rm --force",
        "kubectl wait --for=condition=Available",
    ]
    assert worker.left("asked") == str(run_folder / "kubeconfig")
    left = sorted(str(path.relative_to(run_folder)) for path in run_folder.rglob("*") if path.is_file())
    assert left == ["because/node.lab-worker", "lock", "lock.lab-worker2", "volumes/lab-worker"]


def test_pods_that_do_not_go_keep_no_node(worker: Bench) -> None:
    worker.on(RUNS, "echo true")
    worker.on(f"{DRAIN} *", "echo 'timed out' >&2; exit 1")
    worker.on(LABEL, "echo lab")
    assert worker.run("worker-delete").returncode == 0
    assert "podman rm --force" in steps(worker)


@pytest.mark.parametrize("said", ["echo false", "echo 'no such container' >&2; exit 125"], ids=["stopped", "removed"])
def test_nobody_is_asked_to_go_from_a_node_that_does_not_run(worker: Bench, said: str) -> None:
    worker.on(RUNS, said)
    worker.on(LABEL, "exit 125")
    assert worker.run("worker-delete").returncode == 0
    assert steps(worker)[0] == "kubectl delete node"


def test_gone_already_is_fine(worker: Bench) -> None:
    worker.on(THERE)
    worker.on(LABEL, "exit 125")
    done = worker.run("worker-delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert steps(worker) == ["kubectl delete node"]


def test_of_a_cluster_that_is_gone_nobody_is_asked(worker: Bench, run_folder: Path) -> None:
    worker.on(CLUSTER_RUNS, "echo 'no such container' >&2; exit 125")
    worker.on(LABEL, "exit 125")
    shutil.rmtree(run_folder)
    done = worker.run("worker-delete")
    assert (done.returncode, done.stderr) == (0, "")
    assert steps(worker) == []


def test_a_cluster_that_runs_and_does_not_answer_keeps_its_worker(worker: Bench, run_folder: Path) -> None:
    worker.on(THERE, "echo 'the API is away' >&2; exit 1")
    done = worker.run("worker-delete")
    assert (done.returncode, done.stderr) == (1, "the API is away\n")
    assert steps(worker) == []
    assert (run_folder / "because/node.lab-worker2").exists()


def test_the_volume_of_one_that_somebody_removed_goes(worker: Bench) -> None:
    worker.on(CLUSTER_RUNS, "echo false")
    worker.on(LABEL, "exit 125")
    worker.on("podman volume inspect 0a1b")
    worker.on("podman volume rm 0a1b")
    assert worker.run("worker-delete").returncode == 0
    assert steps(worker) == ["podman volume rm"]


def test_a_container_of_another_cluster_is_left_alone(worker: Bench) -> None:
    worker.on(CLUSTER_RUNS, "echo false")
    worker.on(LABEL, "echo another")
    assert worker.run("worker-delete").returncode == 0
    assert steps(worker) == []


def test_a_container_that_does_not_go_is_an_error_and_made_anew_if_it_is_wanted_again(
    worker: Bench, run_folder: Path
) -> None:
    worker.on(RUNS, "echo false")
    worker.on(LABEL, "echo lab")
    worker.on(REMOVE, "echo 'device busy' >&2; exit 125")
    done = worker.run("worker-delete")
    assert (done.returncode, done.stderr) == (125, "device busy\n")
    assert not (run_folder / "because/node.lab-worker2").exists()


def test_it_waits_for_one_that_is_still_at_the_same_worker(worker: Bench, run_folder: Path) -> None:
    worker.on(RUNS, "echo true")
    worker.on(f"{DRAIN} *")
    worker.on(LABEL, "echo lab")
    with (run_folder / "lock.lab-worker2").open("w") as orphans:
        fcntl.flock(orphans, fcntl.LOCK_EX)
        freed = Timer(0.5, fcntl.flock, (orphans, fcntl.LOCK_UN))
        freed.start()
        begun = time.monotonic()
        assert worker.run("worker-delete").returncode == 0
        assert time.monotonic() - begun > 0.4
        freed.join()


@pytest.mark.parametrize("name", ["CLUSTER", "ENGINE", "RUN", "NODE"])
def test_it_does_nothing_without_all_it_has_to_know(worker: Bench, name: str) -> None:
    assert worker.run("worker-delete", **{name: ""}).returncode != 0
    assert worker.calls == []
