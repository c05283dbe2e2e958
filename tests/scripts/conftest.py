"""The shell scripts run as the program runs them, on tools that only record what is asked of them.

What they run in a node runs for real, in namespaces that stand in for the node, where this machine lets us make some.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from components.scripts import BASH, script

TOOLS = ("kind", "kubectl", "ip", "podman", "docker")

TOOL = r"""#!/bin/bash
# Records the call, then does what the first rule that fits it says. A call that nobody foresaw fails.
exec {alone}>>"$BENCH/alone"
/usr/bin/flock "$alone" # a script may call two at once, and bash writes line by line
printf '%s\x1f' "${0##*/}" "$@" >>"$BENCH/calls"
printf '\x1e' >>"$BENCH/calls"
call="${0##*/} $*"
for rule in "$BENCH"/rules/*; do
  [ -d "$rule" ] || continue
  # shellcheck disable=SC2053 # a pattern
  [[ $call == $(<"$rule/pattern") ]] || continue
  uses=$(<"$rule/uses")
  printf '%s' $((uses + 1)) >"$rule/uses"
  answer=$rule/answer.$uses
  [ -e "$answer" ] || answer=$rule/answer.last
  exec {alone}>&-
  source "$answer"
  exit
done
echo "unforeseen: $call" >&2
exit 97
"""


@dataclass
class Bench:
    """A workbench of fake tools. `on` gives a call its answers, each a piece of bash; the last one stays."""

    folder: Path
    rules: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def on(self, pattern: str, *answers: str) -> None:
        """`pattern`: of bash, over the whole command line. The first rule that fits is taken.

        The tools are fakes from the start, anything else (flock) with its first rule.
        """
        name = pattern.split()[0]
        (self.folder / "bin" / name).write_text(TOOL)
        (self.folder / "bin" / name).chmod(0o755)
        rule = self.folder / "rules" / f"{self.rules:03}"
        rule.mkdir(parents=True)
        self.rules += 1
        (rule / "pattern").write_text(pattern)
        (rule / "uses").write_text("0")
        for i, answer in enumerate(answers or ("",)):
            (rule / f"answer.{i}").write_text(answer)
        (rule / "answer.last").write_text(answers[-1] if answers else "")

    @property
    def calls(self) -> list[str]:
        """The command lines so far, in order."""
        log = self.folder / "calls"
        recorded = log.read_text().split("\x1e")[:-1] if log.exists() else []
        return [call.removesuffix("\x1f").replace("\x1f", " ") for call in recorded]

    def words(self, beginning: str) -> list[str]:
        """The words of the one call that begins so."""
        recorded = (self.folder / "calls").read_text().split("\x1e")[:-1]
        (call,) = [call for call in recorded if call.replace("\x1f", " ").startswith(beginning)]
        return call.removesuffix("\x1f").split("\x1f")

    def left(self, name: str) -> str:
        """What an answer wrote to `$BENCH/NAME`."""
        return (self.folder / name).read_text()

    def run(self, name: str, stdin: str = "", **values: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*BASH, script(name)],
            input=stdin,
            env={
                "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
                "HOME": str(self.folder / "home"),
                "BENCH": str(self.folder),
                **self.environment,
                **values,
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (tmp_path / "home").mkdir()
    for tool in TOOLS:
        (binaries / tool).write_text(TOOL)
        (binaries / tool).chmod(0o755)
    return Bench(
        folder=tmp_path,
        environment={"CLUSTER": "lab", "ENGINE": "podman", "RUN": str(tmp_path / "cache/run/lab")},
    )


@pytest.fixture
def run_folder(bench: Bench) -> Path:
    return Path(bench.environment["RUN"])


GOES = 'folder=${@: -1}; /usr/bin/mkdir "$@" && /usr/bin/rmdir "$folder"'
"""A folder is made, and another script removes it at once."""
MAKES = 'exec /usr/bin/mkdir "$@"'


def lose(bench: Bench, folder: Path) -> None:
    """Have the folder go when it is made for the first time."""
    bench.on(f"mkdir -p {folder}", GOES, MAKES)
    bench.on("mkdir *", MAKES)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


NODES = ("lab-worker", "lab-worker2")

APART = ["--mount", "--net", "--uts"]
LEAVE, ENTER = ("", "") if os.geteuid() == 0 else ("--user --map-root-user", "--user --preserve-credentials")
"""Who is not root is root in there alone."""

NODE = """
hostname "$2"
for folder in etc opt run; do
  mkdir -p "$1/$folder"
  mount --bind "$1/$folder" "/$folder"
done
ip link add name probe type veth peer name eborp
ip link delete probe
echo made
exec sleep infinity
"""

IN_NODE = f"""
shift
if [ "$1" = --interactive ]; then shift; else exec </dev/null; fi
process=$(<"$BENCH/nodes/$1/process")
shift
exec env --ignore-environment PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  nsenter --target "$process" {ENTER} {" ".join(APART)} -- "$@"
"""
"""What an engine's `exec` does: stdin only where it is asked for, nothing of the caller's environment."""


@pytest.fixture
def nodes(bench: Bench) -> Iterator[Bench]:
    """The bench with an engine that runs things in NODES: a name, links, /etc, /opt and /run of their own.

    A test's own rules come before. A node's folders are seen from outside with `in_node`.
    """
    replace(bench, rules=900).on("podman exec *", IN_NODE)
    begun = []
    try:
        for name in NODES:
            folder = bench.folder / "nodes" / name
            folder.mkdir(parents=True)
            words = ["unshare", *LEAVE.split(), *APART, "bash", "-euc", NODE, "node", str(folder), name]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            begun.append(process)
            assert process.stdout
            if (said := process.stdout.readline()) != "made\n":
                pytest.skip(f"no namespaces here that could stand in for a node: {said.strip()}")
            (folder / "process").write_text(str(process.pid))
        yield bench
    finally:
        for process in begun:
            process.kill()
            process.communicate()


def in_node(bench: Bench, name: str, file: str) -> Path:
    """A file of a node, such as /run/kalico/node."""
    return bench.folder / "nodes" / name / file.lstrip("/")


def inside(bench: Bench, name: str, command: str) -> str:
    """What a command of bash says in a node."""
    done = subprocess.run(
        [bench.folder / "bin/podman", "exec", name, "bash", "-euc", command],
        env={"BENCH": str(bench.folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
