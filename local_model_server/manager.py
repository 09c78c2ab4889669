"""The models that are served: configuration, labels, traffic shares, and leases for requests.

What becomes of a model's versions is the lifecycle's matter. All of it belongs to the event
loop's thread.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from local_model_server.domain import (
    Code,
    ModelConfig,
    ServingError,
    SpecificVersions,
    VersionStatus,
)
from local_model_server.lifecycle import Lifecycle, Loader
from local_model_server.servable import LoadedServable
from local_model_server.version_policy import TrafficSplit, aspired, versions_in

log = logging.getLogger(__name__)

Traffic = Mapping[str, Mapping[int, int]]


class Lease:
    """Keeps a version loaded between enter and exit."""

    __slots__ = ("_servable",)

    def __init__(self, servable: LoadedServable) -> None:
        self._servable = servable

    def __enter__(self) -> LoadedServable:
        self._servable.acquire()
        return self._servable

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._servable.release()


class ModelManager:
    """Satisfies domain.Manager."""

    def __init__(
        self,
        loader: Loader,
        *,
        file_system_poll_seconds: int,
        allow_labels_for_unavailable: bool = False,
        read_traffic: Callable[[], Traffic] = dict,
    ) -> None:
        self._loader = loader
        self._poll_seconds = file_system_poll_seconds
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._read_traffic = read_traffic
        self._configs: dict[str, ModelConfig] = {}
        # A model that is no longer configured stays here, so that its status can be told.
        self._lifecycles: dict[str, Lifecycle] = {}
        self._labels: dict[str, Mapping[str, int]] = {}
        self._splits: dict[str, TrafficSplit] = {}
        self._looking = asyncio.Lock()
        self._complaints: dict[str, str] = {}

    def lease(self, name: str, *, version: int | None = None, label: str | None = None) -> Lease:
        """Keep a version loaded while a request runs on it; without a number, the one to use."""
        if not name:
            raise ServingError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        if label is not None:
            version = self._labelled(name, label)
        lifecycle = self._lifecycles.get(name)
        available = lifecycle.available if lifecycle is not None else {}
        chosen = version
        if chosen is None and name in self._splits:
            chosen = self._splits[name].choose(available)
        if chosen is None:
            chosen = next(iter(available), None)
        if chosen is None or chosen not in available:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return Lease(available[chosen])

    def statuses(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Sequence[VersionStatus]:
        """Tell the state of a model's versions, highest first."""
        if label is not None:
            version = self._labelled(name, label)
        told = self._lifecycles[name].statuses() if name in self._lifecycles else ()
        if version is not None:
            told = [status for status in told if status.version == version]
        if not told:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError(Code.NOT_FOUND, f"Could not find {what} of model {name}")
        return told

    def is_ready(self) -> bool:
        """Tell whether every configured model can answer."""
        return all(self._lifecycles[name].available for name in self._configs)

    async def reload(self, models: Sequence[ModelConfig]) -> None:
        """Take this as the whole truth; return once every new model has a version available.

        Labels are checked against what is loaded now, before anything changes, as in TF Serving.
        """
        labels = {model.name: self._checked_labels(model) for model in models}
        traffic = self._read_traffic()
        self._split(traffic)
        self._labels = labels
        new = [model.name for model in models if model.name not in self._configs]
        for name in set(self._configs) - {model.name for model in models}:
            log.info("Model %s is no longer configured", name)
            self._lifecycles[name].want({})
        self._configs = {model.name: model for model in models}
        for name in new:
            self._lifecycles.setdefault(name, Lifecycle(name, self._loader))
        if self._poll_seconds >= 0:
            await self.look()
            await asyncio.gather(*(self._lifecycles[name].first_outcome() for name in new))

    async def look(self) -> None:
        """Compare the file system with what is loaded, once."""
        async with self._looking:
            for model in list(self._configs.values()):
                try:
                    found = await asyncio.to_thread(versions_in, model.base_path)
                except OSError as error:
                    reason = error.strerror or error
                    self._complain(model, f"Could not find base path {model.base_path}: {reason}")
                    continue
                if self._configs.get(model.name) is not model:
                    continue
                wanted = aspired(model.policy, found)
                self._complain(model, _missing(model, wanted))
                self._lifecycles[model.name].want({number: found[number] for number in wanted})

    async def poll(self) -> None:
        """Look again and again, for as long as the server runs."""
        while self._poll_seconds > 0:
            await asyncio.sleep(self._poll_seconds)
            await self.look()

    def _split(self, traffic: Traffic) -> None:
        """Take over shares; those that stay as they are go on where they stood."""
        splits = {name: TrafficSplit(shares) for name, shares in traffic.items()}
        for name, split in self._splits.items():
            if name in splits and splits[name].weights == split.weights:
                splits[name] = split
        self._splits = splits

    def _complain(self, model: ModelConfig, complaint: str) -> None:
        """Say it when it begins, not at every look."""
        if complaint and self._complaints.get(model.name) != complaint:
            log.warning("Model %s: %s", model.name, complaint)
        self._complaints[model.name] = complaint

    def _labelled(self, name: str, label: str) -> int:
        version = self._labels.get(name, {}).get(label)
        if version is None:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        return version

    def _checked_labels(self, model: ModelConfig) -> Mapping[str, int]:
        lifecycle = self._lifecycles.get(model.name)
        available = lifecycle.available if lifecycle is not None else {}
        for label, version in model.labels.items():
            is_in_use = self._labels.get(model.name, {}).get(label, version) != version
            if version in available or (self._allow_labels_for_unavailable and not is_in_use):
                continue
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {model.name}, "
                "which is not currently available for inference",
            )
        return model.labels


def _missing(model: ModelConfig, wanted: set[int]) -> str:
    if isinstance(model.policy, SpecificVersions) and (
        absent := set(model.policy.versions) - wanted
    ):
        numbers = ", ".join(map(str, sorted(absent)))
        return f"Version {numbers}, asked for by its policy, was not found under {model.base_path}"
    if not wanted:
        return f"No versions of servable {model.name} found under base path {model.base_path}"
    return ""
