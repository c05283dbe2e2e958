"""Kubernetes documents as resources: their types, their names, and the order in which they need each other."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.objects import logical_name, stages, type_token


def document(kind: str, name: str = "x", version: str = "v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


@pytest.mark.parametrize(
    ("version", "kind", "token"),
    [
        ("v1", "Pod", "kubernetes:core/v1:Pod"),
        ("apps/v1", "DaemonSet", "kubernetes:apps/v1:DaemonSet"),
        (
            "k8s.cni.cncf.io/v1",
            "NetworkAttachmentDefinition",
            "kubernetes:k8s.cni.cncf.io/v1:NetworkAttachmentDefinition",
        ),
    ],
)
def test_a_documents_type_is_the_token_of_its_group_version_and_kind(version: str, kind: str, token: str) -> None:
    assert type_token(document(kind, version=version)) == token


def test_an_objects_logical_name_is_its_own_under_its_parents() -> None:
    assert logical_name("multus", document("Pod", "one")) == "multus-one"


def test_namespaces_come_first_and_what_runs_pods_last() -> None:
    kinds = ["Deployment", "Role", "Namespace", "DaemonSet", "CustomResourceDefinition"]
    assert [[each["kind"] for each in stage] for stage in stages(document(kind) for kind in kinds)] == [
        ["Namespace"],
        ["CustomResourceDefinition", "Role"],
        ["Deployment", "DaemonSet"],
    ]


@given(st.lists(st.sampled_from(["Namespace", "Deployment", "DaemonSet", "Role", "Service"])))
def test_every_document_is_in_one_stage(kinds: list[str]) -> None:
    staged = [each["kind"] for stage in stages(document(kind) for kind in kinds) for each in stage]
    assert sorted(staged) == sorted(kinds)
