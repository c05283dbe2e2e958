"""A Pulumi engine for tests: it records what the program asks of it, and throws on what nobody foresaw."""

import asyncio
import contextvars
import gc
import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, set_all_config, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

Answers = Mapping[str, Callable[[str, dict[str, Any]], dict[str, Any]]]
"""By resource type (or its beginning, with `*`): from name and inputs to what the provider adds to the inputs."""


def is_unknown(value: Any) -> bool:
    """Whether a recorded value was not known yet when it was recorded."""
    return value == rpc.UNKNOWN or isinstance(value, pulumi.output.Unknown)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One resource as the program registered it. Others are given by their `label`."""

    label: str
    """What it is and how it is called, such as `Pod pods-samplepod`."""
    type: str
    name: str
    inputs: dict[str, Any]
    parent: str
    provider: str
    """Empty: the default one."""
    depends_on: frozenset[str]
    deleted_with: str
    replace_with: frozenset[str]
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    ignore_changes: tuple[str, ...]


@dataclass
class Run:
    """What one run of a program left: its resources, and the outputs of the stack."""

    resources: list[Recorded] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None

    def __getitem__(self, label: str) -> Recorded:
        (found,) = [each for each in self.resources if each.label == label]
        return found

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.resources)

    @property
    def labels(self) -> set[str]:
        return {each.label for each in self.resources}


class Unforeseen(pulumi.RunError):
    """The program asked for something that the test has no answer to."""


class Recorder(mocks.MockMonitor):
    def __init__(self, answers: Answers, run: Run, preview: bool) -> None:
        super().__init__(_Nothing())
        self._answers = answers
        self._run = run
        self._preview = preview

    def RegisterResource(self, request: Any) -> Any:
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]
        urn = self.make_urn(request.parent, request.type, request.name)
        self._record(request)
        resource_id, outputs = self._answer(request.type, request.name, request.object, request.custom)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=resource_id, object=outputs)

    def Invoke(self, request: Any) -> Any:
        raise Unforeseen(f"call of {request.tok}")

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if _label(request.urn).startswith("Stack "):
            self._run.outputs |= rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def _record(self, request: Any) -> None:
        self._run.resources.append(
            Recorded(
                label=_label(self.make_urn("", request.type, request.name)),
                type=request.type,
                name=request.name,
                inputs=rpc.deserialize_properties(request.object, keep_unknowns=True),
                parent=_label(request.parent),
                # A reference to a provider is its URN and its ID.
                provider=_label(request.provider.rpartition("::")[0]),
                depends_on=frozenset(map(_label, request.dependencies)),
                deleted_with=_label(request.deletedWith),
                replace_with=frozenset(map(_label, request.replace_with)),
                delete_before_replace=request.deleteBeforeReplace,
                replace_on_changes=tuple(request.replaceOnChanges),
                ignore_changes=tuple(request.ignoreChanges),
            )
        )

    def _answer(self, type_: str, name: str, asked: Any, custom: bool) -> tuple[str, Any]:
        inputs = rpc.deserialize_properties(asked, keep_unknowns=True)
        keys = [key for key in self._answers if key == type_ or (key[-1] == "*" and type_.startswith(key[:-1]))]
        if not keys:
            raise Unforeseen(f"a resource of type {type_}, called {name}")
        added = self._answers[keys[0]](name, inputs)
        if self._preview:  # As the engine: inputs come back, the rest is not known yet.
            return "", asked
        known = {key: value for key, value in inputs.items() if value is not None}
        outputs = asyncio.run(rpc.serialize_properties(known | added, {}))
        return (f"id-of-{name}" if custom else ""), outputs


class _Nothing(mocks.Mocks):
    """The recorder answers itself."""

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise Unforeseen(args.token)

    def new_resource(self, args: mocks.MockResourceArgs) -> Any:
        raise Unforeseen(args.typ)


def run_program(program: Path, answers: Answers, *, config: Mapping[str, str], preview: bool = False) -> Run:
    """Run `program` as the language host does, with `config` as Pulumi hands it over (all of it text)."""
    run = Run()

    def body() -> None:
        runpy.run_path(str(program))

    def inside() -> None:
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        loop.set_exception_handler(lambda _loop, _context: None)  # What goes wrong is in `run.error`.
        settings.SETTINGS.outputs.clear()  # What a run that failed left: this set alone is shared by all.
        try:
            set_all_config({f"kalico:{key}": value for key, value in config.items()})
            mocks.set_mocks(_Nothing(), "kalico", "test", preview, monitor=Recorder(answers, run, preview))
            settings.ROOT.set(None)  # The mocks' own stack; `run_in_stack` makes the program's.
            loop.run_until_complete(run_in_stack(body))
        except Exception as error:
            run.error = error
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            asyncio.set_event_loop(None)
            loop.close()
            gc.enable()  # The program lives for seconds and turns it off.

    # Pulumi keeps its runtime in context variables: nothing of a run is left for the next.
    contextvars.copy_context().run(inside)
    return run


def _label(urn: str) -> str:
    """`Pod pods-samplepod` of the URN of a `kubernetes:core/v1:Pod` of that name."""
    if not urn:
        return ""
    type_, name = urn.split("::")[-2:]
    return f"{type_.rsplit('$', 1)[-1].rsplit(':', 1)[-1]} {name}"
