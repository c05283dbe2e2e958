"""Upstream's documents of Multus, pinned and with room to breathe."""

import copy
from typing import Any

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


def test_what_was_given_is_left_as_it_was() -> None:
    given = upstream()
    daemonset_documents(given, IMAGE)
    assert given == copy.deepcopy(upstream())
