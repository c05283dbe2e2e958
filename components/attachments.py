"""The NetworkAttachmentDefinitions: one a network, by the network's name."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi

from components.kind_cluster import KindCluster
from components.macvlan_networks import MacvlanNetworks
from components.multus import Multus
from components.objects import KubernetesObject
from components.settings import NetworkSettings

CNI_VERSION = "0.3.1"


@dataclass(frozen=True, kw_only=True)
class AttachmentsArgs:
    networks: tuple[NetworkSettings, ...]
    cluster: KindCluster
    macvlans: MacvlanNetworks
    multus: Multus


class Attachments(pulumi.ComponentResource):
    def __init__(self, name: str, args: AttachmentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            "kalico:lab:Attachments", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts)
        )
        # The NAD's kind comes with Multus's manifest; its daemon need not run yet.
        kinds = [made for made in args.multus.objects if made.is_crd]
        for network in args.networks:
            KubernetesObject(
                f"{name}-{network.name}",
                {
                    "apiVersion": "k8s.cni.cncf.io/v1",
                    "kind": "NetworkAttachmentDefinition",
                    "metadata": {"name": network.name, "namespace": "default"},
                    "spec": {"config": args.macvlans.masters[network.name].apply(partial(nad_config, network))},
                },
                pulumi.ResourceOptions(parent=self, depends_on=kinds),
            )
        self.register_outputs({})


def nad_config(network: NetworkSettings, master: str) -> str:
    """The CNI config in a NAD, as JSON. `master`: the workers' interface on the network."""
    config: dict[str, Any] = {
        "cniVersion": CNI_VERSION,
        "name": network.name,
        "type": "macvlan",
        "master": master,
        "mode": network.mode.value,
        "ipam": network.ipam.config(network.subnet, network.gateway, network.routes),
    }
    return json.dumps(config)
