"""The composition root: stack configuration in, resources and outputs out.

The only file that loads the configuration and calls `pulumi.export`. What a platform declares is
its module's in `infra.platforms`.
"""

import os
from pathlib import Path
from typing import Final

import pulumi

from infra.config import Platform, load_stack
from infra.errors import ServestackError
from infra.platforms.stack import RunningStack, StackOutputs
from tools.engine.environment import home_directory

# Which extra brings which SDK.
_SDKS: Final = {"pulumi_aws": "aws", "pulumi_gcp": "gcp", "pulumi_kubernetes": "kubernetes"}
_CHECKOUT: Final = Path(__file__).resolve().parent.parent


def main() -> None:
    """Declare the running stack; a user's mistake ends it with one message."""
    try:
        stack = RunningStack(
            name=pulumi.get_stack(),
            config=load_stack(),
            checkout=_CHECKOUT,
            home=home_directory(_CHECKOUT, os.environ),
        )
        outputs = _declare(stack)
    except ModuleNotFoundError as error:
        if error.name not in _SDKS:
            raise
        raise pulumi.RunError(
            f"Pulumi.{pulumi.get_stack()}.yaml is of a platform whose SDK is not installed here "
            f"({error.name}). Run: ./scripts/setup --extra {_SDKS[error.name]}"
        ) from None
    except ServestackError as error:
        raise pulumi.RunError(str(error)) from None
    pulumi.export("bucket", outputs.bucket)
    pulumi.export("models", outputs.models)
    for name, value in outputs.more.items():
        pulumi.export(name, value)


def _declare(stack: RunningStack) -> StackOutputs:
    # Imported here, since each brings its cloud's SDK, and a stack has only its own installed.
    match stack.config.platform:
        case Platform.LOCAL:
            from infra.platforms.local import declare  # noqa: PLC0415
        case Platform.KUBERNETES:
            from infra.platforms.kubernetes import declare  # noqa: PLC0415
        case Platform.GCP:
            from infra.platforms.gcp import declare  # noqa: PLC0415
        case Platform.AWS:
            from infra.platforms.aws import declare  # noqa: PLC0415
    return declare(stack)
