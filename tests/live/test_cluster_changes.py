"""What replaces the cluster itself: the lab is the one that its config says, whatever it was before."""

import copy
from typing import Any

import pytest

from tests.live.conftest import CLUSTER, CONFIG, WORKER, Lab, changed

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_what_kind_cannot_change_replaces_the_cluster(lab: Lab, config: dict[str, Any]) -> None:
    config["kalico:podSubnet"] = "10.36.0.0/16"
    config["kalico:serviceSubnet"] = "10.38.0.0/16"
    config["kalico:quickReadiness"] = True
    config["kalico:workers"] = 1
    for key in ("kalico:networks", "kalico:pods"):
        config[key] = copy.deepcopy(CONFIG[key])
    assert "cluster-kind" in changed(lab, config)
    assert lab.pod()["status"]["podIP"].startswith("10.36.")
    assert lab.kubectl("get", "service", "kubernetes", "--output", "jsonpath={.spec.clusterIP}") == "10.38.0.1"
    probes = "jsonpath={.items[*].spec.containers[0].readinessProbe.periodSeconds}"
    assert set(lab.kubectl("get", "pods", "--namespace=calico-system", "--output", probes).split()) == {"2"}
    assert [node["name"] for node in lab.stack.outputs()["cluster"]["nodes"]] == [f"{CLUSTER}-control-plane", WORKER]
