"""The Pulumi program as a whole: what it registers, how that hangs together, and what it hands to the scripts."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.annotations import BECAUSE, CONTENT, NODE_ADDRESS, digest
from components.attachments import two_default_routes
from components.config import ARCHITECTURES
from components.engines import ENGINES, by_digest
from components.kind_cluster import kind_config
from components.macvlan_networks import bridge_name
from components.scripts import script
from tests.components.conftest import ANSWERS, MULTUS, NEW, STDOUT, Left, RunLab, pod_as_it_runs
from tests.lab_config import lab, network, pod
from tests.recorder import Answers, Recorded, Run, is_unknown

STACK = "Stack kalico-test"
FORCE = {"pulumi.com/patchForce": "true"}
"""All of an object is the lab's, whoever wrote to it last."""
KIND = "Command cluster-kind"
PROVIDER = "kubernetes cluster-kubernetes"
RUNNING = "Command cluster-running"
WORKER = "Command workers-kalico-worker"
WORKER_RUNS = "Command workers-kalico-worker-running"
NETWORK = "Command networks-ext-net"
JOIN = "Command joins-ext-net-kalico-worker"
PLUGINS = "Command cni-plugins-kalico-worker"
PLUGINS_THERE = "Command cni-plugins-kalico-control-plane"
CONF = "Command multus-conf"
NAD_KIND = "CustomResourceDefinition multus-network-attachment-definitions.k8s.cni.cncf.io"
WATCHED = "CustomResourceDefinition calico-ippools.crd.projectcalico.org"
"""Not the operator's own kind, yet watched by it."""
NAD = "NetworkAttachmentDefinition attachments-ext-net"
POD = "Pod pods-samplepod"
SELF_TEST = "Command self-test-checks"

BORN = "the-clusters-uid id-of-workers-kalico-worker"
"""Another when a node is."""
STARTED = "id-of-cluster-running id-of-workers-kalico-worker-running"
"""Another when one was started."""

COMPONENTS = {
    "MacvlanNetworks networks": "kalico:lab:MacvlanNetworks",
    "KindCluster cluster": "kalico:lab:KindCluster",
    "Workers workers": "kalico:lab:Workers",
    "NetworkJoins joins": "kalico:lab:NetworkJoins",
    "CniPlugins cni-plugins": "kalico:lab:CniPlugins",
    "Calico calico": "kalico:lab:Calico",
    "Multus multus": "kalico:lab:Multus",
    "Attachments attachments": "kalico:lab:Attachments",
    "Pods pods": "kalico:lab:Pods",
    "Readiness readiness": "kalico:lab:Readiness",
    "SelfTest self-test": "kalico:lab:SelfTest",
}

NODES = {KIND, WORKER}
"""By their ids is known that a node is another."""
STARTS = {RUNNING, WORKER_RUNS}
"""By theirs, that one was started."""

IN_THE_CLUSTER = {"Calico calico", "Multus multus", "Attachments attachments", "Pods pods"}

CHILDREN: dict[str, tuple[str, str, set[str]]] = {
    # By label: the type, the parent, and what has to be there before. Empty: nothing but the provider.
    KIND: ("command:local:Command", "KindCluster cluster", set()),
    RUNNING: ("command:local:Command", "KindCluster cluster", {KIND}),
    WORKER: ("command:local:Command", "Workers workers", {KIND, RUNNING}),
    # A node that was stopped starts only when the networks it has joined are there.
    WORKER_RUNS: ("command:local:Command", "Workers workers", {WORKER, NETWORK}),
    PROVIDER: ("pulumi:providers:kubernetes", "KindCluster cluster", {KIND, RUNNING}),
    NETWORK: ("command:local:Command", "MacvlanNetworks networks", set()),
    JOIN: ("command:local:Command", "NetworkJoins joins", {WORKER, WORKER_RUNS, NETWORK}),
    PLUGINS: ("command:local:Command", "CniPlugins cni-plugins", {WORKER, WORKER_RUNS, "Command calico-authority"}),
    PLUGINS_THERE: ("command:local:Command", "CniPlugins cni-plugins", {KIND, RUNNING, "Command calico-authority"}),
    "Namespace calico-tigera-operator": ("kubernetes:core/v1:Namespace", "Calico calico", set()),
    "CustomResourceDefinition calico-installations.operator.tigera.io": (
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "Calico calico",
        set(),
    ),
    WATCHED: ("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "Calico calico", set()),
    # Nobody waits for it yet: behind what starts the operator.
    "CustomResourceDefinition calico-tiers.crd.projectcalico.org": (
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        "Calico calico",
        {"Namespace calico-tigera-operator", "Command calico-authority"},
    ),
    "Deployment calico-tigera-operator": (
        "kubernetes:apps/v1:Deployment",
        "Calico calico",
        {
            "Namespace calico-tigera-operator",
            "Command calico-authority",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
            WATCHED,
        },
    ),
    "Installation calico-default": (
        "kubernetes:operator.tigera.io/v1:Installation",
        "Calico calico",
        {
            "Namespace calico-tigera-operator",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
            WATCHED,
            "CustomResourceDefinition calico-tiers.crd.projectcalico.org",
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
    CONF: (
        "command:local:Command",
        "Multus multus",
        {*NODES, *STARTS, NAD_KIND, "ServiceAccount multus-multus", "DaemonSet multus-kube-multus-ds"},
    ),
    NAD: (
        "kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition",
        "Attachments attachments",
        {NAD_KIND, JOIN},
    ),
    "Command calico-look": (
        "command:local:Command",
        "Calico calico",
        {*STARTS, "Deployment calico-tigera-operator"},
    ),
    "Command calico-authority": ("command:local:Command", "Calico calico", {KIND, "Namespace calico-tigera-operator"}),
    "Command pods-attachable": ("command:local:Command", "Pods pods", {*STARTS, PLUGINS, PLUGINS_THERE, CONF}),
    POD: ("kubernetes:core/v1:Pod", "Pods pods", {"Command pods-attachable", NAD}),
    "Command readiness-report": (
        "command:local:Command",
        "Readiness readiness",
        {
            *STARTS,
            CONF,
            "Namespace calico-tigera-operator",
            "Command calico-authority",
            "Command calico-look",
            "CustomResourceDefinition calico-installations.operator.tigera.io",
            WATCHED,
            "CustomResourceDefinition calico-tiers.crd.projectcalico.org",
            "Deployment calico-tigera-operator",
            "Installation calico-default",
            NAD_KIND,
            "ServiceAccount multus-multus",
            "DaemonSet multus-kube-multus-ds",
            "Command pods-attachable",
            POD,
        },
    ),
    SELF_TEST: (
        "command:local:Command",
        "SelfTest self-test",
        {*STARTS, JOIN, "Command readiness-report", "Command pods-attachable", POD},
    ),
}

COMMANDS = {
    # By name: the scripts that make it and that remove it.
    "cluster-kind": ("kind-create", "kind-delete"),
    "cluster-running": ("node-run", None),
    "workers-kalico-worker": ("worker-create", "worker-delete"),
    "workers-kalico-worker-running": ("node-run", None),
    "networks-ext-net": ("network-create", "network-delete"),
    "joins-ext-net-kalico-worker": ("network-join", "network-leave"),
    "cni-plugins-kalico-control-plane": ("cni-plugins", None),
    "cni-plugins-kalico-worker": ("cni-plugins", None),
    "multus-conf": ("daemon-files", None),
    "calico-authority": ("calico-authority", None),
    "calico-look": ("calico-look", None),
    "pods-attachable": ("wait-attachable", None),
    "readiness-report": ("wait-ready", None),
    "self-test-checks": ("check-lab", None),
}


def made_from(create: str, inputs: Mapping[str, Any]) -> str:
    """The trigger that stands for a command's script, environment and stdin."""
    parts = [script(create), inputs.get("delete"), inputs["environment"], inputs.get("stdin", "")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


BY_THEMSELVES = ("cluster-kind", "networks-ext-net")
"""The commands whose things are not in the nodes."""


def labs_environment(cache: Path, because: str = "") -> dict[str, str]:
    """What each script of a lab that is made for the first time is told."""
    return {
        "ENGINE": "podman",
        "CLUSTER": "kalico",
        "RUN": str(cache / "run/kalico"),
        "KUBECACHEDIR": str(cache / "kubectl"),
        "BECAUSE": because,
    }


def saying(stdout: Mapping[str, str]) -> Answers:
    """The stand-ins, of which each script says what is in `stdout`."""
    return {**ANSWERS, "command:local:Command": lambda name, inputs: {"stdout": stdout[name]}}


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
    assert program[label].delete_before_replace == (label.startswith("Command ") or label in (NAD, POD))


def test_a_network_that_becomes_another_takes_its_nad_and_its_pods_along(program: Run) -> None:
    assert {each.label: each.replace_with for each in program if each.replace_with} == {NAD: {JOIN}, POD: {NAD, WORKER}}


def test_what_cannot_be_changed_in_place_is_made_again(program: Run) -> None:
    replaced = {each.label: each.replace_on_changes for each in program if each.type.startswith("kubernetes:")}
    in_place = dict.fromkeys(replaced.keys() - {NAD, POD}, ())
    assert replaced == in_place | dict.fromkeys((NAD, POD), ("metadata.annotations", "spec"))


def test_what_a_node_has_goes_with_the_cluster(program: Run) -> None:
    """Not so what only says that something is there: it has no deletion."""
    assert {each.label for each in program if each.deleted_with == KIND} == IN_THE_CLUSTER | {WORKER, CONF}
    assert {each.label for each in program if each.deleted_with == WORKER} == {JOIN}


def test_the_first_preview_shows_all_of_it(program: Run, preview: Run) -> None:
    def wiring(run: Run) -> dict[str, Recorded]:
        return {each.label: replace(each, inputs={}) for each in run}

    assert wiring(preview) == wiring(program)


def test_the_first_preview_knows_nothing_that_the_cluster_has_yet_to_say(preview: Run) -> None:
    assert is_unknown(preview[PROVIDER].inputs["clusterIdentifier"])
    assert is_unknown(preview[NAD].inputs["spec"]["config"])
    assert is_unknown(preview[NAD].inputs["metadata"]["annotations"]["kalico/content"])
    assert {name: is_unknown(value) for name, value in preview.outputs.items()} == dict.fromkeys(
        ("net1_address", "attachments", "networks", "cluster", "versions", "self_test"), True
    )


def test_the_first_preview_shows_what_the_config_says(preview: Run, program: Run) -> None:
    for label in (POD, "Installation calico-default", NAD_KIND, NETWORK):
        assert preview[label].inputs == program[label].inputs


def test_namesakes_of_two_namespaces_in_a_manifest_are_two_resources(run_lab: RunLab, tmp_path: Path) -> None:
    manifest = tmp_path / "multus.yaml"
    account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: multus, namespace: default}\n"
    manifest.write_text(MULTUS + account)
    sha256 = hashlib.sha256(manifest.read_bytes()).hexdigest()
    done = run_lab(multusManifest={"source": str(manifest), "sha256": sha256})
    assert done.error is None
    accounts = [each.name for each in done if each.type.endswith(":ServiceAccount")]
    assert sorted(accounts) == ["multus-default/multus", "multus-kube-system/multus"]


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
def test_a_script_knows_its_lab_and_why_it_runs(program: Run, cache: Path, name: str) -> None:
    environment = program[f"Command {name}"].inputs["environment"]
    because = NEW if name in BY_THEMSELVES else ""
    assert environment.items() >= labs_environment(cache, because).items()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_runs_in_strict_bash_and_says_only_what_goes_wrong(program: Run, name: str) -> None:
    inputs = program[f"Command {name}"].inputs
    assert inputs["interpreter"] == ["/bin/bash", "-euo", "pipefail", "-c"]
    assert inputs["logging"] == "stderr"
    assert inputs["addPreviousOutputInEnv"] is False


def test_the_cluster_is_made_from_its_config_on_stdin(program: Run, cache: Path) -> None:
    inputs = program[KIND].inputs
    assert inputs["environment"] == labs_environment(cache, NEW) | {"SUBNETS": "10.24.0.0/16 10.96.0.0/16"}
    assert yaml.safe_load(inputs["stdin"]) == kind_config(lab())
    assert inputs["triggers"] == [made_from("kind-create", inputs)]


def test_the_provider_reads_the_labs_kubeconfig_and_is_known_by_the_clusters_birth(program: Run, cache: Path) -> None:
    inputs = program[PROVIDER].inputs
    assert inputs["kubeconfig"] == str(cache / "run/kalico/kubeconfig")
    assert inputs["clusterIdentifier"] == "the-clusters-uid"


def test_what_was_in_a_cluster_that_is_gone_is_forgotten_by_a_refresh(program: Run) -> None:
    assert program[PROVIDER].inputs["deleteUnreachable"] == "true"


def test_every_node_is_made_to_run_and_again_in_another_cluster(program: Run, cache: Path) -> None:
    inputs = program[RUNNING].inputs
    assert inputs["environment"] == labs_environment(cache) | {"NODE": "kalico-control-plane", "SECONDS_AT_MOST": "120"}
    assert inputs["triggers"] == ["the-clusters-uid", made_from("node-run", inputs)]
    inputs = program[WORKER_RUNS].inputs
    assert inputs["environment"] == labs_environment(cache) | {"NODE": "kalico-worker", "SECONDS_AT_MOST": "120"}
    assert inputs["triggers"] == ["id-of-workers-kalico-worker", made_from("node-run", inputs)]


@pytest.mark.parametrize("name", ENGINES)
def test_a_worker_is_made_of_the_engines_words_and_again_in_another_cluster(
    run_lab: RunLab, cache: Path, name: str
) -> None:
    inputs = run_lab(engine=name)[WORKER].inputs
    assert inputs["environment"] == labs_environment(cache) | {
        "ENGINE": name,
        "NODE": "kalico-worker",
        "IMAGE": by_digest(lab().node_image),
        "SECONDS_AT_MOST": "120",
    }
    assert inputs["stdin"].splitlines() == list(ENGINES[name].node_words)
    assert inputs["triggers"] == ["the-clusters-uid", made_from("worker-create", inputs)]


def test_a_network_of_both_families_keeps_both_of_its_subnets(run_lab: RunLab) -> None:
    done = run_lab(networks=[network(subnet6="fd23::/64")])
    assert done[NETWORK].inputs["environment"]["SUBNET"] == "10.23.0.0/16 fd23::/64"


def test_the_network_is_made_of_the_engines_words_on_stdin(program: Run, cache: Path) -> None:
    inputs = program[NETWORK].inputs
    assert inputs["environment"] == labs_environment(cache, NEW) | {
        "NETWORK": "ext-net",
        "BRIDGE": bridge_name("kalico", "ext-net"),
        "PARENT": "",
        "SUBNET": "10.23.0.0/16",
        "MODE": "bridge",
        "MTU": "",
        "ISLAND": "bridge",
    }
    words = ENGINES["podman"].network_words(lab().networks[0])
    assert inputs["stdin"].splitlines() == list(words)
    assert inputs["triggers"] == [made_from("network-create", inputs)]


@pytest.mark.parametrize(
    ("changes", "told"), [({"mtu": 1400}, ""), ({"mtu": 9000}, "9000"), ({"mtu": 1500, "parent": "eth7"}, "")]
)
def test_an_island_is_told_to_carry_what_is_more_than_a_link_does(
    run_lab: RunLab, changes: dict[str, Any], told: str
) -> None:
    assert run_lab(networks=[network(**changes)])[NETWORK].inputs["environment"]["MTU"] == told


def test_the_workers_join_the_network_anew_with_a_new_cluster_or_network(program: Run, cache: Path) -> None:
    inputs = program[JOIN].inputs
    assert inputs["environment"] == labs_environment(cache) | {
        "NODE": "kalico-worker",
        "NETWORK": "ext-net",
        "ADDRESS": "",
        "SUBNETS": "10.23.0.0/16",
    }
    assert inputs["triggers"] == [
        "id-of-workers-kalico-worker",
        "id-of-networks-ext-net",
        made_from("network-join", inputs),
    ]


def test_the_plugins_go_to_every_node_and_again_when_nodes_or_archive_are_others(
    program: Run, cache: Path, upstream_files: dict[str, dict[str, str]]
) -> None:
    archive = upstream_files["cniPluginsArchive"]
    for label, node, born in (
        (PLUGINS_THERE, "kalico-control-plane", "the-clusters-uid"),
        (PLUGINS, "kalico-worker", "id-of-workers-kalico-worker"),
    ):
        inputs = program[label].inputs
        assert inputs["environment"] == labs_environment(cache) | {
            "NODE": node,
            "ARCHIVE": archive["source"],
            "ARCH": ARCHITECTURES[platform.machine().lower()],
            "ROUTES_PLUGIN": script("kalico-routes"),
        }
        assert inputs["triggers"] == [born, made_from("cni-plugins", inputs)]


def test_multuss_conf_is_awaited_on_every_node_and_again_in_another_cluster(program: Run, cache: Path) -> None:
    inputs = program[CONF].inputs
    assert inputs["environment"] == labs_environment(cache) | {
        "DAEMON": "multus",
        "FILES": "/etc/cni/net.d/00-multus.conf",
        "KEPT": "/etc/cni/net.d/00-multus.conf",
        "NODES": "kalico-control-plane kalico-worker",
        "SECONDS_AT_MOST": "300",
    }
    assert inputs["triggers"] == [BORN, made_from("daemon-files", inputs)]


def test_the_gate_asks_every_node(program: Run, cache: Path) -> None:
    inputs = program["Command pods-attachable"].inputs
    assert inputs["environment"] == labs_environment(cache) | {
        "SECONDS_AT_MOST": "300",
    }
    assert inputs["stdin"] == "kalico-control-plane\nkalico-worker\n"
    assert inputs["triggers"] == [
        STARTED,
        "id-of-cni-plugins-kalico-control-plane",
        "id-of-cni-plugins-kalico-worker",
        "id-of-multus-conf",
        made_from("wait-attachable", inputs),
    ]


def test_the_report_asks_a_worker_what_runs(program: Run, cache: Path, upstream_files: dict[str, Any]) -> None:
    inputs = program["Command readiness-report"].inputs
    assert inputs["environment"] == labs_environment(cache) | {
        "WORKER": "kalico-worker",
        "SECONDS_AT_MOST": "300",
    }
    # Asked again when anything that has a version is another.
    sums = [upstream_files[key]["sha256"] for key in ("calicoManifest", "multusManifest", "cniPluginsArchive")]
    ids = [STARTED, "id-of-multus-conf"]
    image = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick"
    assert inputs["triggers"] == [*ids, image, *sums, made_from("wait-ready", inputs)]


def test_docker_makes_islands_of_its_own_and_is_told_the_gateway(run_lab: RunLab) -> None:
    done = run_lab(engine="docker")
    assert done.error is None
    inputs = done[NETWORK].inputs
    assert (inputs["environment"]["ENGINE"], inputs["environment"]["ISLAND"]) == ("docker", "engine")
    assert inputs["stdin"].splitlines()[-2:] == ["--gateway", "10.23.0.1"]
    assert done.outputs["cluster"]["engine"] == "docker"


def test_a_named_parent_goes_to_the_script_and_a_new_one_makes_the_network_anew(run_lab: RunLab) -> None:
    done = run_lab(networks=[network(parent="eth7")])
    inputs = done[NETWORK].inputs
    assert inputs["environment"]["PARENT"] == "eth7"
    assert inputs["triggers"] == [made_from("network-create", inputs)]


# The objects of the cluster


def test_calico_is_awaited_by_its_installation(program: Run) -> None:
    inputs = program["Installation calico-default"].inputs
    assert inputs["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Ready"} | FORCE
    assert inputs["spec"]["calicoNetwork"]["ipPools"][0]["cidr"] == "10.24.0.0/16"


def test_quick_readiness_is_a_policy_before_calicos_pods_and_named_in_the_output(run_lab: RunLab) -> None:
    done = run_lab(quickReadiness=True)
    assert done.error is None, done.error
    policies = {label for label in done.labels if label.startswith("MutatingAdmissionPolicy")}
    assert policies == {
        "MutatingAdmissionPolicy calico-kalico-quick-readiness",
        "MutatingAdmissionPolicyBinding calico-kalico-quick-readiness",
    }
    assert {done[policy].parent for policy in policies} == {done["Installation calico-default"].parent}
    assert policies <= done["Installation calico-default"].depends_on
    assert done.outputs["cluster"]["quickReadiness"] is True


def test_a_pod_is_awaited_until_it_is_ready_and_multus_has_spoken(program: Run) -> None:
    annotations = program[POD].inputs["metadata"]["annotations"]
    assert json.loads(annotations["pulumi.com/waitFor"]) == [
        "condition=Ready",
        "jsonpath={.metadata.annotations['k8s.v1.cni.cncf.io/network-status']}",
    ]


def test_the_nads_master_is_the_interface_that_the_worker_has(run_lab: RunLab) -> None:
    done = run_lab(answers=saying(STDOUT | {"joins-ext-net-kalico-worker": "kalico-worker eth7 9a:00:00:00:00:01"}))
    config = json.loads(done[NAD].inputs["spec"]["config"])
    assert config["plugins"][0]["master"] == "eth7"


def test_with_net1s_default_route_the_clusters_subnets_stay_on_eth0(run_lab: RunLab) -> None:
    outward = network(defaultRoute="net1")
    done = run_lab(podSubnet="10.30.0.0/20", serviceSubnet="10.31.0.0/20", networks=[outward])
    assert done.error is None, done.error
    routes = json.loads(done[NAD].inputs["spec"]["config"])["plugins"][1]
    assert routes["keep"] == ["10.30.0.0/20", "10.31.0.0/20"]


def test_two_default_routes_are_pointed_out_in_the_plan(run_lab: RunLab, caplog: pytest.LogCaptureFixture) -> None:
    literal = [network(defaultRoute="literal")]
    assert run_lab(networks=literal, preview=True).error is None
    assert caplog.messages == [two_default_routes(lab(networks=literal).networks[0])]
    caplog.clear()
    assert run_lab(preview=True).error is None
    assert caplog.messages == []


def test_the_nad_keeps_the_digest_of_the_config_that_it_was_made_with(program: Run) -> None:
    inputs = program[NAD].inputs
    assert inputs["metadata"]["annotations"]["kalico/content"] == digest(inputs["spec"]["config"])


def test_multus_runs_the_pinned_image(program: Run) -> None:
    pod_spec = program["DaemonSet multus-kube-multus-ds"].inputs["spec"]["template"]["spec"]
    images = {container["image"] for kind in ("containers", "initContainers") for container in pod_spec[kind]}
    assert images == {"ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick"}


def test_descriptions_are_left_out_of_the_kinds_but_not_what_is_called_so(program: Run) -> None:
    inputs = program["CustomResourceDefinition calico-installations.operator.tigera.io"].inputs
    assert inputs["spec"] == {"properties": {"description": {"type": "string"}}}


def test_every_document_of_a_manifest_is_a_resource_with_just_that_document(program: Run) -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all(MULTUS)}
    found = {"CustomResourceDefinition": NAD_KIND, "ServiceAccount": "ServiceAccount multus-multus"}
    for kind, label in found.items():
        document = documents[kind]
        assert program[label].inputs == document | {"metadata": document["metadata"] | {"annotations": FORCE}}


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
        "networks": [
            {
                "name": "ext-net",
                "subnet": "10.23.0.0/16",
                "nodes": [{"name": "kalico-worker", "interface": "eth1", "range": "10.23.0.100 to 10.23.0.240"}],
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
        "self_test": {"passed": 1, "failed": 0, "checks": []},
    }


def test_a_pod_without_the_interface_it_asked_for_ends_the_run(run_lab: RunLab) -> None:
    def lonely(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        pod_found = pod_as_it_runs(name, inputs)
        pod_found["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"] = "[]"
        return pod_found

    done = run_lab(answers={**ANSWERS, "kubernetes:core/v1:Pod": lonely})
    assert "pod samplepod asked for ext-net and got 0 interfaces" in str(done.error)


def test_more_networks_and_pods_are_more_of_the_same(run_lab: RunLab) -> None:
    lan = {"networks-lan": "parent kalico-bridge2", "joins-lan-kalico-worker": "kalico-worker eth2 9a:00:00:00:00:02"}
    done = run_lab(
        answers=saying(STDOUT | lan),
        networks=[network(), {"name": "lan", "subnet": "10.40.0.0/16", "ipam": {"rangeEnd": "10.40.0.99"}}],
        pods=[pod(), {"name": "two", "networks": ["lan"]}],
    )
    assert done.error is None
    assert {
        "Command networks-lan",
        "Command joins-lan-kalico-worker",
        "NetworkAttachmentDefinition attachments-lan",
        "Pod pods-two",
    } <= done.labels
    configs = {
        name: json.loads(done[f"NetworkAttachmentDefinition attachments-{name}"].inputs["spec"]["config"])
        for name in ("ext-net", "lan")
    }
    masters = {name: config.get("plugins", [config])[0]["master"] for name, config in configs.items()}
    assert masters == {"ext-net": "eth1", "lan": "eth2"}
    assert done["Pod pods-two"].depends_on >= {"NetworkAttachmentDefinition attachments-lan", "Command pods-attachable"}
    assert done["Pod pods-two"].replace_with == {"NetworkAttachmentDefinition attachments-lan", WORKER}
    assert done[WORKER_RUNS].depends_on == {WORKER, NETWORK, "Command networks-lan"}
    # The networks' order is that of the interfaces in a node.
    assert done["Command joins-lan-kalico-worker"].depends_on == {WORKER, WORKER_RUNS, "Command networks-lan", JOIN}
    assert JOIN not in done[JOIN].depends_on


def test_pods_of_a_count_and_of_other_namespaces_are_each_a_resource(run_lab: RunLab) -> None:
    done = run_lab(pods=[pod(count=2), pod(name="b", namespace="team"), pod(name="c", namespace="team")])
    assert done.error is None
    made = {each.label for each in done if each.label.startswith("Pod ")}
    assert made == {"Pod pods-samplepod-1", "Pod pods-samplepod-2", "Pod pods-team.b", "Pod pods-team.c"}
    assert done["Namespace pods-team"].inputs["metadata"] == {"name": "team", "annotations": FORCE}
    for name in "bc":
        assert done[f"Pod pods-team.{name}"].depends_on >= {"Namespace pods-team", "Command pods-attachable"}
        assert done[f"Pod pods-team.{name}"].inputs["metadata"]["namespace"] == "team"
    assert "Namespace pods-team" not in done["Pod pods-samplepod-1"].depends_on


# Several workers


NODE_CONFS = {
    "kalico-worker": "Command attachments-ext-net-conf-kalico-worker",
    "kalico-worker2": "Command attachments-ext-net-conf-kalico-worker2",
}
OF_TWO_WORKERS = STDOUT | {
    "joins-ext-net-kalico-worker": "kalico-worker eth1 9a:00:00:00:00:01",
    "joins-ext-net-kalico-worker2": "kalico-worker2 eth2 9a:00:00:00:00:02",
    "attachments-ext-net-conf-kalico-worker": "kalico-worker eth1",
    "attachments-ext-net-conf-kalico-worker2": "kalico-worker2 eth2",
}


@pytest.fixture(scope="session")
def two_workers(run_lab: RunLab) -> Run:
    done = run_lab(answers=saying(OF_TWO_WORKERS), workers=2)
    assert done.error is None, done.error
    return done


def test_a_worker_that_is_made_anew_takes_the_pods_along_that_may_be_on_it_and_no_others(run_lab: RunLab) -> None:
    pods = [pod(name="there", node="worker", networks=[]), pod(name="anywhere", networks=[])]
    done = run_lab(answers=saying(OF_TWO_WORKERS), workers=2, pods=pods)
    assert done["Pod pods-there"].replace_with == {WORKER}
    assert done["Pod pods-anywhere"].replace_with == {WORKER, "Command workers-kalico-worker2"}


def test_workers_with_ranges_of_their_own_have_the_config_on_the_nodes_and_none_in_the_nad(two_workers: Run) -> None:
    inputs = two_workers[NAD].inputs
    assert inputs["spec"] == {}
    assert inputs["metadata"]["annotations"] == FORCE | {
        "kalico/ranges": "kalico-worker: 10.23.0.100 to 10.23.0.169, kalico-worker2: 10.23.0.170 to 10.23.0.240",
        "kalico/content": digest(""),
    }


def test_each_node_is_given_its_config_with_its_range_and_a_place_for_its_interface(
    two_workers: Run, cache: Path
) -> None:
    file = "/etc/cni/multus/net.d/kalico-ext-net.conflist"
    own = {"NETWORK": "ext-net", "FILE": file, "REMOVED": f"{file} /run/kalico/conf.ext-net"}
    configs = {}
    for node, label in NODE_CONFS.items():
        inputs = two_workers[label].inputs
        assert (inputs["create"], inputs["delete"]) == (script("attachment-conf"), script("node-files-delete"))
        configs[node] = json.loads(inputs["environment"]["CONFIG"])
        given = own | {"NODE": node, "CONFIG": inputs["environment"]["CONFIG"]}
        assert inputs["environment"] == labs_environment(cache) | given
    assert {
        node: (config["name"], macvlan["master"], macvlan["ipam"]["rangeStart"], macvlan["ipam"]["rangeEnd"])
        for node, config in configs.items()
        for macvlan in config["plugins"][:1]
    } == {
        "kalico-worker": ("ext-net", "@MASTER@", "10.23.0.100", "10.23.0.169"),
        "kalico-worker2": ("ext-net", "@MASTER@", "10.23.0.170", "10.23.0.240"),
    }


def test_the_configs_on_the_nodes_follow_the_joins_and_the_nad_follows_the_configs(two_workers: Run) -> None:
    for node, label in NODE_CONFS.items():
        command, join = two_workers[label], f"joins-ext-net-{node}"
        assert command.inputs["triggers"] == [f"id-of-{join}", made_from("attachment-conf", command.inputs)]
        assert command.parent == "Attachments attachments"
        assert command.depends_on == {f"Command {join}"}
        assert command.deleted_with == f"Command workers-{node}"
    nad = two_workers[NAD]
    assert nad.depends_on == {NAD_KIND, *NODE_CONFS.values()}
    assert nad.replace_with == set(NODE_CONFS.values())


def test_the_outputs_tell_each_workers_interface_and_range(two_workers: Run) -> None:
    [told] = two_workers.outputs["networks"]
    assert told["nodes"] == [
        {"name": "kalico-worker", "interface": "eth1", "range": "10.23.0.100 to 10.23.0.169"},
        {"name": "kalico-worker2", "interface": "eth2", "range": "10.23.0.170 to 10.23.0.240"},
    ]


STATIC = network(name="lan", subnet="10.40.0.0/16", gateway="10.40.0.1") | {"ipam": {"type": "static"}}


def test_workers_that_share_all_addresses_have_the_config_on_the_nodes_too_and_no_ranges(run_lab: RunLab) -> None:
    """Their interfaces on the network need not have one name."""
    joins = {f"joins-lan-{node}": OF_TWO_WORKERS[f"joins-ext-net-{node}"] for node in NODE_CONFS}
    confs = {f"attachments-lan-conf-{node}": "" for node in NODE_CONFS}
    done = run_lab(
        answers=saying(OF_TWO_WORKERS | {"networks-lan": ""} | joins | confs), workers=2, networks=[STATIC], pods=[]
    )
    assert done.error is None, done.error
    inputs = done["NetworkAttachmentDefinition attachments-lan"].inputs
    assert inputs["spec"] == {}
    assert inputs["metadata"]["annotations"] == FORCE | {"kalico/content": digest("")}
    given = [done[f"Command attachments-lan-conf-{node}"].inputs["environment"] for node in NODE_CONFS]
    assert [each["NODE"] for each in given] == ["kalico-worker", "kalico-worker2"]
    for config in (each["CONFIG"] for each in given):
        assert '"capabilities": {"ips": true}' in config
        assert '"master": "@MASTER@"' in config
    assert done.outputs["networks"][0]["nodes"] == [
        {"name": "kalico-worker", "interface": "eth1"},
        {"name": "kalico-worker2", "interface": "eth2"},
    ]


# The workers' own addresses, and their annotations


ANNOTATE = "Command node-annotations-bnk"
JOINED = "joins-ext-net-kalico-worker"
TOLD = '{"ipv4":"10.23.10.10/16"}'
ANNOTATED: dict[str, Any] = {
    "networks": [network(nodeAddresses=["10.23.10.10"])],
    "nodeAnnotations": {"bnk": True},
}
WITH_ADDRESS = STDOUT | {
    JOINED: f"{STDOUT[JOINED]} 10.23.10.10/16",
    "node-annotations-bnk": f"kalico-worker {TOLD}\n",
}


@pytest.fixture(scope="session")
def annotated(run_lab: RunLab) -> Run:
    done = run_lab(answers=saying(WITH_ADDRESS), **ANNOTATED)
    assert done.error is None, done.error
    return done


def test_a_worker_joins_with_its_address_and_is_annotated_with_what_it_then_has(annotated: Run, cache: Path) -> None:
    assert annotated[JOIN].inputs["environment"]["ADDRESS"] == "10.23.10.10/16"
    command = annotated[ANNOTATE]
    assert (command.inputs["create"], command.inputs["delete"]) == (
        script("node-annotate"),
        script("node-annotate-delete"),
    )
    assert command.inputs["stdin"] == "kalico-worker\n"
    assert command.inputs["environment"] == labs_environment(cache) | {
        "NETWORK": "ext-net",
        "KEY": "k8s.ovn.org/node-primary-ifaddr",
        "BECAUSE_KEY": "kalico/because",
        "CONTENT_KEY": "kalico/content",
    }
    assert annotated.outputs["node_annotations"] == {"kalico-worker": {"k8s.ovn.org/node-primary-ifaddr": TOLD}}


def test_another_join_is_annotated_anew_and_the_annotation_goes_with_the_cluster(annotated: Run) -> None:
    command = annotated[ANNOTATE]
    assert command.inputs["triggers"] == [f"id-of-{JOINED}", made_from("node-annotate", command.inputs)]
    assert command.depends_on == {JOIN}
    assert command.deleted_with == KIND
    assert command.parent == "NodeAnnotations node-annotations"


def test_a_worker_that_is_not_on_the_network_is_pointed_out(run_lab: RunLab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    on_one = network(nodes=["worker"], nodeAddresses=["10.23.10.10"])
    done = run_lab(
        answers=saying(OF_TWO_WORKERS | WITH_ADDRESS), workers=2, networks=[on_one], nodeAnnotations={"bnk": True}
    )
    assert done.error is None, done.error
    assert (
        f"network ext-net: kalico-worker2 did not join it (`nodes`) and will have no {NODE_ADDRESS}" in caplog.messages
    )
    caplog.clear()
    assert run_lab(answers=saying(WITH_ADDRESS), **ANNOTATED).error is None
    assert not [line for line in caplog.messages if NODE_ADDRESS in line]


def test_the_network_whose_addresses_are_told_may_be_named(run_lab: RunLab) -> None:
    told = saying(
        WITH_ADDRESS
        | {"networks-lan": "", "joins-lan-kalico-worker": "kalico-worker eth2 9a:02 10.40.0.5/16"}
        | {"node-annotations-bnk": 'kalico-worker {"ipv4":"10.40.0.5/16"}'}
    )
    networks = [network(), STATIC | {"nodeAddresses": ["10.40.0.5"]}]
    done = run_lab(answers=told, networks=networks, nodeAnnotations={"bnk": True, "network": "lan"})
    assert done.error is None, done.error
    assert done[ANNOTATE].inputs["environment"]["NETWORK"] == "lan"
    assert done[ANNOTATE].inputs["triggers"][0] == "id-of-joins-lan-kalico-worker"
    assert done.outputs["node_annotations"] == {"kalico-worker": {NODE_ADDRESS: '{"ipv4":"10.40.0.5/16"}'}}


def test_a_lab_that_annotates_nothing_has_no_resource_for_it(run_lab: RunLab, program: Run) -> None:
    done = run_lab(answers=saying(WITH_ADDRESS), **ANNOTATED | {"nodeAnnotations": {"bnk": False}})
    assert done.labels == program.labels
    assert "node_annotations" not in done.outputs


def of_worker(value: str | None) -> tuple[Mapping[str, Any], ...]:
    """The worker's object, once annotated with TOLD."""
    kept = {CONTENT: digest(TOLD)} | ({NODE_ADDRESS: value} if value else {})
    return ({"metadata": {"name": "kalico-worker", "annotations": kept}},)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TOLD, {}),
        (None, {ANNOTATE: f"node kalico-worker has no {NODE_ADDRESS}"}),
        ('{"ipv4":"10.9.9.9/16"}', {ANNOTATE: f"node kalico-worker has another {NODE_ADDRESS}"}),
    ],
    ids=["as it was left", "taken off", "edited"],
)
def test_an_annotation_that_is_not_as_it_was_left_is_made_again_alone(
    run_lab: RunLab, left: Left, annotated: Run, value: str | None, expected: dict[str, str]
) -> None:
    before = replace(left, node_objects=of_worker(value))
    done = run_lab(left=before, answers=saying(WITH_ADDRESS), **ANNOTATED)
    assert done.error is None, done.error
    assert reasons(done) == expected


# What happened behind Pulumi's back


def reasons(run: Run) -> dict[str, str]:
    """By label, the reason for which each thing is made that is not made for the first; without its time."""
    found = {}
    for each in run:
        environment, metadata = each.inputs.get("environment", {}), each.inputs.get("metadata", {})
        because = environment.get("BECAUSE") or metadata.get("annotations", {}).get(BECAUSE)
        if because and because != NEW:
            when, found[each.label] = because.split(" ", 1)
            assert datetime.fromisoformat(when) <= datetime.now(tz=UTC)
    return found


def test_a_lab_that_is_as_it_was_left_has_nothing_to_do(run_lab: RunLab, program: Run, left: Left) -> None:
    again = run_lab(left=left)
    assert again.error is None, again.error
    assert {each.label: each for each in again} == {each.label: each for each in program}
    assert again.outputs == program.outputs


def worker(left: Left, **marks: str) -> Left:
    """The lab with other marks in its worker."""
    return replace(left, nodes=left.nodes | {"kalico-worker": (left.nodes["kalico-worker"] or {}) | marks})


def changed(objects: tuple[Mapping[str, Any], ...] | None, **changes: Any) -> tuple[Mapping[str, Any], ...]:
    """The one object, with changes."""
    [found] = objects or ()
    return ({**found, **changes},)


STOPPED = dict.fromkeys((WORKER_RUNS, JOIN, PLUGINS, CONF), "node kalico-worker does not run")

DRIFTS: dict[str, tuple[Callable[[Left], Left], dict[str, str]]] = {
    "a node is gone": (
        lambda left: replace(left, nodes={"kalico-control-plane": left.nodes["kalico-control-plane"]}),
        STOPPED | {KIND: "there is no node kalico-worker"},
    ),
    "a node was stopped": (lambda left: replace(left, nodes=left.nodes | {"kalico-worker": None}), STOPPED),
    "a node was started again": (
        lambda left: replace(left, nodes=left.nodes | {"kalico-worker": {}}),
        {
            label: f"node kalico-worker was started without {thing}"
            for label, thing in {WORKER_RUNS: "node", JOIN: "join.ext-net", PLUGINS: "plugins", CONF: "multus"}.items()
        },
    ),
    "the control plane was started again": (
        lambda left: replace(left, nodes=left.nodes | {"kalico-control-plane": {}}),
        {
            label: f"node kalico-control-plane was started without {thing}"
            for label, thing in {RUNNING: "node", PLUGINS_THERE: "plugins", CONF: "multus"}.items()
        },
    ),
    "the network is gone": (
        lambda left: replace(left, networks=("another",)),
        {NETWORK: "the engine has no such network"},
    ),
    "the bridge is gone": (
        lambda left: replace(left, records=left.records | {"network.ext-net": "\nkalico-gone\n10.23.0.0/16\n"}),
        {NETWORK: "its parent kalico-gone is gone"},
    ),
    "the interface has an address": (
        lambda left: worker(left, **{"join.ext-net": "eth1 has an address\t"}),
        {JOIN: "node kalico-worker: eth1 has an address"},
    ),
    "a plugin is gone": (
        lambda left: worker(left, plugins="/opt/cni/bin/macvlan is gone\t"),
        {PLUGINS: "node kalico-worker: /opt/cni/bin/macvlan is gone"},
    ),
    "Multus's conf is gone": (
        lambda left: worker(left, multus="00-multus.conf is gone\t"),
        {CONF: "node kalico-worker: 00-multus.conf is gone"},
    ),
    "the NAD is gone": (lambda left: replace(left, nads=()), {NAD: "there is none"}),
    "the NAD was edited": (
        lambda left: replace(left, nads=changed(left.nads, spec={"config": "{}"})),
        {NAD: "it was edited"},
    ),
    "the pod is gone": (lambda left: replace(left, pods=()), {POD: "there is none"}),
    "the pod failed": (
        lambda left: replace(left, pods=changed(left.pods, status={"phase": "Failed"})),
        {POD: "it has failed"},
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_what_is_not_as_it_was_left_is_made_again_and_nothing_else_is(run_lab: RunLab, left: Left, name: str) -> None:
    happened, expected = DRIFTS[name]
    done = run_lab(left=happened(left))
    assert done.error is None, done.error
    assert reasons(done) == expected


def test_what_was_made_again_keeps_its_reason(run_lab: RunLab, left: Left) -> None:
    once = "2025-11-25T04:00:00Z it was away"

    def again(objects: tuple[Mapping[str, Any], ...] | None) -> tuple[Mapping[str, Any], ...]:
        [metadata] = [each["metadata"] for each in objects or ()]
        return changed(objects, metadata=metadata | {"annotations": metadata["annotations"] | {BECAUSE: once}})

    everywhere = dict.fromkeys(("node", "plugins", "multus"), f"\t{once}")
    done = run_lab(
        left=Left(
            records={
                "cluster": f"{once}\n",
                "node.kalico-control-plane": "",
                "node.kalico-worker": f"{once}\n",
                "network.ext-net": f"{once}\nkalico-bridge\n10.23.0.0/16\n",
                "self-test": f"{once}\n",
            },
            networks=left.networks,
            nodes={"kalico-control-plane": everywhere, "kalico-worker": everywhere | {"join.ext-net": f"\t{once}"}},
            pods=again(left.pods),
            nads=again(left.nads),
        )
    )
    things = (KIND, RUNNING, WORKER, WORKER_RUNS, NETWORK, JOIN, PLUGINS, PLUGINS_THERE, CONF, NAD, POD, SELF_TEST)
    assert reasons(done) == dict.fromkeys(things, "it was away")
    assert done[JOIN].inputs["environment"]["BECAUSE"] == once


def test_another_reason_makes_a_command_anew(run_lab: RunLab, left: Left, program: Run) -> None:
    inputs = run_lab(left=worker(left, plugins="gone\t"))[PLUGINS].inputs
    assert inputs["triggers"] == ["id-of-workers-kalico-worker", made_from("cni-plugins", inputs)]
    assert inputs["triggers"] != program[PLUGINS].inputs["triggers"]


def test_the_configs_on_the_nodes_are_written_again_where_one_is_not_the_labs(run_lab: RunLab, left: Left) -> None:
    both = worker(left, **{"conf.ext-net": "\t"})
    second = (both.nodes["kalico-worker"] or {}) | {"conf.ext-net": "kalico-ext-net.conflist is not the lab's\t"}
    edited = replace(
        both,
        records=both.records | {"node.kalico-worker2": ""},
        nodes=both.nodes | {"kalico-worker2": second},
        nads=None,
        pods=None,
    )
    done = run_lab(left=edited, answers=saying(OF_TWO_WORKERS), workers=2)
    assert done.error is None, done.error
    assert reasons(done) == {
        NODE_CONFS["kalico-worker2"]: "node kalico-worker2: kalico-ext-net.conflist is not the lab's"
    }


def test_one_more_worker_is_made_beside_those_that_are_there(
    run_lab: RunLab, left: Left, program: Run, two_workers: Run
) -> None:
    """What is another in the plan, of what was there: its inputs, or with what it is replaced."""
    done = run_lab(left=left, answers=saying(OF_TWO_WORKERS), workers=2)
    assert done.error is None, done.error
    assert done.labels == two_workers.labels
    assert not reasons(done).keys() & program.labels
    assert {
        each.label for each in done if each.label in program.labels and each.inputs != program[each.label].inputs
    } == {
        CONF,
        NAD,
        "Command calico-look",
        "Command pods-attachable",
        "Command readiness-report",
        SELF_TEST,
    }


def test_a_worker_of_which_nothing_is_there_or_known_is_made_whatever_the_state_says(
    run_lab: RunLab, left: Left
) -> None:
    nodes = {"kalico-control-plane": left.nodes["kalico-control-plane"]}
    records = {name: text for name, text in left.records.items() if name != "node.kalico-worker"}
    done = run_lab(left=replace(left, nodes=nodes, records=records))
    assert done.error is None, done.error
    assert reasons(done) == {WORKER: "node kalico-worker has not joined"}


def test_a_worker_whose_removal_was_begun_is_made_again_where_it_is_wanted_again(run_lab: RunLab, left: Left) -> None:
    records = {name: text for name, text in left.records.items() if name != "node.kalico-worker"}
    done = run_lab(left=replace(left, records=records))
    assert done.error is None, done.error
    assert reasons(done) == {WORKER: "node kalico-worker has not joined"}


def test_another_script_that_removes_a_thing_makes_it_anew(program: Run) -> None:
    """As an update in place it would be made again over what is there, and nothing else would know."""
    trigger = program[WORKER].inputs["triggers"][-1]
    inputs = program[WORKER].inputs
    assert trigger == made_from("worker-create", inputs)
    assert trigger != made_from("worker-create", inputs | {"delete": "another"})


def test_a_pod_on_a_worker_that_goes_is_made_again_elsewhere(run_lab: RunLab, left: Left) -> None:
    [made] = left.pods or ()
    before = replace(left, pods=changed(left.pods, spec=made["spec"] | {"nodeName": "kalico-worker2"}))
    assert reasons(run_lab(left=before)) == {POD: "its node kalico-worker2 goes"}


def test_where_the_cluster_does_not_answer_its_objects_stay_what_they_were(
    run_lab: RunLab, program: Run, left: Left
) -> None:
    done = run_lab(left=replace(left, pods=None, nads=None))
    assert reasons(done) == {}
    ignored = {each.label: each.ignore_changes for each in done if each.ignore_changes}
    assert ignored == dict.fromkeys((NAD, POD), ('metadata.annotations["kalico/because"]',))
    assert not [each.label for each in program if each.ignore_changes]


def test_a_pod_is_told_of_as_it_is_now(run_lab: RunLab, left: Left) -> None:
    """A pod whose node was started again has another address, and Pulumi's state the first."""
    [made] = left.pods or ()
    status = json.dumps([{"name": "default/ext-net", "interface": "net1", "ips": ["10.23.0.177"], "mac": "06:00"}])
    annotations = made["metadata"]["annotations"] | {"k8s.v1.cni.cncf.io/network-status": status}
    now = made["metadata"] | {"annotations": annotations}
    assert run_lab(left=replace(left, pods=changed(left.pods, metadata=now))).outputs["net1_address"] == "10.23.0.177"
    before = changed(left.pods, metadata=now | {"uid": "of-a-pod-before"})
    assert run_lab(left=replace(left, pods=before)).outputs["net1_address"] == "10.23.0.101"


# What ends the program before it begins


def test_a_config_with_faults_makes_nothing_and_says_all_of_it_at_once(run_lab: RunLab) -> None:
    done = run_lab(podSubnet="10.24.3.0/16", networks=[network(name="Ext")], rangeStop="10.23.0.240")
    assert done.resources == []
    assert done.outputs == {}
    assert type(done.error) is pulumi.RunError
    for piece in ("podSubnet: ", "networks[0].name: ", "rangeStop: unknown key", "nothing was touched"):
        assert piece in str(done.error)


def test_no_engine_makes_nothing(run_lab: RunLab) -> None:
    done = run_lab(engine="auto", tools={})
    assert done.resources == []
    assert type(done.error) is pulumi.RunError
    assert "no container engine can be used" in str(done.error)


def test_an_engine_that_fails_beside_a_made_lab_makes_nothing(run_lab: RunLab, left: Left) -> None:
    done = run_lab(left=left, tools={})
    # (Groups alone are nothing.)
    assert [each for each in done if not each.type.startswith("kalico:lab:")] == []
    assert type(done.error) is pulumi.RunError
    assert str(done.error).startswith("podman does not tell how node kalico-control-plane is: ")


def test_the_recorder_throws_on_what_nobody_foresaw(run_lab: RunLab) -> None:
    done = run_lab(answers={key: answer for key, answer in ANSWERS.items() if not key.endswith(":Installation")})
    assert "a resource of type kubernetes:operator.tigera.io/v1:Installation" in str(done.error)
