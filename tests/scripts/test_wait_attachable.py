"""wait-attachable.sh: a node is asked from inside until all that a pod there needs works, and only then opened."""

import subprocess
from pathlib import Path
from threading import Timer

import pytest

from tests.scripts.conftest import Bench

NEEDED = [
    "/etc/cni/net.d/00-multus.conf",
    "/run/multus/multus.sock",
    "/var/lib/calico/nodename",
    "/opt/cni/bin/multus-shim",
    "/opt/cni/bin/calico",
    "/opt/cni/bin/macvlan",
]

LEAVING = "kubectl get nodes *"

NODE = "echo {0} kind://{1}/{0} {2}\n"
"""As the API server lists one: name, provider, whether it is Ready."""
LABS = "".join(NODE.format(name, "podman/lab", "True") for name in ("lab-worker", "lab-worker2"))
MORE = LABS + NODE.format("lab-worker3", "podman/lab", "True")
RUNS = "podman inspect --format {{.State.Running}} lab-worker3"

FELIX = "curl --silent --fail * http://localhost:9099/readiness"

INSIDE = 'node=$2; shift 2; "${@/#\\//$BENCH/nodes/$node/}"'
"""Runs what is run in a node here, with a folder of the bench as the node's root."""


@pytest.fixture
def nodes(bench: Bench) -> Bench:
    bench.on("podman exec *", INSIDE)
    for name in ("lab-worker", "lab-worker2"):
        for file in NEEDED:
            path = bench.folder / "nodes" / name / file.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return bench


def in_node(bench: Bench, name: str, file: str) -> Path:
    return bench.folder / "nodes" / name / file.lstrip("/")


def wait(bench: Bench, seconds: str) -> subprocess.CompletedProcess[str]:
    bench.on(FELIX)
    bench.on(LEAVING, LABS)
    bench.on("kubectl *")
    return bench.run("wait-attachable", stdin="lab-worker\nlab-worker2\n", SECONDS_AT_MOST=seconds)


def test_nodes_that_have_it_all_are_done_at_once(nodes: Bench) -> None:
    done = wait(nodes, "0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(call.split()[2] for call in nodes.calls if call.startswith("podman exec")) == [
        "lab-worker",
        "lab-worker2",
    ]


def test_a_node_is_open_to_all_pods_once_it_has_it_all(nodes: Bench, run_folder: Path) -> None:
    in_node(nodes, "lab-worker", "/opt/cni/bin/calico").unlink()
    wait(nodes, "0")
    assert [call for call in nodes.calls if "get nodes" not in call and call.startswith("kubectl")] == [
        "kubectl taint nodes lab-worker2 kalico/no-network-"
    ]


def test_a_node_that_is_open_already_is_no_error(nodes: Bench) -> None:
    nodes.on("kubectl taint *", "echo 'error: taint \"kalico/no-network\" not found' >&2; exit 1")
    assert wait(nodes, "0").returncode == 0


def test_a_node_that_cannot_be_opened_is_an_error(nodes: Bench) -> None:
    nodes.on("kubectl taint *", "echo 'the API is away' >&2; exit 1")
    done = wait(nodes, "0")
    assert (done.returncode, done.stderr) == (1, "the API is away\n" * 2)


def test_a_node_that_is_about_to_go_takes_no_pod_any_more(nodes: Bench, run_folder: Path) -> None:
    nodes.on(LEAVING, MORE)
    nodes.on(RUNS, "echo true")
    assert wait(nodes, "0").returncode == 0
    assert [call for call in nodes.calls if "lab-worker3" in call and "inspect" not in call] == [
        "kubectl taint nodes lab-worker3 kalico/no-network:NoSchedule --overwrite"
    ]


@pytest.mark.parametrize(
    ("ready", "said"),
    [
        ("True", "echo false"),
        ("True", "echo 'no such container' >&2; exit 125"),
        ("Unknown", "echo true"),
        ("", "echo true"),
    ],
    ids=["stopped", "removed", "not ready", "never ready"],
)
def test_one_that_does_not_run_or_is_not_ready_is_let_go_with_its_pods_since_nobody_there_ends_them(
    nodes: Bench, ready: str, said: str
) -> None:
    nodes.on(LEAVING, LABS + NODE.format("lab-worker3", "docker/lab", ready))
    nodes.on(RUNS, said)
    assert wait(nodes, "0").returncode == 0
    assert [call for call in nodes.calls if " delete " in call] == [
        "kubectl delete node lab-worker3",
        "kubectl delete pods --all-namespaces "
        "--field-selector spec.nodeName=lab-worker3 --force --grace-period 0 --wait=false",
    ]


@pytest.mark.parametrize("ready", ["True", "Unknown", ""])
@pytest.mark.parametrize(
    "provider", ["", "kwok://kwok-node-0", "kind://podman/lab2/x", "kind://podman/x/lab", "aws:///kind://podman/lab/x"]
)
def test_a_node_that_others_have_added_is_left_alone(nodes: Bench, provider: str, ready: str) -> None:
    nodes.on(LEAVING, f"{LABS}echo kwok-node-0 {provider} {ready}")
    assert wait(nodes, "0").returncode == 0
    assert not [call for call in nodes.calls if "kwok-node-0" in call]


def test_the_cluster_is_asked_whose_its_nodes_are(nodes: Bench) -> None:
    wait(nodes, "0")
    fields = '{.metadata.name} {.spec.providerID} {.status.conditions[?(@.type=="Ready")].status}'
    assert [call for call in nodes.calls if "get nodes" in call] == [
        f'kubectl get nodes --output jsonpath={{range .items[*]}}{fields}{{"\\n"}}{{end}}'
    ]


@pytest.mark.parametrize(
    "failing", ["kubectl taint nodes lab-worker3 *", "kubectl delete node *", "kubectl delete pods *"]
)
def test_one_that_does_not_go_is_an_error_that_is_told(nodes: Bench, failing: str) -> None:
    nodes.on(LEAVING, MORE)
    nodes.on(RUNS, "echo false")
    nodes.on(failing, "echo 'the API is away' >&2; exit 1")
    done = wait(nodes, "0")
    assert (done.returncode, done.stderr) == (1, "the API is away\n")


def test_nodes_that_cannot_be_asked_for_are_an_error(nodes: Bench) -> None:
    nodes.on("kubectl get nodes *", "echo 'the API is away' >&2; exit 1")
    done = wait(nodes, "0")
    assert (done.returncode, done.stderr) == (1, "the API is away\n")


def test_felix_is_waited_for(nodes: Bench) -> None:
    nodes.on(FELIX, '[ -e "$BENCH/felix" ] || { touch "$BENCH/felix"; exit 22; }')
    assert wait(nodes, "20").returncode == 0
    assert nodes.left("felix") == ""


def test_felix_that_never_is_ready_is_named_with_what_it_says(nodes: Bench) -> None:
    nodes.on(FELIX, "exit 22")
    nodes.on("curl --silent --show-error * http://localhost:9099/readiness", "echo 'FelixStartup: non-ready'; exit 7")
    done = wait(nodes, "0")
    assert done.returncode == 1
    assert done.stderr.count(": http://localhost:9099/readiness\n") == 2
    assert done.stderr.count("FelixStartup: non-ready\n") == 2


@pytest.mark.parametrize("file", NEEDED)
def test_what_is_missing_at_the_end_is_named(nodes: Bench, file: str) -> None:
    in_node(nodes, "lab-worker2", file).unlink()
    done = wait(nodes, "0")
    assert done.returncode == 1
    assert done.stderr.startswith("still missing on ")
    assert done.stderr.rstrip().endswith(f": {in_node(nodes, 'lab-worker2', '')}/{file.lstrip('/')}".replace("//", "/"))


def test_what_comes_late_is_waited_for(nodes: Bench) -> None:
    late = in_node(nodes, "lab-worker", "/var/lib/calico/nodename")
    late.unlink()
    coming = Timer(0.4, late.touch)
    coming.start()
    assert wait(nodes, "20").returncode == 0
    coming.join()


def test_a_node_that_cannot_be_asked_is_an_error(bench: Bench) -> None:
    bench.on("podman exec *", "echo 'no such container' >&2; exit 125")
    bench.on("kubectl *")
    done = wait(bench, "300")
    assert (done.returncode, done.stderr) == (125, "no such container\n" * 2)
