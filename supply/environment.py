"""The exports that make plain `pulumi`, `kubectl` and `kind` work on the lab.

Run before every make target, so it has to be fast: nothing heavy is imported here.
"""

import importlib
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from supply.store import Store


def pulumi_home(env: Mapping[str, str], store: Store) -> tuple[Path, bool]:
    """Pulumi's home, and whether it is the lab's own: not where the user set one, or logged in to a backend."""
    ours = store.root / "pulumi"
    if (chosen := env.get("PULUMI_HOME")) and Path(chosen) != ours:
        return Path(chosen), False
    users = Path(env.get("HOME") or Path.home()) / ".pulumi"
    if env.get("PULUMI_ACCESS_TOKEN"):
        return users, False
    try:
        if json.loads((users / "credentials.json").read_text()).get("current"):
            return users, False
    except (OSError, ValueError, AttributeError):
        pass
    return ours, True


def engine_of(env: Mapping[str, str], store: Store) -> str:
    """The engine asked for in KALICO_ENGINE; for auto, the one that `lab` found; '' when it has not looked yet."""
    asked = env.get("KALICO_ENGINE") or "auto"
    if asked != "auto":
        return asked
    try:
        return (store.run / "engine").read_text().strip()
    except FileNotFoundError:
        return ""


def exports(env: Mapping[str, str], store: Store) -> dict[str, str]:
    """What has to be set, by name, given what the user has set. Nothing of the user's own is overridden."""
    cluster = env.get("KALICO_CLUSTER") or "kalico"
    found = {
        "PATH": _path(env, store),
        "KUBECONFIG": str(store.run / cluster / "kubeconfig"),
        "KALICO_CACHE": str(store.root),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if env.get("KALICO_SITE") in (None, "", str(store.site)):
        # Not everyone has one, and the program takes the name of a file that is not there for a mistake.
        if store.site.exists():
            found["KALICO_SITE"] = str(store.site)
        elif "KALICO_SITE" in env:
            found["KALICO_SITE"] = ""  # of an earlier `env`
    home, ours = pulumi_home(env, store)
    if ours:
        found["PULUMI_HOME"] = str(home)
        if "PULUMI_BACKEND_URL" not in env:
            state = env.get("XDG_STATE_HOME") or f"{env.get('HOME') or Path.home()}/.local/state"
            found["PULUMI_BACKEND_URL"] = f"file://{state}/kalico"
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & set(env):
        found["PULUMI_CONFIG_PASSPHRASE"] = ""
    if engine := engine_of(env, store):
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
