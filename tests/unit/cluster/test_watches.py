"""What an API server says in a watch."""

from orchestrator.cluster.lists import watch
from orchestrator.cluster.objects import Pod

# As an API server of Kubernetes 1.34 sends it.
BOOKMARK = b"""{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"731",
"creationTimestamp":null},"spec":{"containers":null},"status":{}}}"""


class Answer:
    def stream(self, size):
        yield BOOKMARK.replace(b"\n", b"") + b"\n"

    def close(self):
        pass


class Server:
    def open(self, *arguments, **more):
        return Answer()


def test_a_bookmark_is_a_version_and_nothing_else():
    [(kind, pod)] = watch(Server(), "/api/v1/pods", Pod, "1")
    assert (kind, pod.metadata.resource_version, pod.spec.containers) == ("BOOKMARK", "731", ())
