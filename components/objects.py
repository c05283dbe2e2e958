"""Kubernetes objects as Pulumi resources: any kind, each a resource of its own.

pulumi-kubernetes has a class for each built-in kind, and for YAML files a resource that shows no children
until the cluster exists. Registering each document by its own type token shows all of them in the first preview.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pulumi

from components.annotations import BECAUSE
from components.upstream import CRD

WORKLOADS = ("Deployment", "DaemonSet")


class KubernetesObject(pulumi.CustomResource):
    """One object; `metadata`, `spec` and `status` are outputs as the API server holds them."""

    metadata: pulumi.Output[dict[str, Any]]
    spec: pulumi.Output[dict[str, Any]]
    status: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, document: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        # All of it is the lab's, whoever wrote to it last: another's edit, or the lab before `refresh` forgot it.
        force = {"pulumi.com/patchForce": "true"}
        metadata = document["metadata"] | {"annotations": document["metadata"].get("annotations", {}) | force}
        super().__init__(type_token(document), name, {**document, "metadata": metadata}, opts)
        self.is_crd = document["kind"] == CRD


def repairable(document: Mapping[str, Any], because: str | None) -> tuple[dict[str, Any], pulumi.ResourceOptions]:
    """The document with its reason (see `drift`), and the options with which another reason replaces the object.

    None: nobody can tell the reason now; it stays what it was.
    """
    metadata = document["metadata"]
    if because:
        metadata = metadata | {"annotations": {**metadata.get("annotations", {}), BECAUSE: because}}
    opts = pulumi.ResourceOptions(
        delete_before_replace=True,
        replace_on_changes=["metadata.annotations", "spec"],
        ignore_changes=[f'metadata.annotations["{BECAUSE}"]'] if because is None else None,
    )
    return {**document, "metadata": metadata}, opts


def type_token(document: Mapping[str, Any]) -> str:
    """The token of pulumi-kubernetes for the document's kind: kubernetes:apps/v1:Deployment."""
    version = document["apiVersion"]
    return f"kubernetes:{version if '/' in version else 'core/' + version}:{document['kind']}"


def logical_name(parent: str, document: Mapping[str, Any], among: Sequence[Mapping[str, Any]] = ()) -> str:
    """Unique with the type, which is part of every URN: with its namespace where one `among` these documents has its
    type and name in another."""
    kind, name, namespace = type_token(document), document["metadata"]["name"], document["metadata"].get("namespace")
    namesakes = [each for each in among if each["metadata"]["name"] == name and type_token(each) == kind]
    # No object's name has a slash.
    return f"{parent}-{namespace}/{name}" if namespace and len(namesakes) > 1 else f"{parent}-{name}"


def register(
    parent: pulumi.ComponentResource,
    name: str,
    documents: Sequence[Mapping[str, Any]],
    before_workloads: Callable[[list[KubernetesObject]], Sequence[pulumi.Resource]] | None = None,
    needs: Callable[[Mapping[str, Any]], bool] = bool,
) -> tuple[list[KubernetesObject], list[KubernetesObject]]:
    """Every document as a child of `parent`; what does not run pods, and what does.

    Namespaces first with all that lies in none, what runs pods last, the rest in between. `before_workloads` makes
    more, after the namespaces and before what runs pods; that waits only for what it `needs`.
    """
    namespaces, others, workloads = stages(documents)
    needed = [document for document in others if needs(document)]

    def made(document: Mapping[str, Any], after: Sequence[pulumi.Resource]) -> KubernetesObject:
        opts = pulumi.ResourceOptions(parent=parent, depends_on=list(after))
        return KubernetesObject(logical_name(name, document, documents), document, opts)

    # The CRDs before the namespaces: registering one of them takes longer than all else.
    alone = {id(document): made(document, []) for document in needed if "namespace" not in document["metadata"]}
    first = [made(document, []) for document in namespaces]
    extra = before_workloads(first) if before_workloads else []
    second = [alone.get(id(document)) or made(document, first) for document in needed]
    # Behind all that, since each CRD has the provider and the API read all kinds anew.
    rest = [made(document, [*first, *extra]) for document in others if not needs(document)]
    return [*first, *second, *rest], [made(document, [*first, *second, *extra]) for document in workloads]


def stages(documents: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], ...]:
    """The documents in the order in which they need each other: namespaces, the rest, what runs pods."""
    ordered: tuple[list[Mapping[str, Any]], ...] = ([], [], [])
    # The largest first: one CRD takes as long to compare as all others, and what runs pods waits for it.
    for document in sorted(documents, key=lambda document: -len(repr(document))):
        stage = 0 if document["kind"] == "Namespace" else 2 if document["kind"] in WORKLOADS else 1
        ordered[stage].append(document)
    return ordered
