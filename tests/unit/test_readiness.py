"""What is read of the nodes that run, and of the report of what runs."""

import pytest

from components.readiness import nodes, versions


def test_a_node_is_its_name_role_address_and_version() -> None:
    told = "kalico-control-plane control-plane 10.89.0.2 v1.32.2\nkalico-worker worker 10.89.0.3 v1.32.1\n"
    assert nodes(told) == [
        {"name": "kalico-control-plane", "role": "control-plane", "address": "10.89.0.2", "version": "v1.32.2"},
        {"name": "kalico-worker", "role": "worker", "address": "10.89.0.3", "version": "v1.32.1"},
    ]


@pytest.mark.parametrize("told", ["kalico-worker worker  v1.32.2", "kalico-worker worker 10.89.0.3 fc00::3 v1.32.2"])
def test_a_node_is_not_told_with_one_thing_in_the_place_of_another(told: str) -> None:
    with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer)"):
        nodes(told)


def test_a_version_is_all_of_the_line_behind_the_thing() -> None:
    assert versions("kubernetes v1.32.2\ncni-plugins CNI macvlan plugin v1.8.0\n\n") == {
        "kubernetes": "v1.32.2",
        "cni-plugins": "CNI macvlan plugin v1.8.0",
    }


def test_no_report_is_no_versions() -> None:
    assert versions("") == {}
