"""What a plan costs, and the waves in which its images fit the volume."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.model import Blob, Budget, Cell, Decision, Image, Scan, Target

#: Pods of a run besides pulls, cells and database refreshes: one writes the plan to the volume, one aggregates.
FIXED_PODS = 2
#: Pods of each shard besides: one starts it, one reads the plan, one gives the volume its room back.
_SHARD_PODS = 3


def running(targets: Iterable[Target], cells: Iterable[Cell]) -> list[Target]:
    """The targets that have a cell to run, in their order."""
    wanted = {cell.target for cell in cells if cell.decision is Decision.RUN}
    return [target for target in targets if target.id in wanted]


def make_waves(targets: Sequence[Target], limit: int) -> tuple[tuple[str, ...], ...]:
    """Group targets, in their order, so that the tarballs of each group fit the limit.

    An image of unknown size counts as nothing; one that is larger than the limit gets a wave of its own.
    """
    waves: list[list[str]] = []
    free = 0
    for target in targets:
        size = target.size or 0
        if not waves or size > free:
            waves.append([])
            free = limit
        waves[-1].append(target.id)
        free -= size
    return tuple(tuple(wave) for wave in waves)


def blobs_of(image: Image) -> tuple[Blob, ...]:
    """Everything a registry sends for an image."""
    return (image.manifest, image.config, *image.layers)


def unique_bytes(images: Iterable[Image]) -> int:
    """Bytes of the distinct blobs of all images: what a pull-through cache reads from upstream."""
    return sum({blob.digest: blob.size for image in images for blob in blobs_of(image)}.values())


def make_budget(
    *,
    targets: Sequence[Target],
    cells: Sequence[Cell],
    waves: Sequence[Sequence[str]],
    scans: Mapping[str, Scan],
    pull_bytes: int,
    layout: str = "cell",
    shards: int = 1,
) -> Budget:
    """Add up what a plan costs.

    Args:
        targets: those that have a cell to run.
        cells: all cells; only those that will run cost anything.
        waves: ids of the targets, group by group.
        scans: by name; tells which have a database to refresh.
        pull_bytes: bytes of unique blobs to read from upstream.
        layout: `cell`, or `image` where all cells of an image are in the pod that pulls it.
        shards: Workflows that share the run.
    """
    sizes = {target.id: target.size for target in targets}
    run = [cell for cell in cells if cell.decision is Decision.RUN]
    databases = [scans[name].database for name in {cell.scan for cell in run}]
    refreshes = sum(1 + bool(database.load) for database in databases if database is not None)
    return Budget(
        images=len(targets),
        cells=len(run),
        pull_bytes=pull_bytes,
        volume_bytes=max((sum(sizes[id_] or 0 for id_ in wave) for wave in waves), default=0),
        pods=_pods(len(targets), len(run), layout, shards) + refreshes if run else 0,
        unknown=sum(size is None for size in sizes.values()),
    )


def _pods(images: int, cells: int, layout: str, shards: int) -> int:
    """Pods that Argo starts when every first attempt succeeds, those of databases left out."""
    several = shards if shards > 1 else 0
    fixed = FIXED_PODS + several * _SHARD_PODS
    if layout == "image":
        return images + fixed + several + 1  # each Workflow looks once what has to run again
    return images + cells + fixed


def spell_bytes(size: int) -> str:
    """A size for people: `512 B`, `1.5 GiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:  # noqa: PLR2004  (the factor between binary units)
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
