"""What the lab's folder of live files keeps of a thing outside of the nodes: why it was made, and on what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Record:
    """The lines that kind-create.sh (`cluster`, the control plane's `node.NODE`), worker-create.sh (a worker's),
    network-create.sh (`network.NAME`) and check-lab.sh (`self-test`) write."""

    because: str
    parent: str = ""
    """Of a network: the link that it lies on, '' where the engine has one of its own."""
    subnet: str = ""
    """Of a network: the one of each family, with a blank between two; of the cluster: the pods' and the services'."""
    mode: str = ""
    """Of a network: that of the nodes' interfaces on it."""


def records(run: Path) -> dict[str, Record]:
    """By thing. `run`: the lab's folder of live files."""
    folder = run / "because"
    return {path.name: read(path.read_text()) for path in (folder.iterdir() if folder.is_dir() else [])}


def read(text: str) -> Record:
    # (An older checkout wrote fewer lines.)
    because, parent, subnet, mode, *_ = [*text.split("\n"), "", "", ""]
    return Record(because=because, parent=parent, subnet=subnet, mode=mode)
