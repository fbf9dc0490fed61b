"""The measuring part of tests/bench/watch.sh: AIRUT DIR ROUNDS."""

import os
import pathlib
import pwd
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

AIRUT, DIR, ROUNDS = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
PORTS = dict(line.split("=", 1) for line in (DIR / "mail/ports").read_text().split())
CONFIG, QUEUE, OTHERS = DIR / "airut.toml", DIR / "state/airut/bench/queue", DIR / "others"
ENVIRONMENT = {
    "PATH": f"{DIR}/bin:{os.environ['PATH']}", "HOME": str(DIR), "XDG_STATE_HOME": f"{DIR}/state",
    "XDG_RUNTIME_DIR": f"{DIR}/xdg", "BENCH_PASSWORD": PORTS["PASSWORD"], "TMPDIR": str(DIR),
}
now = time.monotonic_ns


class Sink(threading.Thread):
    """An SMTP server that takes everything, and notes when it had each mail whole."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.taken = self.listener.getsockname()[1], []
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        lines = connection.makefile("rb")
        connection.sendall(b"220 sink\r\n")
        while line := lines.readline():
            word, answer = line[:4].upper(), b"250 ok\r\n"
            if word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                while (line := lines.readline()) not in (b".\r\n", b""):
                    pass
                self.taken.append(now())
            connection.sendall(b"221 bye\r\n" if word == b"QUIT" else answer)


class Relay(threading.Thread):
    """Between airut and Dovecot's plain port, to see when Dovecot says in IDLE that there is mail."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener, self.behind = socket.create_server(("127.0.0.1", 0)), port
        self.port, self.notices = self.listener.getsockname()[1], []
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.behind))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.idle = False
            threading.Thread(target=self.carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, True), daemon=True).start()

    def carry(self, source, target, from_server):
        while data := source.recv(65536):
            if not from_server and b" IDLE\r\n" in data:
                self.idle = True
            if from_server and self.idle and b" EXISTS" in data:
                self.idle = False
                self.notices.append(now())
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def configure(imap, smtp_port):
    CONFIG.write_text(f"""
[repos.bench]
git_url = "{DIR}/remote.git"
authorized_senders = ["you@example.com"]
trusted_authserv_id = "mx.example.com"
max_sessions = 100000
[repos.bench.limits]
session_mails_per_hour = 1000000
sender_mails_per_hour = 1000000
sender_mails_per_day = 1000000
[repos.bench.mail]
from = "bench@example.com"
smtp = {{ host = "localhost", port = {smtp_port}, tls = "none" }}
imap = {{ host = "localhost", username = "bench", password = {{ env = "BENCH_PASSWORD" }}, {imap} }}
""")


class Watch:
    """`airut fetch --watch`, and what it prints."""

    def __init__(self):
        with open(DIR / "said", "ab") as said:
            self.process = subprocess.Popen([AIRUT, "--config", CONFIG, "fetch", "--watch"], env=ENVIRONMENT, text=True,
                                            stdout=subprocess.PIPE, stderr=said)
        # In IDLE, or it would find the first mail by looking.
        time.sleep(2)

    def keys(self, count):
        return [self.process.stdout.readline().strip() for _ in range(count)]

    def memory(self, title):
        time.sleep(1)
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        value = lambda name, text: int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) / 1024
        row = [value("VmRSS", status), value("Pss", rollup), value("Pss_Anon", rollup), value("VmHWM", status)]
        print(f"{title:<36}" + "".join(f"{number:9.1f}" for number in row), flush=True)

    def end(self):
        self.process.terminate()
        self.process.wait()


def mail(name, headers, body):
    head = ["Authentication-Results: mx.example.com; dmarc=pass header.from=example.com", "From: you@example.com",
            "To: bench@example.com", f"Message-ID: <{name}@example.com>", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def deliver(mails):
    """Into Dovecot's Maildir, as its LMTP would put them there. Returns when the first had its name."""
    owner, maildir = pwd.getpwnam("mail"), DIR / "mail/mail/bench/Maildir"
    for path in (maildir.parent, maildir, *(maildir / sub for sub in ("new", "cur", "tmp"))):
        path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, owner.pw_uid, owner.pw_gid)
    for name, content in mails.items():
        (maildir / "tmp" / name).write_bytes(content)
        os.chown(maildir / "tmp" / name, owner.pw_uid, owner.pw_gid)
    at = now()
    for name in mails:
        (maildir / "tmp" / name).rename(maildir / "new" / name)
    return at


def step(*words):
    """Runs a step: what it printed, its wall and CPU time, its own and that of git and Podman in it, and its begin."""
    OTHERS.write_text("")
    begin = now()
    with open(DIR / "said", "ab") as said:
        process = subprocess.Popen([AIRUT, "--config", CONFIG, *words], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE,
                                   stderr=said)
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall, cpu = now() - begin, (used.ru_utime + used.ru_stime) * 1e9
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    others = {"git": [0, 0], "podman": [0, 0]}
    for name, begun, ended, used in map(str.split, OTHERS.read_text().splitlines()):
        others[name][0] += int(ended) - int(begun)
        others[name][1] += int(used)
    (git, git_cpu), (podman, podman_cpu) = others.values()
    times = {"wall": wall, "git": git, "podman": podman, "own": wall - git - podman, "CPU": cpu - git_cpu - podman_cpu}
    return printed.split(), times, begin


def way(relay, sink, watch, name, headers):
    """One mail through all steps; the times by step."""
    sink.taken.clear()
    relay.notices.clear()
    before = cpu_of(watch.process.pid)
    delivered = deliver({name: mail(name, headers, b"A question.\r\n")})
    key, = watch.keys(1)
    printed = now()
    notice = relay.notices[0]
    times = {"fetch --watch": {"wall": printed - notice, "git": 0, "podman": 0, "own": printed - notice,
                               "CPU": cpu_of(watch.process.pid) - before}}
    _, times["authorize"], _ = step("authorize", key)
    (task,), times["session open"], _ = step("session", "open", key)
    _, times["run"], _ = step("run", task)
    _, reply, begin = step("reply", task)
    handed = sink.taken[-1]
    times["reply, until it is handed over"] = {**reply, "wall": handed - begin, "own": handed - begin}
    inside = {kind: sum(each[kind] for each in times.values()) for kind in ("git", "podman", "own", "CPU")}
    times["notice to SMTP"] = {"wall": handed - notice, **inside}
    times["(starting the steps)"] = {"wall": handed - notice - inside["git"] - inside["podman"] - inside["own"]}
    times["(reply, after that)"] = {"wall": reply["wall"] - (handed - begin)}
    times["(delivery to notice: Dovecot)"] = {"wall": notice - delivered}
    return task, times


def cpu_of(pid):
    # The clock of another process's CPU time, as clock_getcpuclockid(3) makes its number.
    return time.clock_gettime_ns(~pid << 3 | 2)


def table(title, rounds):
    print(f"\n{title}, median of {len(rounds)}, ms\n{'':<32}{'wall':>9}{'git':>9}{'podman':>9}{'own':>9}{'CPU':>9}")
    for name in rounds[0]:
        median = lambda kind: statistics.median(one[name][kind] for one in rounds) / 1e6
        row = [f"{median(kind):9.1f}" if kind in rounds[0][name] else " " * 9 for kind in ("wall", "git", "podman", "own", "CPU")]
        print(f"{name:<32}" + "".join(row), flush=True)


def memory():
    configure(f'port = {PORTS["IMAPS"]}, ca_file = "{DIR}/mail/ca.pem"', 25)
    watch = Watch()
    print(f"{'fetch --watch over TLS, MB':<36}{'VmRSS':>9}{'Pss':>9}{'anon':>9}{'VmHWM':>9}")
    watch.memory("connected")
    text = b"A line of an ordinary length, as people write it in their mails.\r\n" * 120
    deliver({f"m{n}": mail(f"m{n}", ["Subject: one of many"], text) for n in range(100)})
    watch.keys(100)
    watch.memory("after 100 mails of 8 KB")
    deliver({"large": mail("large", ["Subject: large"], text * 2000)})
    watch.keys(1)
    watch.memory("after one of 15 MB")
    watch.end()
    for path in QUEUE.glob("fetched/*"):
        path.unlink()


def fill(count):
    """Old sessions: copies of one, without its workspace."""
    sessions = DIR / "state/airut/bench/sessions"
    one = next(sessions.iterdir())
    parts = sorted(path.relative_to(one) for path in one.rglob("*") if path.relative_to(one).parts[0] != "workspace")
    files = {part: (one / part).read_bytes() for part in parts if (one / part).is_file()}
    for number in range(count):
        session = sessions / f"{number:08x}"
        session.mkdir()
        for part in parts:
            if part in files:
                (session / part).write_bytes(files[part].replace(one.name.encode(), session.name.encode()))
            else:
                (session / part).mkdir()
    os.sync()


def rounds(relay, sink, watch, kind, title):
    new, replies = [], []
    for number in range(ROUNDS):
        name = f"{kind}{number}"
        time.sleep(0.5)
        task, times = way(relay, sink, watch, f"new.{name}", ["Subject: A question"])
        new.append(times)
        session = task.split(":")[1].split(".")[0]
        time.sleep(0.5)
        replies.append(way(relay, sink, watch, f"reply.{name}", [
            f"Subject: Re: [ID:{session}] A question", f"In-Reply-To: <airut.{session}.1.00aa@example.com>"])[1])
    table(f"a new conversation{title}", new)
    table(f"a reply to one{title}", replies)


def latency():
    sink, relay = Sink(), Relay(int(PORTS["IMAP"]))
    configure(f'port = {relay.port}, tls = "none"', sink.port)
    watch = Watch()
    # The mirror and the image's stamp are made by the first mail.
    way(relay, sink, watch, "first", ["Subject: nothing"])
    rounds(relay, sink, watch, "alone", "")
    fill(10_000)
    rounds(relay, sink, watch, "beside", ", beside 10,000 old ones")
    watch.end()


memory()
latency()
