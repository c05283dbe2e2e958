"""The kind cluster, its control plane without a default CNI, and the provider of everything in it."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_command.local as local
import pulumi_kubernetes as kubernetes
import yaml

from components import scripts
from components.config import ROOT
from components.drift import Drift
from components.settings import LabSettings
from components.settings.lab import POLICY_GATE
from components.workspace import Workspace

POLICY_API = "admissionregistration.k8s.io/v1alpha1"
"""As manifests/quick-readiness.yaml has it; the API server serves it when it is told to."""


@dataclass(frozen=True, kw_only=True)
class KindClusterArgs:
    settings: LabSettings
    workspace: Workspace
    drift: Drift


class KindCluster(pulumi.ComponentResource):
    """Up when its control plane runs and its API answers; the workers join it beside all that is then made in it."""

    made: local.Command
    id: pulumi.Output[str]
    """Born with the cluster: what is in it is made again when it changes."""
    running: local.Command
    """Its id is another after every start of the control plane. Prints NODE ROLE ADDRESS VERSION."""
    provider: kubernetes.Provider
    contents: pulumi.ResourceOptions
    """For what lives in the cluster: it goes with the cluster and is not deleted piece by piece."""

    def __init__(self, name: str, args: KindClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:KindCluster", name, None, opts)
        settings, workspace = args.settings, args.workspace
        config = yaml.safe_dump(kind_config(settings), sort_keys=False)
        self.made = scripts.run(
            f"{name}-kind",
            create="kind-create",
            delete="kind-delete",
            environment=workspace.environment | {"SUBNETS": f"{settings.pod_subnet} {settings.service_subnet}"},
            because=partial(args.drift.cluster, settings.node_names),
            lines=config.splitlines(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = self.made.stdout
        self.running = scripts.run(
            f"{name}-running",
            create="node-run",
            environment=workspace.environment | {"NODE": settings.control_plane, "SECONDS_AT_MOST": "120"},
            because=partial(args.drift.in_nodes, "node", [settings.control_plane]),
            triggers=[self.id],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.made]),
        )
        self.provider = kubernetes.Provider(
            f"{name}-kubernetes",
            kubeconfig=self.id.apply(lambda _: str(workspace.kubeconfig)),
            # Without it any change of the kubeconfig's text would replace everything in the cluster.
            cluster_identifier=self.id,
            # `refresh` drops from the state what was in a cluster that is gone, or stopped.
            delete_unreachable=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.running]),
        )
        self.contents = pulumi.ResourceOptions(provider=self.provider, deleted_with=self.made)
        self.register_outputs({"id": self.id})


def kind_config(settings: LabSettings) -> dict[str, Any]:
    """The config that `kind create cluster` reads. Of the control plane alone: what kind makes it never changes."""
    base: dict[str, Any] = yaml.safe_load((ROOT / "manifests/kind-cluster.yaml").read_text())
    config = base | {
        "nodes": [{"role": "control-plane", "image": settings.node_image}],
        "networking": base["networking"]
        | {"podSubnet": str(settings.pod_subnet), "serviceSubnet": str(settings.service_subnet)},
    }
    gates = dict(settings.feature_gates)
    if settings.quick_readiness:
        gates[POLICY_GATE] = True
        config["runtimeConfig"] = {POLICY_API: "true"}
    return config | {"featureGates": gates} if gates else config
