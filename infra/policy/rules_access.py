"""Rules about who may do what, in every cloud's own words. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.policy.subject import UNKNOWN, Resource, Surroundings

_EVERYBODY: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_PUBLIC_BLOCKS: Final = (
    "blockPublicAcls",
    "blockPublicPolicy",
    "ignorePublicAcls",
    "restrictPublicBuckets",
)
_PRIMITIVE: Final = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
# On a whole project: what one bucket or one account would be enough for.
_PROJECT_ADMIN: Final = re.compile(r"roles/[\w.]*[aA]dmin|roles/iam\.serviceAccountTokenCreator")
_BROAD_POLICIES: Final = re.compile(
    r"arn:aws[\w-]*:iam::aws:policy/(.*/)?(AdministratorAccess|PowerUserAccess|\w*FullAccess)"
)
_KEYS: Final = frozenset({"gcp:serviceaccount/key:Key", "aws:iam/accessKey:AccessKey"})
_ROLES: Final = re.compile(r"kubernetes:rbac\.authorization\.k8s\.io/v1:(ClusterRole|Role)")
_BINDINGS: Final = re.compile(
    r"kubernetes:rbac\.authorization\.k8s\.io/v1:(ClusterRoleBinding|RoleBinding)"
)


def public_bucket(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find buckets that are open to everybody, or could be opened by anybody."""
    yield from _google_bucket(resource)
    yield from _amazon_bucket(resource)


def _google_bucket(resource: Resource) -> Iterator[str]:
    if resource.type == "gcp:storage/bucket:Bucket":
        if resource.at("publicAccessPrevention") not in {"enforced", UNKNOWN}:
            yield "The bucket does not enforce that it is not public"
        if resource.at("uniformBucketLevelAccess") not in {True, UNKNOWN}:
            yield "Single objects of the bucket can be made public"
    elif resource.type.startswith("gcp:storage/") and (member := _public_member(resource)):
        yield f"{resource.at('role') or 'A role'} on the bucket is granted to {member}"


def _amazon_bucket(resource: Resource) -> Iterator[str]:
    match resource.type:
        case "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
            open_ = [key for key in _PUBLIC_BLOCKS if resource.at(key) not in {True, UNKNOWN}]
            if open_:
                yield f"The bucket does not block all public access: {', '.join(open_)}"
        case "aws:s3/bucketAcl:BucketAcl" | "aws:s3/bucket:Bucket":
            if str(resource.at("acl") or "").startswith("public"):
                yield f"The bucket has the ACL {resource.at('acl')}"
        case "aws:s3/bucketPolicy:BucketPolicy":
            if any(_is_for_everybody(entry) for entry in _statements(resource.at("policy"))):
                yield "The bucket's policy allows everybody something"
        case _:
            pass


def stored_key(resource: Resource, around: Surroundings) -> Iterator[str]:
    """Find keys; one that the configuration asks for by name is its owner's decision."""
    if resource.type not in _KEYS:
        return
    if around.config is not None and around.config.identity.publisher_key:
        return
    yield "A long-lived key is made"


def broad_role(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find primitive roles, roles on everything, and wildcards."""
    yield from _google_role(resource)
    yield from _amazon_role(resource)
    yield from _cluster_role(resource)


def _google_role(resource: Resource) -> Iterator[str]:
    if not resource.type.startswith("gcp:"):
        return
    role = resource.at("role")
    if role in _PRIMITIVE:
        yield f"The primitive role {role} is granted"
    elif (
        resource.type.startswith("gcp:projects/")
        and isinstance(role, str)
        and _PROJECT_ADMIN.fullmatch(role)
    ):
        yield f"{role} is granted on the whole project"
    if not resource.type.startswith("gcp:storage/") and (member := _public_member(resource)):
        yield f"{role} is granted to {member}"


def _amazon_role(resource: Resource) -> Iterator[str]:
    if not resource.type.startswith("aws:iam/"):
        return
    arns = [resource.at("policyArn"), *(resource.at("managedPolicyArns") or ())]
    for arn in arns:
        if isinstance(arn, str) and _BROAD_POLICIES.fullmatch(arn):
            yield f"The policy {arn.rpartition('/')[2]} is attached"
    for statement in _statements(resource.at("policy")):
        wild = [action for action in _list(statement.get("Action")) if _is_wild(action)]
        if statement.get("Effect") == "Allow" and wild:
            yield f"A policy allows {', '.join(wild)}"


def _cluster_role(resource: Resource) -> Iterator[str]:
    if _ROLES.fullmatch(resource.type):
        for rule in resource.all_at("rules"):
            wild = [
                key for key in ("verbs", "resources", "apiGroups") if "*" in _list(rule.get(key))
            ]
            if "verbs" in wild or "resources" in wild:
                yield f"The role has * for {' and '.join(wild)}"
    if _BINDINGS.fullmatch(resource.type) and resource.at("roleRef", "name") == "cluster-admin":
        yield "cluster-admin is granted"


def _public_member(resource: Resource) -> str | None:
    members = [resource.at("member"), *(_list(resource.at("members")) or ())]
    entity = resource.at("entity")
    return next((one for one in (*members, entity) if one in _EVERYBODY), None)


def _statements(policy: Any) -> list[Mapping[str, Any]]:
    if isinstance(policy, str) and policy != UNKNOWN:
        try:
            policy = json.loads(policy)
        except ValueError:
            return []
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    return [entry for entry in _list(statements) if isinstance(entry, Mapping)]


def _is_for_everybody(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    everybody = principal == "*" or (
        isinstance(principal, Mapping) and "*" in _list(principal.get("AWS"))
    )
    return everybody and statement.get("Effect") == "Allow" and not statement.get("Condition")


def _is_wild(action: Any) -> bool:
    return isinstance(action, str) and (action == "*" or action.endswith(":*"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
