"""What we read of Kubernetes objects, as typed data; whatever else they hold is passed over unread.

Field names are those of the Kubernetes API (core/v1 Pod) and of Argo's `argoproj.io/v1alpha1` Workflow.
"""

from __future__ import annotations

import msgspec

#: Group and version of what Argo adds to Kubernetes.
ARGO_API = "argoproj.io/v1alpha1"


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    """Part of a Kubernetes object; keys in camel case there."""


class Owner(_Object, frozen=True):
    """An entry of `ownerReferences`: who made an object; the one with `controller` looks after it."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(_Object, frozen=True):
    """`metadata` of any object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[Owner, ...] = ()

    @property
    def controller(self) -> Owner | None:
        """Who looks after it; None when nobody does."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class Described(_Object, frozen=True):
    """Any object, of which only the metadata was asked for (`PartialObjectMetadata`)."""

    metadata: Metadata


class ParameterValue(_Object, frozen=True):
    """A parameter of a Workflow or a node."""

    name: str
    value: str | None = None


class Parameters(_Object, frozen=True):
    """Inputs, outputs or arguments."""

    parameters: tuple[ParameterValue, ...] = ()
    exit_code: str | None = None


class Node(_Object, frozen=True):
    """One node of a Workflow's status.

    Attributes:
        type: `Pod`, `Container` (of a ContainerSet), `Retry`, `DAG`, `TaskGroup`, `Skipped`, …
        phase: `Pending`, `Running`, `Succeeded`, `Failed`, `Error`, `Skipped`, `Omitted`.
        message: why, in Argo's words.
        outputs: `exit_code` of the main container among them.
        host_node_name: machine its pod is on; empty while it is on none.
    """

    id: str
    name: str = ""
    display_name: str = ""
    type: str = ""
    template_name: str = ""
    phase: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    boundary_id: str = msgspec.field(default="", name="boundaryID")
    host_node_name: str = ""
    inputs: Parameters | None = None
    outputs: Parameters | None = None
    children: tuple[str, ...] = ()

    def parameter(self, name: str) -> str:
        """Value of an input parameter; empty when there is none."""
        found = self.inputs.parameters if self.inputs else ()
        return next((each.value or "" for each in found if each.name == name), "")


class ObjectReference(_Object, frozen=True):
    """The name of another object."""

    name: str = ""


class WorkflowSpec(_Object, frozen=True):
    """`spec` of a Workflow, as far as it changes while it runs."""

    workflow_template_ref: ObjectReference = ObjectReference()
    arguments: Parameters = Parameters()
    shutdown: str = ""
    suspend: bool = False
    active_deadline_seconds: int | None = None


class WorkflowStatus(_Object, frozen=True):
    """`status` of a Workflow.

    Attributes:
        nodes: by id; empty when the controller keeps them compressed (`compressed_nodes`) or in a database.
        compressed_nodes: base64 of gzip of the nodes' JSON, when they were too large for the object.
        offload_node_status_version: set when the controller keeps the nodes in its database.
        stored_workflow_template_spec: the spec, where the Workflow's own only names a WorkflowTemplate.
    """

    phase: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    progress: str = ""
    nodes: dict[str, Node] = msgspec.field(default_factory=dict)
    compressed_nodes: str = ""
    offload_node_status_version: str = ""
    stored_workflow_template_spec: WorkflowSpec | None = None


class Workflow(_Object, frozen=True):
    """A Workflow."""

    metadata: Metadata
    spec: WorkflowSpec = WorkflowSpec()
    status: WorkflowStatus = WorkflowStatus()

    @property
    def ended(self) -> bool:
        """Whether Argo will do nothing more with it."""
        return self.status.phase in {"Succeeded", "Failed", "Error"}


class Waiting(_Object, frozen=True):
    """A container that has not started."""

    reason: str = ""
    message: str = ""


class Terminated(_Object, frozen=True):
    """A container that has ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None


class Running(_Object, frozen=True):
    """A container that runs."""

    started_at: str | None = None


class ContainerState(_Object, frozen=True):
    """At most one of them is set."""

    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ImageVolumeStatus(_Object, frozen=True):
    """What a node found for an image that is mounted as a volume (KEP-5365); `image_ref` is like an `image_id`."""

    image_ref: str = ""


class VolumeStatus(_Object, frozen=True):
    """What a node says of a mounted volume; `image` only where it is one."""

    image: ImageVolumeStatus | None = None


class MountStatus(_Object, frozen=True):
    """A volume as it is mounted into a container (`VolumeMountStatus`)."""

    name: str = ""
    volume_status: VolumeStatus | None = None


class ContainerStatus(_Object, frozen=True):
    """State of one container of a pod.

    Attributes:
        image: as the pod asks for it.
        image_id: of the image that was found for it; empty when the container was never made.
        volume_mounts: its volumes, where its node reports them.
    """

    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    volume_mounts: tuple[MountStatus, ...] = ()


class Condition(_Object, frozen=True):
    """A condition of a pod, such as `PodScheduled`."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""


class PodStatus(_Object, frozen=True):
    """`status` of a pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


class PodContainer(_Object, frozen=True):
    """A container as its pod asks for it."""

    name: str
    image: str = ""


class ImageVolume(_Object, frozen=True):
    """An image whose files are mounted (KEP-4639)."""

    reference: str = ""


class PodVolume(_Object, frozen=True):
    """A volume as its pod asks for it; `image` only where it is one."""

    name: str
    image: ImageVolume | None = None


class PodSpec(_Object, frozen=True):
    """`spec` of a pod: its containers, those that start it, and those that were put into it to look at it.

    Attributes:
        node_name: the node that runs it; empty while none does.
    """

    node_name: str = ""
    containers: tuple[PodContainer, ...] = ()
    init_containers: tuple[PodContainer, ...] = ()
    ephemeral_containers: tuple[PodContainer, ...] = ()
    volumes: tuple[PodVolume, ...] = ()


class Pod(_Object, frozen=True):
    """A pod."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NodeInfo(_Object, frozen=True):
    """What a node's kubelet says of its machine, in the words of Go (`GOOS`, `GOARCH`)."""

    operating_system: str = ""
    architecture: str = ""


class MachineStatus(_Object, frozen=True):
    """`status` of a node; `node_info` is empty where only the metadata was asked for."""

    node_info: NodeInfo = NodeInfo()


class Machine(_Object, frozen=True):
    """A node of the cluster."""

    metadata: Metadata
    status: MachineStatus = MachineStatus()

    @property
    def platform(self) -> str:
        """`os/architecture`, by its kubelet or by the labels that the kubelet gives it; empty where neither says so."""
        info, labels = self.status.node_info, self.metadata.labels
        system = info.operating_system or labels.get("kubernetes.io/os", "")
        architecture = info.architecture or labels.get("kubernetes.io/arch", "")
        return f"{system or 'linux'}/{architecture}" if architecture else ""


class Involved(_Object, frozen=True):
    """What an event is about."""

    kind: str = ""
    name: str = ""


class PodEvent(_Object, frozen=True):
    """An event: what Kubernetes tells of an object, for an hour."""

    metadata: Metadata
    involved_object: Involved = Involved()
    type: str = ""
    reason: str = ""
    message: str = ""
