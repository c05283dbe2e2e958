"""The CNI plugins on every node: kind's image has no macvlan, static, dhcp or bridge."""

from dataclasses import dataclass

import pulumi

from components import scripts, upstream
from components.config import architecture
from components.kind_cluster import KindCluster
from components.settings import Source
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CniPluginsArgs:
    archive: Source
    workspace: Workspace
    cluster: KindCluster


class CniPlugins(pulumi.ComponentResource):
    def __init__(self, name: str, args: CniPluginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:CniPlugins", name, None, opts)
        archive = upstream.fetch(args.archive, args.workspace.cache)
        command = scripts.run(
            f"{name}-nodes",
            create="cni-plugins",
            environment=args.workspace.environment | {"ARCHIVE": str(archive), "ARCH": architecture()},
            lines=args.cluster.nodes,
            triggers=[args.cluster.id, args.archive.sha256],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"nodes": command.stdout})
