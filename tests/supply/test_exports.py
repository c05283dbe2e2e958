"""What `python -m supply env` prints."""

import json
import resource
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from supply.environment import exports, pulumi_home, script, users
from supply.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "the cache's $folder")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def test_a_shell_that_evaluates_the_lines_has_exactly_the_values(store: Store, env: dict[str, str]) -> None:
    values = exports(env, store)
    code = f"{script(values)}\nexec {sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"
    said = subprocess.run(["/bin/sh", "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert values.items() <= json.loads(said).items()


def test_the_tools_come_first_on_the_path_once(store: Store, env: dict[str, str]) -> None:
    once = exports(env, store)
    twice = exports({**env, **once}, store)
    assert once["PATH"].split(":")[0] == str(store.bin)
    assert once["PATH"].endswith(":/usr/bin:/bin")
    assert twice["PATH"] == once["PATH"]


def test_the_kubeconfig_is_the_clusters_own(store: Store, env: dict[str, str]) -> None:
    assert exports(env, store)["KUBECONFIG"] == f"{store.root}/run/kalico/kubeconfig"
    assert exports({**env, "KALICO_CLUSTER": "other"}, store)["KUBECONFIG"] == f"{store.root}/run/other/kubeconfig"


def test_state_is_a_local_folder_by_default(store: Store, env: dict[str, str]) -> None:
    values = exports(env, store)
    assert values["PULUMI_BACKEND_URL"] == f"file://{env['HOME']}/.local/state/kalico"
    assert values["PULUMI_HOME"] == f"{store.root}/pulumi"
    assert values["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert exports({**env, "XDG_STATE_HOME": "/s"}, store)["PULUMI_BACKEND_URL"] == "file:///s/kalico"


@pytest.mark.parametrize(
    ("set_by_user", "left_alone"),
    [
        ({"PULUMI_BACKEND_URL": "s3://bucket"}, {"PULUMI_BACKEND_URL"}),
        ({"PULUMI_HOME": "/mine"}, {"PULUMI_HOME", "PULUMI_BACKEND_URL"}),
        ({"PULUMI_CONFIG_PASSPHRASE": "secret"}, {"PULUMI_CONFIG_PASSPHRASE"}),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/f"}, {"PULUMI_CONFIG_PASSPHRASE"}),
        ({"DOCKER_HOST": "unix:///mine.sock", "KALICO_ENGINE": "docker"}, {"DOCKER_HOST"}),
        ({"KALICO_SITE": "/mine/that/may/be/missing.yaml"}, {"KALICO_SITE"}),
    ],
    ids=lambda value: "+".join(value),
)
def test_what_the_user_has_set_is_left_alone(
    store: Store, env: dict[str, str], set_by_user: dict[str, str], left_alone: set[str]
) -> None:
    assert not left_alone & set(exports({**env, **set_by_user}, store))


def test_the_machines_site_file_is_named_only_while_it_is_there(store: Store, env: dict[str, str]) -> None:
    assert "KALICO_SITE" not in exports(env, store)
    store.write(store.site, "engine: podman\n")
    once = exports(env, store)
    assert once["KALICO_SITE"] == str(store.site)
    assert exports({**env, **once}, store)["KALICO_SITE"] == str(store.site)
    store.site.unlink()
    assert exports({**env, **once}, store)["KALICO_SITE"] == ""


def test_who_is_logged_in_to_a_backend_keeps_it(store: Store, env: dict[str, str]) -> None:
    theirs = Path(env["HOME"]) / ".pulumi"
    theirs.mkdir(parents=True)
    (theirs / "credentials.json").write_text(json.dumps({"current": "https://api.pulumi.com"}))
    assert not {"PULUMI_HOME", "PULUMI_BACKEND_URL"} & set(exports(env, store))
    assert pulumi_home(env, store) == (theirs, False)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"current": ""}'])
def test_who_is_logged_out_has_none(store: Store, env: dict[str, str], content: str) -> None:
    theirs = Path(env["HOME"]) / ".pulumi"
    theirs.mkdir(parents=True)
    (theirs / "credentials.json").write_text(content)
    assert pulumi_home(env, store) == (store.root / "pulumi", True)


def test_evaluating_twice_changes_nothing(store: Store, env: dict[str, str]) -> None:
    once = exports(env, store)
    assert exports({**env, **once}, store).items() <= once.items()


def test_auto_is_the_engine_that_lab_found(store: Store, env: dict[str, str]) -> None:
    assert "KIND_EXPERIMENTAL_PROVIDER" not in exports(env, store)
    store.write(store.run / "engine", "podman\n")
    assert exports(env, store)["KIND_EXPERIMENTAL_PROVIDER"] == "podman"
    assert exports({**env, "KALICO_ENGINE": "docker"}, store)["KIND_EXPERIMENTAL_PROVIDER"] == "docker"


def test_our_docker_server_is_named_while_it_listens_and_is_not_taken_for_the_users(env: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="kalico-") as folder, socket.socket(socket.AF_UNIX) as server:
        store = Store(root=Path(folder))  # a short path: a socket's may have 107 bytes
        place = store.run / "docker/docker.sock"
        place.parent.mkdir(parents=True)
        server.bind(str(place))
        server.listen()
        values = exports({**env, "KALICO_ENGINE": "docker"}, store)
        assert values["DOCKER_HOST"] == f"unix://{place}"
        # A lab that runs there still needs it when the other engine is asked for.
        assert exports({**env, "KALICO_ENGINE": "podman"}, store)["DOCKER_HOST"] == f"unix://{place}"
        assert "DOCKER_HOST" not in exports({**env, "DOCKER_HOST": "tcp://the.users:1"}, store)
        assert "DOCKER_HOST" not in users({**env, **values}, store)


def test_the_command_prints_them_at_little_cost(store: Store, env: dict[str, str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        [sys.executable, "-m", "supply", "env"],
        cwd=Path(__file__).parents[2],
        env={**env, "KALICO_CACHE": str(store.root)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # of the processor's time, which other work on the machine does not stretch: every make target pays it
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
    assert "export KUBECONFIG=" in said
    assert (Path(env["HOME"]) / ".local/state/kalico").is_dir()
