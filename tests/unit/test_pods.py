"""A pod's document, and what Multus's annotation says of its interfaces."""

import asyncio
import copy
import json
from typing import Any

import pulumi
import pytest

from components.pods import (
    attachments,
    full_name,
    live_attachments,
    logical_name,
    net1_address,
    pod_document,
    untried_over,
)
from tests.lab_config import lab, network, pod

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"

SEEDS_STATUS = r"""[{
    "name": "k8s-pod-network",
    "ips": [
        "10.24.164.132"
    ],
    "default": true,
    "dns": {}
},{
    "name": "default/ext-net",
    "interface": "net1",
    "ips": [
        "10.23.0.101"
    ],
    "mac": "06:d3:55:b9:0f:9c",
    "dns": {},
    "gateway": [
        "\u003cnil\u003e"
    ]
}]"""
"""As `kubectl describe` shows it in the seed."""

SPEC = {"nodeName": "kalico-worker"}


def metadata(status: str | None = SEEDS_STATUS, networks: str = "ext-net") -> dict[str, Any]:
    annotations = {"cni.projectcalico.org/podIP": "10.24.164.132/32", NETWORKS: networks}
    return {"name": "samplepod", "annotations": annotations | ({STATUS: status} if status else {})}


def test_the_default_pod_is_the_seeds_awaited_until_it_is_attached() -> None:
    assert pod_document(lab().pods[0]) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "samplepod",
            "namespace": "default",
            "annotations": {
                "k8s.v1.cni.cncf.io/networks": "ext-net",
                "kalico/asked": "2df796c6902f",
                "pulumi.com/waitFor": '["condition=Ready", '
                "\"jsonpath={.metadata.annotations['k8s.v1.cni.cncf.io/network-status']}\"]",
                "kalico/content": "94befbe9e422",
            },
        },
        "spec": {
            "containers": [
                {
                    "name": "samplepod",
                    "image": "alpine",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/ash", "-c", "trap : TERM INT; sleep infinity & wait"],
                }
            ],
            "terminationGracePeriodSeconds": 5,
        },
    }


def test_a_pod_without_networks_waits_for_no_multus_and_without_a_command_has_the_images() -> None:
    document = pod_document(lab(pods=[{"name": "plain", "image": "nginx"}]).pods[0])
    assert document["metadata"]["annotations"]["pulumi.com/waitFor"] == '["condition=Ready"]'
    assert NETWORKS not in document["metadata"]["annotations"]
    assert document["spec"]["containers"] == [
        {"name": "plain", "image": "nginx", "imagePullPolicy": "IfNotPresent"},
    ]


def test_a_pod_asks_for_its_networks_in_their_order() -> None:
    networks = [{"name": name, "subnet": f"10.{i}.0.0/16", "ipam": {"rangeEnd": f"10.{i}.0.99"}} for i, name in NAMES]
    [two] = lab(networks=networks, pods=[{"name": "two", "networks": ["b", "a"]}]).pods
    assert pod_document(two)["metadata"]["annotations"][NETWORKS] == "b,a"


NAMES = [(40, "a"), (41, "b")]


def annotation(**changes: Any) -> str:
    [asked] = lab(pods=[{"name": "one"} | changes]).pods
    text: str = pod_document(asked)["metadata"]["annotations"][NETWORKS]
    return text


def test_a_fixed_address_or_mac_is_asked_for_in_the_form_that_has_a_place_for_it() -> None:
    fixed = {"name": "ext-net", "address": "10.23.0.150", "mac": "02:00:00:00:00:01"}
    assert json.loads(annotation(networks=["ext-net", fixed])) == [
        {"name": "ext-net", "namespace": "default"},
        {"name": "ext-net", "namespace": "default", "ips": ["10.23.0.150/16"], "mac": "02:00:00:00:00:01"},
    ]
    assert annotation(networks=[{"name": "ext-net"}]) == "ext-net"


def test_a_pod_of_another_namespace_names_that_of_the_network() -> None:
    assert json.loads(annotation(namespace="team", networks=["ext-net"])) == [
        {"name": "ext-net", "namespace": "default"}
    ]


def test_each_pod_of_a_count_has_its_own_document() -> None:
    [two] = lab(pods=[{"name": "one", "count": 2, "namespace": "team"}]).pods
    found = [pod_document(each)["metadata"] for each in two.each()]
    assert [(each["namespace"], each["name"]) for each in found] == [("team", "one-1"), ("team", "one-2")]


@pytest.mark.parametrize("change", [{"node": "worker"}, {"command": ["sleep", "1"]}, {"image": "nginx"}])
def test_a_pod_tells_by_a_digest_what_of_it_cannot_be_changed_in_place(change: dict[str, Any]) -> None:
    def content(**changes: Any) -> str:
        [asked] = lab(pods=[{"name": "one", "image": "alpine"} | changes]).pods
        said: str = pod_document(asked)["metadata"]["annotations"]["kalico/content"]
        return said

    assert content() == content(networks=["ext-net"]) != content(**change)


def previewed(live: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch, *, preview: bool = True) -> Any:
    """The digest that a preview shows beside that live pod."""
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: preview)
    return untried_over(live, pod_document(lab().pods[0]))["metadata"]["annotations"]["kalico/content"]


def test_the_preview_of_another_spec_is_not_tried_out_over_the_pod_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    same = pod_document(lab().pods[0])
    other = {"metadata": {"annotations": {"kalico/content": "another"}}}
    assert previewed(None, monkeypatch) == previewed(same, monkeypatch) == "94befbe9e422"
    without: dict[str, Any] = {"metadata": {}}
    for live in (other, without):
        assert previewed(live, monkeypatch) is pulumi.UNKNOWN
        assert previewed(live, monkeypatch, preview=False) == "94befbe9e422"


@pytest.mark.parametrize(
    ("changes", "nodes"),
    [({"node": "worker2"}, ["kalico-worker2"]), ({}, ["kalico-worker", "kalico-worker2"]), ({"networks": []}, None)],
    ids=["named", "joined", "any"],
)
def test_a_pod_is_kept_to_where_it_can_run(changes: dict[str, Any], nodes: list[str] | None) -> None:
    networks = [network(nodes=["worker", "worker2"])]
    [placed] = lab(workers=3, networks=networks, pods=[pod(**changes)]).pods
    affinity = pod_document(placed)["spec"].get("affinity")
    if nodes is None:
        assert affinity is None
        return
    required = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}]}
        ]
    }


def test_names_in_two_namespaces_are_told_apart() -> None:
    pods = [pod(name="b"), pod(name="b", namespace="a"), pod(name="a-b")]
    assert [logical_name(each) for each in lab(pods=pods).pods] == ["b", "a.b", "a-b"]


def test_the_seeds_annotation_is_one_attachment() -> None:
    assert attachments(metadata(), SPEC) == [
        {
            "pod": "samplepod",
            "node": "kalico-worker",
            "network": "ext-net",
            "interface": "net1",
            "ips": ["10.23.0.101"],
            "mac": "06:d3:55:b9:0f:9c",
        }
    ]


def test_every_interface_but_the_clusters_own_is_an_attachment() -> None:
    status = json.loads(SEEDS_STATUS)
    status.append(copy.deepcopy(status[1]) | {"name": "default/lan", "interface": "net2", "ips": ["10.40.0.7"]})
    found = attachments(metadata(json.dumps(status), "ext-net,lan"), SPEC)
    assert [(each["network"], each["interface"], each["ips"]) for each in found] == [
        ("ext-net", "net1", ["10.23.0.101"]),
        ("lan", "net2", ["10.40.0.7"]),
    ]


@pytest.mark.parametrize(
    "status", [None, "[]", json.dumps(json.loads(SEEDS_STATUS)[:1])], ids=["no status", "empty", "eth0 alone"]
)
def test_a_pod_with_fewer_interfaces_than_it_asked_for_is_named(status: str | None) -> None:
    with pytest.raises(ValueError, match="pod samplepod asked for ext-net and got 0 interfaces: kubectl describe pod"):
        attachments(metadata(status), SPEC)


@pytest.mark.parametrize("networks", ["ext-net,lan", '[{"name": "ext-net"}, {"name": "lan", "mac": "02:00"}]'])
def test_one_interface_of_two_is_not_enough(networks: str) -> None:
    with pytest.raises(ValueError, match="samplepod asked for ext-net, lan and got 1 interfaces"):
        attachments(metadata(networks=networks), SPEC)


def test_a_pod_of_another_namespace_is_named_with_it() -> None:
    team = metadata() | {"namespace": "team"}
    assert attachments(team, SPEC)[0]["pod"] == "team/samplepod"
    with pytest.raises(ValueError, match=r"pod team/samplepod asked .* describe pod samplepod --namespace team shows"):
        attachments(metadata(None) | {"namespace": "team"}, SPEC)


def test_a_pod_that_asked_for_nothing_has_nothing() -> None:
    assert attachments({"name": "plain", "annotations": None}, SPEC) == []
    assert attachments({"name": "plain"}, {}) == []


def test_the_address_is_that_of_the_first_net1() -> None:
    first, second = attachments(metadata(), SPEC) * 2
    assert net1_address([first, second | {"ips": ["10.23.0.102"]}]) == "10.23.0.101"
    assert net1_address([first | {"interface": "net2"}, second | {"ips": ["10.23.0.102"]}]) == "10.23.0.102"


def test_without_a_net1_or_an_address_on_it_there_is_none() -> None:
    [attachment] = attachments(metadata(), SPEC)
    assert net1_address([]) is None
    assert net1_address([attachment | {"ips": []}]) is None
    assert net1_address([attachment | {"interface": "net2"}]) is None


def test_a_pod_is_looked_for_by_its_namespace_and_name() -> None:
    pods = lab(pods=[pod(), pod(namespace="team")]).pods
    assert [full_name(each) for each in pods] == ["default/samplepod", "team/samplepod"]


def as_made(uid: str | None = "first", address: str = "10.23.0.101", node: str = "kalico-worker") -> dict[str, Any]:
    described = metadata(SEEDS_STATUS.replace("10.23.0.101", address)) | ({"uid": uid} if uid else {})
    return {"metadata": described, "spec": {"nodeName": node}}


def told(seen: dict[str, Any] | None, made: dict[str, Any]) -> tuple[str, str]:
    [found] = live_attachments(seen, [made["metadata"], made["spec"]])
    return found["ips"][0], found["node"]


def test_a_pod_is_told_of_as_it_was_seen_if_it_is_the_same() -> None:
    now = as_made(address="10.23.0.177", node="kalico-worker2")
    assert told(now, as_made()) == ("10.23.0.177", "kalico-worker2")
    assert told(now, as_made(uid="second")) == ("10.23.0.101", "kalico-worker")
    assert told(now, as_made(uid=None)) == ("10.23.0.101", "kalico-worker")
    assert told(None, as_made()) == ("10.23.0.101", "kalico-worker")


def test_a_preview_knows_what_a_pod_has_and_not_what_one_will_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    assert told(None, as_made()) == ("10.23.0.101", "kalico-worker")
    assert told(as_made(address="10.23.0.177"), as_made()) == ("10.23.0.177", "kalico-worker")

    async def known(asked_for: dict[str, Any]) -> bool:
        found = live_attachments(as_made(), [asked_for, {}])
        assert isinstance(found, pulumi.Output)
        return await found.is_known()

    assert asyncio.run(known(metadata(None))) is False
    assert live_attachments(None, [{"name": "plain"}, {}]) == []


def test_an_update_does_not_take_a_missing_status_for_one_to_come() -> None:
    with pytest.raises(ValueError, match="got 0 interfaces"):
        live_attachments(None, [metadata(None), SPEC])
