"""Which image of Amazon's serves a model that some TensorFlow exported."""

import pytest

from infra.compute.aws_accelerators import accelerators_in, may_have_accelerators
from infra.errors import ServestackError
from infra.serving.sagemaker.images import image_for, minor_versions


def tag(exported_by: str, wanted: str | None = None, *, gpu: bool = False) -> str:
    image = image_for(region="eu-central-1", exported_by=exported_by, wanted=wanted, gpu=gpu)
    return image.rpartition(":")[2]


@pytest.mark.parametrize(
    ("exported_by", "wanted", "found"),
    [
        ("2.19.0", None, "2.19.0-cpu"),
        # A newer TensorFlow loads what an older one wrote; there is no image of 2.15 and 2.17.
        ("2.15.1", None, "2.16.1-cpu"),
        ("2.17.0", None, "2.18.0-cpu"),
        ("2.3.0", None, "2.8.4-cpu"),
        ("2.20.0-rc1", "2.19", "2.19.0-cpu"),
        ("2.11.0", "2.18", "2.18.0-cpu"),
    ],
)
def test_the_first_image_that_is_not_older_is_taken(
    exported_by: str, wanted: str | None, found: str
) -> None:
    assert tag(exported_by, wanted) == found


def test_a_machine_with_gpus_gets_their_image() -> None:
    assert tag("2.19.0", gpu=True) == "2.19.0-gpu"


def test_where_there_is_none_the_ways_out_are_told() -> None:
    with pytest.raises(ServestackError, match=r"images end at 2\.19.*tensorflow: \"2\.19\""):
        tag("2.20.0")
    with pytest.raises(ServestackError, match=r"no image of TensorFlow 2\.17"):
        tag("2.20.0", "2.17")
    assert minor_versions()[-1] == "2.19"


@pytest.mark.parametrize(
    ("region", "start"),
    [
        ("us-east-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com/"),
        ("eu-south-1", "692866216735.dkr.ecr.eu-south-1.amazonaws.com/"),
        ("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_each_region_has_its_registry(region: str, start: str) -> None:
    image = image_for(region=region, exported_by="2.19.0", wanted=None, gpu=False)
    assert image == f"{start}tensorflow-inference:2.19.0-cpu"


def test_machines_with_accelerators_are_known_and_others_are_guessed_at_only_by_family() -> None:
    assert accelerators_in("ml.g5.12xlarge") == ("nvidia-a10g", 4)
    assert accelerators_in("m5.large") is None
    assert may_have_accelerators("ml.p9.48xlarge")
    assert may_have_accelerators("p6-b300.48xlarge")
    assert may_have_accelerators("inf2.xlarge")
    for plain in ("ml.m5.large", "c7i.large", "r6i.large", "i4i.large", "t3.large", "hpc7a.large"):
        assert not may_have_accelerators(plain)
