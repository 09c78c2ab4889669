"""A report in the words of a pull request: Markdown that GitHub and GitLab show alike. Pure.

Nothing that comes from outside is markup here: names, messages and values are escaped, so that no
stack file and no provider can write into the comment.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from infra.config.model import ModelConfig
from infra.config.values import Platform
from infra.cost.estimate import CostLine, Estimate, rounded
from infra.releases.preview import PolicyFinding, Preview, PropertyChange, ResourceChange
from infra.releases.report import ModelChange, Report

# GitHub takes 65,536 characters; other stacks' reports stand in the same comment.
DEFAULT_LIMIT: Final = 60_000
_MARKS: Final = {"create": "+", "import": "+", "update": "!", "replace": "-", "delete": "-"}
_ORDER: Final = ("delete", "replace", "create", "import", "update")


def marker(stack: str) -> str:
    """Give the invisible line by which a comment is found again."""
    return f"<!-- servestack report: {re.sub(r'[^A-Za-z0-9._/-]', '', stack)} -->"


def render(report: Report, *, limit: int = DEFAULT_LIMIT) -> str:
    """Write the report; what is too long for a comment is cut from the resource diff."""
    head = "\n".join([marker(report.stack), *_head(report)])
    tail = "\n".join(_footer(report))
    room = limit - len(head) - len(tail)
    return f"{head}\n{_resources(report.preview, room)}{tail}\n"


def _head(report: Report) -> Iterator[str]:
    yield f"### Stack `{_code(report.stack)}`{_place(report)}"
    yield ""
    yield from _verdict(report)
    yield from _losses(report.preview)
    yield from _releases(report.models)
    yield from _breaking(report.breaking)
    yield from _table(report)
    yield from _policies(report.preview)
    yield from _costs(report)


def _place(report: Report) -> str:
    config = report.config
    if config is None:
        return ""
    region = {Platform.GCP: config.gcp.region, Platform.AWS: config.aws.region}.get(config.platform)
    words = [str(config.environment), str(config.platform), region]
    protected = ", protected" if config.protected else ""
    return f" ({', '.join(word for word in words if word)}{protected})"


def _verdict(report: Report) -> Iterator[str]:
    preview = report.preview
    if preview is not None and preview.errors:
        yield "> [!CAUTION]"
        yield "> **It cannot be deployed:**"
        yield ">"
        for error in preview.errors:
            # A list, because where lines are not kept all mistakes would be one paragraph.
            for line in filter(str.strip, error.splitlines()):
                yield f"> - {_text(line.strip())}"
        yield ""
    elif report.is_forbidden:
        yield "> [!CAUTION]"
        yield "> **A mandatory policy forbids it**, see below."
        yield ""


def _losses(preview: Preview | None) -> Iterator[str]:
    lost = preview.lost if preview else []
    if not lost:
        return
    yield "> [!WARNING]"
    yield "> **Replaced or deleted:**"
    for change in lost:
        why = f", for {_text(', '.join(change.replaced_for))}" if change.replaced_for else ""
        yield f"> - {change.action} **{_text(change.kind)}** `{_code(change.name)}`{why}"
    yield ""


def _releases(models: Sequence[ModelChange]) -> Iterator[str]:
    released = [change for change in models if change.is_released]
    if not released:
        yield "No version, share or label changes."
    for change in released:
        before, after = str(change.release_before), str(change.release_after)
        yield f"- `{_code(change.model)}`: {_text(before)} → **{_text(after)}**"
    yield ""


def _breaking(breaking: Sequence[str]) -> Iterator[str]:
    if not breaking:
        return
    yield "#### Clients that would break"
    yield ""
    yield from (f"- {_text(line)}" for line in breaking)
    yield ""


def _table(report: Report) -> Iterator[str]:
    changed = [change for change in report.models if change.is_changed]
    if not changed:
        return
    yield "| model | version | canary | target | replicas | GPU of each |"
    yield "|---|---|---|---|---|---|"
    for change in changed:
        cells = [
            f"`{_code(change.model)}`",
            _moved(change, _version),
            _moved(change, _canary),
            _moved(change, _target),
            _moved(change, _replicas),
            _moved(change, _gpu),
        ]
        yield f"| {' | '.join(cells)} |"
    same = len(report.models) - len(changed)
    if same:
        yield ""
        yield f"{same} other {'model stays' if same == 1 else 'models stay'} as configured."
    yield ""


def _moved(change: ModelChange, tell: Callable[[ModelConfig], str]) -> str:
    before = tell(change.before) if change.before else "-"
    after = tell(change.after) if change.after else "-"
    return _text(after) if before == after else f"{_text(before)} → **{_text(after)}**"


def _version(model: ModelConfig) -> str:
    return "not served" if model.version is None else str(model.version)


def _canary(model: ModelConfig) -> str:
    return f"{model.canary.version} at {model.canary.share} %" if model.canary else "-"


def _target(model: ModelConfig) -> str:
    return str(model.target)


def _replicas(model: ModelConfig) -> str:
    if model.autoscaling is not None:
        return f"{model.autoscaling.min_replicas} to {model.autoscaling.max_replicas}"
    return str(model.replicas or 1)


def _gpu(model: ModelConfig) -> str:
    return f"{model.gpu.count} x {model.gpu.type}" if model.gpu else "-"


def _policies(preview: Preview | None) -> Iterator[str]:
    if preview is None:
        return
    if preview.policies is None:
        yield "Policies were not asked."
        yield ""
        return
    if not preview.policies:
        yield "Policies: nothing found."
        yield ""
        return
    yield "#### Policies"
    yield ""
    yield "| level | rule | about | what |"
    yield "|---|---|---|---|"
    for found in sorted(preview.policies, key=lambda one: (one.level != "mandatory", one.rule)):
        yield _policy(found)
    yield ""


def _policy(found: PolicyFinding) -> str:
    level = f"**{found.level}**" if found.level == "mandatory" else found.level
    about = f"`{_code(found.resource)}`" if found.resource else "the stack"
    return f"| {level} | `{_code(found.rule)}` | {about} | {_text(found.message)} |"


def _costs(report: Report) -> Iterator[str]:
    after, before = report.cost_after, report.cost_before
    if after is None:
        return
    if before is None or str(before) == str(after):
        yield f"Cost a month, estimated: **{after}**"
    else:
        yield f"Cost a month, estimated: {before} → **{after}**"
    yield ""
    yield "<details><summary>How that is estimated</summary>"
    yield ""
    yield "| what | price | USD a month |"
    yield "|---|---|---|"
    for line in after.lines:
        yield f"| {_text(line.what)} | `{_code(line.price)}` | {_amount(line)} |"
    yield from _gone(before, after)
    yield ""
    yield from (f"- {_text(line)}" for line in after.assumptions)
    yield ""
    yield "</details>"
    yield ""


def _gone(before: Estimate | None, after: Estimate) -> Iterator[str]:
    stays = {line.what for line in after.lines}
    for line in before.lines if before else ():
        if line.what not in stays:
            yield f"| ~~{_text(line.what)}~~ | `{_code(line.price)}` | ~~{_amount(line)}~~ |"


def _amount(line: CostLine) -> str:
    if line.least_usd is None or line.most_usd is None:
        return "unknown"
    low, high = rounded(line.least_usd), rounded(line.most_usd)
    return low if low == high else f"{low} to {high}"


def _resources(preview: Preview | None, room: int) -> str:
    if preview is None:
        return ""
    changes = sorted(preview.of("create", "import", "update", "replace", "delete"), key=_place_of)
    if not changes:
        return "" if preview.errors else "No resource changes.\n\n"
    counts = [
        f"{count} to {action}"
        for action in _ORDER
        if (count := sum(change.action == action for change in changes))
    ]
    lines = [line for change in changes for line in _diff(change)]
    fence = "`" * (
        3 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    )
    start = f"<details><summary>Resources: {', '.join(counts)}</summary>\n\n{fence}diff\n"
    end = f"\n{fence}\n\n</details>\n\n"
    return start + _fitting(lines, room - len(start) - len(end)) + end


def _place_of(change: ResourceChange) -> tuple[int, str, str]:
    return _ORDER.index(change.action), change.kind, change.name


def _diff(change: ResourceChange) -> Iterator[str]:
    why = f"  (for {', '.join(change.replaced_for)})" if change.replaced_for else ""
    yield _line(f"{_MARKS[change.action]} {change.action} {change.kind} {change.name}{why}")
    for one in change.properties:
        yield _line(f"    {one.path}: {_sides(one)}")


def _sides(one: PropertyChange) -> str:
    if one.before is None:
        return f"{one.after} (new)"
    return f"{one.before} (gone)" if one.after is None else f"{one.before} → {one.after}"


def _fitting(lines: Sequence[str], room: int) -> str:
    kept: list[str] = []
    used = 0
    # The last line that fits leaves room to say how many did not.
    for index, line in enumerate(lines):
        used += len(line) + 1
        if used > room - 80:
            kept.append(f"… and {len(lines) - index} more lines; the preview's own log has all")
            break
        kept.append(line)
    return "\n".join(kept)


def _footer(report: Report) -> Iterator[str]:
    for line in report.unread:
        yield f"> [!NOTE]\n> {_text(line)}"
        yield ""


def _line(text: str) -> str:
    """Keep a line of a code block one line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _text(text: str) -> str:
    """Take what Markdown and HTML would read as markup, and mentions, for what was written."""
    plain = _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", plain)
    # An invisible sign between keeps @name and #12 from being links that notify.
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", plain)


def _code(text: str) -> str:
    """Write inside backticks, where only a backtick and a pipe have a meaning."""
    return _line(text).replace("`", "'").replace("|", "¦")
