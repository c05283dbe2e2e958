"""How the nodes of a lab are, by their own word (see node-look.sh); peers and servers are asked in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from components.engines import Engine, EngineError, last_line, put

SCRIPT = (Path(__file__).parent / "scripts" / "node-look").with_suffix(".sh")


class State(Enum):
    RUNS = auto()
    STOPPED = auto()
    """Or paused: it answers when it is started, or goes on."""
    GONE = auto()


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a node says of one thing that was made in it."""

    because: str
    wrong: str = ""
    """What is not as it was left; '' where all is."""


@dataclass(frozen=True, kw_only=True)
class NodeLook:
    state: State
    marks: Mapping[str, Mark] = field(default_factory=dict)


def look_at_node(engine: Engine, node: str) -> NodeLook:
    words = [engine.name, "exec", "--interactive", node, "sh", "-s"]
    asked = put(words, f"{engine.name} does not tell how node {node} is", SCRIPT.read_text())
    if not asked.returncode:
        return NodeLook(state=State.RUNS, marks=marks(asked.stdout))
    said = asked.stderr.lower()
    for state, texts in {
        State.GONE: ["no such container"],
        State.STOPPED: ["not running", "state improper", "paused"],
    }.items():
        if any(text in said for text in texts):
            return NodeLook(state=state)
    raise EngineError(f"{engine.name} does not tell how node {node} is: {last_line(asked.stderr)}")


def marks(text: str) -> dict[str, Mark]:
    """The lines of node-look.sh: THING, what is wrong, the reason; between tabs."""
    found = {}
    for line in text.splitlines():
        thing, wrong, because = line.split("\t")
        found[thing] = Mark(because=because, wrong=wrong)
    return found
