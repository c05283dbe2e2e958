"""kind-create.sh: a cluster made once, made anew over a part of one, and never over somebody else's."""

import fcntl
import re
import subprocess
import time
from pathlib import Path
from threading import Timer

import pytest

from components.records import Record, records
from tests.scripts.conftest import Bench, lose, mode

CREATE = "kind create cluster *"
MADE = 'printf secret >"$RUN/kubeconfig"; chmod 0644 "$RUN/kubeconfig"'
"""As kind would leave it on a machine with a careless umask."""


@pytest.fixture
def kind(bench: Bench) -> Bench:
    """kind that has no cluster yet and makes one, and a cluster that says who it is."""
    bench.on("kubectl get namespace kube-system *", 'printf %s "$KUBECONFIG" >"$BENCH/asked"; printf the-uid')
    bench.on("kubectl taint nodes *", "echo tainted")
    bench.on("kubectl label nodes *", "echo labelled")
    bench.on("kind delete cluster *")
    bench.on("podman exec lab-control-plane * other-link  10.24.0.0/16 10.96.0.0/16")
    bench.on("podman exec lab-control-plane * other-link  10.89.0.0/16 10.96.0.0/16", "echo 10.89.0.0/16 10.89.0.0/24")
    bench.on("podman exec lab-control-plane * other-link ")
    return bench


def fresh(kind: Bench) -> Bench:
    kind.on("kind get clusters *", "printf 'other\\n'")
    kind.on(CREATE, MADE)
    return kind


def create(bench: Bench) -> subprocess.CompletedProcess[str]:
    return bench.run("kind-create", stdin="kind: Cluster\nname: x\n")


def test_it_prints_the_clusters_identity_and_nothing_else(kind: Bench) -> None:
    done = create(fresh(kind))
    assert (done.returncode, done.stdout, done.stderr) == (0, "the-uid", "")


def test_the_control_plane_is_no_worker_and_closed_to_pods_that_need_the_clusters_network(
    kind: Bench, run_folder: Path
) -> None:
    create(fresh(kind))
    assert [call for call in kind.calls if call.startswith("kubectl")][:2] == [
        "kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule kalico/no-network:NoSchedule",
        "kubectl label nodes --all node.kubernetes.io/exclude-from-external-load-balancers=",
    ]
    assert kind.left("asked") == str(run_folder / "kubeconfig")


def test_the_control_plane_is_remembered_to_have_been_made_and_no_worker_of_before(
    kind: Bench, run_folder: Path
) -> None:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / "because/node.lab-worker").touch()
    create(fresh(kind))
    assert [path.name for path in (run_folder / "because").glob("node.*")] == ["node.lab-control-plane"]


def test_kind_gets_the_config_of_stdin_and_the_labs_own_kubeconfig(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, f'cat "$8" >"$BENCH/config"; {MADE}')
    create(kind)
    words = kind.words("kind create cluster")
    assert words[:-1] == [
        *("kind", "create", "cluster", "--name", "lab"),
        *("--kubeconfig", str(run_folder / "kubeconfig"), "--config"),
    ]
    assert kind.left("config") == "kind: Cluster\nname: x\n"


def test_the_cluster_is_on_the_labs_engine_and_a_network_of_its_own(kind: Bench) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, f'env | grep ^KIND_ | sort >"$BENCH/environment"; {MADE}')
    create(kind)
    assert kind.left("environment").splitlines() == [
        "KIND_EXPERIMENTAL_DOCKER_NETWORK=lab",
        "KIND_EXPERIMENTAL_PODMAN_NETWORK=lab",
        "KIND_EXPERIMENTAL_PROVIDER=podman",
    ]


def test_the_kubeconfig_is_the_owners_alone_whatever_kind_makes_of_it(kind: Bench, run_folder: Path) -> None:
    create(fresh(kind))
    assert mode(run_folder / "kubeconfig") == 0o600
    assert mode(run_folder) == 0o700


def test_the_users_own_kubeconfig_is_left_alone(kind: Bench) -> None:
    create(fresh(kind))
    assert list((kind.folder / "home").iterdir()) == []
    assert all("--kubeconfig" in call for call in kind.calls if call.startswith("kind") and "get clusters" not in call)
    assert kind.left("asked") == f"{kind.environment['RUN']}/kubeconfig"


def test_the_engine_is_remembered_before_the_cluster_is_made(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, f'cp "$RUN/engine" "$BENCH/engine"; {MADE}')
    create(kind)
    assert kind.left("engine") == "podman\n"
    assert (run_folder / "engine").read_text() == "podman\n"


@pytest.mark.parametrize("because", ["", "2026-01-02T03:04:05Z node lab-worker is gone"])
def test_a_cluster_that_was_made_keeps_the_reason_and_its_subnets(kind: Bench, run_folder: Path, because: str) -> None:
    told = {"BECAUSE": because, "SUBNETS": "10.24.0.0/16 10.96.0.0/16"}
    assert fresh(kind).run("kind-create", stdin="kind: Cluster\n", **told).returncode == 0
    assert records(run_folder)["cluster"] == Record(because=because, subnet=told["SUBNETS"])
    assert mode(run_folder / "because") == 0o700
    assert mode(run_folder / "because/cluster") == 0o600


def test_a_cluster_whose_subnets_hold_its_nodes_own_addresses_is_refused_and_goes_again(
    kind: Bench, run_folder: Path
) -> None:
    """The engine chooses the nodes' network as the cluster is made: nothing was there to compare with before."""
    kind.on("podman network inspect lab", "exit 1", "")
    kind.on("podman network rm lab")
    subnets = "10.89.0.0/16 10.96.0.0/16"
    done = fresh(kind).run("kind-create", stdin="kind: Cluster\n", SUBNETS=subnets)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "podSubnet, serviceSubnet: 10.89.0.0/16 overlaps the nodes' own network 10.89.0.0/24, "
        "which is podman's choice: take another subnet\n"
    )
    assert [call.split()[:3] for call in kind.calls[-3:]] == [
        ["kind", "delete", "cluster"],
        ["podman", "network", "inspect"],
        ["podman", "network", "rm"],
    ]
    assert not (run_folder / "engine").exists()


def test_a_cluster_whose_node_does_not_tell_its_links_goes_again(kind: Bench, run_folder: Path) -> None:
    kind.on("podman exec lab-control-plane * other-link  10.1.0.0/16 10.2.0.0/16", "echo 'not now' >&2; exit 3")
    kind.on("podman network inspect lab", "exit 1")
    done = fresh(kind).run("kind-create", stdin="kind: Cluster\n", SUBNETS="10.1.0.0/16 10.2.0.0/16")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "not now\nit cannot be told which network the nodes are on\n"
    assert not (run_folder / "engine").exists()


@pytest.mark.parametrize("folder", ["because", ""])
def test_a_folder_that_goes_with_a_network_meanwhile_is_made_again(kind: Bench, run_folder: Path, folder: str) -> None:
    lose(kind, run_folder / folder)
    done = create(fresh(kind))
    assert (done.returncode, done.stderr) == (0, "")
    assert records(run_folder).keys() == {"cluster", "node.lab-control-plane"}


def test_of_a_cluster_that_was_not_made_no_reason_is_kept(kind: Bench, run_folder: Path) -> None:
    (run_folder / "because").mkdir(parents=True)
    for name in ("cluster", "network.ext-net"):
        (run_folder / "because" / name).write_text("an earlier reason\n")
    (run_folder / "engine").write_text("podman\n")
    kind.on("kind get clusters *")
    kind.on(CREATE, 'ls "$RUN/because" >"$BENCH/reasons"; exit 1')
    assert create(kind).returncode == 1
    assert kind.left("reasons") == "network.ext-net\n"
    assert records(run_folder).keys() == {"network.ext-net"}


def test_a_part_that_an_earlier_run_left_is_removed_first(kind: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    kind.on("kind get clusters *", "printf 'lab\\n'")
    kind.on(CREATE, MADE)
    assert create(kind).returncode == 0
    steps = [" ".join(call.split()[:3]) for call in kind.calls]
    assert steps.index("kind delete cluster") < steps.index("kind create cluster")
    assert kind.words("kind delete cluster")[3:5] == ["--name", "lab"]


def test_a_record_that_was_cut_off_in_the_writing_is_of_this_engine(kind: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "engine").touch()
    kind.on("kind get clusters *", "echo lab")
    kind.on(CREATE, MADE)
    assert create(kind).returncode == 0
    assert any(call.startswith("kind delete cluster --name lab ") for call in kind.calls)


def test_a_cluster_on_this_engine_is_not_the_labs_where_its_record_names_another(kind: Bench, run_folder: Path) -> None:
    (run_folder / "because").mkdir(parents=True)
    (run_folder / "because/cluster").touch()
    (run_folder / "engine").write_text("docker\n")
    kind.on("kind get clusters *", "echo lab")
    kind.on(CREATE, MADE)
    done = create(kind)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cluster 'lab' was begun on docker" in line
    assert line.endswith("(make down)")
    assert kind.calls == []
    assert (run_folder / "engine").read_text() == "docker\n"
    assert (run_folder / "because/cluster").exists()


def test_a_cluster_that_the_lab_did_not_make_is_refused_and_kept(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *", "printf 'lab\\n'")
    done = create(kind)
    assert done.returncode == 1
    assert "there is a kind cluster 'lab' already that this lab did not make" in done.stderr
    assert "pulumi config set clusterName NAME" in done.stderr
    assert [call for call in kind.calls if not call.startswith("kind get clusters")] == []
    assert not (run_folder / "engine").exists()


def test_a_network_of_the_clusters_name_that_the_lab_did_not_make_is_refused_and_kept(
    kind: Bench, run_folder: Path
) -> None:
    fresh(kind)
    kind.on("podman network inspect lab")
    done = create(kind)
    assert done.returncode == 1
    assert "there is a network of podman 'lab' already that this lab did not make" in done.stderr
    assert not any(call.startswith(("kind create", "podman network rm")) for call in kind.calls)
    assert not (run_folder / "engine").exists()


def test_a_cluster_is_seen_however_many_others_are_said_after_it(kind: Bench) -> None:
    kind.on("kind get clusters *", "printf 'lab\\n'; sleep 0.2; printf 'other\\n'; printf 'another\\n'")
    kind.on(CREATE, MADE)
    assert create(kind).returncode == 1
    assert not any(call.startswith("kind create") for call in kind.calls)


def test_clusters_that_cannot_be_listed_are_an_error(kind: Bench) -> None:
    kind.on("kind get clusters *", "echo 'no engine' >&2; exit 1")
    kind.on(CREATE, MADE)
    done = create(kind)
    assert done.returncode == 1
    assert "no engine" in done.stderr
    assert not any(call.startswith("kind create") for call in kind.calls)


def test_a_cluster_whose_name_only_begins_so_is_another(kind: Bench) -> None:
    kind.on("kind get clusters *", "printf 'lab2\\nmylab\\n'")
    kind.on(CREATE, MADE)
    assert create(kind).returncode == 0


def test_a_failure_shows_kinds_log_and_leaves_nothing(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, f"{MADE}; echo 'Creating ...'; echo 'node failed' >&2; exit 1")
    kind.on("podman network inspect lab", "exit 1", "")
    kind.on("podman network rm lab")
    done = create(kind)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["Creating ...", "node failed"]
    assert done.stdout == ""
    assert "podman network rm lab" in kind.calls
    assert not (run_folder / "kubeconfig").exists()
    assert not (run_folder / "engine").exists()


def test_a_failure_over_a_part_of_a_lab_leaves_none_of_its_files(kind: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    (run_folder / "volumes").mkdir()
    (run_folder / "volumes/lab-worker").write_text("abc\n")
    kind.on("kind get clusters *", "echo lab")
    kind.on(CREATE, "exit 1")
    kind.on("podman network inspect lab", "exit 1")
    assert create(kind).returncode == 1
    assert [path.name for path in run_folder.rglob("*") if path.name != "lock" and path.is_file()] == []


def test_what_a_failure_leaves_is_still_known_to_be_the_labs(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, "exit 1")
    kind.on("podman network inspect lab", "exit 1", "")
    kind.on("podman network rm lab", "echo 'in use' >&2; exit 1")
    assert create(kind).returncode == 1
    assert (run_folder / "engine").read_text() == "podman\n"


def test_it_waits_for_an_orphan_that_is_still_at_it(kind: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    with (run_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        freed = Timer(0.5, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        freed.start()
        begun = time.monotonic()
        assert create(fresh(kind)).returncode == 0
        assert time.monotonic() - begun > 0.4
        freed.join()


def test_the_lock_says_who_holds_it(kind: Bench, run_folder: Path) -> None:
    kind.on("kind get clusters *")
    kind.on(CREATE, f'cp "$RUN/lock" "$BENCH/holder"; {MADE}')
    assert create(kind).returncode == 0
    assert re.fullmatch(r"process \d+ \(kind-create\)\n", kind.left("holder"))


@pytest.mark.parametrize(
    ("written", "holder"), [("process 4711 (kind-delete)\n", "process 4711 (kind-delete)"), ("", "another process")]
)
def test_a_lock_that_does_not_come_free_is_said_with_its_holder(
    kind: Bench, run_folder: Path, written: str, holder: str
) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "lock").write_text(written)
    kind.on("flock --exclusive --timeout 300 9", "exit 1")
    done = create(fresh(kind))
    assert (done.returncode, kind.calls) == (1, ["flock --exclusive --timeout 300 9"])
    (line,) = done.stderr.splitlines()
    assert f"{holder} has held {run_folder}/lock for 300 s" in line
    assert (run_folder / "lock").read_text() == written


def test_what_kind_starts_does_not_inherit_the_lock(bench: Bench, run_folder: Path) -> None:
    run_folder.mkdir(parents=True)
    (run_folder / "engine").write_text("podman\n")
    look = '[ ! -e /proc/self/fd/9 ] || echo "$call" >>"$BENCH/inherited"; '
    bench.on("kind get clusters *", f"{look} printf 'lab\\n'")
    bench.on("kind delete cluster *", look)
    bench.on(CREATE, look + MADE)
    bench.on("podman exec * other-link ")
    bench.on("kubectl *")
    assert create(bench).returncode == 0
    assert [call.split()[1] for call in bench.calls if call.startswith("kind ")] == ["get", "delete", "create"]
    assert not (bench.folder / "inherited").exists()


@pytest.mark.parametrize("name", ["CLUSTER", "ENGINE", "RUN"])
def test_it_does_nothing_without_all_it_has_to_know(kind: Bench, name: str) -> None:
    assert kind.run("kind-create", **{name: ""}).returncode != 0
    assert kind.calls == []
