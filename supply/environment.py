"""The exports that make plain `pulumi`, `kubectl` and `kind` work on the lab.

Run before every make target, so it has to be fast: nothing heavy is imported here.
"""

import importlib
import json
import os
import pwd
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from supply.store import Store

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the supply has to know of a stack's config; whether it is right is for the program to say."""

    engine: str = "auto"
    cluster: str = "kalico"
    leases: bool = False
    """Whether a network has a DHCP server of the lab's own, whose image is then needed."""


def asked_for(stack: str, env: Mapping[str, str], project: Path = PROJECT) -> Asked:
    """Of the config of `stack`, for cluster and engine also of the site files; KALICO_ENGINE goes before its engine.

    ValueError when the stack's file is no YAML.
    """
    place = project / f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"
    try:
        read = yaml.safe_load(place.read_text())
    except FileNotFoundError:
        read = None
    except yaml.YAMLError as error:
        raise ValueError(f"{place.name} is not YAML: {' '.join(str(error).split())}") from error
    config = read.get("config") if isinstance(read, dict) else None
    said = config if isinstance(config, dict) else {}
    # What equals its default counts as not said, for the program, too.
    cluster = said.get("kalico:clusterName", Asked.cluster)
    cluster = str(_site_says("clusterName", env) if cluster == Asked.cluster else cluster)
    engine = env.get("KALICO_ENGINE") or said.get("kalico:engine") or Asked.engine
    engine = _site_says("engine", env) or engine if engine == Asked.engine else engine
    return Asked(
        engine=str(engine),
        cluster=cluster if re.fullmatch("[a-z0-9][a-z0-9-]*", cluster) else Asked.cluster,  # it becomes a folder
        leases=_leases(said.get("kalico:networks")),
    )


def _site_says(key: str, env: Mapping[str, str]) -> object:
    """The word of the last site file that has the key, or ''. What is wrong with a file is for the program to say."""
    for file in reversed(env.get("KALICO_SITE", "").split(os.pathsep)):
        with suppress(OSError, yaml.YAMLError, ValueError, RecursionError):
            values = yaml.safe_load(Path(file).read_text()) if file else None
            if isinstance(values, dict) and key in values:
                return values[key]
    return ""


def _leases(networks: object) -> bool:
    ipams = [each.get("ipam") for each in networks if isinstance(each, dict)] if isinstance(networks, list) else []
    return any(
        isinstance(ipam, dict) and ipam.get("type") == "dhcp" and ipam.get("server") is not False for ipam in ipams
    )


def pulumi_home(env: Mapping[str, str], store: Store) -> Path:
    """Pulumi's home: the one that the user has set, else the lab's own, so that the user's plugins stay as they are."""
    return Path(env.get("PULUMI_HOME") or store.root / "pulumi")


def users_home() -> Path:
    """Where Pulumi keeps its things for this user when nothing is set: it asks the user database, not HOME."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".pulumi"
    except KeyError:  # a user without an entry, as in a container
        return Path.home() / ".pulumi"


def logged_in(env: Mapping[str, str]) -> bool:
    """Whether the user has a backend already: by a token, or by `pulumi login` at any time."""
    place = Path(env.get("PULUMI_CREDENTIALS_PATH") or users_home())
    try:
        return bool(env.get("PULUMI_ACCESS_TOKEN") or json.loads((place / "credentials.json").read_text())["current"])
    except (OSError, ValueError, LookupError, TypeError):
        return False


def engine_of(asked: Asked, store: Store) -> str:
    """The engine asked for; for auto, the one that `lab` found; '' when it has not looked yet."""
    if asked.engine != "auto":
        return asked.engine
    try:
        return (store.run / "engine").read_text().strip()
    except FileNotFoundError:
        return ""


def exports(env: Mapping[str, str], store: Store, asked: Asked) -> dict[str, str]:
    """What has to be set, by name, given what the user has set. Nothing of the user's own is overridden."""
    found = {
        "PATH": _path(env, store),
        "KUBECONFIG": str(store.run / asked.cluster / "kubeconfig"),
        "KALICO_CACHE": str(store.root),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    named = [file for file in env.get("KALICO_SITE", "").split(os.pathsep) if file]
    theirs = [file for file in named if file != str(store.site)]
    # Not everyone has one of ours, and the program takes the name of a file that is not there for a mistake.
    if store.site.exists():
        found["KALICO_SITE"] = os.pathsep.join([str(store.site), *theirs])  # a later one goes before it
    elif theirs != named:
        found["KALICO_SITE"] = os.pathsep.join(theirs)  # ours is of an earlier `env`
    ours = store.root / "pulumi"
    if pulumi_home(env, store) == ours:  # else all of it is the user's own affair
        found["PULUMI_HOME"] = str(ours)
        if logged_in(env):
            # plugins and logs are ours then, the login and its backend stay the user's
            if "PULUMI_CREDENTIALS_PATH" not in env:
                found["PULUMI_CREDENTIALS_PATH"] = str(users_home())
        elif "PULUMI_BACKEND_URL" not in env:
            state = env.get("XDG_STATE_HOME") or f"{env.get('HOME') or Path.home()}/.local/state"
            found["PULUMI_BACKEND_URL"] = f"file://{state}/kalico"
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & set(env):
        found["PULUMI_CONFIG_PASSPHRASE"] = ""
    if engine := engine_of(asked, store):
        found["KIND_EXPERIMENTAL_PROVIDER"] = engine
    # Both engines': a lab stays on its own, whichever was asked for since.
    prepared = importlib.import_module("supply.machine").environment
    for name, value in (prepared("podman", store.root) | prepared("docker", store.root)).items():
        if name == "CONTAINERS_CONF" or name not in env:
            found[name] = value
    return found


def own_docker(store: Store) -> Path:
    """Where the supply's own docker server listens while it runs."""
    return store.run / "docker" / "docker.sock"


def users(env: Mapping[str, str], store: Store) -> dict[str, str]:
    """The environment as the user has it: an earlier `env` may have pointed DOCKER_HOST at our own server."""
    ours = f"unix://{own_docker(store)}"
    return {name: value for name, value in env.items() if (name, value) != ("DOCKER_HOST", ours)}


def _path(env: Mapping[str, str], store: Store) -> str:
    """The tools first, then the virtual environment (Pulumi's language host takes `python` from PATH)."""
    first = [str(store.bin)]
    if sys.prefix != sys.base_prefix:
        first.append(f"{sys.prefix}/bin")
    rest = [folder for folder in env.get("PATH", os.defpath).split(":") if folder not in first]
    return ":".join([*first, *rest])


def script(values: Mapping[str, str]) -> str:
    """`export NAME=VALUE` lines for eval, quoted for any POSIX shell."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def prepare_folders(values: Mapping[str, str]) -> None:
    """Make what the tools expect to find: the state folder, and the kubeconfig's."""
    places = [Path(values["KUBECONFIG"]).parent]
    if (url := values.get("PULUMI_BACKEND_URL", "")).startswith("file:///"):
        places.append(Path(url.removeprefix("file://")))
    for place in places:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
