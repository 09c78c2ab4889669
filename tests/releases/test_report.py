"""The comment on a pull request, compared with golden files: what it says, and what it hides.

To write the files anew: UPDATE_GOLDEN=1 ./scripts/test tests/releases/test_report.py
"""

import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from infra.config import StackConfig, parse_stack
from infra.releases.before import affected_stacks, config_before
from infra.releases.markdown import marker, render
from infra.releases.preview import PolicyFinding, Preview, preview_of_document
from infra.releases.report import Report, make_report
from tests.config.examples import PLATFORMS

GOLDEN = Path(__file__).with_name("golden")
PLACES = {platform.value: place for platform, place in PLATFORMS.items()}
HEAD = "urn:pulumi:prod::servestack::"
DEPLOYMENT = f"{HEAD}servestack:serving:KubernetesModel$kubernetes:apps/v1:Deployment::heart"


def config(platform: str = "gcp", **stack: Any) -> StackConfig:
    return parse_stack({"platform": platform, **PLACES[platform], **stack}, source="x")


def pool(name: str, machine: str, most: int) -> tuple[str, dict[str, Any]]:
    gpus = [{"type": "nvidia-l4-vws", "count": 1}] if machine.startswith("g2") else []
    return f"{HEAD}gcp:container/nodePool:NodePool::{name}", {
        "location": "europe-west4",
        "nodeConfig": {"machineType": machine, "guestAccelerators": gpus},
        "autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": most},
    }


def step(op: str, urn: str, old: Any = None, new: Any = None, **more: Any) -> dict[str, Any]:
    sides = {"oldState": old, "newState": new}
    told = {key: {"inputs": side} for key, side in sides.items() if side is not None}
    return {"op": op, "urn": urn, **told, **more}


def preview(*steps: dict[str, Any]) -> Preview:
    return preview_of_document(json.dumps({"steps": steps}))


def compare(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def whole() -> Report:
    """Give a report in which everything happens at once."""
    gpu = {"type": "nvidia-l4", "count": 1}
    cluster = {"gpu_pools": {"l4": {"accelerator": "nvidia-l4", "max_nodes": 4}}}
    before = config(
        environment="prod",
        protected=True,
        cluster=cluster,
        models={
            "heart": {"version": 3, "labels": {"stable": 3}},
            "digits": {"version": 5, "replicas": 2},
            "liver": {"version": 1},
            "kidney": {"version": 2},
        },
    )
    after = config(
        environment="prod",
        protected=True,
        cluster=cluster,
        models={
            "heart": {
                "version": 3,
                "canary": {"version": 4, "share": 10},
                "labels": {"stable": 3, "next": 4},
                "autoscaling": {"min_replicas": 2, "max_replicas": 6},
                "gpu": gpu,
            },
            "digits": {"version": 6, "replicas": 2},
            "kidney": {"version": 2},
            "spleen": {},
        },
    )
    system, l4 = pool("system", "e2-standard-4", 3), pool("l4", "g2-standard-4", 4)
    old = {"spec": {"replicas": 1, "password": "hunter2", "args": ["--a", "`b` | <i>"]}}
    new = {"spec": {"replicas": 2, "password": "hunter3", "args": ["--a", "```", "@all"]}}
    bucket = f"{HEAD}gcp:storage/bucket:Bucket::models"
    found = preview(
        step("same", f"{HEAD}gcp:container/cluster:Cluster::main", {}, {}),
        step("same", system[0], system[1], system[1]),
        step("create", l4[0], None, l4[1]),
        step("update", DEPLOYMENT, old, new),
        step("replace", bucket, {"name": "a"}, {"name": "b"}, replaceReasons=["name"]),
        step("delete", f"{HEAD}kubernetes:core/v1:Service::liver", {"x": 1}),
        step("create", f"{HEAD}servestack:serving:KubernetesModel::spleen", None, {}),
    )
    policies = (
        PolicyFinding(rule="cost-labels", level="advisory", message="no label", resource="l4"),
        PolicyFinding(
            rule="public-bucket",
            level="mandatory",
            message="The bucket is open to allUsers.\nRemove | the binding",
            resource="models",
        ),
        PolicyFinding(rule="prod-budget", level="mandatory", message="No budget", resource=None),
    )
    return make_report(
        "prod",
        before=before,
        after=after,
        preview=replace(found, policies=policies),
        before_resources={f"{HEAD}gcp:container/cluster:Cluster::main": {}, system[0]: system[1]},
        breaking=["digits 5 → 6 breaks REST clients: serving_default output 'y': was float32"],
        unread=["Signatures of heart were not compared: no access"],
    )


def test_everything_at_once() -> None:
    text = render(whole())
    compare("everything", text)
    assert "hunter" not in text


def test_nothing_changes() -> None:
    same = config("local", models={"heart": {"version": 1}})
    report = make_report("local", before=same, after=same, preview=replace(Preview(), policies=()))
    compare("nothing", render(report))
    assert not report.is_forbidden


def test_a_fork_is_told_what_could_not_be_done() -> None:
    before = config("aws", models={"heart": {"version": 1, "target": "sagemaker"}})
    after = config("aws", models={"heart": {"version": 2, "target": "sagemaker"}})
    why = "No preview was made: a pull request from a fork gets no credentials."
    compare("fork", render(make_report("aws-dev", before=before, after=after, unread=[why])))


def test_a_new_stack_and_one_that_goes() -> None:
    stack = config("kubernetes", models={"heart": {"version": 2, "replicas": 3}})
    new = render(make_report("kind", before=None, after=stack, preview=Preview()))
    assert "- `heart`: not served → **2**" in new
    assert "| `heart` | - → **2** | - | - → **kubernetes** | - → **3** | - |" in new
    gone = render(make_report("kind", before=stack, after=None))
    assert "- `heart`: 2 → **not served**" in gone


def test_a_change_that_cannot_be_deployed_says_so_first() -> None:
    stack = config("local")
    error = "Pulumi.local.yaml: servestack:models.heart.version: version 77 is not published"
    report = make_report("local", before=stack, after=stack, preview=Preview(errors=(error,)))
    assert report.is_forbidden
    compare("refused", render(report))


def test_each_mistake_that_stands_against_a_deployment_is_an_item_of_its_own() -> None:
    stack = config("local")
    preview = Preview(errors=("a: is missing\nb: is not allowed",))
    written = render(make_report("local", before=stack, after=stack, preview=preview))
    assert "\n> - a: is missing\n> - b: is not allowed\n" in written


def test_a_diff_that_is_too_long_is_cut_and_says_by_how_much() -> None:
    steps = [
        step("create", f"{HEAD}kubernetes:core/v1:Service::heart-{number}", None, {})
        for number in range(500)
    ]
    stack = config("kubernetes")
    report = make_report("kind", before=stack, after=stack, preview=preview(*steps))
    text = render(report, limit=5_000)
    assert len(text) <= 5_000
    assert "Resources: 500 to create" in text
    assert "more lines; the preview's own log has all" in text
    assert len(render(report)) > 10_000


@given(text=st.text(alphabet="`|<>@#*_[]()!~&\\\n a1", min_size=1, max_size=60))
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    stack = config("local")
    finding = PolicyFinding(rule="pod-limits", level="advisory", message=text, resource=text)
    found = preview(step("update", DEPLOYMENT, {"a": 1}, {"a": text}))
    report = make_report(
        "local",
        before=stack,
        after=stack,
        preview=replace(found, policies=(finding,), errors=(text,)),
        breaking=[text],
        unread=[text],
    )
    written = render(report)
    lines = written.splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.endswith("diff")]
    fence = lines[start].removesuffix("diff")
    assert lines[start + 1 :].count(fence) == 1
    outside = [*lines[1:start], *lines[start + 1 + lines[start + 1 :].index(fence) :]]
    allowed = ("<details><summary>", "</details>", "<!--")
    for line in outside:
        # What stands between backticks is shown as it is.
        bare = re.sub("`[^`]*`", "", line.replace("</summary>", ""))
        assert line.startswith(allowed) or "<" not in bare, line
    row = next(line for line in lines if line.startswith("| advisory |"))
    assert row.count("|") - row.count("\\|") == 5


class Outline(HTMLParser):
    """What a browser would make of a report: its tags in order, and the cells of each row."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == [] or tag in {"code", "th", "td"}, (tag, attrs)
        self.seen[tag] += 1
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in {"br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"th", "td"} & {*self.open}:
            self.rows[-1][-1] += data


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(MarkdownIt("commonmark").enable("table").render(text))
    found.close()
    assert found.open == []
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.md")))
def test_a_report_is_sound_html_where_a_forge_renders_it(name: str) -> None:
    found = outline((GOLDEN / f"{name}.md").read_text(encoding="utf-8"))
    text = "p h3 h4 ul li strong code pre blockquote table thead tbody tr th td details summary"
    assert found.seen.keys() <= set(text.split())
    assert found.seen["details"] == found.seen["summary"]


def test_tables_keep_their_columns_whatever_stands_in_them() -> None:
    found = outline(render(whole()))
    models = [row for row in found.rows if len(row) == 6]
    assert models[0] == ["model", "version", "canary", "target", "replicas", "GPU of each"]
    heart = next(row for row in models if row[0] == "heart")
    assert heart[2] == "- → 4 at 10 %"
    policies = [row for row in found.rows if len(row) == 4]
    assert "The bucket is open to allUsers. Remove | the binding" in policies[2][3]
    assert found.seen["pre"] == 1
    assert found.seen["details"] == 2


def test_a_marker_cannot_be_broken_out_of() -> None:
    assert marker("dev --> <b>") == "<!-- servestack report: dev--b -->"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("config", "user.email", "a@example.com")
    git("config", "user.name", "A")
    for name in ("dev", "prod"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text(
            "config:\n  servestack:platform: local\n  servestack:models: {heart: {version: 1}}\n"
        )
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "program.py").write_text("")
    git("add", ".")
    git("commit", "-qm", "first")
    return tmp_path


def test_what_was_before_is_read_from_the_commit(repository: Path) -> None:
    path = repository / "Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("version: 1", "version: 2"))
    before = config_before(path, "HEAD")
    assert before is not None
    assert before.models["heart"].version == 1
    assert config_before(repository / "Pulumi.new.yaml", "HEAD") is None
    with pytest.raises(Exception, match="git show failed, so what was before is not known"):
        config_before(path, "no-such-commit")


def test_a_stack_is_affected_by_its_file_and_by_the_program(repository: Path) -> None:
    assert affected_stacks(repository, "HEAD") == []
    (repository / "README.md").write_text("new")
    path = repository / "Pulumi.prod.yaml"
    path.write_text(path.read_text() + "\n")
    assert affected_stacks(repository, "HEAD") == ["prod"]
    (repository / "infra" / "program.py").write_text("import os\n")
    assert affected_stacks(repository, "HEAD") == ["dev", "prod"]
