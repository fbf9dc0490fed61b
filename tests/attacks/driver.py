"""Runs inside the sandbox: reads attacks as JSON, makes each over a connection of its own, and says what came."""
import json
import re
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings

SOCKET = "/run/airut/proxy.sock"


def connect(way):
    """Through the container's own relay, or straight onto the proxy's socket with any first line."""
    kind, _, what = way.partition(" ")
    if kind == "port":
        return socket.create_connection(("127.0.0.1", int(what)), timeout=20)
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(20)
    stream.connect(SOCKET)
    stream.sendall(what.encode("latin-1"))
    return stream


class Lying:
    """TLS whose first message is changed on its way."""

    def __init__(self, stream, context, name, change):
        self.stream, self.into, self.out = stream, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_hostname=name)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        old, new = (text.encode("latin-1") for text in change)
        hello = self.out.read()
        assert old in hello and len(old) == len(new)
        stream.sendall(hello.replace(old, new))

    def finish(self):
        while True:
            data = self.stream.recv(65536)
            self.into.write(data) if data else self.into.write_eof()
            try:
                self.tls.do_handshake()
                return "a session"
            except ssl.SSLWantReadError:
                self.stream.sendall(self.out.read())


def secure(stream, case, protocol):
    context = ssl.create_default_context()
    # Whoever attacks does not care whom he speaks to.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    name = case.get("sni") or None
    if case.get("change"):
        return Lying(stream, context, name, case["change"]).finish()
    return context.wrap_socket(stream, server_hostname=name)


def everything(stream):
    data = b""
    try:
        while part := stream.recv(65536):
            data += part
    except (OSError, ssl.SSLError):
        pass
    return data


def streams(stream, fields):
    """One request in HTTP/2, with fields that no library would send."""
    lax = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1")
    connection = h2.connection.H2Connection(lax)
    connection.initiate_connection()
    connection.send_headers(1, [tuple(field) for field in fields], end_stream=True)
    stream.sendall(connection.data_to_send())
    codes, text = [], b""
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                codes.append(int(dict(event.headers)[":status"]))
            elif isinstance(event, h2.events.DataReceived):
                text += event.data
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)):
                return codes, text
        stream.sendall(connection.data_to_send())
    return codes, text


def attack(case):
    with connect(case["way"]) as stream:
        if case.get("sni") is not None:
            protocol = "h2" if case.get("fields") else "http/1.1"
            stream = secure(stream, case, protocol)
        if case.get("fields"):
            return streams(stream, case["fields"])
        stream.sendall(case["send"].encode("latin-1"))
        if case.get("end"):
            stream.shutdown(socket.SHUT_WR)
        data = everything(stream)
        return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", data)], data


def told(case):
    try:
        codes, text = attack(case)
    except (OSError, ssl.SSLError) as error:
        return {"codes": [], "text": repr(error)}
    except Exception as error:  # The client's own mistake is no refusal.
        return {"codes": [999], "text": repr(error)}
    return {"codes": codes, "text": text.decode("latin-1")[:2000]}


print(json.dumps([told(case) for case in json.load(sys.stdin)]))
