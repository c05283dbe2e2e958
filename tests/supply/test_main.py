"""`python -m supply`: however it fails, the user gets words and make an exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from supply import __main__ as command
from supply import docker_server, environment, lab


def fails_with(error: BaseException) -> object:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALICO_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no such thing"), "no such thing"),
        (ValueError("engine is 'x'"), "engine is 'x'"),
        (FileNotFoundError(2, "No such file or directory", "docker"), "[Errno 2] No such file or directory: 'docker'"),
        (
            subprocess.CalledProcessError(1, ["docker", "ps"], stderr="warning\nCannot connect\n"),
            "docker ps: exit 1: Cannot connect",
        ),
        (subprocess.CalledProcessError(3, ["docker", "ps"]), "docker ps: exit 3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_one_line_and_exit_1(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docker_server, "in_use", fails_with(error))
    monkeypatch.setattr(sys, "argv", ["supply", "docker-stop", "--idle"])
    assert command.main() == 1
    assert capsys.readouterr() == ("", f"supply: {said}\n")


def test_a_failure_that_nobody_foresaw_says_what_and_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "tools", fails_with(KeyError("kind")))
    monkeypatch.setattr(sys, "argv", ["supply", "tools"])
    assert command.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("supply: KeyError: 'kind' (fail, line ")
    assert "test_main.py" in line


def test_who_interrupts_is_told_that_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "tools", fails_with(KeyboardInterrupt()))
    monkeypatch.setattr(sys, "argv", ["supply", "tools"])
    assert command.main() == 130
    assert "the next run goes on from there" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "name"), [(["docker-stop"], "KALICO_CACHE"), (["env"], "XDG_STATE_HOME")])
def test_for_real_too_and_nothing_for_eval(words: list[str], name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    value = {"KALICO_CACHE": f"/{'x' * 200}", "XDG_STATE_HOME": f"{tmp_path}/file"}[name]
    done = subprocess.run(
        [sys.executable, "-m", "supply", *words],
        cwd=Path(__file__).parents[2],
        env={
            "PATH": "",
            "HOME": str(tmp_path),
            "KALICO_CACHE": str(tmp_path / "cache"),
            "PULUMI_CREDENTIALS_PATH": str(tmp_path),
            name: value,
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("supply: ")


@pytest.mark.parametrize("leases", [True, False])
def test_the_lab_is_told_whether_the_stack_has_leases(monkeypatch: pytest.MonkeyPatch, leases: bool) -> None:
    told: list[bool] = []
    monkeypatch.setattr(lab, "lab", lambda machine, engine, leases: told.append(leases))
    monkeypatch.setattr(environment, "asked_for", lambda stack, env: environment.Asked(leases=leases))
    monkeypatch.setattr(sys, "argv", ["supply", "lab"])
    assert command.main() == 0
    assert told == [leases]
    monkeypatch.setattr(sys, "argv", ["supply", "lab", "--leases"])
    assert command.main() == 0
    assert told == [leases, True]


def test_the_engine_of_the_stack_is_taken_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[str] = []
    monkeypatch.setattr(lab, "lab", lambda machine, engine, leases: engines.append(engine))
    monkeypatch.setattr(environment, "asked_for", lambda stack, env: environment.Asked(engine=stack))
    for words in (["--stack", "of-the-stack"], ["--engine", "docker"]):
        monkeypatch.setattr(sys, "argv", ["supply", "lab", *words])
        assert command.main() == 0
    assert engines == ["of-the-stack", "docker"]


@pytest.mark.parametrize(("words", "steps"), [([], ["tools"]), (["--wake"], ["tools", "wake"])])
def test_tools_start_the_docker_server_only_when_asked(
    words: list[str], steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(lab, "tools", lambda machine: done.append("tools"))
    monkeypatch.setattr(lab, "wake", lambda machine: done.append("wake"))
    monkeypatch.setattr(sys, "argv", ["supply", "tools", *words])
    assert command.main() == 0
    assert done == steps
