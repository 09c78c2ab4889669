"""A loaded SavedModel version: its signatures and the fastest way to run them.

TF Serving runs SavedModels of TensorFlow 1 and 2 through a Session; so does this, at a tenth of
what calling the restored function costs. When versions are loaded and dropped is the lifecycle's
matter, which thread runs them the dispatcher's.
"""

import abc
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf.config_pb2 import CallableOptions, ConfigProto

from local_model_server.domain import Code, ServerSettings, ServingError
from local_model_server.pace import Pace
from local_model_server.signatures import Binding, Tensors, predict_signature

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

# Bounds what a client can make the server keep by naming ever new output filters.
_MAX_PLANS: Final = 256


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What the flags say about every version that is loaded."""

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    check_method: bool = False
    prefer_tflite_model: bool = False
    num_tflite_interpreters: int = 1

    @classmethod
    def of(cls, settings: ServerSettings) -> "LoadOptions":
        """Pick them from the settings."""
        return cls(
            tags=settings.saved_model_tags,
            intra_op_threads=settings.intra_op_threads,
            inter_op_threads=settings.inter_op_threads,
            check_method=settings.enable_signature_method_name_check,
            prefer_tflite_model=settings.prefer_tflite_model,
            num_tflite_interpreters=settings.num_tflite_interpreters,
        )


class Plan(abc.ABC):
    """One way to run a version: a signature with an output filter."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.pace = Pace()

    @abc.abstractmethod
    def run(self, arrays: Sequence[NDArray[Any]], *, in_caller: bool) -> Tensors:
        """Run and wait; `in_caller` keeps all operations on the calling thread."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of what only running needs."""


class LoadedServable(abc.ABC):
    """What the dispatcher needs of a version, beyond what domain.Servable shows to protocols.

    Its users are counted on the event loop's thread: a request's lease is one, and so is a run on
    another thread, which outlives a request that was cancelled.
    """

    signatures: "Mapping[str, SignatureDef]"

    def __init__(self, name: str, version: int, *, check_method: bool) -> None:
        self.name = name
        self.version = version
        self._check_method = check_method
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
        self._users = 0
        self._when_idle: Callable[[], None] | None = None

    def acquire(self) -> None:
        """Count a user."""
        self._users += 1

    def release(self) -> None:
        """Count a user off; the last one ends what was retired."""
        self._users -= 1
        self._end_if_idle()

    def retire(self, when_idle: Callable[[], None]) -> None:
        """Call this once, as soon as nobody uses the version; nobody new may acquire it."""
        self._when_idle = when_idle
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._users == 0 and self._when_idle is not None:
            when_idle, self._when_idle = self._when_idle, None
            when_idle()

    def plan(self, signature_name: str, output_filter: Sequence[str]) -> Plan:
        """Find or make the way to run this; ServingError where the model has no such thing."""
        key = (signature_name, tuple(output_filter))
        found = self._plans.get(key)
        if found is None:
            name, signature = predict_signature(
                self.signatures, signature_name, check_method=self._check_method
            )
            found = self._new_plan(Binding(name, signature, output_filter))
            if len(self._plans) < _MAX_PLANS:
                self._plans[key] = found
        return found

    def close(self) -> None:
        """Free the version's memory; nothing runs on it any more."""
        for plan in self._plans.values():
            plan.close()
        self._plans.clear()

    @abc.abstractmethod
    def _new_plan(self, binding: Binding) -> Plan: ...


class SavedModelServable(LoadedServable):
    """A SavedModel in a Session of its own."""

    def __init__(self, name: str, version: int, path: str, options: LoadOptions) -> None:
        super().__init__(name, version, check_method=options.check_method)
        graph = tf.Graph()
        config = ConfigProto(
            allow_soft_placement=True,
            intra_op_parallelism_threads=options.intra_op_threads,
            inter_op_parallelism_threads=options.inter_op_threads,
        )
        config.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default(), load_errors(path, options.tags):
                meta_graph = tf.compat.v1.saved_model.load(self._session, list(options.tags), path)
        except ServingError:
            self._session.close()
            raise
        self.signatures = dict(meta_graph.signature_def)

    def close(self) -> None:
        """Free the session; the callables go first, since each holds on to it."""
        super().close()
        self._session.close()

    def _new_plan(self, binding: Binding) -> Plan:
        return _SessionPlan(binding, self._session)


class _SessionPlan(Plan):
    """One signature's compiled callables."""

    def __init__(self, binding: Binding, session: Any) -> None:
        super().__init__(binding)
        self._session = session
        self._callables: dict[bool, Any] = {}
        self._making = threading.Lock()

    def run(self, arrays: Sequence[NDArray[Any]], *, in_caller: bool) -> Tensors:
        """Run and wait; the first run prunes and optimises the graph."""
        call = self._callables.get(in_caller) or self._make(in_caller=in_caller)
        with run_errors():
            return dict(zip(self.binding.outputs, call(*arrays), strict=True))

    def close(self) -> None:
        """Release the callables."""
        self._callables.clear()

    def _make(self, *, in_caller: bool) -> Any:
        with self._making:
            if in_caller not in self._callables:
                options = CallableOptions()
                options.feed.extend(spec.tensor_name for spec in self.binding.inputs)
                options.fetch.extend(self.binding.output_tensor_names)
                # -1 runs on the caller's thread: for a small model five times as fast as handing
                # each operation to a pool.
                options.run_options.inter_op_thread_pool = -1 if in_caller else 0
                with run_errors():
                    # The public make_callable takes no CallableOptions.
                    self._callables[in_caller] = self._session._make_callable_from_options(options)  # noqa: SLF001
        return self._callables[in_caller]


def load_servable(name: str, version: int, path: str, options: LoadOptions) -> LoadedServable:
    """Load a version directory; ServingError says why it cannot be."""
    if options.prefer_tflite_model and tf.io.gfile.exists(f"{path}/model.tflite"):
        # Loads the whole TFLite runtime.
        from local_model_server.servable_tflite import TfliteServable  # noqa: PLC0415

        return TfliteServable(name, version, Path(path, "model.tflite"), options)
    return SavedModelServable(name, version, path, options)


@contextlib.contextmanager
def run_errors() -> Iterator[None]:
    """Tell TensorFlow's errors as our own, code and all."""
    try:
        yield
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from error
    except (TypeError, ValueError) as error:
        raise ServingError(Code.INVALID_ARGUMENT, str(error)) from error
    except RuntimeError as error:
        raise ServingError(Code.INTERNAL, str(error)) from error


@contextlib.contextmanager
def load_errors(path: str, tags: Sequence[str]) -> Iterator[None]:
    """Tell what is wrong with a version directory in one line, as TF Serving's loader does."""
    try:
        yield
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), _first_line(error.message)) from error
    except (OSError, DecodeError) as error:
        if not any(tf.io.gfile.exists(f"{path}/saved_model.{end}") for end in ("pb", "pbtxt")):
            message = (
                "Could not find SavedModel .pb or .pbtxt at supplied export directory path: " + path
            )
            raise ServingError(Code.NOT_FOUND, message) from error
        raise ServingError(
            Code.DATA_LOSS, f"Can't parse {path}/saved_model.pb: {_first_line(str(error))}"
        ) from error
    except RuntimeError as error:
        if "MetaGraphDef associated with tags" in str(error):
            message = (
                f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }} "
                f"in {path}"
            )
            raise ServingError(Code.NOT_FOUND, message) from error
        raise ServingError(Code.INTERNAL, _first_line(str(error))) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"{path} cannot be imported: {_first_line(str(error))}"
        ) from error


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
