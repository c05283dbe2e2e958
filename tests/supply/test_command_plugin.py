"""The Command plugin's stand-in, and the real plugin wherever it can be had: one set of tests for both.

The real one is taken from KALICO_COMMAND_PLUGIN (a path) or from PATH. Most tests speak to the plugin as the
engine does, over gRPC, with a log of the engine's in this process; the last ones run `pulumi` itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as proto
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

STAND_IN = Path(__file__).parents[2] / "supply" / "command_plugin" / "pulumi-resource-command"
URN = "urn:pulumi:stack::project::command:local:Command::thing"
PATIENCE = 30  # seconds until a call or a process counts as hanging


def real_plugin() -> Path | None:
    found = os.environ.get("KALICO_COMMAND_PLUGIN") or shutil.which("pulumi-resource-command")
    path = Path(found).resolve() if found else None
    return None if path is None or (path.parent / "stand_in.py").exists() else path


PLUGINS = {"stand-in": STAND_IN} | ({"real": real} if (real := real_plugin()) else {})


def secret(value: object) -> dict[str, object]:
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": value}


def python(values: struct_pb2.Struct) -> dict[str, Any]:
    made: dict[str, Any] = json_format.MessageToDict(values)
    return made


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


class Log(engine_pb2_grpc.EngineServicer):
    """The engine's side of the log: keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[engine_pb2.LogRequest] = []

    def Log(self, request: engine_pb2.LogRequest, context: object) -> empty_pb2.Empty:
        self.requests.append(request)
        return empty_pb2.Empty()

    def lines(self) -> list[str]:
        """The lines that belong to the resource."""
        return [request.message for request in self.requests if request.urn == URN]

    def notices(self) -> list[str]:
        """The lines that stay after the run."""
        return [request.message for request in self.requests if not request.ephemeral]


@dataclass
class Plugin:
    """A running plugin, and the engine's calls with plain Python values."""

    process: subprocess.Popen[str]
    stub: Any
    log: Log = field(default_factory=Log)

    def check(self, news: Mapping[str, Any], urn: str = URN) -> dict[str, str]:
        """The reasons against these inputs by property."""
        answer = self.stub.Check(proto.CheckRequest(urn=urn, news=struct(news)), timeout=PATIENCE)
        return {failure.property: failure.reason for failure in answer.failures}

    def diff(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> proto.DiffResponse:
        request = proto.DiffRequest(id="x", urn=URN, olds=struct(olds), news=struct(news))
        answer: proto.DiffResponse = self.stub.Diff(request, timeout=PATIENCE)
        return answer

    def create(self, inputs: Mapping[str, Any], *, preview: bool = False, timeout: float = 0) -> dict[str, Any]:
        request = proto.CreateRequest(urn=URN, properties=struct(inputs), preview=preview, timeout=timeout)
        answer = self.stub.Create(request, timeout=PATIENCE)
        assert answer.id.startswith("thing")
        return python(answer.properties)

    def update(self, olds: Mapping[str, Any], news: Mapping[str, Any], *, preview: bool = False) -> dict[str, Any]:
        request = proto.UpdateRequest(id="x", urn=URN, olds=struct(olds), news=struct(news), preview=preview)
        return python(self.stub.Update(request, timeout=PATIENCE).properties)

    def delete(self, state: Mapping[str, Any]) -> None:
        request = proto.DeleteRequest(id="x", urn=URN, properties=struct(state))
        self.stub.Delete(request, timeout=PATIENCE)

    def invoke(self, args: Mapping[str, Any]) -> dict[str, Any]:
        request = proto.InvokeRequest(tok="command:local:run", args=struct(args))
        answer = self.stub.Invoke(request, timeout=PATIENCE)
        assert not answer.failures, answer.failures
        return python(getattr(answer, "return"))

    def refusal(self, call: Callable[[], object]) -> str:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        return str(caught.value.details())


def connect(port: int | str) -> ResourceProviderStub:
    """As the engine does: errors of any length."""
    options = [("grpc.max_metadata_size", 2**20), ("grpc.absolute_max_metadata_size", 2**20)]
    return ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}", options))


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[Path], Plugin]]:
    """Starts plugins, and ends them after the module."""
    log = Log()
    engine = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    engine_pb2_grpc.add_EngineServicer_to_server(log, engine)
    address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    processes = []

    def begin(path: Path) -> Plugin:
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        process = subprocess.Popen([path, address], stdout=subprocess.PIPE, text=True, env=environment)
        processes.append(process)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        log.requests.clear()
        return Plugin(process, connect(port), log)

    yield begin
    for process in processes:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    engine.stop(None)


@pytest.fixture(scope="module", params=PLUGINS, name="running")
def _running(request: pytest.FixtureRequest, start: Callable[[Path], Plugin]) -> Plugin:
    return start(PLUGINS[request.param])


@pytest.fixture(name="plugin")
def _plugin(running: Plugin) -> Plugin:
    """One process for all tests that leave it running."""
    running.log.requests.clear()
    return running


@pytest.fixture(scope="module", name="running_stand_in")
def _running_stand_in(start: Callable[[Path], Plugin]) -> Plugin:
    return start(STAND_IN)


@pytest.fixture(name="stand_in")
def _stand_in(running_stand_in: Plugin) -> Plugin:
    """For what the real plugin does otherwise."""
    running_stand_in.log.requests.clear()
    return running_stand_in


def gone(pid: int) -> bool:
    """True once the process has ended (a zombie counts), within a few seconds."""
    for _ in range(100):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def appears(path: Path) -> str:
    """The text of a file that a script is about to write."""
    for _ in range(200):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not appear")


# ---- create ----


def test_create_runs_the_script_with_environment_and_stdin_in_the_folder(plugin: Plugin) -> None:
    inputs = {
        "create": "pwd; cat; echo $WHO; echo trouble >&2",
        "environment": {"WHO": "Zoë"},
        "stdin": "from stdin\n",
        "dir": "/usr",
    }
    assert plugin.create(inputs) == {
        **inputs,
        "stdout": "/usr\nfrom stdin\nZoë",
        "stderr": "trouble",
    }


def test_only_the_last_line_feed_is_taken_off(plugin: Plugin) -> None:
    assert plugin.create({"create": "printf 'a\\n\\n'"})["stdout"] == "a\n"


def test_create_without_a_script_makes_a_resource_with_empty_outputs(plugin: Plugin) -> None:
    assert plugin.create({"delete": "false"}) == {"delete": "false", "stdout": "", "stderr": ""}


def test_the_interpreter_is_sh_unless_one_is_named(plugin: Plugin) -> None:
    assert plugin.create({"create": "echo $0"})["stdout"] == "/bin/sh"
    bash = {"create": "false | true; echo $BASH_VERSION", "interpreter": ["bash", "-euo", "pipefail", "-c"]}
    assert "exit status 1" in plugin.refusal(lambda: plugin.create(bash))


def test_the_interpreter_is_found_on_the_plugins_own_path(plugin: Plugin) -> None:
    inputs = {"create": "echo $PATH", "interpreter": ["bash", "-c"], "environment": {"PATH": "/nowhere"}}
    assert plugin.create(inputs)["stdout"] == "/nowhere"


def test_an_interpreter_or_folder_that_is_missing_is_named(plugin: Plugin) -> None:
    missing: dict[str, Any] = {"create": "true", "interpreter": ["no-such-interpreter"]}
    assert "no-such-interpreter" in plugin.refusal(lambda: plugin.create(missing))
    missing = {"create": "true", "dir": "/no/such/folder"}
    assert "/no/such/folder" in plugin.refusal(lambda: plugin.create(missing))


def test_a_script_that_fails_is_told_with_its_exit_status_and_output(plugin: Plugin) -> None:
    told = plugin.refusal(lambda: plugin.create({"create": "echo so far; echo 'no spåce' >&2; exit 9"}))
    assert told.startswith("exit status 9: running \"echo so far; echo 'no spåce' >&2; exit 9\":\n")
    assert set(told.splitlines()[1:]) == {"so far", "no spåce"}


def test_a_script_ended_by_a_signal_is_told_with_the_signal(plugin: Plugin) -> None:
    assert plugin.refusal(lambda: plugin.create({"create": "kill -9 $$"})).startswith("signal: killed: ")


def test_a_script_that_takes_longer_than_its_timeout_is_ended(plugin: Plugin) -> None:
    began = time.monotonic()
    told = plugin.refusal(lambda: plugin.create({"create": "exec sleep 60"}, timeout=1))
    assert told.startswith("signal: ")
    assert time.monotonic() - began < 5


def test_stdin_that_the_script_does_not_read_does_no_harm(plugin: Plugin) -> None:
    assert plugin.create({"create": "echo done", "stdin": "x" * 1_000_000})["stdout"] == "done"


def test_200_kb_of_output_come_back_whole(plugin: Plugin) -> None:
    many = "yes 'a line of thirty-two characters' | head -n 6000"
    assert plugin.create({"create": many, "logging": "none"})["stdout"].count("\n") == 5999
    one = "head -c 200000 /dev/zero | tr '\\0' x"
    assert plugin.create({"create": one, "logging": "none"})["stdout"] == "x" * 200_000


def test_scripts_run_side_by_side(plugin: Plugin, tmp_path: Path) -> None:
    """Each waits for the other's file: one after the other they would never end."""
    both = [
        {"create": f"touch {mine}; until [ -e {other} ]; do sleep 0.01; done", "dir": str(tmp_path)}
        for mine, other in (("a", "b"), ("b", "a"))
    ]
    with futures.ThreadPoolExecutor() as pool:
        assert [result["stdout"] for result in pool.map(plugin.create, both)] == ["", ""]


@pytest.mark.parametrize(
    ("logging", "lines"),
    [
        (None, {"out", "err"}),
        ("stdoutAndStderr", {"out", "err"}),
        ("stdout", {"out"}),
        ("stderr", {"err"}),
        ("none", set()),
    ],
)
def test_logging_chooses_what_the_console_shows(plugin: Plugin, logging: str | None, lines: set[str]) -> None:
    inputs = {"create": "echo out; echo err >&2"} | ({"logging": logging} if logging else {})
    outputs = plugin.create(inputs)
    assert (outputs["stdout"], outputs["stderr"]) == ("out", "err")
    assert set(plugin.log.lines()) == lines


def test_each_line_is_logged_by_itself_in_order(plugin: Plugin) -> None:
    plugin.create({"create": "echo one; echo; printf 'two\\r\\nthr'; printf ee"})
    assert plugin.log.lines() == ["one", "", "two", "three"]


def test_secrets_reach_the_script_and_stay_secret(plugin: Plugin) -> None:
    environment = {"A": secret("1"), "B": "2"}
    inputs = {"create": secret("echo $A$B"), "environment": environment, "triggers": [secret("t")]}
    assert plugin.create(inputs) == {**inputs, "stdout": "12", "stderr": ""}


# ---- update and delete ----

OLD = {"create": "echo made", "environment": {"A": "1", "B": "2"}, "triggers": ["a", "b"]}
STATE = {**OLD, "stdout": "OUT", "stderr": "ERR"}
SHOW = "echo ${PULUMI_COMMAND_STDOUT-unset} ${PULUMI_COMMAND_STDERR-unset}"


def test_update_runs_the_update_script_with_the_previous_output(plugin: Plugin) -> None:
    news = {**OLD, "update": SHOW + "; echo e >&2"}
    assert plugin.update(STATE, news) == {**news, "stdout": "OUT ERR", "stderr": "e"}


def test_update_without_a_script_of_its_own_runs_create_again(plugin: Plugin) -> None:
    assert plugin.update(STATE, {**OLD, "create": SHOW})["stdout"] == "OUT ERR"


def test_update_without_any_script_keeps_the_outputs(plugin: Plugin) -> None:
    olds = {"delete": "one", "stdout": "OUT", "stderr": "ERR"}
    assert plugin.update(olds, {"delete": "two"}) == {**olds, "delete": "two"}


def test_an_update_that_prints_nothing_empties_the_outputs(plugin: Plugin) -> None:
    assert plugin.update(STATE, {**OLD, "update": "true"})["stdout"] == ""


def test_the_previous_output_can_be_kept_out_of_the_environment(plugin: Plugin) -> None:
    news = {**OLD, "update": SHOW, "addPreviousOutputInEnv": False}
    assert plugin.update(STATE, news)["stdout"] == "unset unset"


def test_empty_previous_output_is_not_set_and_other_goes_before_the_environment(plugin: Plugin) -> None:
    olds = {"create": "true", "stdout": "OUT", "stderr": ""}
    news = {"create": SHOW, "environment": {"PULUMI_COMMAND_STDOUT": "mine"}}
    assert plugin.update(olds, news)["stdout"] == "OUT unset"


def test_an_update_that_fails_is_an_error(plugin: Plugin) -> None:
    told = plugin.refusal(lambda: plugin.update(STATE, {**OLD, "update": "echo no >&2; exit 4"}))
    assert told == 'exit status 4: running "echo no >&2; exit 4":\nno\n'


def test_delete_runs_the_script_with_the_previous_output(plugin: Plugin) -> None:
    plugin.delete({**STATE, "delete": SHOW + " $A"})
    assert plugin.log.lines() == ["OUT ERR 1"]


def test_delete_without_a_script_does_nothing(plugin: Plugin) -> None:
    plugin.delete(STATE)
    assert plugin.log.lines() == []


def test_a_delete_that_fails_is_an_error(plugin: Plugin) -> None:
    told = plugin.refusal(lambda: plugin.delete({**STATE, "delete": "echo busy >&2; exit 5"}))
    assert told == 'exit status 5: running "echo busy >&2; exit 5":\nbusy\n'


# ---- preview, differences, checks ----


def test_a_preview_of_create_runs_nothing_and_leaves_the_outputs_unknown(plugin: Plugin, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/ran"
    inputs = {"create": script, "environment": {"A": rpc.UNKNOWN}, "triggers": [rpc.UNKNOWN, 1]}
    assert plugin.create(inputs, preview=True) == {**inputs, "stdout": rpc.UNKNOWN, "stderr": rpc.UNKNOWN}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({"environment": {"A": "9"}}, False),
        ({"environment": {"A": rpc.UNKNOWN, "B": "2"}}, False),
        ({"create": "touch ran"}, False),
        ({"update": "touch ran"}, True),  # an added input alone leaves the outputs known
        ({}, True),
    ],
)
def test_a_preview_of_update_runs_nothing(plugin: Plugin, tmp_path: Path, change: dict[str, Any], known: bool) -> None:
    olds, news = {**STATE, "dir": str(tmp_path)}, {**OLD, "dir": str(tmp_path), **change}
    outputs = {"stdout": "OUT", "stderr": "ERR"}
    outputs = outputs if known else dict.fromkeys(outputs, rpc.UNKNOWN)
    assert plugin.update(olds, news, preview=True) == {**news, **outputs}
    assert not list(tmp_path.iterdir())


WITHOUT_TRIGGERS = {key: value for key, value in OLD.items() if key != "triggers"}
DIFFERENCES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "nothing": (OLD, {}),
    "a script": ({**OLD, "create": "other"}, {"create": "UPDATE"}),
    "scripts added": ({**OLD, "update": "x", "delete": "y"}, {"update": "ADD", "delete": "ADD"}),
    "a script removed": ({key: OLD[key] for key in ("environment", "triggers")}, {"create": "DELETE"}),
    "variables": (
        {**OLD, "environment": {"A": "9", "C-d": "3"}},
        {"environment.A": "UPDATE", "environment.B": "DELETE", 'environment["C-d"]': "ADD"},
    ),
    "an unknown variable": (
        {**OLD, "environment": {"A": rpc.UNKNOWN, "B": "2"}},
        {"environment.A": "UPDATE"},
    ),
    "a variable made secret": (
        {**OLD, "environment": {"A": secret("1"), "B": "2"}},
        {"environment.A": "UPDATE"},
    ),
    "all variables made secret": (
        {**OLD, "environment": secret({"A": "1", "B": "2"})},
        {"environment": "UPDATE"},
    ),
    # a single trigger replaces by the option `replaceOnChanges` that the program's Command always has
    "a trigger": ({**OLD, "triggers": ["a", "c"]}, {"triggers[1]": "UPDATE"}),
    "a trigger of another shape": ({**OLD, "triggers": ["a", {"x": 1}]}, {"triggers[1]": "UPDATE"}),
    "a trigger added": ({**OLD, "triggers": ["a", "b", 3]}, {"triggers[2]": "ADD"}),
    "a trigger removed": ({**OLD, "triggers": ["a"]}, {"triggers[1]": "DELETE"}),
    "all triggers removed": (WITHOUT_TRIGGERS, {"triggers": "DELETE_REPLACE"}),
    "triggers unknown": ({**OLD, "triggers": rpc.UNKNOWN}, {"triggers": "UPDATE_REPLACE"}),
}


@pytest.mark.parametrize(("news", "paths"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences_are_found_by_path(plugin: Plugin, news: dict[str, Any], paths: dict[str, str]) -> None:
    answer = plugin.diff(STATE, news)
    kinds = {path: proto.PropertyDiff.Kind.Name(diff.kind) for path, diff in answer.detailedDiff.items()}
    assert kinds == paths
    assert answer.changes == (proto.DiffResponse.DIFF_SOME if paths else proto.DiffResponse.DIFF_NONE)
    assert set(answer.diffs) == {path.split(".")[0].split("[")[0] for path in paths}
    assert list(answer.replaces) == [path for path, kind in paths.items() if kind.endswith("_REPLACE")]
    assert not answer.deleteBeforeReplace


def test_inputs_of_the_right_kind_pass_unknown_and_secret_ones_too(plugin: Plugin) -> None:
    good: dict[str, Any] = {
        "create": secret("true"),
        "delete": rpc.UNKNOWN,
        "environment": secret({"A": rpc.UNKNOWN}),
        "triggers": [1, True, "x", {"y": [None]}],
        "interpreter": ["bash", "-c"],
        "addPreviousOutputInEnv": False,
        "logging": "stderr",
        "dir": None,
    }
    assert plugin.check(good) == {}


@pytest.mark.parametrize(
    "bad",
    [
        {"create": 5},
        {"update": True},
        {"delete": ["x"]},
        {"environment": ["A=1"]},
        {"environment": {"A": 5}},
        {"interpreter": "bash"},
        {"triggers": "x"},
        {"addPreviousOutputInEnv": "true"},
        {"rangeStop": "x"},
    ],
    ids=json.dumps,
)
def test_inputs_of_the_wrong_kind_and_unknown_ones_are_refused_by_name(plugin: Plugin, bad: dict[str, Any]) -> None:
    (key,) = bad
    ((found, reason),) = plugin.check(bad).items()
    assert found.startswith(key)
    assert key in reason


# ---- the function ----


def test_run_returns_its_arguments_and_outputs(plugin: Plugin) -> None:
    environment = {"A": secret("1")}
    args = {"command": "cat; echo $A; echo e >&2", "stdin": "in ", "environment": environment, "dir": "/"}
    assert plugin.invoke(args) == {**args, "stdout": "in 1", "stderr": "e"}


def test_a_run_that_fails_is_an_error(plugin: Plugin) -> None:
    told = plugin.refusal(lambda: plugin.invoke({"command": "exit 2"}))
    assert told == 'exit status 2: running "exit 2":\n'


@pytest.mark.parametrize("args", [{}, {"command": 5}, {"command": "true", "create": "x"}], ids=json.dumps)
def test_a_run_with_wrong_arguments_is_refused(plugin: Plugin, args: dict[str, Any]) -> None:
    answer = plugin.stub.Invoke(proto.InvokeRequest(tok="command:local:run", args=struct(args)))
    assert [failure.property for failure in answer.failures] == ["create" if "create" in args else "command"]


# ---- the end of a run ----


@pytest.mark.parametrize("path", PLUGINS.values(), ids=PLUGINS)
def test_cancelling_ends_a_running_script_and_starts_no_other(
    start: Callable[[Path], Plugin], path: Path, tmp_path: Path
) -> None:
    plugin = start(path)
    script = {"create": f"echo $$ > {tmp_path}/pid; exec sleep 60"}
    with futures.ThreadPoolExecutor() as pool:
        told = pool.submit(plugin.refusal, lambda: plugin.create(script))
        pid = int(appears(tmp_path / "pid"))
        plugin.stub.Cancel(empty_pb2.Empty())
        assert told.result(PATIENCE).startswith("signal: ")
    assert gone(pid)
    assert "cancel" in plugin.refusal(lambda: plugin.create({"create": "true"}))


def end_by_cancel(plugin: Plugin) -> None:
    plugin.stub.Cancel(empty_pb2.Empty())


def end_by_interrupt(plugin: Plugin) -> None:
    plugin.process.send_signal(signal.SIGINT)


@pytest.mark.parametrize(("end", "deaf"), [(end_by_cancel, ""), (end_by_interrupt, "trap '' TERM;")])
def test_a_script_ends_with_all_its_children_even_if_it_is_deaf(
    start: Callable[[Path], Plugin], tmp_path: Path, end: Callable[[Plugin], None], deaf: str
) -> None:
    stand_in = start(STAND_IN)
    script = {"create": f"{deaf} sleep 60 & echo $! > pid; while :; do sleep 1; done", "dir": str(tmp_path)}
    with futures.ThreadPoolExecutor() as pool:
        told = pool.submit(stand_in.refusal, lambda: stand_in.create(script))
        child = int(appears(tmp_path / "pid"))
        group = os.getpgid(child)
        end(stand_in)
        assert told.result(PATIENCE).startswith("signal: killed" if deaf else "signal: terminated")
    assert gone(child)
    assert gone(group)


def test_cancelling_does_not_wait_for_a_daemon_that_holds_the_output(
    start: Callable[[Path], Plugin], tmp_path: Path
) -> None:
    plugin = start(STAND_IN)
    daemon_script = "setsid sh -c 'echo $$ > pid; exec sleep 60' & exec sleep 60"
    script = {"create": daemon_script, "dir": str(tmp_path)}
    with futures.ThreadPoolExecutor() as pool:
        told = pool.submit(plugin.refusal, lambda: plugin.create(script))
        daemon = int(appears(tmp_path / "pid"))
        try:
            end_by_cancel(plugin)
            assert told.result(PATIENCE).startswith("signal: terminated, cancelled")
        finally:
            os.kill(daemon, signal.SIGKILL)


def test_the_stand_in_ends_with_its_script_when_the_engine_is_gone(tmp_path: Path) -> None:
    """Here a shell is the parent in the engine's place, and is killed."""
    shell = subprocess.Popen(
        ["sh", "-c", f"{STAND_IN} 127.0.0.1:1 > port & echo $! > plugin; wait"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    pid = int(appears(tmp_path / "plugin"))
    try:
        stub = connect(appears(tmp_path / "port"))
        inputs = {"create": "echo $$ > script; exec sleep 60", "dir": str(tmp_path), "logging": "none"}
        call = stub.Create.future(proto.CreateRequest(urn=URN, properties=struct(inputs)))
        script = int(appears(tmp_path / "script"))
        shell.kill()
        shell.wait()
        assert gone(script)
        assert gone(pid)
        assert call.exception(PATIENCE) is not None
    finally:
        shell.kill()
        if not gone(pid):
            os.kill(pid, signal.SIGTERM)


# ---- only the stand-in ----


def test_the_stand_in_has_the_real_ones_version_and_says_what_it_is_once(
    start: Callable[[Path], Plugin],
) -> None:
    stand_in = start(STAND_IN)
    assert stand_in.stub.GetPluginInfo(empty_pb2.Empty()).version == "1.2.1"
    stand_in.diff(STATE, OLD)
    stand_in.create(OLD, preview=True)
    assert stand_in.log.notices() == []  # a preview without changes stays quiet
    stand_in.create(OLD)
    stand_in.update(STATE, OLD)
    (notice,) = stand_in.log.notices()
    assert notice.startswith("Command plugin: stand-in")


def test_a_logged_line_of_200_kb_does_no_harm(stand_in: Plugin) -> None:
    """The real plugin hangs here: its log reads lines of at most 64 KiB."""
    script = "head -c 200000 /dev/zero | tr '\\0' x; echo; echo after"
    assert stand_in.create({"create": script})["stdout"] == "x" * 200_000 + "\nafter"
    assert stand_in.log.lines()[-1] == "after"
    assert "".join(stand_in.log.lines()[:-1]) == "x" * 200_000
    assert max(map(len, stand_in.log.lines())) < 150_000  # in pieces: memory stays bounded


def test_an_error_repeats_the_end_of_a_long_output(stand_in: Plugin) -> None:
    script = {"create": "yes noise | head -n 100000; echo the cause >&2; exit 1", "logging": "none"}
    told = stand_in.refusal(lambda: stand_in.create(script))
    assert len(told) < 10_000
    assert "the cause" in told


@pytest.mark.parametrize("key", ["assetPaths", "archivePaths"])
def test_what_the_stand_in_lacks_is_refused_with_its_name(stand_in: Plugin, key: str) -> None:
    assert "stand-in" in stand_in.check({"create": "true", key: ["*.txt"]})[key]
    remote = URN.replace("local:Command", "remote:Command")
    assert "stand-in" in stand_in.refusal(lambda: stand_in.check({"create": "true"}, remote))


def test_a_python_without_the_sdk_is_told_what_to_do() -> None:
    ended = subprocess.run([sys.executable, "-S", STAND_IN, "127.0.0.1:1"], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "has no module" in ended.stderr
    assert "make -s env" in ended.stderr


def test_the_start_loads_no_part_of_the_sdk_that_serving_does_not_touch() -> None:
    """Every preview waits for this start; see UNTOUCHED in the executable."""
    ended = subprocess.run([sys.executable, "-X", "importtime", STAND_IN], capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "pulumi.provider.experimental.server" in loaded
    assert not loaded & {"pulumi.automation._local_workspace", "dill._dill", "opentelemetry.sdk.trace"}


# ---- with the engine ----

PROGRAM = """
import json, pulumi
from pulumi_command import local
settings = json.load(open("settings.json"))
first = local.Command("first", **settings["first"])
if "second" in settings:
    opts = pulumi.ResourceOptions(delete_before_replace=True)
    second = local.Command("second", environment={"FIRST": first.stdout}, **settings["second"], opts=opts)
    pulumi.export("second", second.stdout)
    pulumi.export("run", local.run_output(command="cat", stdin=first.stdout).stdout)
pulumi.export("first", first.stdout)
"""


@dataclass
class Project:
    """A Pulumi program, its stack and its own PULUMI_HOME with one plugin, all in a folder of the test's."""

    folder: Path
    environment: dict[str, str]
    stands_in: bool

    def pulumi(self, *words: str, fails: bool = False) -> str:
        command = ["pulumi", *words, "--non-interactive", "--color", "never"]
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert (ended.returncode != 0) == fails, ended.stdout
        return ended.stdout

    def up(self, settings: dict[str, Any], *flags: str, fails: bool = False) -> str:
        (self.folder / "settings.json").write_text(json.dumps(settings))
        return self.pulumi("up", "--yes", *(flags or ["--skip-preview"]), fails=fails)

    def journal(self) -> list[str]:
        """What the scripts wrote since it was last asked for."""
        path = self.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture(params=PLUGINS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    installed = tmp_path / "home" / "plugins" / "resource-command-v1.2.1"
    if request.param == "stand-in":
        shutil.copytree(STAND_IN.parent, installed)
    else:
        installed.mkdir(parents=True)
        shutil.copy(PLUGINS[request.param], installed / "pulumi-resource-command")
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: commands\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",  # the one that was laid out, not one on PATH
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",  # others that the environment names
    }
    made = Project(folder, environment, request.param == "stand-in")
    made.pulumi("stack", "init", "dev")
    return made


def test_the_engine_takes_two_commands_through_their_life(project: Project) -> None:
    first: dict[str, Any] = {
        "create": "echo first made >> journal; echo one",
        "update": "echo first updated, was $PULUMI_COMMAND_STDOUT >> journal; echo two",
        "delete": "echo first deleted >> journal",
        "environment": {"A": "1"},
    }
    second: dict[str, Any] = {
        "create": "echo second made by $FIRST >> journal; echo $FIRST",
        "delete": "echo second deleted, was $PULUMI_COMMAND_STDOUT >> journal",
        "triggers": ["a"],
    }

    said = project.up({"first": first, "second": second}, "--skip-preview=false")
    assert "+ 3 to create" in said
    assert "+ 3 created" in said
    assert ("Command plugin: stand-in" in said) == project.stands_in
    assert all(f'{output:<6}: "one"' in said for output in ("first", "second", "run"))
    # once each: the preview, where FIRST is unknown, ran nothing
    assert project.journal() == ["first made", "second made by one"]

    assert "stand-in" not in project.pulumi("preview", "--expect-no-changes")
    assert project.journal() == []

    first["environment"] = {"A": "2"}
    said = project.up({"first": first, "second": second})
    assert "~ 2 updated" in said
    assert all(f'{output:<6}: "one" => "two"' in said for output in ("first", "second", "run"))
    assert project.journal() == ["first updated, was one", "second made by two"]

    second["triggers"] = ["b"]
    assert "+-1 replaced" in project.up({"first": first, "second": second})
    assert project.journal() == ["second deleted, was two", "second made by two"]

    assert "- 3 deleted" in project.pulumi("destroy", "--yes", "--skip-preview")
    assert project.journal() == ["second deleted, was two", "first deleted"]


def test_the_engine_keeps_no_state_of_a_failed_create_and_all_of_a_failed_delete(project: Project) -> None:
    said = project.up({"first": {"create": "echo no room >&2; exit 7"}}, fails=True)
    assert "exit status 7" in said
    assert "no room" in said

    stubborn = {"create": "echo made >> journal", "delete": "[ -e free ] || { echo in use >&2; exit 8; }"}
    assert "+ 1 created" in project.up({"first": stubborn})  # made anew: nothing was left of the failed one
    assert project.journal() == ["made"]

    said = project.pulumi("destroy", "--yes", "--skip-preview", fails=True)
    assert "exit status 8" in said
    assert "in use" in said

    (project.folder / "free").touch()
    assert "- 2 deleted" in project.pulumi("destroy", "--yes", "--skip-preview")
