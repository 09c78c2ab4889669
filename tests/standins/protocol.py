"""The engine's protocol without the SDK around it, in a plug-in's own process.

Who needs the SDK itself leaves `tools.engine.bare_sdk` first.
"""

import os
from typing import Final

from tools.engine import bare_sdk

# Set by the launchers: everywhere else `pulumi` means the SDK.
PLUGIN_VARIABLE: Final = "SERVESTACK_TESTS_PLUGIN"
if os.environ.get(PLUGIN_VARIABLE):
    bare_sdk.enter()

from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc  # noqa: E402 - only now

__all__ = ["PLUGIN_VARIABLE", "plugin_pb2", "provider_pb2", "provider_pb2_grpc"]
