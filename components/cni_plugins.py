"""The CNI plugins on every node: kind's image has no macvlan, static, dhcp or bridge. And the lab's own, for routes."""

from dataclasses import dataclass
from functools import partial

import pulumi

from components import scripts, upstream
from components.calico import Calico
from components.config import architecture
from components.drift import Drift
from components.settings import Source
from components.workers import Workers
from components.workspace import Workspace

ROUTES_PLUGIN = "kalico-routes"


@dataclass(frozen=True, kw_only=True)
class CniPluginsArgs:
    archive: Source
    workspace: Workspace
    workers: Workers
    calico: Calico
    drift: Drift


class CniPlugins(pulumi.ComponentResource):
    """Unpacked beside Calico's operator: earlier it would keep the operator waiting, on a small machine."""

    id: pulumi.Output[str]

    def __init__(self, name: str, args: CniPluginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:CniPlugins", name, None, opts)
        archive = upstream.fetch(args.archive, args.workspace.cache)
        command = scripts.run(
            f"{name}-nodes",
            create="cni-plugins",
            environment=args.workspace.environment
            | {"ARCHIVE": str(archive), "ARCH": architecture(), "ROUTES_PLUGIN": scripts.script(ROUTES_PLUGIN)},
            because=partial(args.drift.in_nodes, "plugins", args.workers.nodes),
            lines=args.workers.nodes,
            triggers=[args.workers.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.calico.authority, args.workers.running]),
        )
        self.id = command.id
        self.register_outputs({"nodes": command.stdout})
