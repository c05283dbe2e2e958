"""The lab, layer by layer."""

import pulumi

from components.attachments import Attachments, AttachmentsArgs
from components.calico import Calico, CalicoArgs
from components.cni_plugins import CniPlugins, CniPluginsArgs
from components.config import load_settings
from components.dhcp import LeasesArgs, leased
from components.drift import find_drift
from components.haste import hurry
from components.kind_cluster import KindCluster, KindClusterArgs
from components.macvlan_networks import MacvlanNetworks, MacvlanNetworksArgs
from components.multus import Multus, MultusArgs
from components.network_joins import NetworkJoins, NetworkJoinsArgs
from components.node_annotations import NodeAnnotationsArgs, annotate_nodes
from components.peers import PeersArgs, peers_of, with_containers
from components.pods import Pods, PodsArgs
from components.readiness import Readiness, ReadinessArgs
from components.self_test import SelfTestArgs, prove
from components.whereabouts import WhereaboutsArgs, whereabouts_for
from components.workers import Workers, WorkersArgs
from components.workspace import find_workspace

hurry()

settings = load_settings()
workspace = find_workspace(settings)
drift = find_drift(
    workspace,
    (*settings.node_names, *settings.containers),
    annotated=settings.annotated_network is not None,
)

macvlans = MacvlanNetworks(
    "networks", MacvlanNetworksArgs(networks=settings.networks, workspace=workspace, drift=drift)
)
peers = peers_of(PeersArgs(settings=settings, workspace=workspace, macvlans=macvlans, drift=drift))
cluster = KindCluster("cluster", KindClusterArgs(settings=settings, workspace=workspace, drift=drift))
workers = Workers(
    "workers", WorkersArgs(settings=settings, workspace=workspace, cluster=cluster, macvlans=macvlans, drift=drift)
)
joins = NetworkJoins(
    "joins",
    NetworkJoinsArgs(networks=settings.networks, workspace=workspace, workers=workers, macvlans=macvlans, drift=drift),
)
annotate_nodes(
    "node-annotations",
    NodeAnnotationsArgs(
        network=settings.annotated_network,
        workspace=workspace,
        cluster=cluster,
        workers=workers,
        joins=joins,
        drift=drift,
    ),
)
calico = Calico("calico", CalicoArgs(settings=settings, workspace=workspace, cluster=cluster, workers=workers))
plugins = CniPlugins(
    "cni-plugins",
    CniPluginsArgs(archive=settings.cni_plugins, workspace=workspace, workers=workers, calico=calico, drift=drift),
)
multus = Multus(
    "multus", MultusArgs(settings=settings, workspace=workspace, cluster=cluster, workers=workers, drift=drift)
)
whereabouts = whereabouts_for(
    "whereabouts",
    WhereaboutsArgs(settings=settings.whereabouts, workspace=workspace, cluster=cluster, workers=workers, drift=drift),
)
leases = leased(
    "leases",
    LeasesArgs(
        settings=settings,
        workspace=workspace,
        macvlans=macvlans,
        workers=workers,
        plugins=plugins,
        drift=drift,
    ),
)
attachments = Attachments(
    "attachments",
    AttachmentsArgs(
        networks=settings.networks,
        cluster_subnets=settings.cluster_subnets,
        workspace=workspace,
        cluster=cluster,
        workers=workers,
        joins=joins,
        multus=multus,
        whereabouts=whereabouts,
        leases=leases.needed,
        drift=drift,
    ),
)
pods = Pods(
    "pods",
    PodsArgs(
        pods=settings.pods,
        cluster=cluster,
        workers=workers,
        workspace=workspace,
        plugins=plugins,
        multus=multus,
        attachments=attachments,
        drift=drift,
    ),
)
readiness = Readiness(
    "readiness",
    ReadinessArgs(
        workspace=workspace,
        workers=workers,
        calico=calico,
        multus=multus,
        whereabouts=whereabouts,
        servers=leases.servers,
        pods=pods,
        settings=settings,
    ),
)

pulumi.export("net1_address", pods.net1_address)
pulumi.export("attachments", pods.attachments)
pulumi.export("networks", with_containers(joins.networks, settings.networks, peers, leases.servers))
pulumi.export("cluster", readiness.cluster)
pulumi.export("versions", readiness.versions)

prove(
    "self-test",
    SelfTestArgs(
        settings=settings,
        workspace=workspace,
        workers=workers,
        pods=pods,
        readiness=readiness,
        peers=peers,
        joins=joins,
        leases=leases.needed,
        drift=drift,
    ),
)
