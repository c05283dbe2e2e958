"""What replaces the cluster itself: the lab is the one that its config says, whatever it was before."""

import copy
from typing import Any

import pytest

from components.config import settings_of
from tests.live.conftest import CLUSTER, CONFIG, PEER, WORKER, Lab, changed, configure, named_otherwise, run, steps

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


FIRST = {key: copy.deepcopy(CONFIG[key]) for key in ("kalico:networks", "kalico:pods")}
"""The networks and pods that one worker can have."""
WHOLE_CLUSTER: dict[str, Any] = {
    "workers": 1,
    "podSubnet": "10.36.0.0/16",
    "serviceSubnet": "10.38.0.0/16",
    "featureGates": {"InPlacePodVerticalScaling": True},
    "nodeImage": "localhost/kalico-e2e:own",
}


@pytest.mark.parametrize("key", [*WHOLE_CLUSTER, "quickReadiness"])
def test_what_kind_cannot_change_is_said_to_replace_the_cluster(lab: Lab, config: dict[str, Any], key: str) -> None:
    value = WHOLE_CLUSTER.get(key, not config.get("kalico:quickReadiness"))
    configure(lab, config | (FIRST if key == "workers" else {}) | {f"kalico:{key}": value})
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
