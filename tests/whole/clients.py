"""What needs more than one line, each with the program that people use for it; prints what came."""
import asyncio
import http.client
import subprocess
import urllib.request

import websockets

HOST = "api.example.com"


def url(path):
    return f"https://{HOST}{path}"


def events():
    """Asks for the next one only when the one before has come: they cannot come together."""
    lines = []
    with urllib.request.urlopen(url("/events"), timeout=60) as stream:
        for line in stream:
            if line.strip():
                lines.append(line.decode().strip())
                urllib.request.urlopen(url("/next")).read()
    return " ".join(lines)


async def websocket():
    async with websockets.connect(f"wss://{HOST}/websocket") as socket:
        await socket.send("hello")
        hello = await socket.recv()
        await socket.send("there")
        return f"{hello} {await socket.recv()}"


def curl(*args):
    done = subprocess.run(["curl", "-sSv", "-m", "60", "--http1.1", *args], capture_output=True, text=True)
    return [line.split()[2] for line in done.stderr.splitlines() if line.startswith("< HTTP/")]


def expect(path):
    """Waits for the word to go on before it sends the body, nearly for ever."""
    return " ".join(curl("--expect100-timeout", "600", "-H", "Expect: 100-continue", "-d", "x=1", path))


def trailers():
    script = """
const to = require('http2').connect('https://api.example.com');
to.request({':path': '/trailers', 'te': 'trailers'}).on('trailers', t => console.log(t['x-sum'])).on('data', () => {})
    .on('end', () => to.close()).end()"""
    return subprocess.run(["node", "-e", script], capture_output=True, text=True).stdout.strip()


def send_trailers():
    connection = http.client.HTTPSConnection(HOST, timeout=60)
    connection.putrequest("POST", "/up")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Trailer", "x-checksum")
    connection.endheaders()
    connection.send(b"5\r\nhello\r\n0\r\nx-checksum: 5678\r\n\r\n")
    return connection.getresponse().getheader("x-upload")


print("events", events())
print("websocket", asyncio.run(websocket()))
print("expect", expect(url("/up")))
print("refused", expect("https://elsewhere.example.com/up"))
print("trailers", trailers())
print("sent", send_trailers())
