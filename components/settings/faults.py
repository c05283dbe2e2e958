"""What is wrong with a config, and the reader that finds all of it before it gives up.

A `Section` reads one mapping of the config by key and type. It never raises for a bad value: it notes a
`Fault` and hands back a stand-in, so that one run names every fault. Keys that nobody asked for are faults too.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

WHOLE = re.compile(r"-?[0-9]+")

THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")

NOWHERE = ipaddress.IPv4Network("0.0.0.0/32")
"""Stands in for a subnet that could not be read; known by identity, no check compares it with anything."""
NOWHERE6 = ipaddress.IPv6Network("::/128")
"""The same of IPv6."""

NOBODYS = tuple(map(ipaddress.IPv6Network, ("::/8", "fe80::/10", "ff00::/8")))
"""Of IPv6: loopback and what stands for IPv4, one link alone, multicast."""

EXAMPLES = {4: "10.23.0.0/16", 6: "fd23::/64"}
"""A subnet of each family."""


def known(subnet: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether it is none of the stand-ins."""
    return subnet is not NOWHERE and subnet is not NOWHERE6


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that cannot be used: `key` is its path (`networks[0].ipam.rangeEnd`)."""

    key: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return printable(f"{self.key}: {self.problem}; {self.remedy}")


class ConfigError(ValueError):
    """All faults of one config, in one message."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{count} in the config, nothing was touched:", *(f"  - {f}" for f in faults)]))


@dataclass
class Faults:
    """Collects what is found on the way."""

    found: list[Fault] = field(default_factory=list)

    def add(self, key: str, problem: str, remedy: str) -> None:
        self.found.append(Fault(key=key, problem=problem, remedy=remedy))

    def raise_if_any(self, error: Callable[[tuple[Fault, ...]], ConfigError] = ConfigError) -> None:
        if self.found:
            raise error(tuple(self.found))


class Section:
    """Reads the mapping at `path`; `closed()` then names the keys that were not asked for."""

    def __init__(self, values: Any, path: str, faults: Faults, sole: str = "") -> None:
        """`sole`: the key whose value stands at `path` itself, without a mapping around it."""
        self._path = path
        self._sole = sole
        self._faults = faults
        self._asked: list[str] = []
        self._readable = isinstance(values, Mapping)
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
        if not self._readable:
            faults.add(path, f"{shown(values)} is not a mapping", "give keys and values")

    def key(self, name: str) -> str:
        if name == self._sole:
            return self._path
        return f"{self._path}.{name}" if self._path else name

    def fault(self, name: str, problem: str, remedy: str) -> None:
        self._faults.add(self.key(name), problem, remedy)

    def asks(self, name: str) -> None:
        """The key is one that is known where it is said, whatever it says."""
        if name in self._values:
            self._asked.append(name)

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    @property
    def faulty(self) -> bool:
        """Whether anything in it was found wrong so far; what was read may then be a stand-in."""
        return self._faulty(self._path)

    def faulty_at(self, name: str) -> bool:
        """The same of one key and what is in it."""
        return self._faulty(self.key(name))

    def faulty_beside(self, *names: str) -> bool:
        """The same of all but these keys and what is in them."""
        return any(
            _in(fault.key, self._path) and not any(_in(fault.key, self.key(name)) for name in names)
            for fault in self._faults.found
        )

    def _faulty(self, path: str) -> bool:
        return any(_in(fault.key, path) for fault in self._faults.found)

    def closed(self, told: Collection[str] = (), inner: Mapping[str, Collection[str]] | None = None) -> None:
        """`told`: keys of which what is wrong was said already. `inner`: those of each section in it, by its key."""
        for name in self._values:
            if name not in self._asked and name not in told:
                if place := next((place for place, keys in (inner or {}).items() if name in keys), None):
                    self.fault(name, "unknown key", f"`{name}` is a key of `{place}`, put it there")
                    continue
                # Rather a key that is not there as well: `rangeStop` beside `rangeStart` means `rangeEnd`.
                near = [
                    match
                    for known in ([key for key in self._asked if key not in self._values], self._asked)
                    for match in difflib.get_close_matches(known_as(name), known, n=1, cutoff=0.5)
                ]
                remedy = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(self._asked))}"
                self.fault(known_as(name), "unknown key", remedy)

    def text(self, name: str, default: str | None = None, such_as: str = "") -> str:
        return self._read(name, default, "", _text, f"a text such as {such_as}" if such_as else "a text")

    def integer(self, name: str, default: int | None = None) -> int:
        return self._read(name, default, 0, _integer, "a whole number")

    def bounded(self, name: str, least: int, most: int, why: str) -> int | None:
        """A whole number from `least` to `most`, or None where there is none (or none that can be used)."""
        self._asked.append(name)
        if not self.has(name):
            return None
        given = self._values[name]
        number = _integer(given)
        if number is not None and least <= number <= most:
            return number
        problem = "is not a whole number" if number is None else "is out of bounds"
        self.fault(name, f"{shown(given)} {problem}", f"give {least} to {most}, {why}")
        return None

    def boolean(self, name: str, default: bool | None = None) -> bool:
        return self._read(name, default, False, _boolean, "true or false")

    def subnet(
        self, name: str, version: int | None = 4, twin: str = ""
    ) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """A subnet without host bits; a stand-in where it is none.

        `version`: None takes either family. `twin`: the key that says the same in the other one.
        """
        nowhere = NOWHERE6 if version == 6 else NOWHERE
        example = EXAMPLES[version or 4]
        given = self._read(name, None, "", _text, f"a subnet such as {example}")
        if not given:
            return nowhere
        try:
            interface = ipaddress.ip_interface(given)
        except ValueError:
            interface = None
        if interface is None or "%" in given:
            self.fault(name, f"{shown(given)} is not a subnet", f"write it as address/prefix, such as {example}")
            return nowhere
        if version and interface.version != version:
            self._other_family(name, given, interface.version, "subnet", twin)
            return nowhere
        if "/" not in given:
            self.fault(name, f"{given} has no prefix length", f"write it as address/prefix, such as {example}")
            return nowhere
        if interface.ip != interface.network.network_address:
            self.fault(name, f"{given} has host bits set", f"write {interface.network}")
        network = interface.network
        if isinstance(network, ipaddress.IPv6Network):
            if network.prefixlen and any(network.overlaps(other) for other in NOBODYS):
                self.fault(name, f"{given} is for loopback, multicast or one link alone", "take one of fd00::/8")
            return network
        if network.prefixlen and (network.is_loopback or network.is_multicast or network.is_link_local):
            self.fault(name, f"{given} is for loopback, multicast or one link alone", "take a private subnet")
        if 8 <= network.prefixlen < 32 and network.network_address in THIS_NETWORK:
            self.fault(name, f"{given} is no subnet that hosts can be in", "take a private subnet")
        return network

    def address(
        self, name: str, version: int | None = 4, twin: str = ""
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """An address, or None where there is none (or none that can be read). As for `subnet`: `version`, `twin`."""
        example = EXAMPLES[version or 4].replace("0/16", "1").replace("/64", "1")
        given = self._read(name, "", "", _text, f"an address such as {example}")
        if not given:
            return None
        try:
            address = ipaddress.ip_address(given)
        except ValueError:
            address = None
        if address is None or "%" in given:
            how = (
                f"eight groups, or fewer and ::, such as {example}"
                if version == 6
                else f"four numbers, such as {example}"
            )
            self.fault(name, f"{shown(given)} is not an IPv{version or 4} address", f"write {how}")
            return None
        if version in (None, address.version):
            return address
        self._other_family(name, given, address.version, "address", twin)
        return None

    def _other_family(self, name: str, given: str, version: int, what: str, twin: str) -> None:
        remedy = f"give an IPv{10 - version} {what}" + (f", or say it by `{twin}`" if twin else "")
        self.fault(name, f"{given} is IPv{version}", remedy)

    def mac(self, name: str) -> str | None:
        """A MAC in lower case that one interface can have, or None where there is none (or none that can be used)."""
        self._asked.append(name)
        if not self.has(name):
            return None
        mac = (_text(self._values[name]) or "").lower()
        if not MAC.fullmatch(mac):
            # In quotes: YAML takes some MACs for numbers in base 60.
            remedy = 'write six pairs of hexadecimal digits in quotes, such as "02:00:00:00:00:0a"'
            self.fault(name, f"{shown(self._values[name])} is not a MAC", remedy)
        elif int(mac[:2], 16) & 1:
            self.fault(name, f"{mac} is a multicast MAC", "take one whose second digit is even, such as 02:...")
        elif mac == "00:00:00:00:00:00":
            self.fault(name, f"{mac} is no interface's MAC", "take one that begins with 02")
        else:
            return mac
        return None

    def choice(self, name: str, kind: type[Choice], default: Choice) -> Choice:
        given = self._read(name, default.value, default.value, _text, "a text")
        try:
            return kind(given)
        except ValueError:
            self.fault(name, f"{shown(given)} is not known", f"known are: {', '.join(kind)}")
            return default

    def mapping(self, name: str) -> "Section":
        self._asked.append(name)
        given = self._values.get(name)
        return Section({} if given is None else given, self.key(name), self._faults)

    def switch(self, name: str, default: bool, keys: Mapping[int, str]) -> "Section | None":
        """A mapping, or true for one that says nothing more; None where it is false. `keys`: those of an address in it,
        by family."""
        self._asked.append(name)
        given = self._values.get(name)
        if isinstance(given, Mapping):
            return Section(given, self.key(name), self._faults)
        on = default if given is None else _boolean(given)
        if on is None:
            remedy = "give true, or keys and values"
            with suppress(ValueError, KeyError):
                if isinstance(given, str):
                    remedy = f"write `{{{keys[ipaddress.ip_address(given).version]}: {given}}}`"
            self.fault(name, f"{shown(given)} is neither true nor false", remedy)
        return Section({}, self.key(name), self._faults) if on else None

    def says(self, name: str, word: str) -> bool:
        """Whether the value is that very word; where it is not, it has yet to be read."""
        said: bool = self._values.get(name) == word
        if said:
            self._asked.append(name)
        return said

    def pairs(self, name: str) -> dict[str, Any]:
        """A mapping whose keys are the user's own (feature gates)."""
        self._asked.append(name)
        given = self._values.get(name)
        if given is None:
            return {}
        if isinstance(given, Mapping):
            return dict(given)
        self.fault(name, f"{shown(given)} is not a mapping", "give keys and values")
        return {}

    def sections(self, name: str) -> tuple["Section", ...]:
        items = self._list(name)
        return tuple(Section(item, f"{self.key(name)}[{i}]", self._faults) for i, item in enumerate(items))

    def entries(self, name: str, key: str) -> tuple["Section", ...]:
        """A list whose items are mappings, or values that stand for the one `key` of such a mapping."""
        return tuple(
            Section(item, path, self._faults)
            if isinstance(item, Mapping)
            else Section({key: item}, path, self._faults, sole=key)
            for item, path in ((item, f"{self.key(name)}[{i}]") for i, item in enumerate(self._list(name)))
        )

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts, of which any may be empty."""
        if not self.has(name):
            self._asked.append(name)
            return default
        read = []
        for i, item in enumerate(self._list(name)):
            if isinstance(item, str):
                read.append(item)
            else:
                self._faults.add(f"{self.key(name)}[{i}]", f"{shown(item)} is not a text", "put it in quotes")
        return tuple(read)

    def _list(self, name: str) -> list[Any]:
        self._asked.append(name)
        given = self._values.get(name)
        if given is None:
            return []
        if isinstance(given, list):
            return given
        self.fault(name, f"{shown(given)} is not a list", "begin each item with `- `")
        return []

    def _read(
        self, name: str, default: Value | None, nothing: Value, read: Callable[[Any], Value | None], what: str
    ) -> Value:
        self._asked.append(name)
        given = self._values.get(name)
        if given is None:
            if default is not None:
                return default
            if self._readable:  # else that is said already
                self.fault(name, "missing", f"give {what}")
            return nothing
        value = read(given)
        if value is None:
            self.fault(name, f"{shown(given)} is not {what}", f"give {what}")
            return nothing
        return value


def _in(key: str, path: str) -> bool:
    return key == path or key.startswith((f"{path}.", f"{path}["))


def shown(value: Any) -> str:
    """The value as the user may recognise it, cut to a length that fits a line."""
    try:
        return cut(repr(value))
    except (RecursionError, ValueError):  # nested, or a number, beyond what Python writes
        return f"({type(value).__name__}, too large to show)"


def known_as(key: Any) -> str:
    """A key of the user's own in a path; in YAML it need not be a text."""
    return cut(key) if isinstance(key, str) and key.strip() else shown(key)


def cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def printable(text: str) -> str:
    """The same, with what a terminal would not show (line ends, halves of surrogates) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _integer(value: Any) -> int | None:
    """Pulumi hands plain values over as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        return int(value) if isinstance(value, str) and WHOLE.fullmatch(value) else None
    except ValueError:  # of more digits than Python reads
        return None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None
