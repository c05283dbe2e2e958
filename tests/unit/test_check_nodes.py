"""What the self-test says of the nodes themselves."""

import pytest

from components.checks.nodes import judge_node
from components.node_look import Mark, NodeLook, State


def said(seen: NodeLook) -> list[str]:
    return [str(each).split(" (")[0] for each in judge_node("lab-worker", seen)]


def test_a_node_that_is_as_it_was_left_is_one_line_with_what_it_has() -> None:
    seen = NodeLook(state=State.RUNS, marks={"plugins": Mark(because=""), "multus": Mark(because="")})
    assert said(seen) == ["ok    node lab-worker: has multus, plugins as it was left"]


def test_what_is_not_as_it_was_left_is_a_line_each() -> None:
    marks = {
        "plugins": Mark(because="", wrong="/opt/cni/bin/macvlan is gone"),
        "multus": Mark(because=""),
        "dhcp": Mark(because="", wrong="/run/cni/dhcp.sock is gone"),
    }
    assert said(NodeLook(state=State.RUNS, marks=marks)) == [
        "FAIL  node lab-worker: dhcp /run/cni/dhcp.sock is gone",
        "FAIL  node lab-worker: plugins /opt/cni/bin/macvlan is gone",
    ]


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (NodeLook(state=State.GONE), "is gone"),
        (NodeLook(state=State.STOPPED), "does not run"),
        (NodeLook(state=State.RUNS), "was started without what the lab has put there"),
    ],
)
def test_a_node_that_lost_all_is_one_failure(seen: NodeLook, line: str) -> None:
    assert said(seen) == [f"FAIL  node lab-worker: state {line}"]
