"""One model's versions from START to END: loads what is wanted, then drops what is not.

A new version is loaded before an old one is dropped, and an old one is freed only when its last
user is gone. Everything runs on the event loop's thread, but for loading and freeing themselves.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from local_model_server.domain import Code, ServingError, VersionState, VersionStatus
from local_model_server.servable import LoadedServable

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Loader:
    """How versions come and go, the same for every model."""

    load: Callable[[str, int, str], LoadedServable]
    free: Callable[[LoadedServable], None]
    executor: Executor
    max_retries: int
    retry_interval_seconds: float


@dataclass(kw_only=True, eq=False)
class _Version:
    number: int
    path: str
    state: VersionState = VersionState.START
    code: Code = Code.OK
    message: str = ""
    servable: LoadedServable | None = None
    failed: bool = False
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)


class Lifecycle:
    """The versions of one model."""

    def __init__(self, name: str, loader: Loader) -> None:
        self._name = name
        self._loader = loader
        self._wanted: Mapping[int, str] = {}
        self._versions: dict[int, _Version] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        # What a request may get, the highest first.
        self.available: dict[int, LoadedServable] = {}

    def want(self, versions: Mapping[int, str]) -> None:
        """Take these versions, each with its directory, as those that should be served."""
        self._wanted = versions
        self._settle()

    def statuses(self) -> Sequence[VersionStatus]:
        """Tell the state of every version ever seen, the highest first."""
        return [
            VersionStatus(version=one.number, state=one.state, code=one.code, message=one.message)
            for one in sorted(self._versions.values(), key=lambda one: -one.number)
        ]

    async def first_outcome(self) -> None:
        """Wait until a version is available; ServingError when every wanted one has failed."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.available or all(self._has_failed(one) for one in self._wanted)
            )
        if not self.available and self._wanted:
            reasons = "; ".join(
                f"{{name: {self._name} version: {one.number}}} due to error: {one.message}"
                for one in self._versions.values()
                if one.failed
            )
            raise ServingError(
                Code.UNKNOWN,
                f"{len(self._wanted)} servable(s) did not become available: {{{reasons}}}",
            )

    def _has_failed(self, number: int) -> bool:
        return number in self._versions and self._versions[number].failed

    def _settle(self) -> None:
        """Start whatever the present state calls for; every change ends here."""
        for number, path in self._wanted.items():
            known = self._versions.get(number)
            if known is None or (known.state is VersionState.END and not known.failed):
                self._versions[number] = version = _Version(number=number, path=path)
                self._start(self._load(version))
        replaced = not self._wanted or any(number in self.available for number in self._wanted)
        for version in self._versions.values():
            if version.number in self._wanted:
                continue
            version.failed = False
            version.unwanted.set()
            if replaced and version.servable is not None:
                self._unload(version, version.servable)

    async def _load(self, version: _Version) -> None:
        version.state = VersionState.LOADING
        what = f"{{name: {self._name} version: {version.number}}}"
        for attempt in range(1, self._loader.max_retries + 2):
            try:
                servable = await asyncio.get_running_loop().run_in_executor(
                    self._loader.executor,
                    self._loader.load,
                    self._name,
                    version.number,
                    version.path,
                )
            except ServingError as error:
                version.code, version.message = error.code, error.message
            except Exception as error:
                # Whatever a damaged model makes TensorFlow raise, the server goes on.
                log.exception("Loading %s failed in an unforeseen way", what)
                version.code, version.message = Code.INTERNAL, f"{type(error).__name__}: {error}"
            else:
                self._loaded(version, servable, what)
                return
            log.error("Loading %s failed: %s", what, version.message)
            if attempt <= self._loader.max_retries and not await self._gave_up(version):
                log.info("Retrying %s, attempt %d", what, attempt + 1)
            else:
                break
        version.state = VersionState.END
        version.failed = not version.unwanted.is_set()
        self._settle()

    async def _gave_up(self, version: _Version) -> bool:
        """Wait for the next attempt; tell whether nobody wants the version any more."""
        try:
            async with asyncio.timeout(self._loader.retry_interval_seconds):
                return await version.unwanted.wait()
        except TimeoutError:
            return False

    def _loaded(self, version: _Version, servable: LoadedServable, what: str) -> None:
        version.servable = servable
        version.state, version.code, version.message = VersionState.AVAILABLE, Code.OK, ""
        both = {**self.available, version.number: servable}
        self.available = dict(sorted(both.items(), reverse=True))
        log.info("Successfully loaded servable version %s", what)
        self._settle()

    def _unload(self, version: _Version, servable: LoadedServable) -> None:
        version.servable = None
        version.state = VersionState.UNLOADING
        self.available = {n: one for n, one in self.available.items() if n != version.number}
        servable.retire(lambda: self._start(self._free(version, servable)))

    async def _free(self, version: _Version, servable: LoadedServable) -> None:
        await asyncio.get_running_loop().run_in_executor(
            self._loader.executor, self._loader.free, servable
        )
        version.state = VersionState.END
        log.info("Unloaded servable version {name: %s version: %d}", self._name, version.number)
        self._settle()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._then_tell(work))
        # The loop itself holds tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _then_tell(self, work: Coroutine[None, None, None]) -> None:
        await work
        async with self._changed:
            self._changed.notify_all()
