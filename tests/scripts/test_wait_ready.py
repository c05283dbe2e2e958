"""wait-ready.sh: nothing is reported before all is Ready, and each version is what the running thing says."""

import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench

ANSWERS = {
    "kubectl get node lab-worker *kubeletVersion*": "printf v1.32.2",
    "kubectl get node lab-worker *containerRuntimeVersion*": "printf containerd://2.0.2",
    "kubectl exec * calico-1 *": "echo v3.29.2; echo more",
    "kubectl exec * multus-1 *": "echo 'multus-daemon version:v4.2.3' >&2; echo more >&2; exit 4",
    "podman exec lab-worker /opt/cni/bin/macvlan": "echo 'CNI macvlan plugin v1.8.0' >&2; echo more >&2",
    "podman exec lab-worker /opt/cni/bin/whereabouts": "echo 'whereabouts v0.8.0 linux/amd64' >&2; echo more >&2",
    "podman exec kalico-dhcp-lan dnsmasq --version": "echo 'Dnsmasq version 2.90  Copyright (c) 2000'; echo more",
    "podman version *": "echo 4.3.1",
    "kind version": "echo 'kind v0.27.0 go1.23'",
}

PODS = "kubectl get pods --namespace *"
LISTING = "printf '%s\\n' alone 'typha-1 rs' 'calico-1 calico-node' 'multus-1 kube-multus-ds'"
"""Those on the worker, each with what it is of."""


@pytest.fixture
def cluster(bench: Bench) -> Bench:
    bench.environment |= {"WORKER": "lab-worker", "SECONDS_AT_MOST": "17"}
    return bench


STATES = {"nodes": "kubectl get nodes *", "pods": "kubectl get pods --all-namespaces *"}
"""How those of a kind are asked whether they are Ready."""


def report(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    for pattern, answer in {
        **ANSWERS,
        PODS: LISTING,
        **dict.fromkeys(STATES.values(), "printf '/a=True\\nof/b=True\\n'"),
    }.items():
        bench.on(pattern, answer)
    return bench.run("wait-ready", **values)


def test_the_report_is_the_first_line_of_what_each_thing_says(cluster: Bench) -> None:
    done = report(cluster)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "kubernetes v1.32.2",
        "containerd containerd://2.0.2",
        "calico v3.29.2",
        "multus multus-daemon version:v4.2.3",
        "cni-plugins CNI macvlan plugin v1.8.0",
        "podman 4.3.1",
        "kind kind v0.27.0 go1.23",
    ]


def test_whereabouts_is_asked_only_where_the_lab_has_it(cluster: Bench) -> None:
    assert "whereabouts" not in report(cluster).stdout
    assert "whereabouts whereabouts v0.8.0 linux/amd64" in report(cluster, WHEREABOUTS="an/image").stdout.splitlines()


def test_dnsmasq_is_asked_in_the_server_that_the_lab_has(cluster: Bench) -> None:
    assert "dnsmasq" not in report(cluster).stdout
    told = report(cluster, SERVER="kalico-dhcp-lan").stdout.splitlines()
    assert "dnsmasq Dnsmasq version 2.90  Copyright (c) 2000" in told


@pytest.mark.parametrize("kind", STATES)
@pytest.mark.parametrize("state", ["False", ""], ids=["not Ready", "without a node yet"])
def test_every_node_and_every_pod_is_waited_for_first(cluster: Bench, kind: str, state: str) -> None:
    cluster.on(STATES[kind], f"printf '/a=True\\n/b={state}\\n'", "printf '/a=True\\n/b=True\\n'")
    assert report(cluster).returncode == 0
    assert [call.split()[2] for call in cluster.calls[:3]] == sorted([*STATES, kind])


def test_all_that_have_not_ended_are_asked_for_at_once(cluster: Bench) -> None:
    assert report(cluster).returncode == 0
    state = '{.metadata.namespace}/{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}'
    output = f'--output jsonpath={{range .items[*]}}{state}{{"\\n"}}{{end}}'
    assert cluster.calls[:2] == [
        f"kubectl get nodes {output}",
        f"kubectl get pods --all-namespaces --field-selector status.phase!=Succeeded,status.phase!=Failed {output}",
    ]


@pytest.mark.parametrize("kind", STATES)
def test_one_that_is_replaced_meanwhile_is_not_waited_for_but_the_one_in_its_place_is(
    cluster: Bench, kind: str
) -> None:
    states = ("/a=True /old=False", "/a=True /new=False", "/a=True /new=True")
    cluster.on(STATES[kind], *(f"printf '%s\\n' {state}" for state in states))
    assert report(cluster).returncode == 0
    assert sum(call.startswith(STATES[kind][:-2]) for call in cluster.calls) == 3


def test_a_log_line_of_kubectls_own_is_no_version(cluster: Bench) -> None:
    noise = "echo 'E1125 18:22:01.305152   15467 websocket.go:296] Unknown stream id 1, discarding message' >&2"
    for thing in ("calico-1", "multus-1"):
        (pattern,) = [each for each in ANSWERS if thing in each]
        cluster.on(pattern, f"{noise}; {ANSWERS[pattern]}")
    said = report(cluster).stdout.splitlines()
    assert said[2:4] == ["calico v3.29.2", "multus multus-daemon version:v4.2.3"]


def test_the_daemons_are_asked_in_their_pods_on_the_worker(cluster: Bench) -> None:
    """Those of a worker that has left are listed for some time yet."""
    report(cluster)
    listed = [call for call in cluster.calls if call.startswith("kubectl get pods --namespace")]
    assert len(listed) == 2
    assert all(" --field-selector spec.nodeName=lab-worker " in call for call in listed)


@pytest.mark.parametrize(("pod", "thing"), [("calico-1 calico-node", "calico"), ("multus-1 kube-multus-ds", "multus")])
def test_a_daemon_that_the_worker_has_not_is_said(cluster: Bench, pod: str, thing: str) -> None:
    cluster.on("kubectl exec *  --container *", "echo 'no pod' >&2; exit 1")
    cluster.on(PODS, LISTING.replace(f"'{pod}'", ""))
    done = report(cluster)
    assert done.returncode == 1
    assert done.stderr == f"cannot tell the version of {thing}: no pod\n"


def test_kubectl_asks_the_labs_cluster(cluster: Bench, run_folder: Path) -> None:
    cluster.on(STATES["nodes"], 'printf %s "$KUBECONFIG" >"$BENCH/kubeconfig"')
    report(cluster)
    assert cluster.left("kubeconfig") == str(run_folder / "kubeconfig")


@pytest.mark.parametrize("kind", STATES)
def test_what_does_not_get_ready_is_an_error_that_names_it(cluster: Bench, kind: str) -> None:
    cluster.on(STATES[kind], "printf '%s\\n' of/a=True of/b=False /c= /d=Unknown")
    done = report(cluster, SECONDS_AT_MOST="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{kind} that are not Ready after 0 s: of/b c d\n"


@pytest.mark.parametrize("kind", STATES)
def test_what_cannot_be_asked_for_is_an_error(cluster: Bench, kind: str) -> None:
    cluster.on(STATES[kind], "echo 'the API is away' >&2; exit 1")
    done = report(cluster)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "the API is away\n")


@pytest.mark.parametrize("silent", ANSWERS)
@pytest.mark.parametrize("answer", ["echo 'no route' >&2; exit 1", "exit 0"], ids=["fails", "says nothing"])
def test_a_thing_that_does_not_say_what_it_is_is_an_error(cluster: Bench, silent: str, answer: str) -> None:
    cluster.on(silent, answer)
    done = report(cluster, WHEREABOUTS="an/image", SERVER="kalico-dhcp-lan")
    assert done.returncode == 1
    assert "cannot tell the version of " in done.stderr
    assert ("no route" in done.stderr) == ("no route" in answer)
    assert done.stderr.count("no route") == answer.count("no route")
