"""Scanners of the campaign's runs: Python programs that find something in an image, or do everything wrong.

Each is given the tarball and the report. What the good ones find depends on the image alone, so that a report in the
wrong place is noticed. None has two braces together, which would be Argo's, nor braces around a name.
"""

from __future__ import annotations

from types import MappingProxyType

_HEAD = """
import hashlib, json, os, signal, sys, tarfile, time
tarball, report = sys.argv[1:3]
with tarfile.open(tarball) as tar:
    image = json.load(tar.extractfile("index.json"))["manifests"][0]["digest"]
seed = hashlib.sha256(image.encode()).hexdigest()
def found(n):
    package = "package-" + seed[n]
    return dict(kind="vulnerability", id="CVE-2024-" + str(int(seed[:4], 16) + n), severity="high", package=package,
                version="1." + str(n), title="found in " + image)
def finds(count):
    text = json.dumps(dict(format="scanmatrix/1", scanner=dict(name="finds", version="1"),
                           findings=[found(n) for n in range(count)]))
    open(report, "w").write(text)
"""
_BOM = """
parts = [dict(type="library", name="package-" + seed[n], version="1." + str(n), purl="pkg:generic/package-" + seed[n] + "@1." + str(n))
         for n in range(5)]
tools = dict(tools=[dict(name="lists", version="1")])
open(report, "w").write(json.dumps(dict(bomFormat="CycloneDX", specVersion="1.6", metadata=tools, components=parts)))
"""  # noqa: E501 - a program
_HANG = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nfinds(3)\ntime.sleep(3600)"
_FORKS = """
signal.alarm(20)
try:
    while True:
        if os.fork() == 0:
            signal.alarm(20)
except OSError:
    pass
sys.exit(9)
"""

_LOCKS = """
finds(3)
os.chdir(os.path.dirname(report))
os.makedirs("a/b")
open("a/b/c", "w").write("x")
os.chmod("a", 0)
try:
    os.chmod(".", 0)
except PermissionError:  # in a pod it is a volume, which is not its own
    pass
"""

#: What comes after the head, by the scan's name.
PROGRAMS = MappingProxyType(
    {
        "finds": "finds(5)",
        "lists": _BOM,
        "waits": "time.sleep(float(os.environ.get('WAIT', '0.3')))\nfinds(2)",
        "oom": "finds(3)\nkept = []\nwhile True: kept.append(b'x' * (1 << 20))",
        "hang": _HANG,
        "fork-bomb": _FORKS,
        "huge-log": "for _ in range(200): os.write(2, b'x' * (1 << 20))\nfinds(3)",
        "huge-report": "with open(report, 'wb') as file:\n    for _ in range(64): file.write(bytes(1 << 20))",
        "garbage": "open(report, 'wb').write(os.urandom(1 << 16))",
        "half": "finds(3)\nos.truncate(report, os.path.getsize(report) // 2)",
        "no-report": "pass",
        "locks-up": _LOCKS,
    }
)

#: What is wrong with a bad one, in words: the row of the table.
FAULTS = MappingProxyType(
    {
        "oom": "OOM",
        "hang": "hang",
        "fork-bomb": "fork bomb",
        "huge-log": "huge output",
        "huge-report": "huge report",
        "garbage": "garbage report",
        "half": "half a report",
        "no-report": "no report",
        "locks-up": "folder nobody may enter",
    }
)
GOOD = ("finds", "lists", "waits")


def program(name: str) -> str:
    """The source of a scanner; `-c` takes it."""
    return _HEAD + PROGRAMS[name]


def format_of(name: str) -> str:
    """The format of its report."""
    return "cyclonedx" if name == "lists" else "scanmatrix"
