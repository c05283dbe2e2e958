"""Where a lab lives, what its scripts are told, and which engine it is on."""

from pathlib import Path

import pulumi
import pytest

from components.engines import ENGINES
from components.workspace import Workspace, cache_folder, find_workspace
from tests.lab_config import lab, network


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user's own on a machine without any engine."""
    monkeypatch.setenv("KALICO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("components.upstream.fetch", lambda source, cache: cache)
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"KALICO_CACHE": "/srv/kalico", "XDG_CACHE_HOME": "/srv/cache"}, Path("/srv/kalico")),
        ({"XDG_CACHE_HOME": "/srv/cache"}, Path("/srv/cache/kalico")),
        ({"XDG_CACHE_HOME": "", "KALICO_CACHE": ""}, Path.home() / ".cache/kalico"),
        ({}, Path.home() / ".cache/kalico"),
    ],
    ids=["chosen", "xdg", "empty", "home"],
)
def test_the_cache_is_where_the_user_wants_caches(environment: dict[str, str], folder: Path) -> None:
    assert cache_folder(environment) == folder


def test_the_live_files_of_each_lab_lie_apart_in_the_cache() -> None:
    workspace = Workspace(engine=ENGINES["podman"], cluster_name="lab", cache=Path("/srv/kalico"))
    assert workspace.run == Path("/srv/kalico/run/lab")
    assert workspace.kubeconfig == Path("/srv/kalico/run/lab/kubeconfig")
    assert workspace.environment == {"ENGINE": "podman", "CLUSTER": "lab", "RUN": "/srv/kalico/run/lab"}


@pytest.mark.parametrize("name", ENGINES)
def test_auto_stays_with_the_engine_that_the_labs_record_names(cache: Path, name: str) -> None:
    record = cache / "run/kalico/engine"
    record.parent.mkdir(parents=True)
    record.write_text(f"{name}\n")
    assert find_workspace(lab()) == Workspace(engine=ENGINES[name], cluster_name="kalico", cache=cache)


def test_the_record_of_another_lab_is_not_this_ones(cache: Path) -> None:
    record = cache / "run/other/engine"
    record.parent.mkdir(parents=True)
    record.write_text("podman\n")
    with pytest.raises(pulumi.RunError, match="no container engine can be used"):
        find_workspace(lab())


def test_a_named_engine_that_does_not_answer_is_refused_before_anything_is_made(cache: Path) -> None:
    with pytest.raises(pulumi.RunError, match="docker does not answer"):
        find_workspace(lab(engine="docker"))


@pytest.fixture
def powerless(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without root whose one engine, podman, answers that it has root itself."""
    monkeypatch.setenv("PATH", str(cache / "bin"))
    (cache / "bin").mkdir()
    (cache / "bin/podman").write_text("#!/bin/sh\necho false\n")
    (cache / "bin/podman").chmod(0o755)
    monkeypatch.setattr("components.machine.makes_links", lambda: False)
    return cache


def test_a_bridge_that_nobody_may_make_is_refused_before_anything_is_made(powerless: Path) -> None:
    with pytest.raises(pulumi.RunError, match="podman makes no isolated link for network ext-net, and only root may"):
        find_workspace(lab())
    on_a_link = lab(networks=[network(parent="eth7")])
    assert find_workspace(on_a_link).engine is ENGINES["podman"]


def test_a_lab_with_a_record_asks_neither_the_engine_nor_the_kernel(
    powerless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> None:
        raise AssertionError("a preview would pay for this")

    monkeypatch.setattr("components.machine.makes_links", asked)
    monkeypatch.setattr("components.machine.features", asked)
    monkeypatch.setattr("subprocess.run", asked)
    (powerless / "run/kalico").mkdir(parents=True)
    (powerless / "run/kalico/engine").write_text("podman\n")
    assert find_workspace(lab()).engine is ENGINES["podman"]
