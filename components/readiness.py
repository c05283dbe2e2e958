"""The end of every `up`: all that the lab has is Ready, and what really runs is asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts
from components.calico import Calico
from components.multus import Multus
from components.pods import Pods
from components.settings import LabSettings
from components.settings.dhcp import server_name
from components.whereabouts import Whereabouts
from components.workers import Workers
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ReadinessArgs:
    workers: Workers
    workspace: Workspace
    calico: Calico
    multus: Multus
    whereabouts: Whereabouts | None
    servers: Mapping[str, local.Command]
    """By network, the lab's own DHCP servers."""
    pods: Pods
    settings: LabSettings


class Readiness(pulumi.ComponentResource):
    cluster: pulumi.Output[dict[str, Any]]
    versions: pulumi.Output[dict[str, str]]
    report: pulumi.Resource
    """Made when all is Ready."""

    def __init__(self, name: str, args: ReadinessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Readiness", name, None, opts)
        environment = args.workspace.environment | {"WORKER": args.workers.names[0], "SECONDS_AT_MOST": "300"}
        more: list[Whereabouts] = []
        if args.whereabouts:
            more.append(args.whereabouts)
            environment |= {"WHEREABOUTS": args.whereabouts.image}
        for network in list(args.servers)[:1]:  # all run one image
            environment |= {"SERVER": server_name(args.workspace.cluster_name, network)}
        report = scripts.run(
            f"{name}-report",
            create="wait-ready",
            environment=environment,
            # Asked again when anything that has a version is another. A pod is waited for by itself.
            triggers=[
                args.workers.started,
                args.multus.conf.id,
                args.multus.image,
                *(source.sha256 for source in args.settings.sources),
                *(each.files.id for each in more),
                *(server.id for server in args.servers.values()),
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.calico, args.multus, *more, *args.servers.values(), args.pods],
            ),
        )
        self.cluster = args.workers.told.apply(
            lambda told: (
                {
                    "name": args.workspace.cluster_name,
                    "engine": args.workspace.engine.name,
                    "kubeconfig": str(args.workspace.kubeconfig),
                    "nodes": nodes(told),
                }
                | ({"quickReadiness": True} if args.settings.quick_readiness else {})
            )
        )
        self.report = report
        self.versions = report.stdout.apply(versions)
        self.register_outputs({"cluster": self.cluster, "versions": self.versions})


def nodes(told: str) -> list[dict[str, str]]:
    """Each node's name, role (control-plane or worker), address on the cluster's network, and version."""
    return [dict(zip(("name", "role", "address", "version"), line.split(), strict=True)) for line in told.splitlines()]


def versions(report: str) -> dict[str, str]:
    """The lines of the report, `THING VERSION`, by thing."""
    return dict(line.split(" ", 1) for line in report.splitlines() if " " in line)
