"""A real Kafka broker, started for some tests; and one to try things out with: `python -m tests.tools.kafka`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import require
from tests.tools.servers import PASSWORD, ServerError

USER = "scanmatrix"
_SECONDS = 120
_CLUSTER = "scanmatrix-of-tests--A"
#: A small one that starts quickly; its classes are mapped from an archive that was made when the jars were fetched.
_JAVA = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_ARCHIVE = "classes.jsa"
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "default.replication.factor": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.consumer.heartbeat.interval.ms": 1000,
    "group.consumer.min.heartbeat.interval.ms": 1000,
    "group.consumer.min.session.timeout.ms": 3000,
    "group.consumer.session.timeout.ms": 6000,
    "auto.create.topics.enable": "false",
    "num.network.threads": 2,
    "num.io.threads": 2,
    "log.cleaner.enable": "false",
}


@dataclass
class Kafka:
    """A broker; `start` it, and `kill` it as often as a test likes.

    Attributes:
        folder: with its data.
        secured: certificate and key; with them, nobody is let in without TLS and the password of `USER`.
        settings: of its own, beside those of all.
    """

    host: str
    port: int
    others: tuple[int, int]
    folder: Path
    secured: tuple[Path, Path] | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def server(self) -> str:
        """As `queue.kafka.servers` takes it."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self.folder / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in self._all_settings().items()))
        with (self.folder / "log").open("ab") as log:
            options = [f"-XX:SharedArchiveFile={_ARCHIVE}"]
            self._process = _start(require("kafka") / "jars", self.folder / "server.properties", log, options)
        if not _answers(self._process, self.host, self.port):
            self.kill()
            raise ServerError(f"Kafka did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def _all_settings(self) -> dict[str, object]:
        return {
            **_SETTINGS,
            **_listeners(self.host, self.port, self.others, self.secured and _keystore(self.folder, self.secured)),
            "log.dirs": self.folder / "data",
            **self.settings,
        }

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def hang(self) -> None:
        """Let it answer nothing, though it holds its connections, until it is woken."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it answer again."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def start_kafka(
    address: str = "127.0.0.1", *, secured: tuple[Path, Path] | None = None, started: bool = True, **settings: object
) -> Iterator[Kafka]:
    """Run one on a port of this address.

    Args:
        address: of this machine.
        secured: certificate and key; with them, nobody is let in without TLS and a password.
        started: whether it is started now.
        settings: of the broker, with `_` for `.`.

    Raises:
        ServerError: it did not start.
    """
    require("java")
    with tempfile.TemporaryDirectory(prefix="kafka-", ignore_cleanup_errors=True) as folder:
        shutil.copytree(require("kafka") / "formatted", Path(folder) / "data")
        first, *others = _free_ports(address, 3)
        own = {name.replace("_", "."): value for name, value in settings.items()}
        broker = Kafka(address, first, (others[0], others[1]), Path(folder), secured, own)
        if started:
            broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def prepare(folder: Path) -> None:
    """Make of a folder with `jars` one that brokers start from quickly: a formatted log, and an archive of classes.

    Raises:
        RuntimeError: Java does not run them.
    """
    jars = folder / "jars"
    with tempfile.TemporaryDirectory(prefix="kafka-") as made:
        port, *others = _free_ports("127.0.0.1", 3)
        settings = {**_SETTINGS, **_listeners("127.0.0.1", port, (others[0], others[1]), None)}
        settings["log.dirs"] = folder / "formatted"
        properties = Path(made) / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        words = ["kafka.tools.StorageTool", "format", "--cluster-id", _CLUSTER, "--config", str(properties)]
        done = subprocess.run(_command(jars, *words), cwd=jars, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Kafka's log cannot be formatted:\n{(done.stdout + done.stderr)[-2000:]}")
        shutil.copytree(folder / "formatted", Path(made) / "data")
        properties.write_text(properties.read_text().replace(str(folder / "formatted"), str(Path(made) / "data")))
        # What it loads until it answers, and to end, is archived as it ends; it starts all the same without that.
        broker = _start(jars, properties, subprocess.DEVNULL, [f"-XX:ArchiveClassesAtExit={_ARCHIVE}"])
        _answers(broker, "127.0.0.1", port)
        broker.terminate()
        broker.wait(_SECONDS)


def _listeners(host: str, port: int, others: tuple[int, int], keystore: Path | None) -> dict[str, object]:
    """One for clients, one for the broker's own controller, and one for the broker itself."""
    places = {"CLIENT": port, "CONTROLLER": others[0], "INNER": others[1]}
    named = {name: f"{name}://{host}:{number}" for name, number in places.items()}
    protocols = {"CLIENT": "SASL_SSL" if keystore else "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "INNER": "PLAINTEXT"}
    found: dict[str, object] = {
        "listeners": ",".join(named.values()),
        "advertised.listeners": f"{named['CLIENT']},{named['INNER']}",
        "inter.broker.listener.name": "INNER",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "controller.quorum.voters": f"1@{host}:{others[0]}",
    }
    if keystore:
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": keystore,
            "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": f'{module} required user_{USER}="{PASSWORD}";',
        }
    return found


def _keystore(folder: Path, secured: tuple[Path, Path]) -> Path:
    certificate, key = secured
    (folder / "keystore.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    return folder / "keystore.pem"


def _start(jars: Path, properties: Path, output: object, options: list[str]) -> "subprocess.Popen[bytes]":
    command = _command(jars, "kafka.Kafka", str(properties), options=options)
    return subprocess.Popen(command, cwd=jars, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # type: ignore[call-overload]


def _command(jars: Path, *words: str, options: list[str] | None = None) -> list[str]:
    """Jars are named relative to their folder, as in the archive of classes, which is of no use under other names."""
    path = ":".join(sorted(jar.name for jar in jars.glob("*.jar")))
    return [str(require("java")), *_JAVA, *(options or ()), "-cp", path, *words]


def _answers(process: "subprocess.Popen[bytes]", host: str, port: int) -> bool:
    deadline = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _free_ports(address: str, number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind((address, 0))
        return [probe.getsockname()[1] for probe in probes]


def main() -> int:
    """`make queue`: a broker until Ctrl-C, and the lines of a configuration that uses it."""
    with start_kafka() as broker:
        sys.stdout.write(
            f"A broker with nothing in it; it keeps nothing when it ends, with Ctrl-C. In the configuration:\n\n"
            f"engine: queue\nqueue:\n  kind: kafka\n  kafka:\n    servers: {broker.server}\n\n"
        )
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
