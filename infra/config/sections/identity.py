"""Who may read, publish and deploy. Pure data, checked field by field."""

from pydantic import Field

from infra.config.cloud_values import GithubEnvironment, GithubId, GithubRepository, Principals
from infra.config.sections.section import Section
from infra.config.values import YesNo


class GithubConfig(Section):
    """Workflows of GitHub Actions, let in without a key."""

    repository: GithubRepository = Field(
        description="Its workflows may preview: read everything, change nothing."
    )
    environment: GithubEnvironment = Field(
        description="Its jobs in this environment may deploy; protect it with reviewers."
    )
    repository_id: GithubId | None = Field(
        default=None,
        description="Its number, so that another repository of the same name is not let in "
        "(gh api repos/OWNER/NAME --jq .id).",
    )


class CiConfig(Section):
    """Who runs previews and updates besides people."""

    github: GithubConfig | None = Field(default=None, description="Workflows of GitHub Actions.")


class IdentityConfig(Section):
    """Who may read, publish and deploy."""

    per_model: YesNo = Field(
        default=True,
        description="Let each model's server read its own versions only; `false`: one identity "
        "reads all.",
    )
    impersonation: YesNo = Field(
        default=False,
        description="Grant to service accounts that others act as, not to those others directly.",
    )
    publishers: Principals = Field(
        default=(), description="Who may publish, besides the owners of the project."
    )
    publisher_key: YesNo = Field(
        default=False,
        description="Make a key for a publisher that has no other way in. It is in the state, "
        "encrypted, and never expires.",
    )
    ci: CiConfig | None = Field(default=None, description="Who runs previews and updates.")
