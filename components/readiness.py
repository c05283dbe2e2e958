"""The end of every `up`: all that the lab has is Ready, and what really runs is asked of it."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import scripts
from components.calico import Calico
from components.kind_cluster import KindCluster
from components.multus import Multus
from components.pods import Pods
from components.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ReadinessArgs:
    cluster: KindCluster
    workspace: Workspace
    calico: Calico
    multus: Multus
    pods: Pods


class Readiness(pulumi.ComponentResource):
    cluster: pulumi.Output[dict[str, Any]]
    versions: pulumi.Output[dict[str, str]]

    def __init__(self, name: str, args: ReadinessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Readiness", name, None, opts)
        report = scripts.run(
            f"{name}-report",
            create="wait-ready",
            environment=args.workspace.environment | {"WORKER": args.cluster.workers[0], "SECONDS_AT_MOST": "300"},
            triggers=[args.cluster.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.calico, args.multus, args.pods]),
        )
        self.cluster = report.stdout.apply(
            lambda lines: {
                "name": args.workspace.cluster_name,
                "engine": args.workspace.engine.name,
                "kubeconfig": str(args.workspace.kubeconfig),
                "nodes": nodes(lines),
            }
        )
        self.versions = report.stdout.apply(versions)
        self.register_outputs({"cluster": self.cluster, "versions": self.versions})


def nodes(report: str) -> list[dict[str, Any]]:
    """The `node` lines of the report: name, role, address, version."""
    fields = ("name", "role", "address", "version")
    return [
        dict(zip(fields, line.split()[1:], strict=True)) for line in report.splitlines() if line.startswith("node ")
    ]


def versions(report: str) -> dict[str, str]:
    """The `version` lines of the report, by thing."""
    lines = (line.split(" ", 2) for line in report.splitlines() if line.startswith("version "))
    return {thing: version for _, thing, version in lines}
