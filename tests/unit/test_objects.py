"""Kubernetes documents as resources: types, names, the order in which they need each other, why they are made."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.objects import logical_name, repairable, stages, type_token


def document(kind: str, name: str = "x", version: str = "v1", **metadata: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name} | metadata}


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


def test_namesakes_of_two_namespaces_have_these_in_their_logical_names_and_nobody_else_has() -> None:
    there = document("Role", "one", "rbac/v1", namespace="there")
    here = document("Role", "one", "rbac/v1", namespace="here")
    by_default = document("Role", "one", "rbac/v1")
    other = document("Role", "two", "rbac/v1", namespace="here")
    account = document("ServiceAccount", "one", namespace="here")
    among = [there, here, by_default, other, account]
    names = [logical_name("multus", each, among) for each in among]
    assert names == ["multus-there/one", "multus-here/one", "multus-one", "multus-two", "multus-one"]


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


NAMED = {"name": "one", "annotations": {"a": "b"}}


def test_an_objects_reason_is_an_annotation_beside_its_own() -> None:
    given = document("Pod") | {"metadata": NAMED}
    made, _ = repairable(given, "2025-11-25T04:00:00Z it has failed")
    reason = {"kalico/because": "2025-11-25T04:00:00Z it has failed"}
    assert made == given | {"metadata": {"name": "one", "annotations": {"a": "b"} | reason}}
    assert given["metadata"] == {"name": "one", "annotations": {"a": "b"}}
    assert repairable(document("Pod"), "again")[0]["metadata"]["annotations"] == {"kalico/because": "again"}


@pytest.mark.parametrize("because", ["", None], ids=["first", "unknown"])
def test_without_a_reason_an_object_is_just_its_document(because: str | None) -> None:
    made, _ = repairable(document("Pod") | {"metadata": NAMED}, because)
    assert made == document("Pod") | {"metadata": NAMED}


@pytest.mark.parametrize("because", ["", "again", None])
def test_a_reason_that_nobody_can_tell_stays_what_it_was(because: str | None) -> None:
    _, opts = repairable(document("Pod"), because)
    ignored = ['metadata.annotations["kalico/because"]'] if because is None else None
    assert opts.ignore_changes == ignored


@pytest.mark.parametrize("because", ["", "again", None])
def test_another_reason_or_spec_replaces_the_object_whose_name_is_free_first(because: str | None) -> None:
    _, opts = repairable(document("Pod"), because)
    assert opts.replace_on_changes == ["metadata.annotations", "spec"]
    assert opts.delete_before_replace is True
