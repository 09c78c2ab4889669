"""Which broken rules a stack's configuration lets pass, and until when. Pure."""

from dataclasses import dataclass
from datetime import date

from infra.config.sections.policy import ExemptionConfig
from infra.policy.rules import Rule
from infra.policy.subject import Surroundings


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Whether a rule is exempted for a resource, and what is to be said of it."""

    is_exempt: bool
    note: str = ""


def standing(rule: Rule, about: str, around: Surroundings) -> Standing:
    """Look up what is said of the rule, for what it is about, in the stack's exemptions."""
    if around.config is None:
        return Standing(is_exempt=False)
    exemption = around.config.policy.exemptions.get(rule.id)
    if exemption is None or not _means(exemption, about):
        return Standing(is_exempt=False)
    if exemption.until is not None and around.today > date.fromisoformat(exemption.until):
        return Standing(is_exempt=False, note=f" Its exemption ended on {exemption.until}.")
    until = f" until {exemption.until}" if exemption.until else ""
    return Standing(is_exempt=True, note=f" Exempt{until}: {exemption.reason}")


def _means(exemption: ExemptionConfig, about: str) -> bool:
    return not exemption.resources or about in exemption.resources
