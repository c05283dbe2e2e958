"""What is read of a node, and of the report of what runs."""

from typing import Any

import pytest

from components.readiness import node_facts, versions

STATUS = {
    "addresses": [
        {"type": "Hostname", "address": "kalico-worker"},
        {"type": "InternalIP", "address": "10.89.0.3"},
    ],
    "nodeInfo": {"kubeletVersion": "v1.32.2", "containerRuntimeVersion": "containerd://2.0.2"},
}


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"node-role.kubernetes.io/control-plane": "", "kubernetes.io/os": "linux"}, "control-plane"),
        ({"kubernetes.io/os": "linux"}, "worker"),
    ],
)
def test_a_node_is_its_name_role_address_and_version(labels: dict[str, str], role: str) -> None:
    assert node_facts({"name": "a-node", "labels": labels}, STATUS) == {
        "name": "a-node",
        "role": role,
        "address": "10.89.0.3",
        "version": "v1.32.2",
    }


def test_a_node_without_labels_is_a_worker() -> None:
    metadata: dict[str, Any] = {"name": "a-node"}
    assert node_facts(metadata, STATUS)["role"] == "worker"


def test_a_version_is_all_of_the_line_behind_the_thing() -> None:
    assert versions("kubernetes v1.32.2\ncni-plugins CNI macvlan plugin v1.8.0\n\n") == {
        "kubernetes": "v1.32.2",
        "cni-plugins": "CNI macvlan plugin v1.8.0",
    }


def test_no_report_is_no_versions() -> None:
    assert versions("") == {}
