"""Labels of a model's objects, by the keys that Kubernetes recommends. Pure."""

from collections.abc import Mapping
from typing import Final

from infra.serving.tf_serving.args import KubernetesModelArgs
from infra.serving.tf_serving.servers import Server

NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
VERSION: Final = "app.kubernetes.io/version"
COMPONENT: Final = "app.kubernetes.io/component"
PART_OF: Final = "app.kubernetes.io/part-of"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
TRACK: Final = "servestack/track"

APPLICATION: Final = "tensorflow-serving"
MANAGER: Final = "servestack"
_LABEL_VALUE_CHARACTERS: Final = 63


def object_labels(args: KubernetesModelArgs) -> Mapping[str, str]:
    """Label whatever serves a model."""
    return {**model_labels(args.stack, args.model), COMPONENT: "model-server"}


def model_labels(stack: str, model: str) -> Mapping[str, str]:
    """Label whatever belongs to a model."""
    return {
        NAME: APPLICATION,
        INSTANCE: model,
        PART_OF: stack_label(stack),
        MANAGED_BY: MANAGER,
    }


def stack_label(stack: str) -> str:
    """Write a stack's name as a label's value, which is shorter and ends as it starts."""
    return stack[:_LABEL_VALUE_CHARACTERS].strip("-_.")


def pod_labels(args: KubernetesModelArgs, server: Server) -> Mapping[str, str]:
    """Label a server's pods; the version says what they are for."""
    version = "latest" if server.version is None else str(server.version)
    shown = {} if args.strategy == "hot" else {VERSION: version}
    return {**object_labels(args), TRACK: server.track, **shown}


def model_selector(args: KubernetesModelArgs) -> Mapping[str, str]:
    """Select every server of a model. Never to be changed: a Deployment's selector is fixed."""
    return {INSTANCE: args.model, COMPONENT: "model-server"}


def track_selector(args: KubernetesModelArgs, track: str) -> Mapping[str, str]:
    """Select the pods of one of a model's servers."""
    return {**model_selector(args), TRACK: track}
