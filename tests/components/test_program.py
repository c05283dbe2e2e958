"""The Pulumi program as a whole: what it registers, how that hangs together, and what it hands to the scripts."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.config import ARCHITECTURES
from components.engines import ENGINES
from components.kind_cluster import kind_config
from components.macvlan_networks import bridge_name
from tests.components.conftest import ANSWERS, MULTUS, RunLab, pod_as_it_runs
from tests.lab_config import ROOT, lab, network, pod
from tests.recorder import Recorded, Run, is_unknown

STACK = "Stack kalico-test"
KIND = "Command cluster-kind"
PROVIDER = "kubernetes cluster-kubernetes"
NAD_KIND = "CustomResourceDefinition multus-network-attachment-definitions.k8s.cni.cncf.io"

COMPONENTS = {
    "KindCluster cluster": "kalico:lab:KindCluster",
    "MacvlanNetworks networks": "kalico:lab:MacvlanNetworks",
    "CniPlugins cni-plugins": "kalico:lab:CniPlugins",
    "Calico calico": "kalico:lab:Calico",
    "Multus multus": "kalico:lab:Multus",
    "Attachments attachments": "kalico:lab:Attachments",
    "Pods pods": "kalico:lab:Pods",
    "Readiness readiness": "kalico:lab:Readiness",
}

IN_THE_CLUSTER = {"Calico calico", "Multus multus", "Attachments attachments", "Pods pods"}

CHILDREN: dict[str, tuple[str, str, set[str]]] = {
    # By label: the type, the parent, and what has to be there before. Empty: nothing but the provider.
    KIND: ("command:local:Command", "KindCluster cluster", set()),
    PROVIDER: ("pulumi:providers:kubernetes", "KindCluster cluster", {KIND}),
    "Command networks-ext-net": ("command:local:Command", "MacvlanNetworks networks", set()),
    "Command networks-ext-net-join": (
        "command:local:Command",
        "MacvlanNetworks networks",
        {KIND, "Command networks-ext-net"},
    ),
    "Command cni-plugins-nodes": (
        "command:local:Command",
        "CniPlugins cni-plugins",
        {KIND, "Command calico-authority"},
    ),
    "Namespace calico-tigera-operator": ("kubernetes:core/v1:Namespace", "Calico calico", set()),
    "CustomResourceDefinition calico-installations.operator.tigera.io": (
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "Calico calico",
        set(),
    ),
    "Deployment calico-tigera-operator": (
        "kubernetes:apps/v1:Deployment",
        "Calico calico",
        {
            "Namespace calico-tigera-operator",
            "Command calico-authority",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
        },
    ),
    "Installation calico-default": (
        "kubernetes:operator.tigera.io/v1:Installation",
        "Calico calico",
        {
            "Namespace calico-tigera-operator",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
            "Deployment calico-tigera-operator",
        },
    ),
    NAD_KIND: ("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "Multus multus", set()),
    "ServiceAccount multus-multus": ("kubernetes:core/v1:ServiceAccount", "Multus multus", set()),
    "DaemonSet multus-kube-multus-ds": (
        "kubernetes:apps/v1:DaemonSet",
        "Multus multus",
        {NAD_KIND, "ServiceAccount multus-multus"},
    ),
    "NetworkAttachmentDefinition attachments-ext-net": (
        "kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition",
        "Attachments attachments",
        {NAD_KIND, "Command networks-ext-net-join"},
    ),
    "Command calico-look": ("command:local:Command", "Calico calico", {KIND, "Deployment calico-tigera-operator"}),
    "Command calico-authority": ("command:local:Command", "Calico calico", {KIND, "Namespace calico-tigera-operator"}),
    "Command pods-attachable": ("command:local:Command", "Pods pods", {KIND, "Command cni-plugins-nodes"}),
    "Pod pods-samplepod": (
        "kubernetes:core/v1:Pod",
        "Pods pods",
        {"Command pods-attachable", "NetworkAttachmentDefinition attachments-ext-net"},
    ),
    "Pod pods-samplepod-live": ("kubernetes:core/v1:Pod", "Pods pods", set()),
    "Command readiness-report": (
        "command:local:Command",
        "Readiness readiness",
        {
            KIND,
            "Namespace calico-tigera-operator",
            "Command calico-authority",
            "Command calico-look",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
            "Deployment calico-tigera-operator",
            "Installation calico-default",
            NAD_KIND,
            "ServiceAccount multus-multus",
            "DaemonSet multus-kube-multus-ds",
            "Command pods-attachable",
            "Pod pods-samplepod",
            "Pod pods-samplepod-live",
        },
    ),
    "Node readiness-kalico-control-plane": ("kubernetes:core/v1:Node", "Readiness readiness", set()),
    "Node readiness-kalico-worker": ("kubernetes:core/v1:Node", "Readiness readiness", set()),
}

COMMANDS = {
    # By name: the scripts that make it and that remove it.
    "cluster-kind": ("kind-create", "kind-delete"),
    "networks-ext-net": ("network-create", "network-delete"),
    "networks-ext-net-join": ("network-join", None),
    "cni-plugins-nodes": ("cni-plugins", None),
    "calico-authority": ("calico-authority", None),
    "calico-look": ("calico-look", None),
    "pods-attachable": ("wait-attachable", None),
    "readiness-report": ("wait-ready", None),
}


def made_from(create: str, inputs: Mapping[str, Any]) -> str:
    """The trigger that stands for a command's script, environment and stdin."""
    parts = [script(create), inputs["environment"], inputs.get("stdin", "")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def script(name: str) -> str:
    return (ROOT / f"components/scripts/{name}.sh").read_text()


def test_the_lab_is_these_resources_and_no_others(program: Run) -> None:
    assert program.labels == COMPONENTS.keys() | CHILDREN.keys()
    assert len(program.resources) == len(program.labels)


@pytest.mark.parametrize(("label", "type_"), COMPONENTS.items())
def test_a_layer_is_a_component_of_the_stack(program: Run, label: str, type_: str) -> None:
    layer = program[label]
    assert (layer.type, layer.parent, layer.inputs) == (type_, STACK, {})


@pytest.mark.parametrize("label", COMPONENTS)
def test_what_lives_in_the_cluster_goes_with_it_and_nothing_else_does(program: Run, label: str) -> None:
    assert program[label].deleted_with == (KIND if label in IN_THE_CLUSTER else "")


@pytest.mark.parametrize(("label", "expected"), CHILDREN.items())
def test_a_resource_has_its_type_its_parent_and_waits_for_what_it_needs(
    program: Run, label: str, expected: tuple[str, str, set[str]]
) -> None:
    found = program[label]
    assert (found.type, found.parent, set(found.depends_on)) == expected


@pytest.mark.parametrize("label", CHILDREN)
def test_every_object_of_the_cluster_has_the_labs_own_provider(program: Run, label: str) -> None:
    found = program[label]
    assert found.provider == (PROVIDER if found.type.startswith("kubernetes:") else "")


@pytest.mark.parametrize("label", CHILDREN)
def test_what_has_one_name_is_deleted_before_it_is_replaced(program: Run, label: str) -> None:
    assert program[label].delete_before_replace == (label.startswith("Command ") or label == "Pod pods-samplepod")


def test_what_others_made_is_read_and_not_made(program: Run) -> None:
    assert {each.label: each.read_by for each in program if each.read_by is not None} == {
        "Pod pods-samplepod-live": "id-of-pods-samplepod",
        "Node readiness-kalico-control-plane": "kalico-control-plane",
        "Node readiness-kalico-worker": "kalico-worker",
    }


def test_the_first_preview_shows_all_of_it(program: Run, preview: Run) -> None:
    def wiring(run: Run) -> dict[str, Recorded]:
        return {each.label: replace(each, inputs={}, read_by=None) for each in run}

    assert wiring(preview) == wiring(program)


def test_the_first_preview_knows_nothing_that_the_cluster_has_yet_to_say(preview: Run) -> None:
    assert is_unknown(preview[PROVIDER].inputs["clusterIdentifier"])
    assert is_unknown(preview["NetworkAttachmentDefinition attachments-ext-net"].inputs["spec"]["config"])
    assert {name: is_unknown(value) for name, value in preview.outputs.items()} == dict.fromkeys(
        ("net1_address", "attachments", "cluster", "versions"), True
    )


def test_the_first_preview_shows_what_the_config_says(preview: Run, program: Run) -> None:
    for label in ("Pod pods-samplepod", "Installation calico-default", NAD_KIND, "Command networks-ext-net"):
        assert preview[label].inputs == program[label].inputs


# The scripts: each Command's inputs


@pytest.mark.parametrize(("name", "scripts"), COMMANDS.items())
def test_a_command_is_a_script_of_the_repository_as_it_stands_there(
    program: Run, name: str, scripts: tuple[str, str | None]
) -> None:
    inputs = program[f"Command {name}"].inputs
    create, delete = scripts
    assert inputs["create"] == script(create)
    assert inputs.get("delete") == (script(delete) if delete else None)
    assert "update" not in inputs


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_runs_in_strict_bash_and_says_only_what_goes_wrong(program: Run, name: str) -> None:
    inputs = program[f"Command {name}"].inputs
    assert inputs["interpreter"] == ["/bin/bash", "-euo", "pipefail", "-c"]
    assert inputs["logging"] == "stderr"
    assert inputs["addPreviousOutputInEnv"] is False


def test_the_cluster_is_made_from_its_config_on_stdin(program: Run, cache: Path) -> None:
    inputs = program[KIND].inputs
    assert inputs["environment"] == {"ENGINE": "podman", "CLUSTER": "kalico", "RUN": str(cache / "run/kalico")}
    assert yaml.safe_load(inputs["stdin"]) == kind_config(lab())
    assert inputs["triggers"] == [made_from("kind-create", inputs)]


def test_the_provider_reads_the_labs_kubeconfig_and_is_known_by_the_clusters_birth(program: Run, cache: Path) -> None:
    inputs = program[PROVIDER].inputs
    assert inputs["kubeconfig"] == str(cache / "run/kalico/kubeconfig")
    assert inputs["clusterIdentifier"] == "the-clusters-uid"


def test_the_network_is_made_of_the_engines_words_on_stdin(program: Run, cache: Path) -> None:
    inputs = program["Command networks-ext-net"].inputs
    assert inputs["environment"] == {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "NETWORK": "ext-net",
        "BRIDGE": bridge_name("kalico", "ext-net"),
        "PARENT": "",
        "ISLAND": "bridge",
    }
    words = ENGINES["podman"].network_words(lab().networks[0])
    assert inputs["stdin"].splitlines() == list(words)
    assert inputs["triggers"] == [made_from("network-create", inputs)]


def test_the_workers_join_the_network_anew_with_a_new_cluster_or_network(program: Run, cache: Path) -> None:
    inputs = program["Command networks-ext-net-join"].inputs
    assert inputs["environment"] == {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "NETWORK": "ext-net",
    }
    assert inputs["stdin"] == "kalico-worker\n"
    assert inputs["triggers"] == ["the-clusters-uid", "id-of-networks-ext-net", made_from("network-join", inputs)]


def test_the_plugins_go_to_every_node_and_again_when_nodes_or_archive_are_others(
    program: Run, cache: Path, upstream_files: dict[str, dict[str, str]]
) -> None:
    inputs = program["Command cni-plugins-nodes"].inputs
    archive = upstream_files["cniPluginsArchive"]
    assert inputs["environment"] == {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "ARCHIVE": archive["source"],
        "ARCH": ARCHITECTURES[platform.machine().lower()],
    }
    assert inputs["stdin"] == "kalico-control-plane\nkalico-worker\n"
    assert inputs["triggers"] == ["the-clusters-uid", made_from("cni-plugins", inputs)]


def test_the_gate_asks_every_worker(program: Run, cache: Path) -> None:
    inputs = program["Command pods-attachable"].inputs
    assert inputs["environment"] == {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "SECONDS_AT_MOST": "300",
    }
    assert inputs["stdin"] == "kalico-worker\n"
    assert inputs["triggers"] == [
        "the-clusters-uid",
        "id-of-cni-plugins-nodes",
        made_from("wait-attachable", inputs),
    ]


def test_the_report_asks_a_worker_what_runs(program: Run, cache: Path, upstream_files: dict[str, Any]) -> None:
    inputs = program["Command readiness-report"].inputs
    assert inputs["environment"] == {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "WORKER": "kalico-worker",
        "SECONDS_AT_MOST": "300",
    }
    # Asked again when anything that has a version is another, or a pod is.
    sums = [upstream_files[key]["sha256"] for key in ("calicoManifest", "multusManifest", "cniPluginsArchive")]
    assert inputs["triggers"] == ["the-clusters-uid", *sums, "id-of-pods-samplepod", made_from("wait-ready", inputs)]


def test_docker_makes_islands_of_its_own_and_is_told_the_gateway(run_lab: RunLab) -> None:
    done = run_lab(engine="docker")
    assert done.error is None
    inputs = done["Command networks-ext-net"].inputs
    assert (inputs["environment"]["ENGINE"], inputs["environment"]["ISLAND"]) == ("docker", "engine")
    assert inputs["stdin"].splitlines()[-2:] == ["--gateway", "10.23.0.1"]
    assert done.outputs["cluster"]["engine"] == "docker"


def test_a_named_parent_goes_to_the_script_and_a_new_one_makes_the_network_anew(run_lab: RunLab) -> None:
    done = run_lab(networks=[network(parent="eth7")])
    inputs = done["Command networks-ext-net"].inputs
    assert inputs["environment"]["PARENT"] == "eth7"
    assert inputs["environment"]["PARENT"] == "eth7"
    assert inputs["triggers"] == [made_from("network-create", inputs)]


# The objects of the cluster


def test_calico_is_awaited_by_its_installation(program: Run) -> None:
    inputs = program["Installation calico-default"].inputs
    assert inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"}
    assert inputs["spec"]["calicoNetwork"]["ipPools"][0]["cidr"] == "10.24.0.0/16"


def test_a_pod_is_awaited_until_it_is_ready_and_multus_has_spoken(program: Run) -> None:
    annotations = program["Pod pods-samplepod"].inputs["metadata"]["annotations"]
    assert json.loads(annotations["pulumi.com/waitFor"]) == [
        "condition=Ready",
        "jsonpath={.metadata.annotations['k8s.v1.cni.cncf.io/network-status']}",
    ]


def test_the_nads_master_is_the_interface_that_the_worker_has(run_lab: RunLab) -> None:
    def stdout(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        said = {"networks-ext-net-join": "kalico-worker eth7 9a:00:00:00:00:01"}
        return {"stdout": said.get(name, "")}

    done = run_lab(answers={**ANSWERS, "command:local:Command": stdout})
    config = json.loads(done["NetworkAttachmentDefinition attachments-ext-net"].inputs["spec"]["config"])
    assert config["master"] == "eth7"


def test_multus_runs_the_pinned_image(program: Run) -> None:
    pod_spec = program["DaemonSet multus-kube-multus-ds"].inputs["spec"]["template"]["spec"]
    images = {container["image"] for kind in ("containers", "initContainers") for container in pod_spec[kind]}
    assert images == {"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick"}


def test_descriptions_are_left_out_of_the_kinds_but_not_what_is_called_so(program: Run) -> None:
    inputs = program["CustomResourceDefinition calico-installations.operator.tigera.io"].inputs
    assert inputs["spec"] == {"properties": {"description": {"type": "string"}}}


def test_every_document_of_a_manifest_is_a_resource_with_just_that_document(program: Run) -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all(MULTUS)}
    assert program[NAD_KIND].inputs == documents["CustomResourceDefinition"]
    assert program["ServiceAccount multus-multus"].inputs == documents["ServiceAccount"]


# What the stack hands out


def test_the_outputs_are_what_the_running_things_say(program: Run, cache: Path) -> None:
    assert program.outputs == {
        "net1_address": "10.23.0.101",
        "attachments": [
            {
                "pod": "samplepod",
                "node": "kalico-worker",
                "network": "ext-net",
                "interface": "net1",
                "ips": ["10.23.0.101"],
                "mac": "06:d3:55:b9:0f:9c",
            }
        ],
        "cluster": {
            "name": "kalico",
            "engine": "podman",
            "kubeconfig": str(cache / "run/kalico/kubeconfig"),
            "nodes": [
                {
                    "name": "kalico-control-plane",
                    "role": "control-plane",
                    "address": "10.89.0.2",
                    "version": "v1.32.2",
                },
                {"name": "kalico-worker", "role": "worker", "address": "10.89.0.3", "version": "v1.32.2"},
            ],
        },
        "versions": {"kubernetes": "v1.32.2", "calico": "v3.29.2-live"},
    }


def test_a_pod_without_the_interface_it_asked_for_ends_the_run(run_lab: RunLab) -> None:
    def lonely(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        pod_found = pod_as_it_runs(name, inputs)
        pod_found["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = "[]"
        return pod_found

    done = run_lab(answers={**ANSWERS, "kubernetes:core/v1:Pod": lonely})
    assert "pod samplepod asked for ext-net and got 0 interfaces" in str(done.error)


def test_more_networks_and_pods_are_more_of_the_same(run_lab: RunLab) -> None:
    def stdout(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"stdout": f"kalico-worker {'eth2' if 'lan' in name else 'eth1'} 9a:00:00:00:00:01"}

    done = run_lab(
        answers={**ANSWERS, "command:local:Command": stdout},
        networks=[network(), {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}}],
        pods=[pod(), {"name": "two", "networks": ["lan"]}],
    )
    assert done.error is None
    assert {
        "Command networks-lan",
        "Command networks-lan-join",
        "NetworkAttachmentDefinition attachments-lan",
        "Pod pods-two",
    } <= done.labels
    masters = {
        name: json.loads(done[f"NetworkAttachmentDefinition attachments-{name}"].inputs["spec"]["config"])["master"]
        for name in ("ext-net", "lan")
    }
    assert masters == {"ext-net": "eth1", "lan": "eth2"}
    assert done["Pod pods-two"].depends_on >= {"NetworkAttachmentDefinition attachments-lan", "Command pods-attachable"}


def test_pods_of_a_count_and_of_other_namespaces_are_each_a_resource(run_lab: RunLab) -> None:
    done = run_lab(pods=[pod(count=2), pod(name="b", namespace="team"), pod(name="c", namespace="team")])
    assert done.error is None
    made = {each.label for each in done if each.label.startswith("Pod ") and each.read_by is None}
    assert made == {"Pod pods-samplepod-1", "Pod pods-samplepod-2", "Pod pods-team.b", "Pod pods-team.c"}
    assert done["Namespace pods-team"].inputs["metadata"] == {"name": "team"}
    for name in "bc":
        assert done[f"Pod pods-team.{name}"].depends_on >= {"Namespace pods-team", "Command pods-attachable"}
        assert done[f"Pod pods-team.{name}"].inputs["metadata"]["namespace"] == "team"
    assert "Namespace pods-team" not in done["Pod pods-samplepod-1"].depends_on


# What ends the program before it begins


def test_a_config_with_faults_makes_nothing_and_says_all_of_it_at_once(run_lab: RunLab) -> None:
    done = run_lab(podSubnet="10.24.3.0/16", networks=[network(name="Ext")], rangeStop="10.23.0.240")
    assert done.resources == []
    assert done.outputs == {}
    assert type(done.error) is pulumi.RunError
    for piece in ("podSubnet: ", "networks[0].name: ", "rangeStop: unknown key", "nothing was touched"):
        assert piece in str(done.error)


def test_no_engine_makes_nothing(run_lab: RunLab) -> None:
    done = run_lab(engine="auto")
    assert done.resources == []
    assert type(done.error) is pulumi.RunError
    assert "no container engine can be used" in str(done.error)


def test_the_recorder_throws_on_what_nobody_foresaw(run_lab: RunLab) -> None:
    done = run_lab(answers={key: answer for key, answer in ANSWERS.items() if not key.endswith(":Installation")})
    assert "a resource of type kubernetes:operator.tigera.io/v1:Installation" in str(done.error)
