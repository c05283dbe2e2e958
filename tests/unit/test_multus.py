"""Upstream's documents of Multus, pinned and with room to breathe."""

import copy
from typing import Any

import pytest

from components.multus import daemonset_documents

IMAGE = "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.3-thick"


def upstream() -> list[dict[str, Any]]:
    """The shape of multus-daemonset-thick.yml: a daemon with limits, an init container without."""
    return [
        {"kind": "ServiceAccount", "metadata": {"name": "multus"}},
        {
            "kind": "DaemonSet",
            "metadata": {"name": "kube-multus-ds"},
            "spec": {
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "name": "kube-multus",
                                "image": "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick",
                                "resources": {
                                    "requests": {"cpu": "100m", "memory": "50Mi"},
                                    "limits": {"cpu": "100m", "memory": "50Mi"},
                                },
                            }
                        ],
                        "initContainers": [
                            {
                                "name": "install-multus-binary",
                                "image": "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick",
                                "resources": {"requests": {"cpu": "10m", "memory": "15Mi"}},
                            }
                        ],
                    }
                }
            },
        },
    ]


def test_the_image_is_pinned_everywhere_and_the_daemon_is_not_starved() -> None:
    assert daemonset_documents(upstream(), IMAGE) == [
        {"kind": "ServiceAccount", "metadata": {"name": "multus"}},
        {
            "kind": "DaemonSet",
            "metadata": {"name": "kube-multus-ds"},
            "spec": {
                "template": {
                    "spec": {
                        "containers": [
                            {
                                "name": "kube-multus",
                                "image": IMAGE,
                                "resources": {
                                    "requests": {"cpu": "100m", "memory": "50Mi"},
                                    "limits": {"memory": "256Mi"},
                                },
                            }
                        ],
                        "initContainers": [
                            {
                                "name": "install-multus-binary",
                                "image": IMAGE,
                                "resources": {"requests": {"cpu": "10m", "memory": "15Mi"}},
                            }
                        ],
                    }
                }
            },
        },
    ]


def test_a_daemon_without_init_containers_is_fine() -> None:
    documents = upstream()
    del documents[1]["spec"]["template"]["spec"]["initContainers"]
    [_, daemonset] = daemonset_documents(documents, IMAGE)
    assert daemonset["spec"]["template"]["spec"].keys() == {"containers"}


def daemonset(*containers: dict[str, Any]) -> dict[str, Any]:
    """One of a user's own manifest."""
    return {
        "kind": "DaemonSet",
        "metadata": {"name": "own"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def made(*documents: dict[str, Any]) -> list[dict[str, Any]]:
    changed = daemonset_documents(list(documents), IMAGE)
    return [each for document in changed for each in document["spec"]["template"]["spec"]["containers"]]


@pytest.mark.parametrize("resources", [{}, {"resources": None}, {"resources": {}}])
def test_a_daemon_that_asks_for_no_resources_has_its_limits_too(resources: dict[str, Any]) -> None:
    [container] = made(daemonset({"image": "ghcr.io/k8snetworkplumbingwg/multus-cni:v4"} | resources))
    assert container == {"image": IMAGE, "resources": {"limits": {"memory": "256Mi"}}}


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick",
        "mirror.lab:5000/multus-cni",
        "mirror.lab:5000/k8snetworkplumbingwg/multus-cni:v4@sha256:8f4e",
        "mirror.lab/ghcr.io_k8snetworkplumbingwg_multus-cni:v4",
    ],
)
def test_a_container_of_anothers_image_stays_as_it_is(image: str) -> None:
    beside = {
        "name": "proxy",
        "image": "mirror.lab:5000/multus-cni-proxy:1",
        "resources": {"limits": {"memory": "1Gi"}},
    }
    alone: dict[str, Any] = {"name": "alone"}
    [daemon, *others] = made(daemonset({"name": "kube-multus", "image": image}, beside), daemonset(alone))
    assert daemon["image"] == IMAGE
    assert others == [beside, alone]


def test_where_no_image_is_known_to_be_the_projects_every_container_has_the_pinned_one() -> None:
    containers = made(daemonset({"image": "mirror.lab/cni:v4"}, {"image": "mirror.lab/cni:v4"}))
    assert [each["image"] for each in containers] == [IMAGE] * 2


def test_what_was_given_is_left_as_it_was() -> None:
    given = upstream()
    daemonset_documents(given, IMAGE)
    assert given == copy.deepcopy(upstream())
