"""Alerts as the Prometheus operator takes them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.observe.charts import Condition, Watched

API: Final = "monitoring.coreos.com/v1"
KIND: Final = "PrometheusRule"
_NAMES: Final = {"errors": "ServestackModelErrors", "latency": "ServestackModelLatency"}


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
    unit = "%" if condition.what == "errors" else "ms"
    return {
        "alert": _NAMES[condition.what],
        "expr": condition.expression,
        "labels": {"severity": "warning", "servestack_stack": stack, "model": model},
        "annotations": {
            "summary": f"{condition.said} (stack {stack})",
            # What is in the label differs with who scrapes; so all of them are shown.
            "description": f'{{{{ $value | printf "%.2f" }}}} {unit} of {{{{ $labels }}}}',
        },
    }
