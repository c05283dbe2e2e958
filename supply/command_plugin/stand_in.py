"""Stand-in for Pulumi's Command provider plugin v1.2.1, for machines that cannot download the real one.

It serves the resource `command:local:Command` and the function `command:local:run` with the inputs, outputs,
differences and errors of the real plugin, on the provider server of Pulumi's Python SDK. Not served: the
schema, `command:remote:*`, `assetPaths` and `archivePaths`; the last three are refused with a message. Unlike
the real one on purpose: a line of output longer than 64 KiB does no harm; cancelling ends the whole process
group of a script (SIGTERM, then SIGKILL), not only its first process; and the plugin ends, with its scripts,
when its engine is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc.aio  # type: ignore[import-untyped]
from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN

VERSION = "1.2.1"
NOTICE = f"Command plugin: stand-in for v{VERSION}, part of this project, not Pulumi's own"

CHUNK = 65536  # bytes read at once, and about the longest line that is logged in one piece
ERROR_TAIL = 8192  # bytes of a failed script's output in its error
GRACE = 2.5  # seconds from SIGTERM to SIGKILL
LEAVE = 4.5  # seconds to end in, all told; the engine kills a plugin after 5
TICK = 0.05  # seconds between two looks at a process group that is ending

Properties = dict[str, PropertyValue]


class Refused(Exception):
    """An error for the user to read; not a fault of this plugin."""


# ---- inputs ----

_text: Callable[[Any], bool] = lambda it: isinstance(it, str)  # noqa: E731
_COMMON = {
    "addPreviousOutputInEnv": ("a boolean", lambda it: isinstance(it, bool)),
    "dir": ("a string", _text),
    "environment": ("a map of strings", lambda it: isinstance(it, dict) and all(map(_text, it.values()))),
    "interpreter": ("a list of strings", lambda it: isinstance(it, list) and all(map(_text, it))),
    "logging": ("a string", _text),
    "stdin": ("a string", _text),
}
INPUTS: dict[str, dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "command:local:Command": {
        **dict.fromkeys(("create", "update", "delete"), ("a string", _text)),
        "triggers": ("a list", lambda it: isinstance(it, list)),
        **_COMMON,
    },
    "command:local:run": {"command": ("a string", _text), **_COMMON},
}
"""What is served: the inputs of each type token, and what each has to be, in words and as a test."""
RESOURCE, FUNCTION = INPUTS


def plain(value: PropertyValue | None) -> Any:
    """The Python value without the marks of secrets; what is unknown stays the SDK's UNKNOWN string."""
    inner = None if value is None else value.value
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items()}
    return [plain(item) for item in inner] if isinstance(inner, tuple) else inner


def checked(token: str, given: Properties) -> tuple[Properties, list[sdk.CheckFailure]]:
    """The inputs that have a value, and what is wrong with them. Raises Refused for a type not served."""
    if token not in INPUTS:
        raise Refused(f"the stand-in for the Command plugin serves {' and '.join(INPUTS)}, not {token}")
    inputs = {key: value for key, value in given.items() if value.value is not None}
    reasons = {"command": "is required"} if token == FUNCTION and "command" not in inputs else {}
    for key, value in inputs.items():
        if key in ("assetPaths", "archivePaths"):
            reasons[key] = "the stand-in for the Command plugin does not collect files"
        elif key not in INPUTS[token]:
            reasons[key] = f"is not an input; known are {', '.join(sorted(INPUTS[token]))}"
        elif plain(value) != UNKNOWN and not INPUTS[token][key][1](plain(value)):
            reasons[key] = f"must be {INPUTS[token][key][0]}"
    return inputs, [sdk.CheckFailure(key, f"{key}: {reason}") for key, reason in reasons.items()]


def differences(old: PropertyValue, new: PropertyValue, path: str = "") -> Iterator[tuple[str, str]]:
    """(property path, ADD, DELETE or UPDATE) for each difference, as deep as both sides have one shape."""
    a, b = _parts(old, path), _parts(new, path)
    if a is None or b is None or isinstance(old.value, tuple) != isinstance(new.value, tuple):
        if old != new:
            yield path, "UPDATE"
        return
    for key in sorted(a.keys() | b.keys()):
        if key in a and key in b:
            yield from differences(a[key], b[key], key)
        else:
            yield key, "DELETE" if key in a else "ADD"


def _parts(value: PropertyValue, path: str) -> Properties | None:
    """What a map or list holds, by property path; None for a secret (not looked into) and all else."""
    if isinstance(value.value, tuple) and not value.is_secret:
        return {f"{path}[{index}]": item for index, item in enumerate(value.value)}
    if not isinstance(value.value, Mapping) or value.is_secret:
        return None
    parts = {}
    for key, item in value.value.items():
        simple = re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", key)
        step = f".{key}" if simple else f"[{json.dumps(key, ensure_ascii=False)}]"
        if item.value is not None:
            parts[f"{path}{step}".removeprefix(".")] = item
    return parts


# ---- scripts ----


class Console:
    """The engine's own log, one line at a time."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._stub: Any = None  # made when first used: most previews log nothing

    async def say(self, text: str, urn: str = "", *, passing: bool) -> None:
        """A passing line shows in the row of the resource `urn`, any other one also after the run."""
        if self._stub is None:
            self._stub = engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(self._engine))
        line = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=passing)
        with contextlib.suppress(grpc.RpcError):  # a lost line must not fail the script
            await self._stub.Log(line)


class Output:
    """What a script writes: each stream in `texts`, the end of both in `tail`; logged as it comes."""

    def __init__(self, show: Callable[[str], Awaitable[None]], logging: str) -> None:
        self.texts = {"stdout": bytearray(), "stderr": bytearray()}
        self.tail = bytearray()
        self._show = show
        self._logged = set(self.texts) if logging == "stdoutAndStderr" else {logging}

    async def collect(self, name: str, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(CHUNK):
            self.texts[name] += chunk
            self.tail += chunk
            del self.tail[:-ERROR_TAIL]
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > CHUNK:
                lines, rest = [*lines, rest], b""
            await self._log(name, lines)
        await self._log(name, [rest] if rest else [])

    async def _log(self, name: str, lines: list[bytes]) -> None:
        for line in lines if name in self._logged else ():
            await self._show(line.removesuffix(b"\r").decode(errors="replace"))


class Scripts:
    """Runs scripts, each in a process group of its own, and ends those that run when told to."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        for work in self._running:
            work.cancel()

    async def run(
        self,
        script: str,
        inputs: Mapping[str, Any],
        environment: Mapping[str, str],
        output: Output,
        timeout: float,
    ) -> None:
        """Runs `script` to its end; `timeout` in seconds, 0 for none.

        Raises Refused if it cannot be started, fails, is cancelled or takes too long.
        """
        argv = [*(inputs.get("interpreter") or ("/bin/sh", "-c")), script]
        shown = script if len(script) <= 200 else script[:200] + "…"
        told = f"running {json.dumps(shown, ensure_ascii=False)}"
        stdin = inputs.get("stdin", "").encode()
        if self._stopped:
            raise Refused(f"cancelled before {told}")
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                executable=shutil.which(argv[0]) or argv[0],  # by the plugin's PATH, not by `environment`
                env=environment,
                cwd=inputs.get("dir"),
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Refused(f"cannot start: {error}: {told}") from error
        work = asyncio.create_task(_through(process, stdin, output))
        self._running.add(work)
        if self._stopped:  # while the process was starting
            work.cancel()
        try:
            done, _ = await asyncio.wait({work}, timeout=timeout or None)
        finally:  # also when the engine hangs up in the middle
            self._running.discard(work)
            if not work.done() or work.cancelled():
                work.cancel()
                await _end_group(process)
        ending = f", timeout of {timeout:g} s" if not done else ", cancelled" if work.cancelled() else ""
        if not ending:
            work.result()
        if ending or process.returncode != 0:
            tail = output.tail.decode(errors="replace")
            raise Refused(f"{_exit(process.returncode or 0)}{ending}: {told}:\n{tail}")


async def _through(process: asyncio.subprocess.Process, stdin: bytes, output: Output) -> None:
    async def feed() -> None:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nothing has to read its stdin
                process.stdin.write(stdin)
                await process.stdin.drain()
            process.stdin.close()

    streams = (output.collect(name, getattr(process, name)) for name in output.texts)
    await asyncio.gather(feed(), *streams, process.wait())


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """Ends the script's process group. Not by process.wait(): that also waits for whoever holds its pipes."""
    with contextlib.suppress(ProcessLookupError):  # the whole group is gone
        os.killpg(process.pid, signal.SIGTERM)
        for _ in range(int(GRACE / TICK)):
            await asyncio.sleep(TICK)
            os.killpg(process.pid, 0)
        os.killpg(process.pid, signal.SIGKILL)
    while process.returncode is None:
        await asyncio.sleep(TICK)


def _exit(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal: {(signal.strsignal(-code) or '?').lower()}"


# ---- provider ----


class Command(sdk.Provider):
    """The resource and the function."""

    def __init__(self, engine: str) -> None:
        self._console = Console(engine)
        self._scripts = Scripts()
        self._introduced = False

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:  # noqa: ARG002
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def cancel(self) -> None:
        self._scripts.stop()

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        # The SDK takes the type from the URN, where it stands behind those of the components around it.
        return sdk.CheckResponse(*checked(request.type.rsplit("$", 1)[-1], request.new_inputs))

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        old = {key: value for key, value in request.old_state.items() if key in INPUTS[RESOURCE]}
        found = {}
        for path, kind in differences(PropertyValue(old), PropertyValue(request.new_inputs)):
            # only `triggers` as a whole: for one element the SDK's own replaceOnChanges does it, as ever
            replace = "_REPLACE" if path == "triggers" else ""
            found[path] = sdk.PropertyDiff(sdk.PropertyDiffKind[kind + replace], input_diff=False)
        return sdk.DiffResponse(
            changes=bool(found),
            replaces=[path for path in found if path == "triggers"],
            diffs=sorted({re.split(r"[.\[]", path)[0] for path in found}),
            detailed_diff=found,
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        script = plain(request.properties.get("create"))
        outputs = dict.fromkeys(("stdout", "stderr"), PropertyValue(UNKNOWN if request.preview else ""))
        if script is not None and not request.preview:
            outputs = await self._change(script, request.properties, {}, request)
        return sdk.CreateResponse(request.name + os.urandom(4).hex(), {**request.properties, **outputs})

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        olds, news = request.olds, request.news
        script = plain(news.get("update", news.get("create")))
        outputs = {name: olds.get(name, PropertyValue("")) for name in ("stdout", "stderr")}
        if not request.preview:
            outputs = outputs if script is None else await self._change(script, news, outputs, request)
        elif any(key in olds and news.get(key) != olds[key] for key in INPUTS[RESOURCE]):
            # an input that is only added leaves them known: so does the real one
            outputs = dict.fromkeys(outputs, PropertyValue(UNKNOWN))
        return sdk.UpdateResponse({**news, **outputs})

    async def delete(self, request: sdk.DeleteRequest) -> None:
        script = plain(request.properties.get("delete"))
        if script is not None:
            await self._change(script, request.properties, request.properties, request)

    async def invoke(self, request: sdk.InvokeRequest) -> sdk.InvokeResponse:
        args, failures = checked(request.tok, request.args)
        if failures:
            return sdk.InvokeResponse(failures=failures)
        return sdk.InvokeResponse({**args, **await self._run(plain(args["command"]), args, {})})

    async def _change(
        self,
        script: str,
        properties: Properties,
        previous: Properties,
        request: sdk.CreateRequest | sdk.UpdateRequest | sdk.DeleteRequest,
    ) -> Properties:
        if not self._introduced:  # once in a run that changes something; a preview stays quiet
            self._introduced = True
            await self._console.say(NOTICE, passing=False)
        return await self._run(script, properties, previous, request.urn, request.timeout)

    async def _run(
        self, script: str, properties: Properties, previous: Properties, urn: str = "", timeout: float = 0
    ) -> Properties:
        """The outputs `stdout` and `stderr`, each without its last line feed; Refused if the script fails."""
        inputs = {key: plain(value) for key, value in properties.items()}
        environment = {**os.environ, **inputs.get("environment", {})}
        if inputs.get("addPreviousOutputInEnv", True):
            outputs = {name: plain(previous.get(name)) for name in ("stdout", "stderr")}
            environment |= {f"PULUMI_COMMAND_{name.upper()}": text for name, text in outputs.items() if text}

        async def show(line: str) -> None:
            await self._console.say(line, urn, passing=True)

        output = Output(show, inputs.get("logging", "stdoutAndStderr"))
        await self._scripts.run(script, inputs, environment, output, timeout)
        decoded = {name: text.decode(errors="replace") for name, text in output.texts.items()}
        return {name: PropertyValue(text.removesuffix("\n")) for name, text in decoded.items()}


# ---- server ----


class Servicer(ProviderServicer):
    """The SDK's server, which answers every error with a Python traceback; a refusal is told without one."""


def _without_traceback(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def answer(self: Servicer, request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except Exception as error:
            if isinstance(error.__context__, Refused):  # the SDK wraps what it catches
                await context.abort(grpc.StatusCode.UNKNOWN, str(error.__context__))
            raise

    return answer


for _name in ("Check", "Create", "Update", "Delete", "Invoke"):
    setattr(Servicer, _name, _without_traceback(getattr(ProviderServicer, _name)))


async def serve(engine: str) -> None:
    """Serves on a free port, printed for the engine, until a signal comes or that engine is gone."""
    command, parent, end = Command(engine), os.getppid(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer([], VERSION, command, engine), server)
    print(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    sys.stdout.flush()
    while not end.is_set() and os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), timeout=1.0)
    await command.cancel()
    await server.stop(LEAVE)


def main() -> None:
    """`pulumi-resource-command ENGINE`: the address of the engine's log; further options are ignored."""
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    if engine is None:
        sys.exit(f"{NOTICE}. It is started by Pulumi, with the address of the engine.")
    asyncio.run(serve(engine))
    os._exit(0)  # nothing is left to tidy up, and the engine waits for this process to end
