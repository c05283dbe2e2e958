"""worker-create.sh: a worker as kind would have made it, joined to the cluster, and never over somebody else's."""

import fcntl
import shlex
import subprocess
import time
from pathlib import Path
from threading import Timer

import pytest
import yaml

from components.records import Record, records
from tests.scripts.conftest import Bench, lose, mode

INSPECT = "podman inspect --type container --format"
LABEL = f"{INSPECT} *kind.cluster* lab-worker2"
JOIN = "podman exec lab-worker2 kubeadm join *"
ASKED_TO_JOIN = "podman exec lab-control-plane kubeadm token create *"
JOINING = "kubeadm join lab-control-plane:6443 --token abc.123 --discovery-token-ca-cert-hash sha256:00ff"


@pytest.fixture
def cluster(bench: Bench, run_folder: Path) -> Bench:
    """A control plane, and a worker of whom nothing is there yet."""
    run_folder.mkdir(parents=True)
    bench.environment |= {"NODE": "lab-worker2", "IMAGE": "localhost/node:1", "SECONDS_AT_MOST": "20"}
    mounts = ("0a1b:/var:exec", "/lib/modules:/lib/modules:ro", "/a b:/c")
    bench.on(f"{INSPECT} *Binds* lab-control-plane", f"printf '%s\\n' {shlex.join(mounts)}")
    bench.on(
        f"{INSPECT} *Env* lab-control-plane",
        "printf '%s\\n' PATH=/bin KUBECONFIG=/x HTTP_PROXY=http://proxy container=podman HOSTNAME=lab-control-plane ''",
    )
    bench.on("podman inspect --format *IPAddress* lab-worker2", "echo 10.89.0.7")
    return bench


def fresh(cluster: Bench) -> Bench:
    """There is nothing of it yet, and all goes well."""
    cluster.on(LABEL, "echo 'no such container' >&2; exit 125")
    return willing(cluster)


def willing(cluster: Bench) -> Bench:
    cluster.on("podman rm --force --volumes lab-worker2")
    cluster.on("kubectl delete node lab-worker2 --ignore-not-found", 'printf %s "$KUBECONFIG" >"$BENCH/asked"')
    cluster.on(f"{INSPECT} *UsernsMode* lab-control-plane", "echo")
    cluster.on("podman run *", 'while [ "$1" != --env-file ]; do shift; done; cat "$2" >"$BENCH/env"')
    cluster.on("podman logs lab-worker2", "echo 'INFO: detected cgroup v1'")
    cluster.on("podman exec lab-worker2 systemctl is-active containerd", "echo active")
    cluster.on(ASKED_TO_JOIN, f"echo '{JOINING} '")
    cluster.on("podman exec --interactive lab-worker2 bash -c *", 'cat >"$BENCH/kubeadm.conf"')
    cluster.on(JOIN, "echo joined")
    return cluster


def create(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("worker-create", stdin="--volume\n/var\n", **values)


def test_it_runs_what_kind_would_with_the_engines_own_words_and_says_nothing(cluster: Bench) -> None:
    done = create(fresh(cluster))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    words = cluster.words("podman run")
    file = words.index("--env-file") + 1
    assert words[2:file] + words[file + 1 :] == [
        *("--detach", "--tty", "--name", "lab-worker2", "--hostname", "lab-worker2", "--network", "lab"),
        *("--label", "io.x-k8s.kind.cluster=lab", "--label", "io.x-k8s.kind.role=worker"),
        *("--privileged", "--cgroupns", "private", "--tmpfs", "/tmp", "--tmpfs", "/run", "--env-file"),  # noqa: S108
        *("--volume", "/var"),
        *("--volume", "/lib/modules:/lib/modules:ro", "--volume", "/a b:/c"),
        "localhost/node:1",
    ]


def test_of_the_control_planes_environment_it_has_what_is_not_of_the_container_itself(cluster: Bench) -> None:
    create(fresh(cluster))
    assert cluster.left("env") == "HTTP_PROXY=http://proxy\ncontainer=podman\n"


@pytest.mark.parametrize(("of_control_plane", "words"), [("", []), ("host", ["--userns", "host"])])
def test_it_is_in_the_user_namespace_of_the_control_plane(
    cluster: Bench, of_control_plane: str, words: list[str]
) -> None:
    cluster.on(f"{INSPECT} *UsernsMode* lab-control-plane", f"echo {of_control_plane}")
    create(fresh(cluster))
    assert cluster.words("podman run")[-len(words) - 1 : -1] == words


def test_it_joins_by_a_token_of_its_own_as_the_node_that_it_is(cluster: Bench) -> None:
    create(fresh(cluster))
    assert yaml.safe_load(cluster.left("kubeadm.conf")) == {
        "apiVersion": "kubeadm.k8s.io/v1beta3",
        "kind": "JoinConfiguration",
        "nodeRegistration": {
            "criSocket": "unix:///run/containerd/containerd.sock",
            "taints": [{"key": "kalico/no-network", "effect": "NoSchedule"}],
            "kubeletExtraArgs": {"node-ip": "10.89.0.7", "provider-id": "kind://podman/lab/lab-worker2"},
        },
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": "lab-control-plane:6443",
                "token": "abc.123",
                "caCertHashes": ["sha256:00ff"],
            }
        },
    }
    assert (
        cluster.calls[-1] == "podman exec lab-worker2 kubeadm join --config /kind/kubeadm.conf --skip-phases preflight"
    )


def test_it_is_remembered_with_its_reason_once_it_has_joined(cluster: Bench, run_folder: Path) -> None:
    (run_folder / "because").mkdir()
    (run_folder / "because/node.lab-worker2").write_text("an earlier reason\n")
    cluster.on(JOIN, 'ls "$RUN/because" >"$BENCH/remembered"')
    assert create(fresh(cluster), BECAUSE="2026-01-02T03:04:05Z there is no node lab-worker2").returncode == 0
    assert cluster.left("remembered") == ""
    assert records(run_folder) == {
        "node.lab-worker2": Record(because="2026-01-02T03:04:05Z there is no node lab-worker2")
    }
    assert mode(run_folder / "because/node.lab-worker2") == 0o600


def test_a_folder_that_goes_with_a_network_meanwhile_is_made_again(cluster: Bench, run_folder: Path) -> None:
    lose(cluster, run_folder / "because")
    done = create(fresh(cluster))
    assert (done.returncode, done.stderr) == (0, "")
    assert (run_folder / "because/node.lab-worker2").exists()


@pytest.mark.parametrize("moment", ["podman run *", JOIN])
def test_from_its_first_step_on_a_killed_one_is_found_by_its_record(
    cluster: Bench, run_folder: Path, moment: str
) -> None:
    cluster.on(moment, 'ls "$RUN/volumes" >"$BENCH/told"')
    assert create(fresh(cluster)).returncode == 0
    assert cluster.left("told") == "lab-worker2\n"


@pytest.mark.parametrize("failing", ["podman run *", JOIN])
def test_one_that_was_not_made_is_not_remembered(cluster: Bench, run_folder: Path, failing: str) -> None:
    cluster.on(failing, "exit 1")
    assert create(fresh(cluster)).returncode == 1
    assert records(run_folder) == {}
    assert list((run_folder / "volumes").iterdir()) == []
    undone = ["kubectl delete node lab-worker2 --ignore-not-found", "podman rm --force --volumes lab-worker2"]
    # (What hands over the control plane's environment runs beside the one that was to read it.)
    assert [call for call in cluster.calls if not call.startswith("podman inspect")][-2:] == undone


def test_its_init_and_its_containerd_are_waited_for(cluster: Bench) -> None:
    cluster.on("podman logs lab-worker2", "", "echo 'Reached target multi-user.target - Multi-User System.'")
    cluster.on("podman exec lab-worker2 systemctl is-active containerd", "exit 3", "echo active")
    assert create(fresh(cluster)).returncode == 0
    order = [call.split()[1] + call.split()[-1] for call in cluster.calls if "logs" in call or "is-active" in call]
    assert order == ["logslab-worker2"] * 2 + ["execcontainerd"] * 2


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("podman logs lab-worker2", "its init has not begun"),
        ("podman exec lab-worker2 systemctl is-active containerd", "its containerd does not run"),
    ],
)
def test_one_that_does_not_come_up_is_an_error_with_its_last_words(cluster: Bench, call: str, what: str) -> None:
    cluster.on(call, "exit 1")
    cluster.on("podman logs --tail 5 lab-worker2", "echo 'systemd: no room'")
    done = create(fresh(cluster), SECONDS_AT_MOST="0")
    assert done.returncode == 1
    assert done.stderr == f"lab-worker2: {what}; the last that it says:\nsystemd: no room\n"


def test_one_that_does_not_join_is_an_error_with_kubeadms_last_lines(cluster: Bench) -> None:
    cluster.on(JOIN, "seq 30; echo 'no route' >&2; exit 1")
    done = create(fresh(cluster))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "lab-worker2 does not join the cluster:"
    assert done.stderr.splitlines()[1:] == [*map(str, range(12, 31)), "no route"]


@pytest.mark.parametrize("failing", ["podman run *", ASKED_TO_JOIN])
def test_what_the_engine_or_kubeadm_refuses_is_said(cluster: Bench, failing: str) -> None:
    cluster.on(failing, "echo 'no such image' >&2; exit 125")
    done = create(fresh(cluster))
    assert done.returncode != 0
    assert "no such image" in done.stderr
    assert not any(call.startswith(JOIN[:-2]) for call in cluster.calls)


def test_what_an_earlier_run_left_of_it_is_made_anew(cluster: Bench, run_folder: Path) -> None:
    cluster.on(LABEL, "echo lab")
    assert create(willing(cluster)).returncode == 0
    order = [call for call in cluster.calls if call.startswith(("podman rm", "kubectl", "podman run"))]
    assert [call.split(" --")[0] for call in order] == ["podman rm", "kubectl delete node lab-worker2", "podman run"]
    assert cluster.left("asked") == str(run_folder / "kubeconfig")


@pytest.mark.parametrize("of", ["", "another"])
def test_a_container_of_that_name_that_is_no_node_of_the_cluster_is_refused_with_the_remedy(
    cluster: Bench, run_folder: Path, of: str
) -> None:
    cluster.on(LABEL, f"echo {of}")
    done = create(cluster)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "podman has a container 'lab-worker2' already that is no node of cluster 'lab'" in line
    assert "remove it (podman rm --force lab-worker2)" in line
    assert len(cluster.calls) == 1
    assert not (run_folder / "volumes").exists()


def test_whoever_makes_or_deletes_the_cluster_waits_for_it_and_other_workers_do_not(
    cluster: Bench, run_folder: Path
) -> None:
    with (run_folder / "lock").open("w") as another_workers:
        fcntl.flock(another_workers, fcntl.LOCK_SH)
        assert create(fresh(cluster)).returncode == 0
    with (run_folder / "lock").open("w") as the_clusters:
        fcntl.flock(the_clusters, fcntl.LOCK_EX)
        freed = Timer(0.5, fcntl.flock, (the_clusters, fcntl.LOCK_UN))
        freed.start()
        begun = time.monotonic()
        assert create(cluster).returncode == 0
        assert time.monotonic() - begun > 0.4
        freed.join()


def test_it_waits_for_one_that_is_still_at_the_same_worker(cluster: Bench, run_folder: Path) -> None:
    with (run_folder / "lock.lab-worker2").open("w") as orphans:
        fcntl.flock(orphans, fcntl.LOCK_EX)
        freed = Timer(0.5, fcntl.flock, (orphans, fcntl.LOCK_UN))
        freed.start()
        begun = time.monotonic()
        assert create(fresh(cluster)).returncode == 0
        assert time.monotonic() - begun > 0.4
        freed.join()


def test_a_lock_that_does_not_come_free_is_said(cluster: Bench, run_folder: Path) -> None:
    (run_folder / "lock").write_text("process 4711 (kind-delete)\n")
    cluster.on("flock --shared --timeout 300 9", "exit 1")
    done = create(fresh(cluster))
    assert done.returncode == 1
    assert f"process 4711 (kind-delete) has held {run_folder}/lock for 300 s" in done.stderr


def test_what_it_starts_does_not_hold_the_locks(cluster: Bench) -> None:
    cluster.on("podman run *", 'ls -l /proc/self/fd >"$BENCH/open"')
    create(fresh(cluster))
    assert "/cache/run/lab/" not in cluster.left("open")


@pytest.mark.parametrize("name", ["CLUSTER", "ENGINE", "RUN", "NODE", "IMAGE", "SECONDS_AT_MOST"])
def test_it_does_nothing_without_all_it_has_to_know(cluster: Bench, name: str) -> None:
    assert create(fresh(cluster), **{name: ""}).returncode != 0
    assert cluster.calls == []
