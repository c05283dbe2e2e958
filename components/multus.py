"""Multus, the thick plugin: it calls Calico for eth0 and the networks' plugin for net1 and on."""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_command.local as local

from components import scripts, upstream
from components.drift import Drift
from components.kind_cluster import KindCluster
from components.objects import KubernetesObject, register
from components.settings import LabSettings
from components.workers import Workers
from components.workspace import Workspace

PROJECT = "multus-cni"
"""How the repository of its image ends, upstream's and a mirror's."""

CONF = "/etc/cni/net.d/00-multus.conf"
"""What its daemon writes on each node, and removes when it ends."""

LIMITS = {"memory": "256Mi"}
"""Upstream's 50Mi gets the daemon killed, and its tenth of a core slows every pod's start."""


@dataclass(frozen=True, kw_only=True)
class MultusArgs:
    settings: LabSettings
    workspace: Workspace
    cluster: KindCluster
    workers: Workers
    drift: Drift


class Multus(pulumi.ComponentResource):
    """Up when its daemon runs on every node and its conf is there; pods wait for more (see `pods`)."""

    objects: list[KubernetesObject]
    image: str
    conf: local.Command
    """Its conf is on every node."""

    def __init__(self, name: str, args: MultusArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("kalico:lab:Multus", name, None, pulumi.ResourceOptions.merge(args.cluster.contents, opts))
        documents = upstream.documents(args.settings.multus_manifest, args.workspace.cache)
        objects, daemon = register(self, name, daemonset_documents(documents, args.settings.multus_image))
        self.objects, self.image = [*objects, *daemon], args.settings.multus_image
        self.conf = scripts.run(
            f"{name}-conf",
            create="daemon-files",
            environment=args.workspace.environment
            | {"DAEMON": "multus", "FILES": CONF, "KEPT": CONF, "SECONDS_AT_MOST": "300"}
            | {"NODES": " ".join(args.workers.nodes)},
            because=partial(args.drift.in_nodes, "multus", list(args.workers.nodes)),
            triggers=[args.workers.id],
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*args.workers.running, *self.objects], deleted_with=args.cluster.made
            ),
        )
        self.register_outputs({})


def daemonset_documents(documents: list[dict[str, Any]], image: str, project: str = PROJECT) -> list[dict[str, Any]]:
    """Upstream's documents with the image pinned (they ask for a snapshot even at a release) and LIMITS.

    A container of another image than the `project`'s is somebody else's and stays as it is; where no image is known to
    be the project's, all are taken for it.
    """
    changed = copy.deepcopy(documents)
    pods = [document["spec"]["template"]["spec"] for document in changed if document["kind"] == "DaemonSet"]
    daemons = [container for pod in pods for container in pod["containers"]]
    containers = [*daemons, *(container for pod in pods for container in pod.get("initContainers") or [])]
    own = [each for each in containers if name_of(each.get("image") or "").endswith(project)] or containers
    for container in own:
        container["image"] = image
    for container in daemons:
        if container in own:
            container["resources"] = (container.get("resources") or {}) | {"limits": LIMITS}
    return changed


def name_of(image: str) -> str:
    """The last part of its repository: `multus-cni` of `mirror:5000/k8s/multus-cni:v4@sha256:...`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
