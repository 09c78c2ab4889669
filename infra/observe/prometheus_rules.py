"""Alerts as the Prometheus operator takes them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.observe.charts import Condition, Watched

API: Final = "monitoring.coreos.com/v1"
KIND: Final = "PrometheusRule"
_NAMES: Final = {
    "errors": "ServestackModelErrors",
    "latency": "ServestackModelLatency",
    "down": "ServestackModelDown",
}
_VALUE: Final = '{{ $value | printf "%.2f" }}'
# What is in the labels differs with who scrapes; so all of them are shown.
_DESCRIPTIONS: Final = {
    "errors": f"{_VALUE} % of {{{{ $labels }}}}",
    "latency": f"{_VALUE} ms of {{{{ $labels }}}}",
    "down": "None of the model's pods answers Prometheus; servestack status tells more",
}


def rule_groups(*, stack: str, models: Sequence[Watched]) -> Mapping[str, Any]:
    """Give what the operator writes into a file of rules: one group for each model."""
    return {
        "groups": [
            {
                "name": f"servestack.{stack}.{watched.model}",
                "rules": [_rule(stack, watched.model, found) for found in watched.conditions],
            }
            for watched in models
        ]
    }


def _rule(stack: str, model: str, condition: Condition) -> Mapping[str, Any]:
    lasting = {"for": f"{condition.lasting_minutes}m"} if condition.lasting_minutes else {}
    severity = "critical" if condition.what == "down" else "warning"
    return {
        "alert": _NAMES[condition.what],
        "expr": condition.expression,
        **lasting,
        "labels": {"severity": severity, "servestack_stack": stack, "model": model},
        "annotations": {
            "summary": f"{condition.said} (stack {stack})",
            "description": _DESCRIPTIONS[condition.what],
        },
    }
