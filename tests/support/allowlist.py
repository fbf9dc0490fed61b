"""The allowlist once more, in the simplest way there is, to compare airut's with: fnmatch over host and path.

    python3 allowlist.py <LINES          each line a JSON object with "allowlist" and "requests"; answers with a line
                                         of rule numbers, domains first, -1 where no rule fits. Or an object with
                                         "pairs" of pattern and text; answers with whether each fits
    mitmdump -s allowlist.py             the same for what passes; AIRUT_ALLOWLIST names the file, in JSON. What fits
                                         is answered with 204 (or sent on, with AIRUT_FORWARD), all else with 403.
                                         AIRUT_SWAP="HOST,… STAND-IN SECRET" swaps a token in Authorization.
"""

import fnmatch
import json
import os
import re
import sys

UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


def canonical(path):
    """Escapes in capitals, those of unreserved characters undone, what is not ASCII escaped."""

    def escape(match):
        char = chr(int(match[1], 16))
        return char if UNRESERVED.fullmatch(char) else match[0].upper()

    ascii_only = "".join(c if c < "\x80" else "".join(f"%{b:02X}" for b in c.encode()) for c in path)
    return re.sub("%([0-9A-Fa-f]{2})", escape, ascii_only)


def rules(allowlist):
    """(host, path or None, methods) of each rule."""
    found = [(host, None, []) for host in allowlist.get("domains") or []]
    for rule in allowlist.get("url_prefixes") or []:
        found.append((rule["host"], rule.get("path") or None, rule.get("methods") or []))
    return [(host.lower(), path, [m.upper() for m in methods]) for host, path, methods in found]


def decide(rules, host, path, method):
    """The number of the first rule that fits, or -1."""
    host, path = host.lower(), canonical(path.split("?")[0])
    for number, (rule_host, rule_path, methods) in enumerate(rules):
        if not fnmatch.fnmatchcase(host, rule_host):
            continue
        if rule_path is not None:
            # The one deviation: a wildcard does not reach over an empty segment.
            if "//" in path and "//" not in rule_path:
                continue
            if not fnmatch.fnmatchcase(path, canonical(rule_path)):
                continue
        if not methods or method in methods:
            return number
    return -1


def load(loader=None):
    """mitmproxy's hook."""
    global RULES, SWAP, FORWARD
    with open(os.environ["AIRUT_ALLOWLIST"]) as file:
        RULES = rules(json.load(file))
    SWAP = os.environ.get("AIRUT_SWAP", "").split()
    FORWARD = "AIRUT_FORWARD" in os.environ


def requestheaders(flow):
    """mitmproxy's hook: bodies pass as they come."""
    flow.request.stream = True
    request(flow)


def responseheaders(flow):
    """mitmproxy's hook."""
    flow.response.stream = True


def request(flow):
    """Judges one request."""
    from mitmproxy import http

    if flow.response:
        return
    message = flow.request
    if decide(RULES, message.pretty_host, message.path, message.method) < 0:
        flow.response = http.Response.make(403, b"blocked\n")
    elif not FORWARD:
        flow.response = http.Response.make(204)
    elif SWAP and message.pretty_host in SWAP[0].split(",") and "authorization" in message.headers:
        message.headers["authorization"] = message.headers["authorization"].replace(SWAP[1], SWAP[2])


if __name__ == "__main__":
    for line in sys.stdin:
        one = json.loads(line)
        if "pairs" in one:
            print(json.dumps([fnmatch.fnmatchcase(text, pattern) for pattern, text in one["pairs"]]))
            continue
        listed = rules(one["allowlist"])
        print(json.dumps([decide(listed, *request) for request in one["requests"]]))
