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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools import require
from tests.tools.certificates import Authority
from tests.tools.listening import free_ports
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
        others: ports of its own controller, of itself, and for clients with a certificate.
        folder: with its data.
        secured: its certificate is of this authority; nobody is let in without TLS, and either the password of `USER`
            or, at the last port, a certificate of the same authority.
        settings: of its own, beside those of all.
    """

    host: str
    port: int
    others: tuple[int, int, int]
    folder: Path
    secured: Authority | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def server(self) -> str:
        """As `queue.kafka.servers` takes it."""
        return f"{self.host}:{self.port}"

    @property
    def for_certificates(self) -> str:
        """The same, for clients that have a certificate."""
        return f"{self.host}:{self.others[2]}"

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
            **_listeners(
                self.host, self.port, self.others, self.secured and _stores(self.folder, self.host, self.secured)
            ),
            "log.dirs": self.folder / "data",
            **self.settings,
        }

    def let_in(self, user: str, password: str) -> None:
        """Let a user in by SCRAM."""
        from confluent_kafka import admin  # noqa: PLC0415 - the installer imports this module before it is there

        inner = admin.AdminClient({"bootstrap.servers": f"{self.host}:{self.others[1]}"})
        way = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
        login = admin.UserScramCredentialUpsertion(user, way, password.encode())
        for done in inner.alter_user_scram_credentials([login]).values():
            done.result(30)

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
    address: str = "127.0.0.1",
    *,
    secured: Authority | None = None,
    started: bool = True,
    within: Path | None = None,
    **settings: object,
) -> Iterator[Kafka]:
    """Run one on a port of this address.

    Args:
        address: of this machine.
        secured: see `Kafka`.
        started: whether it is started now.
        within: where its folder is made.
        settings: of the broker, with `_` for `.`.

    Raises:
        ServerError: it did not start.
    """
    require("java")
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=within, ignore_cleanup_errors=True) as folder:
        shutil.copytree(require("kafka") / "formatted", Path(folder) / "data")
        first, *others = free_ports(4, address)
        own = {name.replace("_", "."): value for name, value in settings.items()}
        broker = Kafka(address, first, (others[0], others[1], others[2]), Path(folder), secured, own)
        try:
            if started:
                broker.start()
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
        port, *others = free_ports(4)
        settings = {**_SETTINGS, **_listeners("127.0.0.1", port, (others[0], others[1], others[2]), None)}
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


def _listeners(
    host: str, port: int, others: tuple[int, int, int], stores: tuple[Path, Path] | None
) -> dict[str, object]:
    """For clients, for the broker's own controller, for the broker itself, and for clients with certificates."""
    places = {"CLIENT": port, "CONTROLLER": others[0], "INNER": others[1]}
    places |= {"CERTIFIED": others[2]} if stores else {}
    protocols = dict.fromkeys(places, "PLAINTEXT") | ({"CLIENT": "SASL_SSL", "CERTIFIED": "SSL"} if stores else {})
    named = {name: f"{name}://{host}:{number}" for name, number in places.items()}
    found: dict[str, object] = {
        "listeners": ",".join(named.values()),
        "advertised.listeners": ",".join(place for name, place in named.items() if name != "CONTROLLER"),
        "inter.broker.listener.name": "INNER",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "controller.quorum.voters": f"1@{host}:{others[0]}",
    }
    if stores:
        modules, login = "org.apache.kafka.common.security", "listener.name.client"
        plain = f'{modules}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        found |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": stores[0],
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": stores[1],
            "listener.name.certified.ssl.client.auth": "required",
            f"{login}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            f"{login}.plain.sasl.jaas.config": plain,
            f"{login}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
        }
    return found


def _stores(folder: Path, host: str, authority: Authority) -> tuple[Path, Path]:
    """Key and certificate of the broker, and whose certificates it believes."""
    certificate, key = authority.sign(host)
    (folder / "keystore.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    return folder / "keystore.pem", authority.file


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


def main() -> int:
    """`make queue`: a broker until Ctrl-C, and the lines of a configuration that uses it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), start_kafka() as broker:
        sys.stdout.write(
            f"A broker with nothing in it; it keeps nothing when it ends, with Ctrl-C. In the configuration:\n\n"
            f"engine: queue\nqueue:\n  kind: kafka\n  kafka:\n    servers: {broker.server}\n\n"
        )
        sys.stdout.flush()
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
