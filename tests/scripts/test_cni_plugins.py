"""cni-plugins.sh: the plugins of an archive go into a node, of its own architecture, and run there."""

import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import Bench

OWN = "#!/bin/bash\necho '$OWN'  \n\n"
CONTENT = b"\x1f\x8bplugins\n\x00\xff"


@pytest.fixture
def archive(bench: Bench, tmp_path: Path) -> Path:
    path = tmp_path / "plugins.tgz"
    path.write_bytes(CONTENT)
    bench.environment |= {"ARCHIVE": str(path), "ARCH": "amd64", "ROUTES_PLUGIN": OWN}
    return path


def install(bench: Bench, **values: str) -> subprocess.CompletedProcess[str]:
    return bench.run("cni-plugins", **{"NODE": "lab-worker", **values})


def node(bench: Bench, machine: str) -> None:
    bench.on("podman exec * uname -m", f"echo {machine}")
    bench.on("podman exec --interactive * tar *", 'cat >"$BENCH/got-$3"; printf "./macvlan\\nbridge\\n"')
    bench.on("podman exec --interactive * install *", 'cat >"$BENCH/own-$3"')
    bench.on("podman exec --interactive * bash -c *mark plugins", 'cat >"$BENCH/mark-$3"')
    bench.on("podman exec * /opt/cni/bin/macvlan", "echo 'CNI macvlan plugin v1.8.0' >&2; echo more; exit 0")


def test_the_node_gets_the_archive_and_says_what_it_has_now(bench: Bench, archive: Path) -> None:
    node(bench, "x86_64")
    done = install(bench)
    assert (done.returncode, done.stdout) == (0, "lab-worker CNI macvlan plugin v1.8.0\n")
    assert (bench.folder / "got-lab-worker").read_bytes() == CONTENT
    assert (
        "podman exec --interactive lab-worker tar --extract --verbose --gzip --directory /opt/cni/bin --no-same-owner"
        in bench.calls
    )


def test_the_node_notes_the_reason_and_what_to_look_for(bench: Bench, archive: Path) -> None:
    node(bench, "x86_64")
    assert install(bench, BECAUSE="it is gone").returncode == 0
    assert bench.left("mark-lab-worker") == (
        "it is gone\n/opt/cni/bin/macvlan /opt/cni/bin/bridge /opt/cni/bin/kalico-routes\n"
    )


def test_the_labs_own_plugin_is_beside_them_as_it_was_written(bench: Bench, archive: Path) -> None:
    node(bench, "x86_64")
    assert install(bench).returncode == 0
    assert bench.left("own-lab-worker") == OWN
    assert "podman exec --interactive lab-worker install -m 0755 /dev/stdin /opt/cni/bin/kalico-routes" in bench.calls


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_an_architecture_goes_by_its_own_name_and_by_that_of_releases(
    bench: Bench, archive: Path, machine: str, arch: str
) -> None:
    node(bench, machine)
    assert install(bench, ARCH=arch).returncode == 0


def test_plugins_for_another_architecture_are_refused_before_they_are_in(bench: Bench, archive: Path) -> None:
    node(bench, "aarch64")
    done = install(bench)
    assert done.returncode == 1
    assert "lab-worker is arm64, the plugins are for amd64" in done.stderr
    assert not any(" tar " in call for call in bench.calls)


def test_an_archive_without_a_macvlan_that_runs_is_named_with_what_was_said(bench: Bench, archive: Path) -> None:
    bench.on("podman exec * /opt/cni/bin/macvlan", "echo 'no such file or directory' >&2; exit 127")
    node(bench, "x86_64")
    done = install(bench)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"lab-worker: there is no macvlan that runs in {archive}: no such file or directory\n"


def test_an_archive_that_does_not_unpack_is_an_error(bench: Bench, archive: Path) -> None:
    bench.on("podman exec * uname -m", "echo x86_64")
    bench.on("podman exec --interactive * tar *", "echo 'not in gzip format' >&2; exit 2")
    done = install(bench)
    assert (done.returncode, done.stdout) == (2, "")
    assert "not in gzip format" in done.stderr
    assert not any("mark" in call for call in bench.calls)
