"""whereabouts in the program as a whole: its objects where a network asks for it, and nothing of it elsewhere."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.scripts import script
from components.whereabouts import FILES
from tests.components.conftest import ANSWERS, Left, RunLab, nothing
from tests.components.test_program import (
    BORN,
    CONF,
    KIND,
    NAD,
    NAD_KIND,
    NODE_CONFS,
    NODES,
    OF_TWO_WORKERS,
    POD,
    PROVIDER,
    RUNNING,
    STARTS,
    WORKER,
    WORKER_RUNS,
    labs_environment,
    made_from,
    reasons,
    saying,
)
from tests.lab_config import network
from tests.recorder import Run

DAEMON = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: whereabouts, namespace: kube-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: whereabouts-config, namespace: kube-system}
data: {cron-expression: "30 4 * * *"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: whereabouts, namespace: kube-system}
spec:
  template:
    spec:
      containers:
        - {name: whereabouts, image: "whereabouts:latest", resources: {limits: {cpu: 100m}}}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s.whereabouts.cni.cncf.io}
spec: {group: whereabouts.cni.cncf.io}
"""
MANIFESTS = {
    "whereaboutsManifest": DAEMON,
    "whereaboutsPoolsManifest": CRD % "ippools",
    "whereaboutsReservationsManifest": CRD % "overlappingrangeipreservations",
}

COMPONENT = "Whereabouts whereabouts"
FILES_THERE = "Command whereabouts-files"
LEFT_ON_NODES = {f"Command whereabouts-left-{node}" for node in ("kalico-control-plane", "kalico-worker")}
WORKLOAD = "DaemonSet whereabouts-whereabouts"
OBJECTS = {
    "ServiceAccount whereabouts-whereabouts",
    "ConfigMap whereabouts-whereabouts-config",
    "CustomResourceDefinition whereabouts-ippools.whereabouts.cni.cncf.io",
    "CustomResourceDefinition whereabouts-overlappingrangeipreservations.whereabouts.cni.cncf.io",
}
LAN = network(name="lan", subnet="10.40.0.0/16", gateway="10.40.0.1") | {"ipam": {"type": "whereabouts"}}
LANS_NAD = "NetworkAttachmentDefinition attachments-lan"
LANS_CONFS = [f"Command attachments-lan-conf-{node}" for node in NODE_CONFS]
SAID = OF_TWO_WORKERS | {
    "networks-lan": "",
    "joins-lan-kalico-worker": "kalico-worker eth2 9a:00:00:00:00:02",
    "joins-lan-kalico-worker2": "kalico-worker2 eth3 9a:00:00:00:00:03",
    "attachments-lan-conf-kalico-worker": "",
    "attachments-lan-conf-kalico-worker2": "",
    "whereabouts-files": "",
    **{f"whereabouts-left-kalico-{node}": "" for node in ("control-plane", "worker", "worker2")},
}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("whereabouts")
    for key, text in MANIFESTS.items():
        (folder / key).write_text(text)
    return {
        key: {"source": str(folder / key), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for key, text in MANIFESTS.items()
    }


@pytest.fixture(scope="module")
def run_shared(run_lab: RunLab, manifests: dict[str, Any]) -> Callable[..., Run]:
    def run(*, left: Left | None = None, **changes: Any) -> Run:
        answers = {**ANSWERS, **saying(SAID), "kubernetes:core/v1:ConfigMap": nothing}
        done = run_lab(answers=answers, left=left, **{"networks": [network(), LAN]} | manifests | changes)
        assert done.error is None, done.error
        return done

    return run


@pytest.fixture(scope="module")
def shared(run_shared: Callable[..., Run]) -> Run:
    return run_shared()


def test_a_lab_that_does_not_ask_for_it_has_nothing_of_it_and_reads_no_file(run_lab: RunLab, program: Run) -> None:
    absent = {"source": "/nowhere/at/all.yaml", "sha256": "a" * 64}
    done = run_lab(**dict.fromkeys(MANIFESTS, absent))
    assert done.error is None, done.error
    assert done.labels == program.labels
    assert not [label for label in program.labels if "whereabouts" in label.lower()]
    assert "WHEREABOUTS" not in program["Command readiness-report"].inputs["environment"]


def test_each_of_its_objects_is_a_resource_and_its_daemon_comes_after_all_others(shared: Run) -> None:
    found = {label for label in shared.labels if "whereabouts" in label.lower()}
    assert found == OBJECTS | {COMPONENT, WORKLOAD, FILES_THERE, *LEFT_ON_NODES}
    for label in OBJECTS | {WORKLOAD}:
        assert (shared[label].parent, shared[label].provider) == (COMPONENT, PROVIDER)
    assert shared[WORKLOAD].depends_on == OBJECTS | LEFT_ON_NODES
    assert shared[COMPONENT].deleted_with == KIND


def test_its_daemon_runs_the_pinned_image(shared: Run) -> None:
    [container] = shared[WORKLOAD].inputs["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "ghcr.io/k8snetworkplumbingwg/whereabouts:v0.8.0"


def test_the_plugin_and_its_files_are_awaited_on_every_node(shared: Run, cache: Path) -> None:
    command = shared[FILES_THERE]
    assert command.inputs["create"] == script("daemon-files")
    assert "delete" not in command.inputs  # the mark outlives a repair, which reads it
    own = {
        "DAEMON": "whereabouts",
        "FILES": " ".join(FILES),
        "SECONDS_AT_MOST": "300",
        "NODES": "kalico-control-plane kalico-worker",
    }
    assert command.inputs["environment"] == labs_environment(cache) | own
    assert command.inputs["triggers"] == [BORN, made_from("daemon-files", command.inputs)]
    assert command.depends_on == {*NODES, *STARTS, WORKLOAD, *OBJECTS}
    assert command.deleted_with == KIND


def test_what_the_daemon_put_on_the_nodes_and_its_mark_go_when_the_daemon_is_gone(shared: Run) -> None:
    for node, made, running in (("kalico-control-plane", KIND, RUNNING), ("kalico-worker", WORKER, WORKER_RUNS)):
        command = shared[f"Command whereabouts-left-{node}"]
        assert command.inputs["delete"] == script("node-files-delete")
        removed = "/etc/cni/net.d/whereabouts.d /opt/cni/bin/whereabouts /run/kalico/whereabouts"
        assert command.inputs["environment"]["REMOVED"] == removed
        assert command.inputs["environment"]["NODE"] == node
        assert "create" not in command.inputs
        assert command.depends_on == {made, running}
        assert command.deleted_with == made


def test_one_more_worker_takes_nothing_off_those_that_are_there(run_shared: Callable[..., Run], shared: Run) -> None:
    more = run_shared(workers=2)
    for label in LEFT_ON_NODES:
        assert more[label].inputs == shared[label].inputs


def test_only_who_uses_it_waits_for_it(shared: Run) -> None:
    assert shared[LANS_NAD].depends_on == {NAD_KIND, "Command joins-lan-kalico-worker", FILES_THERE}
    assert shared[LANS_NAD].replace_with == {"Command joins-lan-kalico-worker"}
    for label in (NAD, POD, "Command pods-attachable"):
        assert not [each for each in shared[label].depends_on if "whereabouts" in each]
    assert shared[CONF].inputs["environment"]["DAEMON"] == "multus"


def test_workers_share_one_range_by_configs_that_differ_in_nothing(run_shared: Callable[..., Run]) -> None:
    done = run_shared(workers=2, networks=[LAN], pods=[])
    first, second = (done[label].inputs["environment"]["CONFIG"] for label in LANS_CONFS)
    assert first == second
    assert '"type": "whereabouts", "range": "10.40.0.0/16"' in first
    assert "kalico/ranges" not in done[LANS_NAD].inputs["metadata"]["annotations"]
    assert done[LANS_NAD].depends_on == {NAD_KIND, *LANS_CONFS, FILES_THERE}
    assert not [node for node in done.outputs["networks"][0]["nodes"] if "range" in node]


def test_its_version_is_asked_for_with_the_others_and_again_when_it_is_another(
    shared: Run, run_shared: Callable[..., Run], manifests: dict[str, Any]
) -> None:
    report = shared["Command readiness-report"]
    assert report.inputs["environment"]["WHEREABOUTS"] == "ghcr.io/k8snetworkplumbingwg/whereabouts:v0.8.0"
    assert {FILES_THERE, WORKLOAD, *OBJECTS} <= report.depends_on
    triggers = report.inputs["triggers"]
    assert {each["sha256"] for each in manifests.values()} < set(triggers)
    assert "id-of-whereabouts-files" in triggers
    other = run_shared(whereaboutsImage="localhost/whereabouts:1")["Command readiness-report"].inputs["triggers"]
    assert [mine == theirs for mine, theirs in zip(triggers, other, strict=True)] == [True] * (len(other) - 1) + [False]


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        (None, "node kalico-worker was started without whereabouts"),
        ("/opt/cni/bin/whereabouts is gone\t", "node kalico-worker: /opt/cni/bin/whereabouts is gone"),
    ],
    ids=["started again", "the plugin is gone"],
)
def test_what_is_gone_from_a_node_is_awaited_there_again(
    run_shared: Callable[..., Run], left: Left, mark: str | None, reason: str
) -> None:
    nodes = {node: dict(marks or {}, whereabouts="\t") for node, marks in left.nodes.items()}
    worker = nodes["kalico-worker"] | {"join.lan": "\t"}
    del worker["whereabouts"]
    record = left.records["network.ext-net"].replace("10.23", "10.40")
    was = replace(
        left,
        networks=("ext-net", "lan"),
        records=left.records | {"network.lan": record},
        nodes={**nodes, "kalico-worker": worker | ({"whereabouts": mark} if mark else {})},
    )
    assert reasons(run_shared(left=was)) == {FILES_THERE: reason, LANS_NAD: "there is none"}
