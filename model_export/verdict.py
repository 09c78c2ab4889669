"""A verdict on a model as a value: what was checked, what was found, and what to do about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import JsonValue

from model_export.report import counted

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of one check; `remedy` says what to do where it is not ok."""

    level: Level
    check: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One signature that was tried; `difference` is the largest from the original's outputs."""

    signature: str
    instances: Literal["given", "sample", "generated"]
    row_count: int
    seconds: float
    difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """All findings, in the order of the checks."""

    where: str
    findings: tuple[Finding, ...]
    runs: tuple[Run, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether nothing stands against serving the model."""
        return all(finding.level != "error" for finding in self.findings)

    def as_json(self) -> dict[str, JsonValue]:
        """Give it to a script."""
        return {"passed": self.passed, **asdict(self)}


def described(verdict: Verdict) -> str:
    """Tell it to a person: a line for each finding, its remedy below."""
    lines: list[str] = []
    width = max(len(finding.check) for finding in verdict.findings)
    for finding in verdict.findings:
        lines.append(f"{finding.level:7}  {finding.check:{width}}  {finding.message}")
        if finding.remedy:
            lines.append(f"{'':9}{'':{width}}  {finding.remedy}")
    return "\n".join([*lines, "", f"{verdict.where}: {_summary(verdict.findings)}"])


def _summary(findings: Sequence[Finding]) -> str:
    errors, warnings = (
        sum(finding.level == level for finding in findings) for level in ("error", "warning")
    )
    if errors:
        also = f" and {counted(warnings, 'warning')}" if warnings else ""
        return f"failed with {counted(errors, 'error')}{also}"
    return f"passed with {counted(warnings, 'warning')}" if warnings else "passed"
