"""The pods on the networks, and where their interfaces are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components import scripts
from components.attachments import Attachments
from components.cni_plugins import CniPlugins
from components.kind_cluster import KindCluster
from components.objects import KubernetesObject, observe
from components.settings import PodSettings
from components.workspace import Workspace

POD = {"apiVersion": "v1", "kind": "Pod"}
NETWORKS = "k8s.v1.cni.cncf.io/networks"
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"


@dataclass(frozen=True, kw_only=True)
class PodsArgs:
    pods: tuple[PodSettings, ...]
    cluster: KindCluster
    workspace: Workspace
    plugins: CniPlugins
    attachments: Attachments


class Pods(pulumi.ComponentResource):
    """A pod is up when it is Ready and its network-status is there, and it has all the interfaces it asked for."""

    attachments: pulumi.Output[list[dict[str, Any]]]
    net1_address: pulumi.Output[str | None]
    ids: list[pulumi.Output[str]]

    def __init__(self, name: str, args: PodsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Pods", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts))
        gate = scripts.run(
            f"{name}-attachable",
            create="wait-attachable",
            environment=args.workspace.environment | {"SECONDS_AT_MOST": "300"},
            lines=args.cluster.workers,
            triggers=[args.cluster.id, args.plugins.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.plugins]),
        )
        made = [
            KubernetesObject(
                f"{name}-{pod.name}",
                pod_document(pod),
                pulumi.ResourceOptions(parent=self, depends_on=[gate, args.attachments], delete_before_replace=True),
            )
            for pod in args.pods
        ]
        self.ids = [pod.id for pod in made]
        # A pod whose node restarts gets another address without being another pod: asked anew each time.
        live = [
            observe(f"{name}-{pod.name}-live", POD, made_pod.id, pulumi.ResourceOptions(parent=self))
            for pod, made_pod in zip(args.pods, made, strict=True)
        ]
        self.attachments = pulumi.Output.all(
            *(pulumi.Output.all(pod.metadata, pod.spec).apply(lambda parts: attachments(*parts)) for pod in live)
        ).apply(lambda lists: [attachment for each in lists for attachment in each])
        self.net1_address = self.attachments.apply(net1_address)
        self.register_outputs({"attachments": self.attachments, "net1_address": self.net1_address})


def pod_document(pod: PodSettings) -> dict[str, Any]:
    annotations = {"pulumi.com/waitFor": json.dumps(["condition=Ready"])}
    if pod.networks:
        annotations = {
            NETWORKS: ",".join(pod.networks),
            # Ready alone would do without net1. (Brackets: this JSONPath knows no backslash.)
            "pulumi.com/waitFor": json.dumps(
                ["condition=Ready", f"jsonpath={{.metadata.annotations['{NETWORK_STATUS}']}}"]
            ),
        }
    container: dict[str, Any] = {"name": pod.name, "image": pod.image, "imagePullPolicy": "IfNotPresent"}
    if pod.command:
        container["command"] = list(pod.command)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": "default", "annotations": annotations},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
    }


def attachments(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What Multus says of a pod's further interfaces, as it stands in the pod's annotation.

    One mapping an interface: pod, node, network, interface, ips, mac. Raises ValueError where the pod asked for
    more networks than it got.
    """
    annotations = metadata.get("annotations") or {}
    status = json.loads(annotations.get(NETWORK_STATUS, "[]"))
    found = [
        {
            "pod": metadata["name"],
            "node": spec.get("nodeName", ""),
            "network": entry["name"].rsplit("/", 1)[-1],
            "interface": entry["interface"],
            "ips": entry.get("ips", []),
            "mac": entry.get("mac", ""),
        }
        for entry in status
        if not entry.get("default")
    ]
    wanted = [network for network in annotations.get(NETWORKS, "").split(",") if network]
    if len(found) < len(wanted):
        raise ValueError(
            f"pod {metadata['name']} asked for {', '.join(wanted)} and got {len(found)} interfaces: "
            f"kubectl describe pod {metadata['name']} shows what Multus did"
        )
    return found


def net1_address(attachments: list[dict[str, Any]]) -> str | None:
    """The address of the first net1, such as 10.23.0.100."""
    addresses = [each["ips"][0] for each in attachments if each["interface"] == "net1" and each["ips"]]
    return addresses[0] if addresses else None
