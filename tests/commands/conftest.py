"""The commands behind `make` run in this process, on tools that only record what is asked of them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.engines import ENGINES
from tests.scripts.conftest import TOOL, Bench
from tests.scripts.conftest import bench as bench  # the fixture itself

TOOLS = ("pulumi", "ip", "iptables-save", "ip6tables-save", "nft")


@pytest.fixture
def tools(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The scripts' workbench with `pulumi` and more on it, first on PATH; the user's folders lie in it."""
    for tool in TOOLS:
        (bench.folder / "bin" / tool).write_text(TOOL)
        (bench.folder / "bin" / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bench.folder / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("BENCH", str(bench.folder))
    monkeypatch.setenv("HOME", str(bench.folder / "home"))
    monkeypatch.setenv("KALICO_CACHE", str(bench.folder / "cache"))
    for name in ("PULUMI_BACKEND_URL", "KALICO_SITE", "KUBECONFIG", "KIND_EXPERIMENTAL_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    return bench


@pytest.fixture
def run_folder(tools: Bench) -> Path:
    """Where the live files of the lab `lab` lie."""
    return tools.folder / "cache/run/lab"


@pytest.fixture(params=["pulumi", ".pulumi-wrapped"])
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The number of a Pulumi that runs, by the names that it has on some machines."""
    program = tmp_path / "running" / request.param
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho up\nread -r _\n")
    program.chmod(0o755)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # The kernel changes its name after Popen has returned.
        yield process.pid


LOOKS = tuple(f"{engine} {words}" for engine in ENGINES for words in ("ps", "network ls", "volume ls"))


def without_looks(bench: Bench) -> list[str]:
    """The calls but for those that only look what is there, which `down` makes of all engines at once."""
    return [call for call in bench.calls if not call.startswith(LOOKS)]
