"""Examples for the fields that commands, reviews and bills are judged by."""

from collections.abc import Mapping
from typing import Any

_GATE: Mapping[str, Any] = {
    "prometheus": ("http://prometheus.example:9090", {}),
    "version_label": ("model_version", {}),
    "window_seconds": (60, {}),
    "min_requests": (20, {}),
    "max_error_points": (0.5, {}),
    "latency_percentile": (99, {}),
    "max_latency_ratio": (1.2, {}),
    "custom.query": ('score{version="$version"}', {"custom": {"max_ratio": 1.1}}),
    "custom.max_ratio": (1.1, {"custom": {"query": "score_$version"}}),
    "custom.min_ratio": (0.9, {"custom": {"query": "score_$version"}}),
}
_ROLLOUT: Mapping[str, Any] = {
    "steps": ([5, 25], {}),
    "pause_seconds": (60, {}),
    "automatic": (False, {}),
    "on_publish": ("canary", {}),
    **{f"gate.{key}": (value, {"gate": beside}) for key, (value, beside) in _GATE.items()},
}
# What stands for a name of the user's where `heart` would be none.
NAMES: Mapping[str, str] = {
    "policy.exemptions.*": "policy.exemptions.public-bucket",
}
RELEASE_EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "environment": ("staging", {}),
    "protected": (True, {}),
    "policy.exemptions.*.reason": ("The data set is public", {}),
    "policy.exemptions.*.resources": (
        ["models"],
        {"policy": {"exemptions": {"public-bucket": {"reason": "The data set is public"}}}},
    ),
    "policy.exemptions.*.until": (
        "2027-01-31",
        {"policy": {"exemptions": {"public-bucket": {"reason": "The data set is public"}}}},
    ),
    "cost.prices": ({"gcp/europe-west4/g2-standard-8": 0.7}, {}),
    "cost.stored_gb": (50, {}),
    "cost.egress_gb": (10, {}),
    **{f"rollout.{key}": (value, {"rollout": beside}) for key, (value, beside) in _ROLLOUT.items()},
    **{
        f"models.*.rollout.{key}": (value, {"rollout": beside})
        for key, (value, beside) in _ROLLOUT.items()
    },
}
# Read by commands and by the policy pack instead of by the program; the tests of releases, policy
# and cost show the effect of each.
_COMMANDS = ("environment", "protected", "policy", "cost", "rollout", "models.*.rollout")
COMMAND_FIELDS = frozenset(
    path
    for path in RELEASE_EXAMPLES
    if any(path == start or path.startswith(f"{start}.") for start in _COMMANDS)
)
