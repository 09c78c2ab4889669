"""Made-up patients, and a model that tells their risk of heart disease from raw values.

Nothing here is medicine: patients and the rule behind their illness are synthetic, so that the
target can be learnt in seconds and nothing has to be downloaded.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from samples.sample import TrainedSample, fix_randomness

SEXES: Final = ("female", "male")
CHEST_PAINS: Final = ("typical", "atypical", "non-anginal", "asymptomatic")
THALASSEMIAS: Final = ("normal", "fixed", "reversible")

NUMBERS: Final = (
    "resting_blood_pressure",
    "cholesterol",
    "max_heart_rate",
    "st_depression",
    "vessels",
)
WORDS: Final = {"sex": SEXES, "chest_pain": CHEST_PAINS, "thalassemia": THALASSEMIAS}
AGE_BOUNDARIES: Final = (40.0, 45.0, 50.0, 55.0, 60.0, 65.0, 70.0)

# The patients are the same for every seed: what differs between two trainings is the model.
_PATIENTS_SEED: Final = 303
_TRAINED_COUNT: Final = 4000
_TESTED_COUNT: Final = 1000
_EPOCHS: Final = 6
_BATCH_SIZE: Final = 128
_SAMPLE_COUNT: Final = 3


def patients(count: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
    """Make up patients: a column for each input, and who of them is ill."""
    random = np.random.default_rng(_PATIENTS_SEED)
    age = np.clip(random.normal(54, 9, count), 29, 77).round()
    columns: dict[str, NDArray[Any]] = {
        "age": age,
        "sex": random.choice(SEXES, count, p=[0.35, 0.65]),
        "chest_pain": random.choice(CHEST_PAINS, count, p=[0.1, 0.2, 0.3, 0.4]),
        "resting_blood_pressure": np.clip(random.normal(131, 17, count), 90, 200).round(),
        "cholesterol": np.clip(random.normal(246, 50, count), 120, 560).round(),
        "max_heart_rate": np.clip(random.normal(205 - age, 18), 70, 205).round(),
        "st_depression": np.clip(random.exponential(1.0, count), 0, 6).round(1),
        "vessels": random.choice([0, 1, 2, 3], count, p=[0.58, 0.22, 0.13, 0.07]).astype(float),
        "thalassemia": random.choice(THALASSEMIAS, count, p=[0.55, 0.07, 0.38]),
    }
    risk = (
        np.where(age > 55, 0.9, -0.6)  # noqa: PLR2004 the made-up rule: a step that bins can learn
        + np.where(columns["sex"] == "male", 0.6, -0.6)
        + np.where(columns["chest_pain"] == "asymptomatic", 1.6, -0.8)
        + 0.02 * (columns["resting_blood_pressure"] - 131)
        + 0.008 * (columns["cholesterol"] - 246)
        - 0.03 * (columns["max_heart_rate"] - 150)
        + 0.9 * (columns["st_depression"] - 1.0)
        + 1.1 * columns["vessels"]
        + np.where(columns["thalassemia"] == "reversible", 1.4, -0.6)
        - 0.7
    )
    ill = risk + random.logistic(0, 0.5, count) > 0
    return columns, ill.astype(np.float32)


def train(seed: int) -> TrainedSample:
    """Train the model; the same seed gives the same model."""
    import keras  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    fix_randomness(seed)
    columns, ill = patients(_TRAINED_COUNT + _TESTED_COUNT)
    inputs = {
        name: keras.Input((), name=name, dtype="string" if name in WORDS else "float32")
        for name in columns
    }
    preparation = keras.Model(inputs, _features(keras, inputs, columns))
    prepared = preparation.predict(_tensors(columns), batch_size=len(ill), verbose=0)
    # The preparation runs once, before the training; in the served model it comes first.
    risk = keras.Sequential(
        [
            keras.Input(prepared.shape[1:]),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
            keras.layers.Reshape((), name="risk"),
        ]
    )
    risk.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy", jit_compile=False)
    risk.fit(
        prepared[:_TRAINED_COUNT],
        ill[:_TRAINED_COUNT],
        batch_size=_BATCH_SIZE,
        epochs=_EPOCHS,
        verbose=0,
    )
    answers = risk.predict(prepared[_TRAINED_COUNT:], batch_size=_TESTED_COUNT, verbose=0)
    correct = (answers > 0.5) == (ill[_TRAINED_COUNT:] > 0.5)  # noqa: PLR2004 more likely than not
    return TrainedSample(
        model=keras.Model(inputs, {"risk": risk(preparation.output)}, name="heart"),
        accuracy=float(correct.mean()),
        instances=tuple(
            {name: column[row].item() for name, column in columns.items()}
            for row in range(_TRAINED_COUNT, _TRAINED_COUNT + _SAMPLE_COUNT)
        ),
    )


def _features(keras: Any, inputs: dict[str, Any], columns: dict[str, NDArray[Any]]) -> Any:
    """Turn raw values into numbers, inside the graph: clients send what they have."""
    layers = keras.layers
    numbers = layers.Concatenate()([layers.Reshape((1,))(inputs[name]) for name in NUMBERS])
    normalization = layers.Normalization()
    normalization.adapt(np.stack([columns[name] for name in NUMBERS], axis=1))
    decades = layers.Discretization(AGE_BOUNDARIES, output_mode="one_hot")
    words = [
        layers.StringLookup(vocabulary=vocabulary, output_mode="one_hot")(
            layers.Reshape((1,))(inputs[name])
        )
        for name, vocabulary in WORDS.items()
    ]
    ages = decades(layers.Reshape((1,))(inputs["age"]))
    return layers.Concatenate()([normalization(numbers), ages, *words])


def _tensors(columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
    import tensorflow as tf  # noqa: PLC0415 only a training pays for it

    return {
        name: tf.constant(column if name in WORDS else column.astype(np.float32))
        for name, column in columns.items()
    }
