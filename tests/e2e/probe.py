"""A scanner that tries what none may: `python3 -c <this> REPORT HOST,PORT…`. What it managed to do are its findings.

It is given as text to an interpreter in the pod, so it can import nothing of ours, and has no braces with a name in
them: those would be placeholders.
"""

import json
import os
import socket
import sys
from pathlib import Path

# A path among the addresses is there because a command must name what it reads.
REPORT, ADDRESSES = Path(sys.argv[1]), [each for each in sys.argv[2:] if "," in each]
TARBALL, CHECKOUT = REPORT.parent / "image.tar", REPORT.parent / "checkout"


def works(what, *arguments):
    """Whether it can be done."""
    try:
        what(*arguments)
    except OSError:
        return False
    return True


def connect(address):
    """Open a connection, and close it."""
    host, _, port = address.partition(",")
    socket.create_connection((host, int(port)), 3).close()


def change(path):
    """Open a file to change it."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))


def attempts():
    """Each attempt, and whether it worked."""
    for address in ADDRESSES:
        yield "reaches " + address, works(connect, address)
    yield "resolves names", works(socket.getaddrinfo, "kubernetes.default.svc.cluster.local", 443)
    yield "has a token", Path("/var/run/secrets/kubernetes.io").exists()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    yield "is root", 0 in {os.getuid(), os.getgid(), *os.getgroups()}
    yield "has capabilities", any(int(status[each], 16) for each in ("CapEff", "CapPrm", "CapBnd"))
    yield "may use any system call", status["Seccomp"].strip() != "2"
    yield "may gain privileges", status["NoNewPrivs"].strip() != "1"
    for path in ("/probe", "/etc/probe", "/usr/probe", "/database/probe", "/fetched/probe"):
        yield "writes " + path, REPORT.parent != Path(path).parent and works(change, path)
    for path in ("argoexec", "template", "ctr/probe"):
        yield "writes Argo's " + path, works(change, Path("/var/run/argo", path))
    if TARBALL.exists():
        yield "writes its tarball", works(change, TARBALL)
        yield "removes its tarball", works(TARBALL.unlink)
    if CHECKOUT.exists():
        yield "writes its checkout", works(change, CHECKOUT / "probe")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        folder, place = line.split()[3:5]  # of the volume; in here
        ours = Path(place) in {REPORT.parent, TARBALL, CHECKOUT, Path("/database"), Path("/fetched")}
        yield "sees " + folder, not ours and any(part in folder for part in ("/volume/", "/runs/", "/databases/"))
    for path in REPORT.parent.iterdir():
        yield "sees " + path.name, path not in {TARBALL, REPORT, CHECKOUT}


findings = [{"id": what, "kind": "check"} for what, worked in attempts() if worked]
REPORT.write_text(json.dumps({"format": "scanmatrix/1", "scanner": {"name": "probe"}, "findings": findings}))
