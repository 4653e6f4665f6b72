"""On which addresses a process listens, as the kernel says."""

import os
import socket
from pathlib import Path

_LISTEN = "0A"


def listening_addresses(pid: int) -> list[tuple[str, int]]:
    """Return (address, port) of every TCP socket on which a process listens, ordered. IPv4-mapped is IPv4."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.append((_readable(address), int(port, 16)))
    return sorted(found)


def _readable(hexadecimal: str) -> str:
    words = bytes.fromhex(hexadecimal)
    packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    if len(packed) == 4:
        return socket.inet_ntop(socket.AF_INET, packed)
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)
