"""The servers of a model: which Deployments there are, and what each of them is told. Pure.

One for the stable version, and one beside it while a canary is on trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from infra.names import CANARY, model_object_name
from infra.serving.rendering import MODELS_FILE, RenderedServing, render
from infra.serving.settings import ServingSettings
from infra.serving.tf_serving import fetching
from infra.serving.tf_serving.args import EventScaling, KubernetesModelArgs, Scaling
from infra.serving.tf_serving.capacity import Memory, memory, threads
from infra.serving.tf_serving.shares import ReplicaShare, replica_share
from infra.serving.tf_serving.sources import FetchFromS3, ReadFromGcs, base_path
from model_export.manifest import Manifest

Track = Literal["stable", "canary"]

REST_PORT: Final = 8501
GRPC_PORT: Final = 8500
CONFIG_DIRECTORY: Final = "/etc/servestack"
# A request is cheap beside the model's run; so many may be read and written at once.
_PROTOCOL_THREADS_PER_CORE: Final = 4
# How soon a running server sees that its models file was changed.
_CONFIG_POLL_SECONDS: Final = 2
_BUCKET_POLL_SECONDS: Final = 10
# Each process that uses a GPU has some of its memory for CUDA's own.
_USABLE_GPU_MEMORY: Final = 0.9
_RETRIES: Final = 2
_RETRY_MICROS: Final = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Deployment: its name, what it serves, and how many pods it has."""

    track: Track
    name: str
    settings: ServingSettings
    rendered: RenderedServing
    published: Manifest | None
    memory: Memory
    scaling: Scaling | EventScaling
    is_hot: bool = False

    @property
    def version(self) -> int | None:
        """Give the version that it serves, where that is named."""
        return self.published.version if self.published else None

    @property
    def size_bytes(self) -> int | None:
        """Give the size of the version, where that is known."""
        return self.published.size_bytes if self.published else None

    @property
    def largest_bytes(self) -> int | None:
        """Give the largest that its pods may ever have to load, where that is known.

        Pods that outlive a version are made for what their memory holds, so that they stay as they
        are when a larger one comes.
        """
        return self.memory.limit_bytes // 2 if self.is_hot else self.size_bytes


def servers(args: KubernetesModelArgs) -> tuple[Server, ...]:
    """Give the servers of a model, the stable one first."""
    stable = _server(args, "stable", args.stable, args.scaling)
    if args.canary is None:
        return (stable,)
    scaling = _canary_scaling(args, args.canary.share)
    return stable, _server(args, CANARY, args.canary.published, scaling)


def share_given(args: KubernetesModelArgs) -> ReplicaShare | None:
    """Give what the number of pods makes of the canary's share; None where it is exact."""
    if args.canary is None or args.exposure.gateway is not None:
        return None
    return replica_share(stable=args.scaling.min_replicas or 1, share_percent=args.canary.share)


def config_files(server: Server, args: KubernetesModelArgs) -> Mapping[str, str]:
    """Give the files of a server that change only together with its pods."""
    files = dict(server.rendered.files)
    if args.strategy == "hot":
        del files[MODELS_FILE]
    if isinstance(args.source, FetchFromS3) and server.published is not None:
        files |= fetching.files(server.published)
    return files


def _server(
    args: KubernetesModelArgs,
    track: Track,
    published: Manifest | None,
    scaling: Scaling | EventScaling,
) -> Server:
    versions = () if published is None else (published.version,)
    settings = track_settings(args, versions)
    sizes = (
        None
        if published is None
        else (published.size_bytes,) * (2 if args.strategy == "hot" else 1)
    )
    return Server(
        track=track,
        name=model_object_name(args.model, CANARY if track == CANARY else ""),
        settings=settings,
        rendered=_rendered(args, settings),
        published=published,
        memory=memory(sizes, args.memory),
        scaling=scaling,
        is_hot=args.strategy == "hot",
    )


def track_settings(args: KubernetesModelArgs, versions: tuple[int, ...]) -> ServingSettings:
    """Fill in what one server's settings take from its pod."""
    cores = threads(args.cpu)
    given = args.settings
    return replace(
        given,
        base_path=base_path(args.source, args.model),
        rest_port=REST_PORT,
        grpc_port=GRPC_PORT,
        versions=versions,
        labels={label: at for label, at in given.labels.items() if at in versions},
        traffic={},
        poll_seconds=_poll_seconds(args),
        gpu_memory_fraction=given.gpu_memory_fraction or _shared_fraction(args),
        intra_op_threads=given.intra_op_threads or cores,
        inter_op_threads=given.inter_op_threads or cores,
        rest_threads=given.rest_threads or cores * _PROTOCOL_THREADS_PER_CORE,
        grpc_threads=given.grpc_threads or cores * _PROTOCOL_THREADS_PER_CORE,
    )


def _rendered(args: KubernetesModelArgs, settings: ServingSettings) -> RenderedServing:
    rendered = render(settings, config_dir=CONFIG_DIRECTORY)
    # A gRPC client keeps its connection for ever, also to a pod that goes: the server asks it to
    # connect again within the time that the pod still answers, and so to another pod.
    age_ms = max(1, args.drain_seconds * 2 // 3) * 1000
    own: dict[str, int | str] = {
        "grpc_channel_arguments": f"grpc.max_connection_age_ms={age_ms}",
    }
    if args.strategy == "pod":
        # The pod's one version never changes: looking for others would cost, on an object store,
        # a request a second for nothing. One that does not load ends the pod with the reason;
        # starting it again is the retry.
        own |= {"file_system_poll_wait_seconds": 0, "max_num_load_retries": 0}
    else:
        own |= {"max_num_load_retries": _RETRIES, "load_retry_interval_micros": _RETRY_MICROS}
    if args.strategy == "hot":
        own["model_config_file_poll_wait_seconds"] = _CONFIG_POLL_SECONDS
    kept = [flag for flag in rendered.flags if flag.split("=")[0].removeprefix("--") not in own]
    flags = (*kept, *(f"--{name}={value}" for name, value in own.items()))
    return replace(rendered, flags=flags)


def _poll_seconds(args: KubernetesModelArgs) -> int:
    """Give how often a `hot` server looks for what its file names: listing a bucket is billed."""
    if args.settings.poll_seconds or args.strategy != "hot":
        return args.settings.poll_seconds
    return _BUCKET_POLL_SECONDS if isinstance(args.source, ReadFromGcs) else 1


def _shared_fraction(args: KubernetesModelArgs) -> float | None:
    """Give an equal part of a GPU that others take turns on: else the first takes all memory.

    Where they run at the same time, NVIDIA's MPS holds each to its part by itself.
    """
    sharing = args.gpu.pool.sharing if args.gpu else None
    if sharing is None or sharing.strategy != "time-sharing":
        return None
    return round(_USABLE_GPU_MEMORY / sharing.clients_per_gpu, 3)


def _canary_scaling(args: KubernetesModelArgs, share: int) -> Scaling | EventScaling:
    """Scale a canary as its share of the stable one, where only pods give it its share."""
    scaling = args.scaling
    if isinstance(scaling, EventScaling):
        return Scaling()
    if args.exposure.gateway is not None and not scaling.is_automatic:
        # The gateway gives the share; the pods need only bear it.
        pods = max(1, -(-scaling.min_replicas * share // 100))
        return Scaling(min_replicas=pods, max_replicas=pods)
    return replace(
        scaling,
        min_replicas=replica_share(stable=scaling.min_replicas, share_percent=share).canary,
        max_replicas=replica_share(stable=scaling.max_replicas, share_percent=share).canary,
    )
