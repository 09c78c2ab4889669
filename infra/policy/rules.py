"""Every rule: its id, why it is, what to do instead, and how hard it is. Pure.

A rule says what is wrong with a resource, or nothing. Rules about the whole stack are asked about
the engine's own resource for it, which comes first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from infra.config.release_values import PolicyRule
from infra.policy import rules_access, rules_cluster, rules_stack
from infra.policy.subject import Problem, Resource, Surroundings

Level = Literal["advisory", "mandatory"]
# A text is about the resource itself.
Check = Callable[[Resource, Surroundings], Iterator[str] | Iterator[Problem]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the pack."""

    id: PolicyRule
    level: Level
    reason: str
    remedy: str
    check: Check

    def broken(self, resource: Resource, around: Surroundings) -> Iterator[Problem]:
        """Say what is wrong with the resource, and what to do instead."""
        for found in self.check(resource, around):
            about, text = (
                (found.about, found.text) if isinstance(found, Problem) else (resource.name, found)
            )
            yield Problem(about=about, text=f"{text}. {self.remedy}")


RULES: Final = (
    Rule(
        id=PolicyRule.PUBLIC_BUCKET,
        level="mandatory",
        reason="Whoever finds it could read, or replace, what is served.",
        remedy="Grant access to named members only.",
        check=rules_access.public_bucket,
    ),
    Rule(
        id=PolicyRule.STORED_KEY,
        level="mandatory",
        reason="A key is copied and never expires; a role needs none.",
        remedy="Use workload identity or federation; where a publisher really has no other way: "
        "servestack:identity.publisher_key.",
        check=rules_access.stored_key,
    ),
    Rule(
        id=PolicyRule.BROAD_ROLE,
        level="mandatory",
        reason="Who takes over one server would have all of it.",
        remedy="Grant the narrow role on the one resource that needs it.",
        check=rules_access.broad_role,
    ),
    Rule(
        id=PolicyRule.GPU_POOL_MAXIMUM,
        level="mandatory",
        reason="A loop that adds pods would add GPUs, and their cost, without an end.",
        remedy="Write max_nodes for the pool.",
        check=rules_cluster.gpu_pool_maximum,
    ),
    Rule(
        id=PolicyRule.POD_LIMITS,
        level="mandatory",
        reason="A pod without them takes what its neighbours need, or is ended first.",
        remedy="Request CPU and memory, and limit the memory.",
        check=rules_cluster.pod_limits,
    ),
    Rule(
        id=PolicyRule.POD_PROBES,
        level="mandatory",
        reason="Traffic would go to a server that has not loaded its model, or hangs.",
        remedy="Give the container a readiness and a liveness probe.",
        check=rules_cluster.pod_probes,
    ),
    Rule(
        id=PolicyRule.POD_NON_ROOT,
        level="mandatory",
        reason="A fault in a server would be a fault of its node.",
        remedy="Set runAsNonRoot, and neither privileged nor allowPrivilegeEscalation.",
        check=rules_cluster.pod_non_root,
    ),
    Rule(
        id=PolicyRule.PINNED_IMAGE,
        level="mandatory",
        reason="What runs would change without a release, and could not be rolled back.",
        remedy="Name a tag that stays, or a digest.",
        check=rules_cluster.pinned_image,
    ),
    Rule(
        id=PolicyRule.COST_LABELS,
        level="advisory",
        reason="A bill cannot say which team or model it is for.",
        remedy="Write servestack:labels, as team: ml.",
        check=rules_stack.cost_labels,
    ),
    Rule(
        id=PolicyRule.PROD_PROTECTION,
        level="mandatory",
        reason="One wrong command must not take production away.",
        remedy="Turn the protection on.",
        check=rules_stack.prod_protection,
    ),
    Rule(
        id=PolicyRule.PROD_BUDGET,
        level="mandatory",
        reason="Nobody would notice a cost that runs away.",
        remedy="Write servestack:budget, as monthly: 500.",
        check=rules_stack.prod_budget,
    ),
    Rule(
        id=PolicyRule.PROD_REPLICAS,
        level="mandatory",
        reason="A node that goes, for an upgrade or a fault, would take the model with it.",
        remedy="Write replicas: 2, or min_replicas: 2, and leave disruption_budget on.",
        check=rules_stack.prod_replicas,
    ),
    Rule(
        id=PolicyRule.PROD_PINNED_VERSION,
        level="mandatory",
        reason="Whatever is published would serve without a release, a review or a way back.",
        remedy="Name the version.",
        check=rules_stack.prod_pinned_version,
    ),
)
