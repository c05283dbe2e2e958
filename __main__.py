"""The lab, layer by layer."""

import pulumi

from components.attachments import Attachments, AttachmentsArgs
from components.calico import Calico, CalicoArgs
from components.cni_plugins import CniPlugins, CniPluginsArgs
from components.config import load_settings
from components.kind_cluster import KindCluster, KindClusterArgs
from components.macvlan_networks import MacvlanNetworks, MacvlanNetworksArgs
from components.multus import Multus, MultusArgs
from components.pods import Pods, PodsArgs
from components.readiness import Readiness, ReadinessArgs
from components.workspace import find_workspace

settings = load_settings()
workspace = find_workspace(settings)

cluster = KindCluster("cluster", KindClusterArgs(settings=settings, workspace=workspace))
networks = MacvlanNetworks(
    "networks", MacvlanNetworksArgs(networks=settings.networks, workspace=workspace, cluster=cluster)
)
calico = Calico("calico", CalicoArgs(settings=settings, workspace=workspace, cluster=cluster))
plugins = CniPlugins(
    "cni-plugins", CniPluginsArgs(archive=settings.cni_plugins, workspace=workspace, cluster=cluster, calico=calico)
)
multus = Multus("multus", MultusArgs(settings=settings, workspace=workspace, cluster=cluster))
attachments = Attachments(
    "attachments",
    AttachmentsArgs(networks=settings.networks, cluster=cluster, macvlans=networks, multus=multus),
)
pods = Pods(
    "pods",
    PodsArgs(pods=settings.pods, cluster=cluster, workspace=workspace, plugins=plugins, attachments=attachments),
)
readiness = Readiness(
    "readiness",
    ReadinessArgs(
        workspace=workspace, cluster=cluster, calico=calico, multus=multus, pods=pods, sources=settings.sources
    ),
)

pulumi.export("net1_address", pods.net1_address)
pulumi.export("attachments", pods.attachments)
pulumi.export("cluster", readiness.cluster)
pulumi.export("versions", readiness.versions)
