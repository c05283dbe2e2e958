"""What the lab has put on its nodes, and whether that is still there: the pods of today may run on without it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from components.checks.judge import Result
from components.engines import Engine, EngineError
from components.node_look import NodeLook, State, look_at_node


def node_results(engine: Engine, nodes: Sequence[str]) -> list[Result]:
    """A line for each of the nodes, or other containers of the lab: that all is there, or what is not."""

    def asked(node: str) -> list[Result]:
        try:
            return judge_node(node, look_at_node(engine, node))
        except EngineError as error:
            return [result(node, "state", str(error))]

    with ThreadPoolExecutor(max_workers=max(len(nodes), 1)) as pool:
        return [each for results in pool.map(asked, nodes) for each in results]


def judge_node(node: str, seen: NodeLook) -> list[Result]:
    if seen.state is not State.RUNS:
        return [result(node, "state", {State.GONE: "is gone", State.STOPPED: "does not run"}[seen.state])]
    if not seen.marks:
        return [result(node, "state", "was started without what the lab has put there")]
    wrong = [result(node, thing, mark.wrong) for thing, mark in sorted(seen.marks.items()) if mark.wrong]
    return wrong or [
        Result(
            name="has", pod="", what=f"node {node}", ok=True, figure=f"{', '.join(sorted(seen.marks))} as it was left"
        )
    ]


def result(node: str, thing: str, wrong: str) -> Result:
    where = "`make preview`: `make up` puts it back"
    return Result(name=thing, pod="", what=f"node {node}", ok=False, figure=wrong, where=where)
