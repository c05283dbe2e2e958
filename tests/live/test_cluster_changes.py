"""A worker fewer, and what replaces the cluster itself: the lab is the one of its config, whatever it was before."""

import copy
import json
import os
from typing import Any

import pytest

from commands.leftovers import run_folder
from components.config import settings_of
from components.engines import ENGINES, Standing, ask
from tests.live.conftest import (
    CLUSTER,
    CONFIG,
    ENDS_AT_ONCE,
    JOIN,
    PEER,
    TESTED,
    WORKER,
    WORKER2,
    Lab,
    changed,
    configure,
    killed_up,
    named_otherwise,
    run,
    stays,
    steps,
)

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


FIRST = {key: copy.deepcopy(CONFIG[key]) for key in ("kalico:networks", "kalico:pods")}
"""The networks and pods that one worker can have."""
WHOLE_CLUSTER: dict[str, Any] = {
    "podSubnet": "10.36.0.0/16",
    "serviceSubnet": "10.38.0.0/16",
    "featureGates": {"InPlacePodVerticalScaling": True},
    "nodeImage": "localhost/kalico-e2e:own",
}


def test_one_worker_fewer_leaves_in_order_and_its_pods_are_made_anew_elsewhere(
    lab: Lab, config: dict[str, Any]
) -> None:
    """Those without a network, too, which nothing else is a reason for."""
    config["kalico:pods"] += [
        {"name": "apart", "image": "alpine", "command": ENDS_AT_ONCE, "networks": [], "node": "worker2"},
        {"name": "alone", "image": "alpine", "command": ENDS_AT_ONCE, "networks": [], "node": "worker"},
    ]
    assert changed(lab, config) >= {"pods-apart", "pods-alone"}
    same = stays(lab, "alone")
    config["kalico:workers"] = 1
    for pod in config["kalico:pods"]:
        if pod.get("node") == "worker2":
            del pod["node"]
    touched = changed(lab, config)
    assert touched >= {f"workers-{WORKER2}", f"joins-e2e-net-{WORKER2}", "pods-apart", "pods-far"}
    assert not touched & {"cluster-kind", f"workers-{WORKER}", JOIN, "networks-e2e-net", "pods-alone"}
    assert same()
    assert WORKER2 not in run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split()
    assert WORKER2 not in lab.kubectl("get", "nodes", "--output", "name")
    assert {lab.pod(pod)["spec"]["nodeName"] for pod in ("near", "far", "apart")} == {WORKER}
    assert lab.stack.outputs()["self_test"]["failed"] == 0


@pytest.mark.parametrize("key", [*WHOLE_CLUSTER, "quickReadiness"])
def test_what_kind_cannot_change_is_said_to_replace_the_cluster(lab: Lab, config: dict[str, Any], key: str) -> None:
    value = WHOLE_CLUSTER.get(key, not config.get("kalico:quickReadiness"))
    configure(lab, config | {f"kalico:{key}": value})
    assert ("replace", "cluster-kind") in steps(lab.stack, "preview")


def test_what_kind_cannot_change_replaces_the_cluster(lab: Lab, config: dict[str, Any]) -> None:
    config.update({f"kalico:{key}": value for key, value in WHOLE_CLUSTER.items()} | FIRST)
    config["kalico:quickReadiness"] = True
    with named_otherwise(lab.engine, settings_of({}).node_image) as image:
        assert config["kalico:nodeImage"] == image
        assert "cluster-kind" in changed(lab, config)
        for node in (f"{CLUSTER}-control-plane", WORKER, PEER):
            assert image in run(lab.engine, "inspect", "--format", "{{.Config.Image}}", node)
    assert lab.pod()["status"]["podIP"].startswith("10.36.")
    assert lab.kubectl("get", "service", "kubernetes", "--output", "jsonpath={.spec.clusterIP}") == "10.38.0.1"
    gate = 'kubernetes_feature_enabled{name="InPlacePodVerticalScaling",stage="ALPHA"} 1'
    assert gate in lab.kubectl("get", "--raw", "/metrics").splitlines()
    probes = "jsonpath={.items[*].spec.containers[0].readinessProbe.periodSeconds}"
    assert set(lab.kubectl("get", "pods", "--namespace=calico-system", "--output", probes).split()) == {"2"}
    assert [node["name"] for node in lab.stack.outputs()["cluster"]["nodes"]] == [f"{CLUSTER}-control-plane", WORKER]


@pytest.mark.long
def test_an_up_that_is_killed_while_it_replaces_the_cluster_is_ended_by_the_next_one(
    lab: Lab, config: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """Though what leaves the program meanwhile was in the cluster that is gone."""
    del config["kalico:podSubnet"], config["kalico:nodeImage"]
    before = copy.deepcopy(config["kalico:pods"])
    config["kalico:pods"][0]["name"] = "other"
    configure(lab, config)
    killed_up(lab.stack, "cluster-kubernetes created")
    assert lab.stack.up() == 0
    assert "of a replacement that did not end, is put right" in capfd.readouterr().out
    assert steps(lab.stack, "preview") == set()
    assert lab.stack.outputs()["self_test"]["failed"] == 0
    config["kalico:pods"] = before
    assert changed(lab, config) == {"pods-other", "pods-samplepod", *TESTED}


MOVED = f"{CLUSTER}-moved"


@pytest.mark.long
def test_another_cluster_name_deletes_the_lab_and_makes_the_other_in_its_place(
    lab: Lab, config: dict[str, Any]
) -> None:
    config.pop("kalico:nodeImage", None)  # whose name is gone
    before = copy.deepcopy(config)
    networks = json.dumps(config["kalico:networks"]).replace("10.33.", "10.37.").replace("e2e-net", "e2e-moved")
    config |= {
        "kalico:clusterName": MOVED,
        "kalico:networks": json.loads(networks),
        "kalico:pods": json.loads(json.dumps(config["kalico:pods"]).replace("e2e-net", "e2e-moved")),
    }
    assert changed(lab, config) >= {"cluster-kind", f"workers-{WORKER}", f"workers-{MOVED}-worker", "networks-e2e-net"}
    names = set(run(lab.engine, "ps", "--all", "--format", "{{.Names}}").split())
    assert {name for name in names if name.startswith(CLUSTER)} == {
        f"{MOVED}-{each}" for each in ("control-plane", "worker", "peer-e2e-moved")
    }
    assert not run_folder(os.environ, CLUSTER).exists()
    outputs = lab.stack.outputs()
    assert outputs["cluster"]["kubeconfig"] == str(run_folder(os.environ, MOVED) / "kubeconfig")
    assert outputs["net1_address"].startswith("10.37.")
    assert outputs["self_test"]["failed"] == 0
    config.clear()
    config |= before
    changed(lab, config)
    assert not run_folder(os.environ, MOVED).exists()
    assert lab.stack.outputs()["self_test"]["failed"] == 0


@pytest.mark.long
def test_another_engine_deletes_the_lab_on_the_one_and_makes_it_on_the_other(lab: Lab, config: dict[str, Any]) -> None:
    others = [name for name, each in ENGINES.items() if name != lab.engine and ask(each).standing is Standing.USABLE]
    if not others:
        pytest.skip("no other engine answers here")
    (other,) = others
    config.pop("kalico:nodeImage", None)
    config["kalico:engine"] = other
    assert changed(lab, config) >= {"cluster-kind", f"workers-{WORKER}", "networks-e2e-net", "pods-samplepod"}
    assert CLUSTER not in run(lab.engine, "ps", "--all", "--format", "{{.Names}}")
    assert WORKER in run(other, "ps", "--format", "{{.Names}}").split()
    outputs = lab.stack.outputs()
    assert outputs["cluster"]["engine"] == other
    assert outputs["self_test"]["failed"] == 0
    config["kalico:engine"] = lab.engine
    changed(lab, config)
    assert CLUSTER not in run(other, "ps", "--all", "--format", "{{.Names}}")
    assert lab.stack.outputs()["self_test"]["failed"] == 0
