"""Upstream's documents of whereabouts, pinned, with the reconciler's hours and rights changed."""

import copy
from typing import Any

from components.whereabouts import FILES, SCHEDULE, daemon_documents

IMAGE = "ghcr.io/k8snetworkplumbingwg/whereabouts:v0.8.0"
SCHEDULED = {"kind": "ConfigMap", "metadata": {"name": "whereabouts-config"}, "data": {"cron-expression": "30 4 * * *"}}
DAEMON: dict[str, Any] = {
    "kind": "DaemonSet",
    "metadata": {"name": "whereabouts"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "whereabouts",
                        "image": "ghcr.io/k8snetworkplumbingwg/whereabouts:latest",
                        "resources": {"limits": {"cpu": "100m", "memory": "200Mi"}},
                    }
                ]
            }
        }
    },
}


def test_the_daemon_runs_the_pinned_image_and_has_no_tenth_of_a_core_alone() -> None:
    [changed] = daemon_documents([DAEMON], IMAGE)
    [container] = changed["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["resources"]["limits"].keys() == {"memory"}


def test_the_reconciler_does_not_wait_for_the_night() -> None:
    [changed] = daemon_documents([SCHEDULED], IMAGE)
    assert changed == SCHEDULED | {"data": {"cron-expression": SCHEDULE}}
    minutes, *others = SCHEDULE.split(" ")
    assert int(minutes.removeprefix("*/")) <= 5
    assert others == ["*"] * 4


def test_the_reconciler_may_look_again_at_a_pod_that_is_just_starting() -> None:
    pools = {"apiGroups": ["whereabouts.cni.cncf.io"], "resources": ["ippools"], "verbs": ["list"]}
    role = {
        "kind": "ClusterRole",
        "metadata": {"name": "whereabouts-cni"},
        "rules": [pools, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}],
    }
    [changed] = daemon_documents([role], IMAGE)
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    assert changed == role | {"rules": [pools, pods]}


def test_a_manifest_of_the_users_may_have_what_upstreams_has_not() -> None:
    health = {"nonResourceURLs": ["/healthz"], "verbs": ["get"]}
    role = {"kind": "ClusterRole", "metadata": {"name": "own"}, "rules": [health]}
    aggregated = {"kind": "ClusterRole", "metadata": {"name": "all"}, "rules": None}
    certificate = {"kind": "ConfigMap", "metadata": {"name": "own"}, "binaryData": {"ca": "AA=="}}
    assert daemon_documents([role, aggregated, certificate], IMAGE) == [role, aggregated, certificate]


def test_a_container_of_anothers_image_stays_as_it_is() -> None:
    documents = copy.deepcopy([DAEMON])
    containers = documents[0]["spec"]["template"]["spec"]["containers"]
    containers += [{"name": "multus", "image": "mirror.lab/multus-cni:v4"}]
    containers[0]["image"] = "mirror.lab:5000/whereabouts:v0.8.0"
    [changed] = daemon_documents(documents, IMAGE)
    [daemon, other] = changed["spec"]["template"]["spec"]["containers"]
    assert daemon["image"] == IMAGE
    assert other == containers[1]


def test_what_was_given_is_left_as_it_was() -> None:
    given = copy.deepcopy([DAEMON, SCHEDULED])
    daemon_documents(given, IMAGE)
    assert given == [DAEMON, SCHEDULED]


def test_the_plugin_itself_is_waited_for_last_since_it_comes_last() -> None:
    assert FILES[-1] == "/opt/cni/bin/whereabouts"
