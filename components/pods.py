"""The pods on the networks, and where their interfaces are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi

from components import scripts
from components.annotations import (
    ASKED,
    CONTENT,
    NAMESPACE,
    NETWORK_STATUS,
    NETWORKS,
    annotations_of,
    asked_for,
    digest,
    given,
)
from components.attachments import Attachments
from components.cni_plugins import CniPlugins
from components.drift import Drift
from components.kind_cluster import KindCluster
from components.multus import Multus
from components.objects import KubernetesObject, repairable
from components.settings import AttachmentSettings, PodSettings
from components.workers import Workers
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class PodsArgs:
    pods: tuple[PodSettings, ...]
    cluster: KindCluster
    workers: Workers
    workspace: Workspace
    plugins: CniPlugins
    multus: Multus
    attachments: Attachments
    drift: Drift


class Pods(pulumi.ComponentResource):
    """A pod is up when it is Ready and its network-status is there, and it has all the interfaces it asked for."""

    attachments: pulumi.Output[list[dict[str, Any]]]
    net1_address: pulumi.Output[str | None]
    uids: list[pulumi.Output[str | None]]
    """Of each pod, another when the pod is."""

    def __init__(self, name: str, args: PodsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Pods", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts))
        gate = scripts.run(
            f"{name}-attachable",
            create="wait-attachable",
            environment=args.workspace.environment | {"SECONDS_AT_MOST": "300"},
            lines=list(args.workers.nodes),
            triggers=[
                args.workers.started,
                *(each.id for each in args.plugins.made.values()),
                args.multus.conf.id,
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.plugins.made.values())),
        )
        pods = [each for pod in args.pods for each in pod.each()]
        namespaces = {
            namespace: KubernetesObject(
                f"{name}-{namespace}", namespace_document(namespace), pulumi.ResourceOptions(parent=self)
            )
            for namespace in dict.fromkeys(pod.namespace for pod in pods if pod.namespace != NAMESPACE)
        }
        live = args.drift.live_pods
        made = [self._pod(name, pod, [gate, *filter(None, [namespaces.get(pod.namespace)])], args) for pod in pods]
        # In a preview the id says whether it will be another; afterwards it is the name.
        self.uids = [pulumi.Output.all(pod.id, pod.metadata).apply(lambda told: uid(told[1])) for pod in made]
        # A pod whose node restarts gets another address without being another pod: as it was seen, if it is the same.
        self.attachments = pulumi.Output.all(
            *(
                pulumi.Output.all(pod.metadata, pod.spec).apply(partial(live_attachments, live.get(each)))
                for each, pod in zip(map(full_name, pods), made, strict=True)
            )
        ).apply(lambda lists: [attachment for each in lists for attachment in each])
        self.net1_address = self.attachments.apply(net1_address)
        self.register_outputs({"attachments": self.attachments, "net1_address": self.net1_address})

    def _pod(self, name: str, pod: PodSettings, after: list[pulumi.Resource], args: PodsArgs) -> KubernetesObject:
        nads: list[pulumi.Resource] = [
            args.attachments.nads[network] for network in dict.fromkeys(each.network for each in pod.networks)
        ]
        document = untried_over(args.drift.live_pods.get(full_name(pod)), pod_document(pod))
        document, again = repairable(document, args.drift.pod(pod.namespace, pod.name, list(args.workers.nodes)))
        # A network that becomes another is attached only to a pod that does; and a worker takes its pods along.
        workers = [args.workers.nodes[worker].made for worker in pod.nodes or args.workers.names]
        opts = pulumi.ResourceOptions(parent=self, depends_on=[*after, *nads], replace_with=[*nads, *workers])
        return KubernetesObject(f"{name}-{logical_name(pod)}", document, pulumi.ResourceOptions.merge(again, opts))


def logical_name(pod: PodSettings) -> str:
    """Unique among the pods: neither half can have a dot."""
    return pod.name if pod.namespace == NAMESPACE else f"{pod.namespace}.{pod.name}"


def namespace_document(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pod_document(pod: PodSettings) -> dict[str, Any]:
    """The manifest of one pod (of a `count`, each has its own)."""
    annotations = {"pulumi.com/waitFor": json.dumps(["condition=Ready"])}
    if pod.networks:
        annotations = {
            NETWORKS: networks_annotation(pod),
            ASKED: digest(networks_annotation(pod)),
            # Ready alone would do without net1. (Brackets: this JSONPath knows no backslash.)
            "pulumi.com/waitFor": json.dumps(
                ["condition=Ready", f"jsonpath={{.metadata.annotations['{NETWORK_STATUS}']}}"]
            ),
        }
    container: dict[str, Any] = {"name": pod.name, "image": pod.image, "imagePullPolicy": "IfNotPresent"}
    if pod.command:
        container["command"] = list(pod.command)
    spec = {"containers": [container], "terminationGracePeriodSeconds": 5} | placement(pod.nodes)
    annotations[CONTENT] = digest(json.dumps(spec))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "annotations": annotations},
        "spec": spec,
    }


def untried_over(live: Mapping[str, Any] | None, document: dict[str, Any]) -> dict[str, Any]:
    """The document as it may be previewed while the pod `live` runs.

    The provider tries a replacement out on the pod that it will delete first, and the API refuses another spec there.
    What it does not know yet it does not try.
    """
    annotations = document["metadata"]["annotations"]
    if not pulumi.runtime.is_dry_run() or not live:
        return document
    if annotations_of(live["metadata"]).get(CONTENT) == annotations[CONTENT]:
        return document
    unknown = annotations | {CONTENT: pulumi.UNKNOWN}
    return document | {"metadata": document["metadata"] | {"annotations": unknown}}


def networks_annotation(pod: PodSettings) -> str:
    """What Multus reads: names where they say it all, else a list of mappings as JSON."""
    if pod.namespace == NAMESPACE and not any(each.addresses or each.mac for each in pod.networks):
        return ",".join(each.network for each in pod.networks)
    return json.dumps(
        [
            {"name": each.network, "namespace": NAMESPACE}
            | asked_addresses(each)
            | ({"mac": each.mac} if each.mac else {})
            for each in pod.networks
        ]
    )


def asked_addresses(attachment: AttachmentSettings) -> dict[str, Any]:
    """The part of an attachment's mapping that asks for its addresses.

    `ips` reaches a plugin as a capability and in CNI_ARGS, from which host-local can read one address alone: it then
    takes two from the `args` of its config.
    """
    addresses = [str(address) for address in attachment.addresses]
    if not addresses:
        return {}
    if len(addresses) == 1 or attachment.by_capability:
        return {"ips": addresses}
    return {"cni-args": {"ips": addresses}}


def placement(nodes: Sequence[str]) -> dict[str, Any]:
    """What keeps a pod to these nodes; nothing where there are none."""
    if not nodes:
        return {}
    wanted = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def uid(metadata: Mapping[str, Any]) -> str | None:
    found: str | None = metadata.get("uid")
    return found


def full_name(pod: PodSettings) -> str:
    return f"{pod.namespace}/{pod.name}"


def live_attachments(seen: Mapping[str, Any] | None, made: list[Mapping[str, Any]]) -> Any:
    """The attachments of a pod, `made` being its metadata and spec; as it was `seen` now, if that is the same pod."""
    metadata, spec = made
    if seen and seen["metadata"]["uid"] == metadata.get("uid"):
        metadata, spec = seen["metadata"], seen["spec"]
    if pulumi.runtime.is_dry_run() and len(given(metadata)) < len(asked_for(metadata)):
        return pulumi.Output.from_input(pulumi.UNKNOWN)  # of a pod that is yet to be made
    return attachments(metadata, spec)


def attachments(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What Multus says of a pod's further interfaces, as it stands in the pod's annotation.

    One mapping an interface: pod (NAMESPACE/NAME outside of `default`), node, network, interface, ips, mac. Raises
    ValueError where the pod asked for more networks than it got.
    """
    namespace = metadata.get("namespace", NAMESPACE)
    pod = metadata["name"] if namespace == NAMESPACE else f"{namespace}/{metadata['name']}"
    found = [
        {
            "pod": pod,
            "node": spec.get("nodeName", ""),
            "network": entry["name"].rsplit("/", 1)[-1],
            "interface": entry["interface"],
            "ips": entry.get("ips", []),
            "mac": entry.get("mac", ""),
        }
        for entry in given(metadata)
    ]
    wanted = asked_for(metadata)
    if len(found) < len(wanted):
        raise ValueError(
            f"pod {pod} asked for {', '.join(wanted)} and got {len(found)} interfaces: "
            f"kubectl describe pod {metadata['name']} --namespace {namespace} shows what Multus did"
        )
    return found


def net1_address(attachments: list[dict[str, Any]]) -> str | None:
    """The address of the first net1, such as 10.23.0.100; of IPv4 where it has both."""
    ips: list[str] = next((each["ips"] for each in attachments if each["interface"] == "net1" and each["ips"]), [])
    return next((ip for ip in ips if ":" not in ip), ips[0] if ips else None)
