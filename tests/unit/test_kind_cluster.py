"""The config that kind reads, and the names that kind gives."""

from components.calico import quick_readiness
from components.kind_cluster import kind_config
from components.settings.names import worker_names
from tests.lab_config import lab

IMAGE = "kindest/node:v1.32.2@sha256:f226345927d7e348497136874b6d207e0b32cc52154ad8323129352923a3142f"


def test_the_default_cluster_is_the_seeds_control_plane_with_its_image_and_subnets_named() -> None:
    assert kind_config(lab()) == {
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kind": "Cluster",
        "networking": {
            "disableDefaultCNI": True,
            "podSubnet": "10.24.0.0/16",
            "serviceSubnet": "10.96.0.0/16",
        },
        "nodes": [{"role": "control-plane", "image": IMAGE}],
    }


def test_gates_and_the_image_are_the_configs_and_workers_none_of_kinds_affairs() -> None:
    config = kind_config(
        lab(
            featureGates={"KubeletInUserNamespace": True, "Another": False},
            nodeImage="localhost/node:1",
            workers=3,
            networks=[],
            pods=[],
        )
    )
    assert config["featureGates"] == {"KubeletInUserNamespace": True, "Another": False}
    assert config["nodes"] == [{"role": "control-plane", "image": "localhost/node:1"}]


def test_quick_readiness_has_the_alpha_api_of_its_policy_served() -> None:
    config = kind_config(lab(quickReadiness=True, featureGates={"Another": False}))
    assert config["featureGates"] == {"Another": False, "MutatingAdmissionPolicy": True}
    assert config["runtimeConfig"] == {"admissionregistration.k8s.io/v1alpha1": "true"}
    served = set(config["runtimeConfig"])
    assert {policy["apiVersion"] for policy in quick_readiness(lab(quickReadiness=True))} == served
    assert quick_readiness(lab()) == []


def test_workers_are_called_as_kind_calls_them() -> None:
    assert worker_names("kalico", 1) == ("kalico-worker",)
    assert worker_names("lab", 3) == ("lab-worker", "lab-worker2", "lab-worker3")
