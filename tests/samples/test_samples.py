"""The samples can be learnt, come out the same, and serve raw values."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_export.directory_store import DirectoryStore
from model_export.manifest import TensorSpec
from model_export.publish import publish
from samples import digits, heart

Train = Callable[[str], tuple[Path, dict[str, Any]]]


def _samples(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "samples", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Train each sample once, as a user does."""

    @cache
    def run(name: str) -> tuple[Path, dict[str, Any]]:
        directory = tmp_path_factory.mktemp("samples") / name
        done = _samples(name, "--output", directory, "--json")
        assert done.returncode == 0, done.stderr
        return directory, json.loads(done.stdout)

    return run


def test_patients_are_always_the_same_and_neither_all_ill_nor_all_well() -> None:
    columns, ill = heart.patients(1000)
    again, ill_again = heart.patients(1000)
    assert all(np.array_equal(columns[name], again[name]) for name in columns)
    assert np.array_equal(ill, ill_again)
    assert 0.35 < ill.mean() < 0.65


def test_no_single_value_gives_the_illness_away() -> None:
    columns, ill = heart.patients(5000)
    for name in heart.NUMBERS:
        above = columns[name] > np.median(columns[name])
        assert max(np.mean(above == ill), np.mean(above != ill)) < 0.75


def test_drawings_are_always_the_same_and_all_digits_are_drawn() -> None:
    images, shown = digits.drawings(500)
    again, shown_again = digits.drawings(500)
    assert np.array_equal(images, again)
    assert np.array_equal(shown, shown_again)
    assert images.shape == (500, 28, 28)
    assert images.dtype == np.uint8
    assert set(shown.tolist()) == set(range(10))


def test_every_drawing_has_ink_and_no_two_are_equal() -> None:
    images, _ = digits.drawings(500)
    ink = (images > 128).mean(axis=(1, 2))
    assert ink.min() > 0.03
    assert ink.max() < 0.5
    assert len({image.tobytes() for image in images}) == len(images)


def test_a_drawing_looks_more_like_its_own_digit_than_like_the_others() -> None:
    images, shown = digits.drawings(2000)
    flat = images.reshape(len(images), -1).astype(float)
    means = np.stack([flat[:1500][shown[:1500] == digit].mean(axis=0) for digit in range(10)])
    distances = ((flat[1500:, None] - means) ** 2).sum(axis=-1)
    # The nearest mean, the simplest classifier there is, is right far more often than one in ten,
    # and wrong often enough to leave something to learn.
    assert 0.6 < np.mean(distances.argmin(axis=1) == shown[1500:]) < 0.97


@pytest.mark.slow
def test_heart_is_learnt_and_takes_raw_values_by_name(train: Train, tmp_path: Path) -> None:
    directory, said = train("heart")
    assert said["accuracy"] > 0.84
    manifest = publish(directory, model="heart", store=DirectoryStore(tmp_path)).manifest
    inputs = manifest.signatures["serving_default"].inputs
    assert {name: spec.dtype for name, spec in inputs.items() if spec.dtype != "float32"} == {
        "chest_pain": "string",
        "sex": "string",
        "thalassemia": "string",
    }
    assert {spec.shape for spec in inputs.values()} == {(None,)}
    assert manifest.sample is not None
    assert all(0 <= risk <= 1 for risk in manifest.sample.predictions if isinstance(risk, float))
    row = manifest.sample.instances[0]
    assert isinstance(row, dict)
    assert row.keys() == inputs.keys()


@pytest.mark.slow
def test_digits_is_learnt_and_takes_pixels_as_they_are(train: Train, tmp_path: Path) -> None:
    directory, said = train("digits")
    assert said["accuracy"] > 0.95
    manifest = publish(directory, model="digits", store=DirectoryStore(tmp_path)).manifest
    signature = manifest.signatures["serving_default"]
    assert signature.inputs == {"image": TensorSpec(dtype="uint8", shape=(None, 28, 28))}
    assert set(signature.outputs) == {"digit", "probabilities"}
    assert manifest.sample is not None
    prediction: Any = manifest.sample.predictions[0]
    assert np.isclose(np.sum(prediction["probabilities"]), 1.0, atol=1e-4)
    assert prediction["digit"] == np.argmax(prediction["probabilities"])


@pytest.mark.slow
def test_a_seed_gives_the_same_model_again_and_another_seed_a_slightly_different_one(
    train: Train,
) -> None:
    directory, _ = train("heart")
    sample = json.loads((directory / "assets.extra/export.json").read_bytes())["sample"]
    program = (
        "import json, sys; from samples.heart import train; import numpy as np\n"
        "rows = json.loads(sys.stdin.read())\n"
        "columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}\n"
        "for seed in (1, 2):\n"
        "    answers = train(seed).model(columns)['risk']\n"
        "    print(json.dumps(np.asarray(answers).tolist()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(sample["instances"]),
        capture_output=True,
        text=True,
        check=True,
    )
    same, other = (json.loads(line) for line in run.stdout.splitlines())
    assert same == pytest.approx(sample["predictions"], abs=1e-6)
    assert other != pytest.approx(sample["predictions"], abs=1e-6)
    assert other == pytest.approx(sample["predictions"], abs=0.2)


def test_an_output_that_exists_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    done = _samples("heart", "--output", tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr


def test_a_sample_that_is_not_known_is_refused_and_the_known_ones_are_named() -> None:
    done = _samples("liver", "--output", "x")
    assert done.returncode == 2
    assert "'digits', 'heart'" in done.stderr
