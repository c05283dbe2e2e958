"""What differs between the engines, and which one a lab gets."""

import shutil
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from components.engines import ENGINES, Engine, EngineError, answers, choose
from components.settings.lab import EngineChoice, MacvlanMode
from tests.lab_config import lab, network

WORDS = {
    "docker": (
        *("--driver", "macvlan", "--internal"),
        *("--opt", "macvlan_mode=bridge"),
        *("--label", "kalico.subnet=10.23.0.0/16"),
        *("--subnet", "10.23.0.0/16", "--ip-range", "10.23.254.0/24"),
        *("--gateway", "10.23.0.1"),
    ),
    "podman": (
        *("--driver", "macvlan", "--internal"),
        *("--opt", "mode=bridge"),
        *("--label", "kalico.subnet=10.23.0.0/16"),
        *("--ipam-driver", "none"),
    ),
}


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_makes_the_seeds_network_of_these_words(name: str) -> None:
    assert ENGINES[name].network_words(lab().networks[0]) == WORDS[name]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("mode", list(MacvlanMode))
def test_an_engine_is_told_the_mode_by_its_own_option(name: str, mode: MacvlanMode) -> None:
    words = ENGINES[name].network_words(lab(networks=[network(mode=mode.value)]).networks[0])
    assert words[words.index("--opt") + 1] == f"{ENGINES[name].mode_option}={mode.value}"


@pytest.mark.parametrize("name", ENGINES)
def test_a_network_without_a_gateway_has_none_on_any_engine(name: str) -> None:
    bare = lab(networks=[network(without="gateway", ipam={"routes": []})]).networks[0]
    assert "--gateway" not in ENGINES[name].network_words(bare)


@pytest.mark.parametrize("name", ENGINES)
def test_no_engine_gives_a_node_an_address_of_the_pods_or_the_gateways(name: str) -> None:
    words = ENGINES[name].network_words(lab().networks[0])
    if "--ipam-driver" in words:
        assert words[words.index("--ipam-driver") + 1] == "none"
        return
    nodes = IPv4Network(words[words.index("--ip-range") + 1])
    [settings] = lab().networks
    occupied = settings.ipam.occupies()
    assert occupied is not None
    assert not any(address in nodes for address in occupied)
    assert settings.gateway not in nodes


def test_every_engine_can_be_chosen_and_nothing_else() -> None:
    assert {choice.value for choice in EngineChoice} - {"auto"} == set(ENGINES)
    assert [engine.name for engine in ENGINES.values()] == list(ENGINES)


def never(engine: Engine) -> bool:
    raise AssertionError(f"{engine.name} was asked")


@pytest.mark.parametrize("name", ENGINES)
def test_a_named_engine_is_taken_unasked_whatever_ran_the_lab_before(name: str) -> None:
    others = [None, *ENGINES]
    assert {choose(EngineChoice(name), used, never).name for used in others} == {name}


@pytest.mark.parametrize("name", ENGINES)
def test_auto_stays_with_the_engine_that_runs_the_lab(name: str) -> None:
    assert choose(EngineChoice.AUTO, name, never) is ENGINES[name]


@pytest.mark.parametrize("name", ENGINES)
def test_auto_takes_the_one_that_answers(name: str) -> None:
    assert choose(EngineChoice.AUTO, None, lambda engine: engine.name == name) is ENGINES[name]


def test_auto_takes_the_first_of_kinds_own_order_where_both_answer() -> None:
    assert choose(EngineChoice.AUTO, None, lambda engine: True).name == "docker"


def test_a_record_of_an_engine_that_is_not_known_counts_as_none() -> None:
    assert choose(EngineChoice.AUTO, "nerdctl", lambda engine: engine.name == "podman").name == "podman"


def test_no_engine_at_all_says_who_was_asked_and_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"asked docker and podman.*start or install one.*pulumi config set engine"):
        choose(EngineChoice.AUTO, None, lambda engine: False)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a podman that runs a piece of shell on a PATH of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(body: str) -> None:
        (tmp_path / "podman").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "podman").chmod(0o755)

    return write


def test_an_engine_that_is_not_installed_does_not_answer(install: Callable[[str], None]) -> None:
    assert shutil.which("podman") is None
    assert not answers(ENGINES["podman"])


def test_an_engine_with_a_server_answers_when_it_is_asked_for_its_info(install: Callable[[str], None]) -> None:
    install('[ "$*" = info ]')
    assert answers(ENGINES["podman"])


def test_a_client_without_a_server_does_not_answer(install: Callable[[str], None]) -> None:
    install('echo "Cannot connect to the daemon" >&2; exit 1')
    assert not answers(ENGINES["podman"])


def test_an_engine_that_hangs_does_not_answer(install: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    install("exec /bin/sleep 60")
    real = subprocess.run

    def impatient(*args: Any, timeout: float, **options: Any) -> Any:
        assert timeout <= 30
        return real(*args, timeout=0.2, **options)

    monkeypatch.setattr("components.engines.subprocess.run", impatient)
    assert not answers(ENGINES["podman"])
