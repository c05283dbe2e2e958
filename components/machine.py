"""Facts of this machine: its links, routes and kernel, and the networks that the engine has.

Linux tells them in files; only the engine has to be asked by its command.
"""

import gzip
import ipaddress
import json
import os
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from components.engines import Engine, EngineError, last_line, put
from components.settings.blocks import Address
from components.settings.machine import FEATURES, EngineNetwork, MachineFacts

UP, REJECT = 0x1, 0x200
"""Flags of a route, from linux/route.h."""
ANYCAST, LOCAL = 0x00100000, 0x80000000
"""Of a route to an address of the machine's own, from linux/ipv6_route.h."""
ON_EVERY_LINK = tuple(map(ipaddress.IPv6Network, ("fe80::/10", "ff00::/8")))
ETHERNET = "1"
"""The kind of a link, from linux/if_arp.h; the only one that macvlan and ipvlan lie on."""
PORTS = {"brport": "a port of a bridge", "bonding_slave": "a part of a bond"}
"""What hands a link's frames to another link, by what the kernel tells of it beside the link."""
CAP_NET_ADMIN = 12
"""The capability that making links takes, from linux/capability.h."""


def facts(engine: Engine, root: Path = Path("/")) -> MachineFacts:
    """All facts. Raises EngineError where the engine does not tell its networks."""
    routes, routes6 = _routing_tables(root)
    return MachineFacts(
        links=mtus(root),
        carries_none=carries_none(root),
        neighbours=neighbours(root),
        default_link=default_link(routes),
        routes=routes_of(routes) + routes6_of(routes6),
        engine=engine.name,
        makes_vlans=engine.makes_vlans,
        addresses_nodes=engine.addresses_nodes,
        engine_networks=engine_networks(engine),
        features=features(root),
    )


def neighbours(root: Path = Path("/")) -> tuple[tuple[Address, str, str], ...]:
    """The addresses that the machine knows to be in use on its links: each with its link and whose it is."""
    routes, routes6 = _routing_tables(root)
    own = {
        *own_addresses(_text(root / "proc/net/fib_trie") or "", routes),
        *own_addresses6(_text(root / "proc/net/if_inet6") or ""),
    }
    routers = {*routers_of(routes), *routers6_of(routes6)} - own
    return (
        *((*each, "this machine's own") for each in sorted(own, key=str)),
        *((*each, "the router of this machine's default route") for each in sorted(routers, key=str)),
    )


def links(root: Path = Path("/")) -> frozenset[str]:
    return frozenset(mtus(root))


def mtus(root: Path = Path("/")) -> dict[str, int]:
    """The machine's links, with their MTU."""
    folder = root / "sys/class/net"
    # (The kernel puts files beside the links there, such as bonding_masters.)
    read = {path.name: _text(path / "mtu") for path in folder.iterdir()} if folder.is_dir() else {}
    return {name: int(text) for name, text in read.items() if text}


def carries_none(root: Path = Path("/")) -> dict[str, str]:
    """The links on which the kernel makes no macvlan or ipvlan, and why; one that does not tell its kind is none."""
    found = {}
    for name in mtus(root):
        link = root / "sys/class/net" / name
        ports = [port for told, port in PORTS.items() if (link / told).exists()]
        if (_text(link / "type") or ETHERNET).strip() != ETHERNET:
            found[name] = "not of Ethernet"
        elif ports:
            found[name] = ports[0]
    return found


def makes_links(root: Path = Path("/")) -> bool:
    """Whether this process may make links; root in a container often may not."""
    for line in (_text(root / "proc/self/status") or "").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_NET_ADMIN & 1)
    return False


def features(root: Path = Path("/")) -> frozenset[str]:
    """The kinds of links that this machine's kernel makes, where it does not tell (in a container) all; and IPv6, which
    it may have been started without."""
    release = os.uname().release
    packed = root / "proc/config.gz"
    config = (
        gzip.decompress(packed.read_bytes()).decode() if packed.exists() else _text(root / f"boot/config-{release}")
    )
    lists = [_text(root / f"lib/modules/{release}/modules.{name}") for name in ("builtin", "dep")]
    modules = "\n".join(text for text in lists if text) or None
    modules_loaded = root / "sys/module"
    loaded = {path.name for path in modules_loaded.iterdir()} if modules_loaded.is_dir() else set()
    found = known_features(loaded, config, modules) - {"ipv6"}
    return found | {"ipv6"} if (root / "proc/net/if_inet6").exists() else found


def known_features(loaded: set[str], config: str | None, modules: str | None) -> frozenset[str]:
    """All of FEATURES but those that the kernel is known to lack.

    `config`: the options that it was built with. `modules`: its modules.builtin and modules.dep. None: not told.
    """

    def has(module: str, option: str) -> bool:
        options = config.splitlines() if config is not None else [f"{option}=m"]
        there = modules is None or f"/{module}.ko" in modules
        return module in loaded or f"{option}=y" in options or (f"{option}=m" in options and there)

    return frozenset(kind for kind, feature in FEATURES.items() if has(feature.module, feature.option))


def default_link(table: str) -> str | None:
    """The link of the default route with the lowest metric, in the text of /proc/net/route."""
    defaults = [(metric, link) for subnet, link, metric in _routes(table) if subnet.prefixlen == 0]
    return min(defaults)[1] if defaults else None


def routes_of(table: str) -> tuple[tuple[IPv4Network, str], ...]:
    """The subnets and their links in the text of /proc/net/route, without default routes."""
    return tuple((subnet, link) for subnet, link, _ in _routes(table) if subnet.prefixlen)


def routes6_of(table: str) -> tuple[tuple[IPv6Network, str], ...]:
    """The same of IPv6, in the text of /proc/net/ipv6_route, but for what is on every link."""
    found = []
    for line in table.splitlines():
        destination, length, *_, flags, link = line.split()
        subnet = ipaddress.IPv6Network((bytes.fromhex(destination), int(length, 16)))
        told = int(flags, 16) & (UP | REJECT | ANYCAST | LOCAL) == UP
        if told and subnet.prefixlen and not any(subnet.overlaps(each) for each in ON_EVERY_LINK):
            found.append((subnet, link))
    return tuple(found)


def routers_of(table: str) -> set[tuple[Address, str]]:
    """The gateways of the default routes in the text of /proc/net/route, with their links."""
    found: set[tuple[Address, str]] = set()
    for line in table.splitlines()[1:]:
        link, destination, gateway, flags, _, _, _, mask, *_ = line.split()
        if int(flags, 16) & (UP | REJECT) == UP and int(destination, 16) == int(mask, 16) == 0 != int(gateway, 16):
            found.add((_address(gateway), link))
    return found


def routers6_of(table: str) -> set[tuple[Address, str]]:
    """The same of IPv6, in the text of /proc/net/ipv6_route; most are of a link's own kind (fe80::)."""
    found: set[tuple[Address, str]] = set()
    for line in table.splitlines():
        _, length, _, _, gateway, *_, flags, link = line.split()
        if int(flags, 16) & (UP | REJECT) == UP and int(length, 16) == 0 != int(gateway, 16):
            found.add((IPv6Address(bytes.fromhex(gateway)), link))
    return found


def own_addresses(trie: str, table: str) -> set[tuple[Address, str]]:
    """The machine's own addresses, in the text of /proc/net/fib_trie, which says of no link: with those of the nearest
    routes in that of /proc/net/route. One without a route is on no link."""
    routes = routes_of(table)
    found: set[tuple[Address, str]] = set()
    address = None
    for line in trie.splitlines():
        if "|--" in line:
            address = IPv4Address(line.split()[-1])
        elif address and line.split()[:3] == ["/32", "host", "LOCAL"]:
            near = [(subnet.prefixlen, link) for subnet, link in routes if address in subnet]
            found |= {(address, link) for length, link in near if length == max(near)[0]}
    return found


def own_addresses6(text: str) -> set[tuple[Address, str]]:
    """The same of IPv6, in the text of /proc/net/if_inet6."""
    told = [line.split() for line in text.splitlines()]
    return {(IPv6Address(bytes.fromhex(address)), link) for address, *_, link in told}


def _routes(table: str) -> list[tuple[IPv4Network, str, int]]:
    found = []
    for line in table.splitlines()[1:]:
        link, destination, _, flags, _, _, metric, mask, *_ = line.split()
        if int(flags, 16) & (UP | REJECT) == UP:
            subnet = ipaddress.IPv4Network((_address(destination), str(_address(mask))))
            found.append((subnet, link, int(metric)))
    return found


def _address(text: str) -> ipaddress.IPv4Address:
    """Hex digits of an address as it lies in memory; little endian wherever the lab runs (amd64, arm64)."""
    return ipaddress.IPv4Address(bytes.fromhex(text)[::-1])


def engine_networks(engine: Engine) -> tuple[EngineNetwork, ...]:
    """The networks that the engine has. Raises EngineError where it does not tell them."""
    names = _asked(engine, "network", "ls", "--quiet").split()
    shown = _asked(engine, "network", "inspect", *names) if names else "[]"
    return tuple(engine.read_network(network) for network in json.loads(shown))


def _asked(engine: Engine, *words: str) -> str:
    complaint = f"{engine.name} does not tell its networks (`{engine.name} {words[0]} {words[1]}`)"
    asked = put([engine.name, *words], complaint)
    # A network that another lab took away in between is complained of, and all others are shown.
    if asked.returncode and not asked.stdout.strip("[] \n"):
        raise EngineError(f"{complaint}: {last_line(asked.stderr)}")
    return asked.stdout


def _routing_tables(root: Path) -> tuple[str, str]:
    """Of IPv4, and of IPv6."""
    return _text(root / "proc/net/route") or "", _text(root / "proc/net/ipv6_route") or ""


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
