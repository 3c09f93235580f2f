"""Threads that decode a type for the first time at once: msgspec itself crashes then, one time in six."""

import subprocess
import sys

CODE = """
import sys, threading
sys.setswitchinterval(1e-6)
from orchestrator.model import Plan
from orchestrator.model.documents import decode
data = b'{"schema_version":1,"run":"r","created":"","version":"","scans":[],"targets":[],"cells":[]}'
gate = threading.Barrier(8)
def read():
    gate.wait()
    decode(data, Plan, origin="x")
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_may_decode_a_type_for_the_first_time_at_once() -> None:
    ends = [subprocess.run([sys.executable, "-c", CODE], check=False).returncode for _ in range(10)]
    assert ends == [0] * 10
