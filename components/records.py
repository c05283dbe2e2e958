"""What the lab's folder of live files keeps of a thing outside of the nodes: why it was made, and on what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Record:
    """One file of `because`: the thing is the file's name, and each field is a line of it, in this order.

    cluster       by kind-create.sh: because, an empty line, subnet
    node.NODE     by worker-create.sh, once the worker has joined: because
                  by kind-create.sh, of the control plane: an empty line
    network.NAME  by network-create.sh: because, parent, subnet, mode
    self-test     by check-lab.sh, if all checks passed: because
    """

    because: str
    parent: str = ""
    """The link that a network lies on; '' where the engine has one of its own."""
    subnet: str = ""
    """Of a network, `10.23.0.0/16`, or one of each family with a blank between; of the cluster, `PODS SERVICES`."""
    mode: str = ""
    """That of the nodes' interfaces on a network, such as `bridge`."""


def records(run: Path) -> dict[str, Record]:
    """By thing. `run`: the lab's folder of live files."""
    folder = run / "because"
    return {path.name: read(path.read_text()) for path in (folder.iterdir() if folder.is_dir() else [])}


def read(text: str) -> Record:
    # (An older checkout wrote fewer lines.)
    because, parent, subnet, mode, *_ = [*text.split("\n"), "", "", ""]
    return Record(because=because, parent=parent, subnet=subnet, mode=mode)
