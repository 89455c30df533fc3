"""A server that switches protocols and echoes: websocket messages, or with ``Upgrade: raw`` the bytes as they come.

Only the standard library, so that its source also runs inside a pod: ``python3 -c SOURCE PORT``.
"""

import base64
import hashlib
import socketserver
import sys
from typing import BinaryIO

KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frames(reader: BinaryIO, writer: BinaryIO) -> None:
    """Echo websocket frames, unmasked, until the client says goodbye, which is echoed too."""
    while head := reader.read(2):
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(reader.read(2 if size == 126 else 8), "big")
        mask, payload = reader.read(4), reader.read(size)
        plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        if size < 126:
            length = bytes((size,))
        else:
            length = (
                bytes((126,)) + size.to_bytes(2, "big") if size < 65536 else bytes((127,)) + size.to_bytes(8, "big")
            )
        writer.write(head[:1] + length + plain)
        writer.flush()
        if head[0] & 0x0F == 8:
            return


def switch(headers: dict[str, str], reader: BinaryIO, writer: BinaryIO) -> None:
    """Answer a request to switch, then echo. :param headers: by lower-case name"""
    protocol = headers["upgrade"]
    lines = ["HTTP/1.1 101 Switching Protocols", f"Upgrade: {protocol}", "Connection: Upgrade"]
    if protocol == "websocket":
        accept = hashlib.sha1(headers["sec-websocket-key"].encode() + KEY, usedforsecurity=False).digest()
        lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(accept).decode()}")
        if offered := headers.get("sec-websocket-protocol"):
            lines.append(f"Sec-WebSocket-Protocol: {offered.split(',')[0].strip()}")
    lines.append("X-Seen: " + ",".join(sorted(headers)))
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    writer.flush()
    if protocol == "websocket":
        frames(reader, writer)
        return
    while data := reader.read1(65536):  # type: ignore[attr-defined]
        if data.startswith(b"bye"):
            return
        writer.write(data)
        writer.flush()


class Handler(socketserver.StreamRequestHandler):
    """One connection; what asks for no other protocol is refused with 426."""

    def handle(self) -> None:
        """Read the head, then switch."""
        first = self.rfile.readline().decode("latin-1").split()
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if "upgrade" in headers and first[1] != "/refused":
            switch(headers, self.rfile, self.wfile)  # type: ignore[arg-type]
        else:
            self.wfile.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 5\r\n\r\nno...")


class Server(socketserver.ThreadingTCPServer):
    """Threads do not hold up the end."""

    daemon_threads = True
    allow_reuse_address = True


if __name__ == "__main__":
    Server(("", int(sys.argv[1])), Handler).serve_forever()
