"""node-run.sh: a node runs and the API answers, what was stopped is started, and the node is told of."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench, in_node, lose

READY = "kubectl --kubeconfig * get --raw /readyz"
RUNNING = "podman inspect --format {{.State.Running}} {{.State.Paused}} *"
START = "podman start *"
LOGS = "podman logs --since * lab-worker"
BEGUN = "echo 'Reached target multi-user.target - Multi-User System.'"


@pytest.fixture
def cluster(bench: Bench) -> Bench:
    bench.environment |= {"SECONDS_AT_MOST": "20"}
    bench.on("podman exec * kubelet --version", "echo Kubernetes v1.32.2")
    bench.on("podman inspect *.Mounts* lab-worker", "printf 'a1\\n\\n'")
    Path(bench.environment["RUN"]).mkdir(parents=True)
    bench.on("podman inspect *role* lab-worker", "echo worker 10.89.0.3")
    return bench


@pytest.fixture
def marked(cluster: Bench) -> Bench:
    """A node that only keeps what is written into it."""
    cluster.on("podman exec --interactive * bash -c *", 'cat >"$BENCH/mark-$3"')
    return cluster


def have_run(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("node-run", **{"NODE": "lab-worker", **values})


def test_a_node_that_runs_is_left_alone_and_told_with_role_address_and_version(marked: Bench) -> None:
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "echo ok")
    done = have_run(marked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "lab-worker worker 10.89.0.3 v1.32.2\n", "")
    assert not any(call.startswith(("podman start", "podman logs")) for call in marked.calls)


def test_the_nodes_volumes_are_kept_for_the_day_when_it_is_gone(marked: Bench, run_folder: Path) -> None:
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "echo ok")
    have_run(marked)
    kept = {path.name: path.read_text().split() for path in (run_folder / "volumes").iterdir()}
    assert kept == {"lab-worker": ["a1"]}


def test_a_folder_that_goes_meanwhile_is_made_again(marked: Bench, run_folder: Path) -> None:
    lose(marked, run_folder / "volumes")
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "echo ok")
    done = have_run(marked)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run_folder / "volumes/lab-worker").read_text() == "a1\n"


def test_the_address_that_is_told_is_that_on_the_clusters_own_network(marked: Bench) -> None:
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "echo ok")
    have_run(marked)
    assert [call for call in marked.calls if "IPAddress" in call] == [
        'podman inspect --format {{index .Config.Labels "io.x-k8s.kind.role"}} '
        '{{(index .NetworkSettings.Networks "lab").IPAddress}} lab-worker'
    ]


def test_what_was_stopped_is_started_before_the_api_is_asked(marked: Bench) -> None:
    marked.on(RUNNING, "echo false false")
    marked.on(START, "echo lab-worker")
    marked.on(LOGS, BEGUN)
    marked.on(READY, "echo ok")
    done = have_run(marked)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    order = [" ".join(call.split()[:3]) for call in marked.calls if "start" in call or "readyz" in call]
    assert order == ["podman start lab-worker", "kubectl --kubeconfig " + marked.environment["RUN"] + "/kubeconfig"]


@pytest.mark.parametrize("begun", [BEGUN, "echo 'INFO: detected cgroup v1' >&2"])
def test_nothing_is_run_in_what_was_started_before_its_init_has_begun(marked: Bench, begun: str) -> None:
    marked.on(RUNNING, "echo false false")
    marked.on(START, 'date +%s.%N >"$BENCH/started"')
    marked.on(LOGS, "", "exit 1", begun)
    marked.on(READY, "echo ok")
    asked_at = time.time()
    assert have_run(marked).returncode == 0
    words = [
        call.split()[1] for call in marked.calls if call.startswith(("podman start", "podman logs", "podman exec"))
    ]
    assert words == ["start", "logs", "logs", "logs", "exec", "exec"]
    (since,) = {float(call.split()[3]) for call in marked.calls if call.startswith("podman logs")}
    assert asked_at - 1 < since <= float(marked.left("started"))


def test_an_init_that_by_the_engines_clock_began_before_it_was_started_is_not_waited_for_for_ever(
    marked: Bench,
) -> None:
    marked.on(RUNNING, "echo false false")
    marked.on(START)
    marked.on(LOGS)
    marked.on(READY, "echo ok")
    assert have_run(marked, SECONDS_AT_MOST="3").returncode == 0


@pytest.mark.parametrize("said", ["true true", "false true"], ids=["as docker says it", "as podman says it"])
def test_what_was_paused_goes_on(marked: Bench, said: str) -> None:
    marked.on(RUNNING, f"echo {said}")
    marked.on("podman unpause lab-worker", "echo lab-worker")
    marked.on(READY, "echo ok")
    assert have_run(marked).returncode == 0
    assert not any(call.startswith(("podman start", "podman logs")) for call in marked.calls)


def test_an_api_that_does_not_answer_yet_is_asked_again(marked: Bench) -> None:
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "echo 'connection refused' >&2; exit 1", "echo ok")
    assert have_run(marked).returncode == 0
    assert sum("readyz" in call for call in marked.calls) == 2


def test_an_api_that_never_answers_is_an_error_with_the_last_that_it_said(marked: Bench) -> None:
    marked.on(RUNNING, "echo true false")
    marked.on(READY, "printf 'E0102 noise\\nconnection refused\\n' >&2; exit 1")
    done = have_run(marked, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the cluster's API does not answer: connection refused\n"
    assert list(marked.folder.glob("mark-*")) == []


@pytest.mark.parametrize(("failing", "said"), [(RUNNING, "no such container"), (START, "address in use")])
def test_a_node_that_does_not_start_is_an_error(marked: Bench, failing: str, said: str) -> None:
    marked.on(failing, f"echo '{said}' >&2; exit 125")
    marked.on(RUNNING, "echo false false")
    marked.on(START, "exit 125")
    done = have_run(marked)
    assert (done.returncode, done.stdout) == (125, "")
    assert said in done.stderr
    assert not any("readyz" in call for call in marked.calls)


def test_the_node_notes_the_reason_where_its_next_start_takes_it_away(cluster: Bench, nodes: Bench) -> None:
    nodes.on(RUNNING, "echo true false")
    nodes.on(READY, "echo ok")
    done = have_run(nodes, BECAUSE="2026-01-02T03:04:05Z node lab-worker does not run")
    assert done.returncode == 0, done.stderr
    noted = in_node(nodes, "lab-worker", "/run/kalico/node").read_text()
    assert noted == "2026-01-02T03:04:05Z node lab-worker does not run\n"


@pytest.mark.parametrize("name", ["CLUSTER", "ENGINE", "RUN", "NODE", "SECONDS_AT_MOST"])
def test_it_does_nothing_without_all_it_has_to_know(marked: Bench, name: str) -> None:
    assert have_run(marked, **{name: ""}).returncode != 0
    assert marked.calls == []
