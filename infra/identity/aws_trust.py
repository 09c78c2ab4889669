"""Who may be a role: services, pods, people and workflows. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from infra.identity.aws_policies import Statement

GITHUB_HOST: Final = "token.actions.githubusercontent.com"


def trust_service(service: str, *, account: str, source: str | None = None) -> list[Statement]:
    """Let a service of Amazon act, for this account only."""
    conditions: dict[str, Mapping[str, str]] = {"StringEquals": {"aws:SourceAccount": account}}
    if source:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return [
        Statement(
            sid="TrustService",
            why="the service acts for this account and for nobody who tricks it into it",
            principal={"Service": service},
            actions=["sts:AssumeRole"],
            conditions=conditions,
        )
    ]


def trust_instances(service: str) -> list[Statement]:
    """Let a service of Amazon act; EKS and EC2 pass no source that could be looked at."""
    return [
        Statement(
            sid="TrustService",
            why="control planes and nodes come to their role through their service",
            principal={"Service": service},
            actions=["sts:AssumeRole"],
        )
    ]


def trust_pods(*, cluster_arn: str, account: str) -> list[Statement]:
    """Let pods act through EKS Pod Identity, of one cluster only."""
    return [
        Statement(
            sid="TrustPods",
            why="pods of this cluster come to their role by their service account",
            principal={"Service": "pods.eks.amazonaws.com"},
            actions=["sts:AssumeRole", "sts:TagSession"],
            conditions={
                "StringEquals": {"aws:SourceAccount": account},
                "ArnEquals": {"aws:SourceArn": cluster_arn},
            },
        )
    ]


def trust_service_account(
    *, provider_arn: str, issuer: str, namespace: str, service_account: str
) -> list[Statement]:
    """Let one service account act by the cluster's own tokens (IRSA)."""
    return [
        Statement(
            sid="TrustServiceAccount",
            why="one service account of this cluster, known by the cluster's tokens",
            principal={"Federated": provider_arn},
            actions=["sts:AssumeRoleWithWebIdentity"],
            conditions={
                "StringEquals": {
                    f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                    f"{issuer}:aud": "sts.amazonaws.com",
                }
            },
        )
    ]


def trust_principals(principals: Sequence[str]) -> list[Statement]:
    """Let named roles and users act."""
    return [
        Statement(
            sid="TrustPublishers",
            why="those whom servestack:identity.publishers names",
            principal={"AWS": sorted(principals)},
            actions=["sts:AssumeRole"],
        )
    ]


def trust_github(
    *, provider_arn: str, repository: str, environment: str | None = None
) -> list[Statement]:
    """Let a repository's workflows act: any of them, or its jobs in one environment."""
    subject = (
        f"repo:{repository}:environment:{environment}" if environment else f"repo:{repository}:*"
    )
    operator = "StringEquals" if environment else "StringLike"
    conditions: dict[str, dict[str, str]] = {
        "StringEquals": {f"{GITHUB_HOST}:aud": "sts.amazonaws.com"}
    }
    conditions.setdefault(operator, {})[f"{GITHUB_HOST}:sub"] = subject
    return [
        Statement(
            sid="TrustGithub",
            why=f"jobs of {repository}"
            + (f" in the environment {environment}" if environment else ", on any branch"),
            principal={"Federated": provider_arn},
            actions=["sts:AssumeRoleWithWebIdentity"],
            conditions=conditions,
        )
    ]
