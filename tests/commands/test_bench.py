"""The bench: the seed's steps in the seed's order, times read from what is printed, and the table of both."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from commands import bench
from commands.bench import LAYERS, SEED, report, seed_steps, timed_lines
from commands.own_lab import own_config
from commands.stack import Stack
from components.engines import ENGINES
from components.macvlan_networks import bridge_name
from components.settings import LabSettings
from tests.commands.conftest import without_looks
from tests.lab_config import ROOT, lab, network
from tests.scripts.conftest import Bench

# As `pulumi up --non-interactive` v3.274.1 prints them, in this order; what else it prints is beside them.
PRINTED = """\
Updating (bench):
@ updating....
 +  command:local:Command cluster-kind creating (0s)
 +  command:local:Command networks-ext-net created (0.21s)
@ updating....................................
 +  command:local:Command cluster-kind created (33s)
 +  kubernetes:core/v1:Namespace calico-tigera-operator created (0.25s)
 +  command:local:Command workers-kalico-bench-worker created (8s)
 +  command:local:Command workers-kalico-bench-worker-running created (0.9s)
 +  command:local:Command networks-ext-net-join created (1s)
 +  command:local:Command cni-plugins-kalico-bench-worker creating (0s)
 +  command:local:Command cni-plugins-kalico-bench-control-plane created (4s)
 +  command:local:Command cni-plugins-kalico-bench-worker created (5s)
 +  kubernetes:apps/v1:DaemonSet multus-kube-multus-ds creating (2s)
 +  kubernetes:apps/v1:DaemonSet multus-kube-multus-ds created (3s)
 +  kubernetes:rbac.authorization.k8s.io/v1:ClusterRole calico-tigera-operator created (0.33s)
 +  kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition \
multus-network-attachment-definitions.k8s.cni.cncf.io created (0.24s)
 +  kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition attachments-ext-net creating (0s)
 +  kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition attachments-ext-net created (0.26s)
 +  kubernetes:apps/v1:Deployment calico-tigera-operator creating (0s)
 +  kubernetes:apps/v1:Deployment calico-tigera-operator created (1s)
 +  command:local:Command pods-attachable created (9s)
 +  kubernetes:core/v1:Pod pods-samplepod creating (0s)
 +  kubernetes:core/v1:Pod pods-samplepod created (2s)
 +  kubernetes:operator.tigera.io/v1:Installation calico-default creating (0s)
 +  kubernetes:operator.tigera.io/v1:Installation calico-default created (111s)
 +  command:local:Command readiness-report created (3s)
    pulumi:pulumi:Stack kalico-bench created (171s)
"""
LAYER_LINES = {
    "cluster": "cluster-kind created (33s)",
    "worker": "workers-kalico-bench-worker-running created (0.9s)",
    "CNI plugins": "cni-plugins-kalico-bench-worker created (5s)",
    "Multus": "multus-kube-multus-ds created (3s)",
    "network and NAD": "attachments-ext-net created (0.26s)",
    "Calico's operator": "Deployment calico-tigera-operator created (1s)",
    "nodes attachable": "pods-attachable created (9s)",
    "net1": "pods-samplepod created (2s)",
    "Installation": "calico-default created (111s)",
    "all Ready": "readiness-report created (3s)",
}
SEED_STEPS = ["cluster", "CNI plugins", "calico-node", "Multus", "network and NAD", "net1", "all Ready"]


def test_a_layers_pattern_fits_the_one_line_that_says_it_is_there() -> None:
    assert LAYERS.keys() == LAYER_LINES.keys()
    for name, pattern in LAYERS.items():
        (line,) = [line for line in PRINTED.splitlines() if re.search(pattern, line)]
        assert line.endswith(LAYER_LINES[name])


SELECTED = "pulumi stack select --create --stack bench --non-interactive"


@pytest.fixture
def project(tools: Bench) -> Path:
    folder = tools.folder / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: lab\nruntime: python\n")
    return folder


def test_up_tells_each_layer_once_in_the_order_in_which_it_came(
    tools: Bench, project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tools.folder / "printed").write_text(PRINTED + PRINTED)
    tools.on("pulumi stack select *")
    tools.on("pulumi up *", 'cat "$BENCH/printed"')
    ticks = iter(range(100))
    monkeypatch.setattr("commands.bench.time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    found = bench.up(Stack(name="bench", folder=project))
    assert found == {name: float(i) for i, name in enumerate([*LAYER_LINES, "self-test"], start=1)}
    assert tools.calls == [SELECTED, "pulumi up --yes --skip-preview --stack bench --non-interactive"]
    assert capsys.readouterr().out.splitlines() == [
        "pulumi up:",
        *(f"  {i:6.1f} s  {name}" for i, name in enumerate([*LAYER_LINES, "self-test"], start=1)),
    ]


def test_an_up_that_fails_ends_the_bench_with_its_last_lines(tools: Bench, project: Path) -> None:
    tools.on("pulumi stack select *")
    tools.on("pulumi up *", "seq 100; exit 3")
    with pytest.raises(SystemExit) as ended:
        bench.up(Stack(name="bench", folder=project))
    assert str(ended.value.code).splitlines() == ["pulumi up failed with 3", *map(str, range(60, 101))]


def test_the_seconds_of_a_preview_are_those_between_its_ends(
    tools: Bench, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.on("pulumi preview *")
    times = iter([100.0, 102.5])
    monkeypatch.setattr("commands.bench.time", SimpleNamespace(monotonic=lambda: next(times)))
    assert bench.seconds_of("preview", Stack(name="bench", folder=project)) == 2.5


@pytest.mark.parametrize(
    ("prints", "said"), [("echo out; echo err >&2", "err\n"), ("echo out", "out\n")], ids=["stderr", "stdout"]
)
def test_a_preview_that_fails_is_no_time(tools: Bench, project: Path, prints: str, said: str) -> None:
    tools.on("pulumi preview *", f"{prints}; exit 1")
    with pytest.raises(SystemExit) as ended:
        bench.seconds_of("preview", Stack(name="bench", folder=project))
    assert ended.value.code == said


def test_the_lab_and_the_empty_program_are_previewed_by_turns_and_the_stack_of_that_goes(
    tools: Bench, tmp_path: Path
) -> None:
    tools.on("pulumi *", 'cp Pulumi.yaml __main__.py "$BENCH"')
    times = iter([5.0, 1.5, 3.0, 0.9, 4.0, 1.2, 3.5, 1.0, 6.0, 2.0])
    asked: list[str] = []

    def seconds_of(word: str, stack: Stack) -> float:
        asked.append(f"{word} {stack.name}")
        stack.pulumi(word)
        return next(times)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "seconds_of", seconds_of)
        assert bench.by_turns(Stack(name="ours", folder=ROOT), tmp_path) == (3.0, 0.9)
    assert asked == ["preview ours", "preview bench"] * 5
    assert [call.split(" --")[0] for call in (tools.calls[0], tools.calls[-1])] == [
        "pulumi stack select",
        "pulumi stack rm",
    ]
    assert yaml.safe_load(tools.left("Pulumi.yaml")) == {"name": "kalico-bench-empty", "runtime": "python"}
    assert tools.left("__main__.py") == "import pulumi\n"


def test_the_stack_of_the_empty_program_goes_even_if_its_preview_fails(tools: Bench, tmp_path: Path) -> None:
    tools.on("pulumi preview *", "exit 1")
    tools.on("pulumi *")
    with pytest.raises(SystemExit):
        bench.by_turns(Stack(name="ours", folder=ROOT), tmp_path)
    assert tools.calls[-1].startswith("pulumi stack rm ")


def test_a_report_has_both_columns_in_the_order_of_time_and_ratios_of_what_means_the_same() -> None:
    seed = {"cluster": 30.0, "CNI plugins": 36.04, "calico-node": 110.0, "net1": 150.0, "all Ready": 200.0}
    ours = {"cluster": 33.0, "CNI plugins": 41.0, "nodes attachable": 55.0, "net1": 60.0, "all Ready": 160.0}
    settings = lab(engine="podman", nodeImage="kindest/node:v1.32.2")
    assert (
        report(settings, [seed], [ours], (6.26, 2.5))
        == """
on podman, 1 worker, kindest/node:v1.32.2; seconds since the start

| until | seed's steps | pulumi up | ratio |
|---|---|---|---|
| cluster | 30.0 s | 33.0 s |  |
| CNI plugins | 36.0 s | 41.0 s |  |
| nodes attachable |  | 55.0 s |  |
| net1 | 150.0 s | 60.0 s | 0.40 |
| calico-node | 110.0 s |  |  |
| all Ready | 200.0 s | 160.0 s | 0.80 |

no-op preview 6.3 s, of an empty program 2.5 s: 2.5 x"""
    )


def test_a_report_of_several_rounds_has_medians_their_spread_and_the_ratio_of_the_medians() -> None:
    seed = [{"net1": seconds} for seconds in (50.0, 90.0, 70.0)]
    ours = [{"net1": seconds} for seconds in (37.0, 35.0, 42.0)]
    told = report(lab(engine="podman", nodeImage="kindest/node:v1.32.2"), seed, ours, None)
    assert told.splitlines()[1:] == [
        "on podman, 1 worker, kindest/node:v1.32.2; seconds since the start, the median of 3 (least to most)",
        "",
        "| until | seed's steps | pulumi up | ratio |",
        "|---|---|---|---|",
        "| net1 | 70.0 s (50.0 to 90.0) | 37.0 s (35.0 to 42.0) | 0.53 |",
    ]


def test_timed_lines_are_shown_and_given_as_they_come(
    tools: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script goes on only when its first line has been taken."""
    script = r"""printf 'the cluster\t31.5\n'; until [ -e "$SEEN" ]; do sleep 0.01; done; printf 'net1\t120.0\n'"""
    lines = timed_lines(["/bin/bash", "-c", script], {"SEEN": str(tmp_path / "seen")})
    assert next(lines) == ("the cluster", 31.5)
    assert capsys.readouterr().out == "    31.5 s  the cluster\n"
    (tmp_path / "seen").touch()
    assert list(lines) == [("net1", 120.0)]
    assert capsys.readouterr().out == "   120.0 s  net1\n"


def test_a_script_that_fails_ends_the_bench_after_the_steps_it_did(tools: Bench) -> None:
    lines = timed_lines(["/bin/bash", "-c", r"printf 'cluster\t1.0\n'; exit 7"], {})
    assert next(lines) == ("cluster", 1.0)
    with pytest.raises(SystemExit, match="the seed's steps failed with 7"):
        next(lines)


@pytest.fixture
def settings(tools: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    """A lab whose upstream files are here, which the site file says too."""
    multus = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "multus"}},
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "kube-multus-ds"},
            "spec": {"template": {"spec": {"containers": [{"image": "multus:snapshot", "resources": {"limits": {}}}]}}},
        },
    ]
    sources = {}
    for key, content in {
        "calicoManifest": "kind: Namespace\n",
        "multusManifest": yaml.safe_dump_all(multus),
        "cniPluginsArchive": "an archive",
    }.items():
        path = tmp_path / "upstream" / key
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        sources[key] = {"source": str(path), "sha256": hashlib.sha256(content.encode()).hexdigest()}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(sources))
    monkeypatch.setenv("KALICO_SITE", str(tmp_path / "site.yaml"))
    return lab(clusterName="kalico-bench", engine="podman", **sources)


@pytest.fixture
def machine(tools: Bench) -> Bench:
    """A machine on which each step of the seed's does what it should; a test's own rules come before."""
    late = dataclasses.replace(tools, rules=900)
    # What a step is given by environment and files, kept until the bench's folder is gone.
    late.on("kind create cluster *", 'mkdir "$BENCH/given"; env >"$BENCH/env"; cp "$KIND_CONFIG" "$BENCH/given"')
    late.on("kind get nodes *", f"printf '%s\\n' {SEED}-control-plane {SEED}-worker")
    late.on("kind delete cluster *")
    late.on("podman exec --interactive *", 'cat >>"$BENCH/unpacked"')
    late.on("podman network ls *")
    late.on("podman network inspect *", "exit 1")
    late.on("podman *")
    late.on("ip link *")
    late.on("kubectl get pods *--selector k8s-app=calico-node*", "true", "echo pod/calico-node-1")
    late.on("kubectl get pod samplepod *", "echo 'interface: eth0'", """echo '"interface": "net1",'""")
    late.on("kubectl [ac]*", 'printf "%s\\n" "$KUBECONFIG" >>"$BENCH/kubeconfigs"; cp "${!#}" "$BENCH/given"')
    late.on("kubectl *", 'printf "%s\\n" "$KUBECONFIG" >>"$BENCH/kubeconfigs"')
    # The steps wait by looking each second or half.
    (tools.folder / "bin/sleep").write_text("#!/bin/bash\n")
    (tools.folder / "bin/sleep").chmod(0o755)
    return tools


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bench").mkdir()
    return tmp_path / "bench"


def test_the_seeds_steps_run_in_its_order_and_each_is_timed(
    machine: Bench, settings: LabSettings, folder: Path
) -> None:
    times = seed_steps(settings, folder)
    assert list(times) == SEED_STEPS
    assert list(times.values()) == sorted(times.values())
    bridge = bridge_name(SEED, "ext-net")
    kind_of = {str(path): path.name for path in folder.iterdir()} | {settings.calico_manifest.location: "OPERATOR"}
    calls = [" ".join(kind_of.get(word, word) for word in call.split()) for call in machine.calls]
    assert calls == [
        f"kind create cluster --name {SEED} --config KIND_CONFIG --quiet",
        f"kind get nodes --name {SEED}",
        *(
            f"podman exec --interactive {SEED}-{node} tar --extract --gzip --directory /opt/cni/bin --no-same-owner"
            for node in ("control-plane", "worker")
        ),
        "kubectl create --filename OPERATOR",
        "kubectl wait --for=condition=Established crd/installations.operator.tigera.io --timeout 60s",
        "kubectl apply --filename INSTALLATION",
        *["kubectl get pods --all-namespaces --selector k8s-app=calico-node --output name"] * 2,
        "kubectl wait --for=condition=Ready pods --all-namespaces --selector k8s-app=calico-node --timeout 300s",
        "kubectl apply --filename MULTUS",
        "kubectl rollout status --namespace kube-system daemonset/kube-multus-ds --timeout 300s",
        f"ip link add name {bridge} type bridge",
        f"ip link set {bridge} up",
        f"podman network create {' '.join(ENGINES['podman'].network_words(settings.networks[0]))} "
        f"--label kalico={SEED} --opt parent={bridge} ext-net",
        f"podman network connect ext-net {SEED}-worker",
        f"podman exec {SEED}-worker ip address flush dev eth1",
        "kubectl apply --filename NAD",
        "kubectl apply --filename POD",
        *["kubectl get pod samplepod --output yaml"] * 2,
        "kubectl wait --for=condition=Ready pod/samplepod --timeout 300s",
        "kubectl wait --for=condition=Ready installation/default --timeout 300s",
        "kubectl wait --for=condition=Ready nodes --all --timeout 300s",
        "kubectl wait --for=condition=Ready pods --all --all-namespaces --timeout 300s",
        f"podman network ls --quiet --filter name=^ext-net$ --filter label=kalico={SEED}",
        f"ip link show {bridge}",
        f"ip link delete {bridge}",
        f"kind delete cluster --name {SEED} --kubeconfig {machine.folder}/cache/run/{SEED}/kubeconfig",
        f"podman network inspect {SEED}",
    ]


def test_the_seeds_steps_are_given_what_the_program_has(machine: Bench, settings: LabSettings, folder: Path) -> None:
    seed_steps(settings, folder)
    given = {path.name: list(yaml.safe_load_all(path.read_text())) for path in (machine.folder / "given").iterdir()}
    kinds: dict[str, list[str]] = {name: [document["kind"] for document in found] for name, found in given.items()}
    assert kinds == {
        "KIND_CONFIG": ["Cluster"],
        "calicoManifest": ["Namespace"],
        "INSTALLATION": ["Installation"],
        "MULTUS": ["ServiceAccount", "DaemonSet"],
        "NAD": ["NetworkAttachmentDefinition"],
        "POD": ["Pod"],
    }
    documents: dict[str, Any] = {name: found[-1] for name, found in given.items()}
    assert {node["image"] for node in documents["KIND_CONFIG"]["nodes"]} == {settings.node_image}
    assert documents["INSTALLATION"]["metadata"]["name"] == "default"
    assert documents["MULTUS"]["spec"]["template"]["spec"]["containers"][0]["image"] == settings.multus_image
    assert documents["NAD"]["metadata"]["name"] == "ext-net"
    nad = json.loads(documents["NAD"]["spec"]["config"])
    assert (nad["type"], nad["master"], nad["ipam"]["routes"]) == ("macvlan", "eth1", [{"dst": "0.0.0.0/0"}])
    assert documents["POD"]["metadata"]["name"] == "samplepod"
    assert machine.left("unpacked") == "an archive" * 2


def test_the_seeds_lab_keeps_off_the_users_kubeconfig_and_kinds_shared_network(
    machine: Bench, settings: LabSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = machine.folder / "home/.kube/config"
    monkeypatch.setenv("KUBECONFIG", str(users))
    machine.on("kind create cluster *", 'env >"$BENCH/env"; mkdir "$BENCH/given"; echo mine >"$KUBECONFIG"')
    seed_steps(settings, folder)
    environment = dict(line.split("=", 1) for line in machine.left("env").splitlines() if "=" in line)
    assert environment["KUBECONFIG"] == str(folder / "kubeconfig")
    assert set(machine.left("kubeconfigs").splitlines()) == {str(folder / "kubeconfig")}
    assert not users.exists()
    assert environment["KIND_EXPERIMENTAL_PROVIDER"] == "podman"
    assert environment["KIND_EXPERIMENTAL_PODMAN_NETWORK"] == SEED
    assert environment["KIND_EXPERIMENTAL_DOCKER_NETWORK"] == SEED


@pytest.mark.parametrize("parent", ["", "eth0"], ids=["island", "uplink in the config"])
def test_the_seeds_lab_touches_no_interface_but_its_own_bridge(
    machine: Bench, settings: LabSettings, folder: Path, parent: str
) -> None:
    networks = lab(networks=[network(parent=parent) if parent else network()]).networks
    seed_steps(dataclasses.replace(settings, networks=networks), folder)
    bridge = bridge_name(SEED, "ext-net")
    assert [call for call in machine.calls if call.startswith("ip ")] == [
        f"ip link add name {bridge} type bridge",
        f"ip link set {bridge} up",
        f"ip link show {bridge}",
        f"ip link delete {bridge}",
    ]
    (create,) = [call for call in machine.calls if call.startswith("podman network create ")]
    assert re.findall(r"parent=\S+", create) == [f"parent={bridge}"]


@pytest.mark.parametrize(
    ("failing", "done"),
    [
        ("kind create *", []),
        ("kubectl create *", SEED_STEPS[:2]),
        ("kubectl rollout *", SEED_STEPS[:3]),
        ("podman network connect *", SEED_STEPS[:4]),
        ("kubectl wait * nodes *", SEED_STEPS[:6]),
    ],
)
def test_a_step_that_fails_ends_the_bench_and_its_lab_goes(
    machine: Bench,
    settings: LabSettings,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    failing: str,
    done: list[str],
) -> None:
    machine.on(failing, "exit 9")
    with pytest.raises(SystemExit, match="the seed's steps failed with 9"):
        seed_steps(settings, folder)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "the seed's steps:"
    assert [line.split(" s  ")[1] for line in shown[1:]] == done
    assert machine.calls[-2].startswith(f"kind delete cluster --name {SEED} ")


def test_a_network_that_does_not_go_is_told_and_the_cluster_goes(
    machine: Bench, settings: LabSettings, folder: Path
) -> None:
    machine.on("ip link delete *", "echo 'no such luck' >&2; exit 2")
    with pytest.raises(SystemExit) as ended:
        seed_steps(settings, folder)
    assert ended.value.code == "the seed's lab is not gone:\nnetwork-delete on podman: no such luck"
    assert f"podman network inspect {SEED}" in machine.calls


@pytest.fixture
def bench_stack(machine: Bench, settings: LabSettings, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Both labs of the bench, on podman."""
    monkeypatch.setenv("KALICO_ENGINE", "podman")
    (machine.folder / "printed").write_text(PRINTED)
    late = dataclasses.replace(machine, rules=800)
    late.on("pulumi config get clusterName *", "echo kalico-bench")
    late.on("pulumi up * bench *", 'cat "$BENCH/printed"; cp "${!#}" "$BENCH/Pulumi.bench.yaml"')
    late.on("pulumi *")
    return machine


def pulumi_words(tools: Bench) -> list[str]:
    return [call.split(" --")[0].removeprefix("pulumi ") for call in tools.calls if call.startswith("pulumi ")]


def test_the_bench_takes_the_seeds_lab_down_before_its_own_and_ends_with_the_table(
    bench_stack: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_stack.on("podman info *", "echo false")
    assert bench.main(["--rounds", "1"]) == 0
    assert pulumi_words(bench_stack) == [
        *("stack select", "config get clusterName", "destroy"),
        "stack select",
        "up",
        *("stack select", *["preview", "preview"] * bench.TURNS, "stack rm"),
        *("stack select", "config get clusterName", "destroy", "stack rm"),
    ]
    programs = [call.split()[0] for call in without_looks(bench_stack)]
    assert set(programs[programs.index("pulumi") :]) == {"pulumi"}
    config = yaml.safe_load(bench_stack.left("Pulumi.bench.yaml"))["config"]
    assert config == {f"kalico:{key}": value for key, value in own_config(bench.OURS, bench.OWN).items()} | {
        "kalico:engine": "podman"
    }
    table = capsys.readouterr().out.split("\n\n")
    assert table[-3].startswith("on podman, 1 worker, ")
    rows = {line.split(" | ")[0].removeprefix("| ") for line in table[-2].splitlines()[2:]}
    assert rows == {*SEED_STEPS, *LAYERS, "self-test"}
    assert re.fullmatch(r"no-op preview \d\.\d s, of an empty program \d\.\d s: \d+\.\d x\n", table[-1])


def test_each_round_is_both_labs_anew_and_the_last_has_the_previews(
    bench_stack: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench_stack.on("podman info *", "echo false")
    assert bench.main(["--rounds", "2"]) == 0
    words = pulumi_words(bench_stack)
    once = ["stack select", "config get clusterName", "destroy", "stack select", "up"]
    gone = ["stack select", "config get clusterName", "destroy", "stack rm"]
    assert words[: len(once + gone + once)] == once + gone + once
    assert words.count("preview") == 2 * bench.TURNS
    assert words[-len(gone) :] == gone
    assert sum(call.startswith("kind create") for call in bench_stack.calls) == 2
    assert ", the median of 2 (least to most)\n" in capsys.readouterr().out


def test_the_bench_shares_no_name_or_subnet_with_the_default_lab_and_is_like_it_otherwise() -> None:
    ours, default = lab(**own_config(bench.OURS, bench.OWN)), lab()
    [network], [its] = ours.networks, default.networks
    assert {network.name, ours.cluster_name, SEED} & {its.name, default.cluster_name} == set()
    assert not network.subnet.overlaps(its.subnet)
    assert network.subnet.num_addresses == its.subnet.num_addresses
    assert network.ipam.capacity() == its.ipam.capacity()
    [pod], [its_pod] = ours.pods, default.pods
    assert dataclasses.replace(pod, networks=()) == dataclasses.replace(its_pod, networks=())
    assert [each.network for each in pod.networks] == ["bench-net"]


def test_what_an_earlier_bench_left_and_does_not_go_ends_the_bench_before_its_own_lab(bench_stack: Bench) -> None:
    bench_stack.on("podman info *", "echo false")
    bench_stack.on("pulumi destroy *", "exit 4")
    with pytest.raises(SystemExit, match="what an earlier bench left is not gone"):
        bench.main()
    assert "up" not in pulumi_words(bench_stack)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_lab_of_the_bench_that_does_not_go_fails_after_the_table_and_keeps_its_history(
    bench_stack: Bench, capsys: pytest.CaptureFixture[str], rounds: int
) -> None:
    bench_stack.on("podman info *", "echo false")
    bench_stack.on("pulumi destroy *", "", "exit 4")
    with pytest.raises(SystemExit, match="the bench's own lab is not gone"):
        bench.main(["--rounds", str(rounds)])
    assert ("no-op preview" in capsys.readouterr().out) == (rounds == 1)
    assert sum(call.startswith("kind create") for call in bench_stack.calls) == 1
    assert pulumi_words(bench_stack)[-1] == "destroy"


def test_a_lab_of_the_bench_that_does_not_come_up_goes_too(bench_stack: Bench) -> None:
    bench_stack.on("podman info *", "echo false")
    bench_stack.on("pulumi up *", "exit 3")
    with pytest.raises(SystemExit, match="pulumi up failed with 3"):
        bench.main()
    assert pulumi_words(bench_stack)[-2:] == ["destroy", "stack rm"]
