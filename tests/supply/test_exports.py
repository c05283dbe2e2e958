"""What `python -m supply env` prints."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from supply.environment import Asked, asked_for, exports, logged_in, pulumi_home, script, users
from supply.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=tmp_path / "the cache's $folder")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def test_a_shell_that_evaluates_the_lines_has_exactly_the_values(store: Store, env: dict[str, str]) -> None:
    values = exports(env, store, Asked())
    code = f"{script(values)}\nexec {sys.executable} -c 'import os, json; print(json.dumps(dict(os.environ)))'"
    said = subprocess.run(["/bin/sh", "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert values.items() <= json.loads(said).items()


def test_the_tools_come_first_on_the_path_once(store: Store, env: dict[str, str]) -> None:
    once = exports(env, store, Asked())
    twice = exports({**env, **once}, store, Asked())
    assert once["PATH"].split(":")[0] == str(store.bin)
    assert once["PATH"].endswith(":/usr/bin:/bin")
    assert twice["PATH"] == once["PATH"]


def test_the_kubeconfig_is_the_clusters_own(store: Store, env: dict[str, str]) -> None:
    assert exports(env, store, Asked())["KUBECONFIG"] == f"{store.root}/run/kalico/kubeconfig"
    assert exports(env, store, Asked(cluster="other"))["KUBECONFIG"] == f"{store.root}/run/other/kubeconfig"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  # kalico:engine: podman\n  kalico:workers: 2\n")
    (tmp_path / "Pulumi.other.yaml").write_text("config:\n  'kalico:engine': 'docker'\n  kalico:clusterName: lab-2\n")
    return tmp_path


def test_engine_and_cluster_are_those_of_the_stacks_config(project: Path) -> None:
    assert asked_for("dev", {}, project) == Asked(engine="auto", cluster="kalico")
    assert asked_for("other", {}, project) == Asked(engine="docker", cluster="lab-2")
    assert asked_for("organisation/other", {}, project) == Asked(engine="docker", cluster="lab-2")
    assert asked_for("none", {}, project) == Asked(engine="auto", cluster="kalico")


def test_a_cluster_that_the_stack_does_not_name_is_the_last_site_files(project: Path, tmp_path: Path) -> None:
    first, last, silent = (str(tmp_path / name) for name in ("first.yaml", "last.yaml", "silent.yaml"))
    Path(first).write_text("clusterName: first\n")
    Path(last).write_text("clusterName: last\n")
    Path(silent).write_text("workers: 2\n")
    assert asked_for("dev", {"KALICO_SITE": first}, project).cluster == "first"
    assert asked_for("dev", {"KALICO_SITE": f"{first}:{last}:{silent}"}, project).cluster == "last"
    assert asked_for("other", {"KALICO_SITE": first}, project).cluster == "lab-2"
    (project / "Pulumi.dev.yaml").write_text("config: {kalico:clusterName: kalico}")
    assert asked_for("dev", {"KALICO_SITE": first}, project).cluster == "first"


def test_an_engine_that_neither_the_stack_nor_the_environment_names_is_a_site_files(
    project: Path, tmp_path: Path
) -> None:
    site = {"KALICO_SITE": str(tmp_path / "site.yaml")}
    (tmp_path / "site.yaml").write_text("engine: docker\n")
    for said, asked in (("auto", "docker"), ("podman", "podman")):
        (project / "Pulumi.dev.yaml").write_text(f"config: {{kalico:engine: {said}}}")
        assert asked_for("dev", site, project).engine == asked
    assert asked_for("dev", site | {"KALICO_ENGINE": "podman"}, project).engine == "podman"


@pytest.mark.parametrize(
    "content",
    [None, b"a: [1", b"\xff", b"[" * 5000, b"[]", b"clusterName: ../x", b""],
    ids=["gone", "cut off", "no text", "too deep", "a list", "no name", "empty"],
)
def test_a_site_file_that_says_nothing_of_use_is_passed_over(
    project: Path, tmp_path: Path, content: bytes | None
) -> None:
    """What is wrong with it is for the program to say."""
    if content is not None:
        (tmp_path / "site.yaml").write_bytes(content)
    assert asked_for("dev", {"KALICO_SITE": str(tmp_path / "site.yaml")}, project) == Asked()


@pytest.mark.parametrize(
    ("networks", "leases"),
    [
        ("", False),
        ("lan", False),
        ("[lan]", False),
        ("[{name: lan}]", False),
        ("[{name: lan, ipam: dhcp}]", False),
        ("[{name: lan, ipam: {type: static}}]", False),
        ("[{name: lan, ipam: {type: dhcp, server: false}}]", False),
        ("[{name: lan}, {name: wan, ipam: {type: dhcp}}]", True),
        ("[{name: lan, ipam: {type: dhcp, server: {address: 10.40.0.9}}}]", True),
    ],
)
def test_an_image_of_a_dhcp_server_is_needed_where_the_lab_has_one(tmp_path: Path, networks: str, leases: bool) -> None:
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  kalico:networks: {networks}\n")
    assert asked_for("dev", {}, tmp_path).leases == leases


def test_the_engine_of_the_command_line_goes_first(project: Path) -> None:
    assert asked_for("other", {"KALICO_ENGINE": "podman"}, project).engine == "podman"
    assert asked_for("other", {"KALICO_ENGINE": ""}, project).engine == "docker"


@pytest.mark.parametrize(
    "text", ["", "config:", "[]", "config: {kalico:clusterName: ../x}", "config: {kalico:engine: }"]
)
def test_a_config_that_says_nothing_of_use_asks_for_the_defaults(project: Path, text: str) -> None:
    (project / "Pulumi.dev.yaml").write_text(text)
    assert asked_for("dev", {}, project) == Asked()


def test_a_config_that_is_no_yaml_is_named_in_one_line(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: [\n  - {\n")
    with pytest.raises(ValueError, match=r"^Pulumi\.dev\.yaml is not YAML: .+$"):
        asked_for("dev", {}, project)


def test_state_is_a_local_folder_by_default(store: Store, env: dict[str, str]) -> None:
    values = exports(env, store, Asked())
    assert values["PULUMI_BACKEND_URL"] == f"file://{env['HOME']}/.local/state/kalico"
    assert values["PULUMI_HOME"] == f"{store.root}/pulumi"
    assert values["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert exports({**env, "XDG_STATE_HOME": "/s"}, store, Asked())["PULUMI_BACKEND_URL"] == "file:///s/kalico"


@pytest.mark.parametrize(
    ("set_by_user", "left_alone"),
    [
        ({"PULUMI_BACKEND_URL": "s3://bucket"}, {"PULUMI_BACKEND_URL"}),
        ({"PULUMI_HOME": "/mine"}, {"PULUMI_HOME", "PULUMI_BACKEND_URL"}),
        ({"PULUMI_CONFIG_PASSPHRASE": "secret"}, {"PULUMI_CONFIG_PASSPHRASE"}),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/f"}, {"PULUMI_CONFIG_PASSPHRASE"}),
        ({"DOCKER_HOST": "unix:///mine.sock"}, {"DOCKER_HOST"}),
        ({"KALICO_SITE": "/mine/that/may/be/missing.yaml"}, {"KALICO_SITE"}),
    ],
    ids=lambda value: "+".join(value),
)
def test_what_the_user_has_set_is_left_alone(
    store: Store, env: dict[str, str], set_by_user: dict[str, str], left_alone: set[str]
) -> None:
    assert not left_alone & set(exports({**env, **set_by_user}, store, Asked()))


def test_the_machines_site_file_is_named_only_while_it_is_there(store: Store, env: dict[str, str]) -> None:
    assert "KALICO_SITE" not in exports(env, store, Asked())
    store.write(store.site, "engine: podman\n")
    once = exports(env, store, Asked())
    assert once["KALICO_SITE"] == str(store.site)
    assert exports({**env, **once}, store, Asked())["KALICO_SITE"] == str(store.site)
    store.site.unlink()
    assert exports({**env, **once}, store, Asked())["KALICO_SITE"] == ""


@pytest.mark.parametrize("theirs", ["/mine.yaml", "/company.yaml:/mine.yaml"])
def test_the_users_site_files_come_after_the_machines_and_so_go_before_it(
    store: Store, env: dict[str, str], theirs: str
) -> None:
    env["KALICO_SITE"] = theirs
    store.write(store.site, "engine: podman\n")
    once = exports(env, store, Asked())
    assert once["KALICO_SITE"] == f"{store.site}:{theirs}"
    assert exports({**env, **once}, store, Asked())["KALICO_SITE"] == once["KALICO_SITE"]
    store.site.unlink()
    assert exports({**env, **once}, store, Asked())["KALICO_SITE"] == theirs


def test_who_is_logged_in_to_a_backend_keeps_it_and_their_plugins_are_left_alone(
    store: Store, env: dict[str, str]
) -> None:
    theirs = Path(env["HOME"]) / ".pulumi"
    theirs.mkdir(parents=True)
    (theirs / "credentials.json").write_text(json.dumps({"current": "https://api.pulumi.com"}))
    values = exports(env, store, Asked())
    assert "PULUMI_BACKEND_URL" not in values
    assert values["PULUMI_CREDENTIALS_PATH"] == str(theirs)
    assert values["PULUMI_HOME"] == str(pulumi_home(env, store)) == f"{store.root}/pulumi"
    again = exports({**env, **values}, store, Asked())
    assert again.items() <= values.items()
    assert "PULUMI_BACKEND_URL" not in again


def test_who_has_a_token_keeps_the_backend_it_is_for(store: Store, env: dict[str, str]) -> None:
    values = exports({**env, "PULUMI_ACCESS_TOKEN": "pul-1"}, store, Asked())
    assert "PULUMI_BACKEND_URL" not in values
    assert values["PULUMI_CREDENTIALS_PATH"] == f"{env['HOME']}/.pulumi"


def test_who_keeps_credentials_elsewhere_is_logged_in_there(store: Store, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps({"current": "file:///s"}))
    values = exports({**env, "PULUMI_CREDENTIALS_PATH": str(tmp_path)}, store, Asked())
    assert not {"PULUMI_BACKEND_URL", "PULUMI_CREDENTIALS_PATH"} & set(values)


@pytest.mark.skipif(not shutil.which("pulumi"), reason="asks the real pulumi")
def test_pulumi_itself_finds_the_login_there_and_keeps_its_things_in_the_labs_place(
    store: Store, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    theirs, path = Path(env["HOME"]) / ".pulumi", {"PATH": os.environ["PATH"], "PULUMI_SKIP_UPDATE_CHECK": "true"}
    login = ["pulumi", "login", f"file://{tmp_path}/state"]
    subprocess.run(login, env={**env, **path, "PULUMI_HOME": str(theirs)}, capture_output=True, check=True)
    before = sorted(theirs.rglob("*"))
    values = exports(env, store, Asked())
    words = ["pulumi", "whoami", "--json", "--non-interactive"]
    asked = subprocess.run(words, env={**env, **values, **path}, capture_output=True, check=True)
    assert json.loads(asked.stdout)["url"] == f"file://{tmp_path}/state"
    assert sorted(theirs.rglob("*")) == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"current": ""}'])
def test_who_is_logged_out_has_none(store: Store, env: dict[str, str], content: str) -> None:
    theirs = Path(env["HOME"]) / ".pulumi"
    theirs.mkdir(parents=True)
    (theirs / "credentials.json").write_text(content)
    assert not logged_in(env)
    assert "PULUMI_BACKEND_URL" in exports(env, store, Asked())


def test_evaluating_twice_changes_nothing(store: Store, env: dict[str, str]) -> None:
    once = exports(env, store, Asked())
    assert exports({**env, **once}, store, Asked()).items() <= once.items()


def test_auto_is_the_engine_that_lab_found(store: Store, env: dict[str, str]) -> None:
    assert "KIND_EXPERIMENTAL_PROVIDER" not in exports(env, store, Asked())
    store.write(store.run / "engine", "podman\n")
    assert exports(env, store, Asked())["KIND_EXPERIMENTAL_PROVIDER"] == "podman"
    assert exports(env, store, Asked(engine="docker"))["KIND_EXPERIMENTAL_PROVIDER"] == "docker"


def test_our_docker_server_is_named_while_it_listens_and_is_not_taken_for_the_users(env: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="kalico-") as folder, socket.socket(socket.AF_UNIX) as server:
        store = Store(root=Path(folder))  # a short path: a socket's may have 107 bytes
        place = store.run / "docker/docker.sock"
        place.parent.mkdir(parents=True)
        server.bind(str(place))
        server.listen()
        values = exports(env, store, Asked(engine="docker"))
        assert values["DOCKER_HOST"] == f"unix://{place}"
        # A lab that runs there still needs it when the other engine is asked for.
        assert exports(env, store, Asked(engine="podman"))["DOCKER_HOST"] == f"unix://{place}"
        assert "DOCKER_HOST" not in exports({**env, "DOCKER_HOST": "tcp://the.users:1"}, store, Asked())
        assert "DOCKER_HOST" not in users({**env, **values}, store)


def test_the_command_prints_them_at_little_cost(store: Store, env: dict[str, str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        [sys.executable, "-m", "supply", "env"],
        cwd=Path(__file__).parents[2],
        env={**env, "KALICO_CACHE": str(store.root), "PULUMI_CREDENTIALS_PATH": str(store.root)},  # not logged in
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # of the processor's time, which other work on the machine does not stretch: every make target pays it
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
    assert "export KUBECONFIG=" in said
    assert (Path(env["HOME"]) / ".local/state/kalico").is_dir()
