"""The CNI plugins on every node: kind's image has no macvlan, static, dhcp or bridge. And the lab's own, for routes."""

from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_command.local as local

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

    made: dict[str, local.Command]
    """By node; prints NODE and what its macvlan says that it is."""

    def __init__(self, name: str, args: CniPluginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:CniPlugins", name, None, opts)
        archive = upstream.fetch(args.archive, args.workspace.cache)
        values = {"ARCHIVE": str(archive), "ARCH": architecture(), "ROUTES_PLUGIN": scripts.script(ROUTES_PLUGIN)}
        self.made = {
            node.name: scripts.run(
                f"{name}-{node.name}",
                create="cni-plugins",
                environment=args.workspace.environment | {"NODE": node.name, **values},
                because=partial(args.drift.in_nodes, "plugins", [node.name]),
                triggers=[node.id],
                opts=pulumi.ResourceOptions(parent=self, depends_on=[args.calico.authority, node.running]),
            )
            for node in args.workers
        }
        self.register_outputs({})
