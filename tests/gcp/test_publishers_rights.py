"""What a publisher may change and move, by the condition as Google Cloud reads it."""

from typing import Any

import pytest

from tests.gcp.declaring import declared

_STACK: dict[str, Any] = {
    "platform": "gcp",
    "gcp": {"project": "example-ml-dev", "region": "europe-west4"},
    "cluster": {},
    "identity": {"publishers": ["group:ml-team@example.com"]},
}
_OBJECT = "storage.googleapis.com/Object"
_FOLDER = "storage.googleapis.com/Folder"


class _Name(str):
    """A resource's name with the function that conditions have for it."""

    __slots__ = ()

    def extract(self, template: str) -> str:
        before, after = template.split("{model}")
        _, found, tail = self.partition(before)
        value, ended, _ = tail.partition(after)
        return value if found and ended else ""


class _Resource:
    def __init__(self, kind: str, name: str) -> None:
        self.type = kind
        self.name = _Name(f"projects/_/buckets/b/{name}")


def _may_change(kind: str, name: str, *, folders: bool) -> bool:
    made = declared(_STACK | {"bucket": {"hierarchical_namespace": folders}})
    (grant,) = [
        one.inputs
        for one in made.resources
        if one.type == "gcp:storage/bucketIAMMember:BucketIAMMember"
        and one.inputs["role"] == "roles/storage.objectUser"
    ]
    expression = grant["condition"]["expression"].replace("&&", "and").replace("||", "or")
    return bool(eval(expression, {"resource": _Resource(kind, name)}))  # noqa: S307 -- it is ours


@pytest.mark.parametrize("folders", [False, True])
@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("objects/heart/.publishing/7/owner-1.json", True),
        ("objects/heart/7/saved_model.pb", False),
        ("objects/heart/7/manifest.json", False),
        ("objects/heart/.deleted/7.json", False),
    ],
)
def test_a_publisher_changes_nothing_but_its_scaffolding(
    name: str, *, may: bool, folders: bool
) -> None:
    assert _may_change(_OBJECT, name, folders=folders) is may


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("folders/heart/.publishing/7/version/", True),
        ("folders/heart/.publishing/7/", True),
        ("folders/heart/7/", False),
        ("folders/heart/7/variables/", False),
        ("folders/heart/", False),
    ],
)
def test_where_folders_are_real_a_publisher_moves_nothing_but_what_is_not_published(
    name: str, *, may: bool
) -> None:
    assert _may_change(_FOLDER, name, folders=True) is may
    assert not _may_change(_FOLDER, name, folders=False)
