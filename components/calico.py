"""Calico, the cluster's own network (eth0 of every pod), by its operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

from components import scripts, upstream
from components.config import ROOT
from components.kind_cluster import KindCluster
from components.objects import KubernetesObject, logical_name, register
from components.settings import LabSettings
from components.workers import Workers
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CalicoArgs:
    settings: LabSettings
    workspace: Workspace
    cluster: KindCluster
    workers: Workers


class Calico(pulumi.ComponentResource):
    """Up when the operator calls its Installation Ready. Who only needs the CNI conf does not wait for that."""

    authority: pulumi.Resource
    """Made just before the operator."""

    def __init__(self, name: str, args: CalicoArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Calico", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts))
        documents = upstream.documents(args.settings.calico_manifest, args.workspace.cache)
        quick = [
            KubernetesObject(logical_name(name, policy), policy, pulumi.ResourceOptions(parent=self))
            for policy in quick_readiness(args.settings)
        ]
        objects, operator = register(
            self, name, documents, lambda namespaces: [self._authority(name, args, namespaces)], needed_by_operator
        )
        scripts.run(
            f"{name}-look",
            create="calico-look",
            environment=args.workspace.environment | {"SECONDS_AT_MOST": "300"},
            triggers=[args.workers.started],
            opts=pulumi.ResourceOptions(parent=self, depends_on=operator),
        )
        document = installation(args.settings)
        KubernetesObject(
            logical_name(name, document),
            document,
            pulumi.ResourceOptions(parent=self, depends_on=[*objects, *operator, *quick]),
        )
        self.register_outputs({})

    def _authority(self, name: str, args: CalicoArgs, namespaces: list[KubernetesObject]) -> pulumi.Resource:
        """The CA of Calico's own certificates. Left alone, the operator often makes two and rolls all out twice."""
        self.authority = scripts.run(
            f"{name}-authority",
            create="calico-authority",
            environment=args.workspace.environment,
            triggers=[args.cluster.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=namespaces),
        )
        return self.authority


WATCHED = ("bgpconfigurations", "felixconfigurations", "ippools", "kubecontrollersconfigurations")
"""The kinds of Calico that the operator (v1.36) watches; where one is not there yet it looks again 10 s later."""


def needed_by_operator(document: Mapping[str, Any]) -> bool:
    """Its own kinds, its rights and what it watches. The other kinds of Calico may follow while its pod starts."""
    name, _, group = str(document["metadata"]["name"]).partition(".")
    return document["kind"] != upstream.CRD or group == "operator.tigera.io" or name in WATCHED


def quick_readiness(settings: LabSettings) -> list[dict[str, Any]]:
    """The policy by which Calico's pods are probed at shorter intervals, where that is wanted."""
    if not settings.quick_readiness:
        return []
    return list(yaml.safe_load_all((ROOT / "manifests/quick-readiness.yaml").read_text()))


def installation(settings: LabSettings) -> dict[str, Any]:
    """The Installation with the lab's pod subnet, awaited until it is Ready."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "manifests/calico-installation.yaml").read_text())
    document["metadata"]["annotations"] = {"pulumi.com/waitFor": "condition=Ready"}
    document["spec"]["calicoNetwork"]["ipPools"][0]["cidr"] = str(settings.pod_subnet)
    return document
