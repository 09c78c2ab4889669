"""What follows from a model's size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.serving.tf_serving.capacity import (
    bytes_of,
    cores_of,
    memory,
    pod_seconds,
    start_seconds,
    threads,
    whole_mib,
)

GIB = 1024**3
sizes = st.integers(0, 500 * GIB)


@pytest.mark.parametrize(
    ("text", "value"),
    [("512Mi", 512 * 1024**2), ("2Gi", 2 * GIB), ("3G", 3 * 10**9), ("7k", 7000), ("1Ti", 2**40)],
)
def test_memory_is_read_as_kubernetes_reads_it(text: str, value: int) -> None:
    assert bytes_of(text) == value


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("2", 2), ("1.5", 1.5), ("0.25", 0.25)])
def test_cores_are_read_as_kubernetes_reads_them(text: str, value: float) -> None:
    assert cores_of(text) == value


@given(sizes)
def test_the_memory_that_is_given_is_enough_for_the_model(size_bytes: int) -> None:
    given_memory = memory((size_bytes,), None)
    assert given_memory.is_enough
    assert given_memory.limit_bytes >= 2 * size_bytes


@given(sizes)
def test_two_versions_take_twice_the_room(size_bytes: int) -> None:
    one, two = memory((size_bytes,), "1Gi"), memory((size_bytes, size_bytes), "1Gi")
    # Up to a byte, for each is rounded up.
    assert abs(two.least_bytes - one.least_bytes - size_bytes) <= 1


def test_a_limit_below_the_models_size_is_not_enough() -> None:
    assert not memory((2 * GIB,), "2Gi").is_enough
    assert memory((2 * GIB,), "3Gi").is_enough


@given(small=sizes, more=sizes)
def test_a_larger_model_never_has_less_time(small: int, more: int) -> None:
    for on_gpu in (False, True):
        assert start_seconds(small, on_gpu=on_gpu) <= start_seconds(small + more, on_gpu=on_gpu)
    assert pod_seconds(small, on_gpu=True) > pod_seconds(small, on_gpu=False) + 600


@given(sizes)
def test_an_empty_directory_of_that_size_holds_it(size_bytes: int) -> None:
    assert size_bytes <= bytes_of(whole_mib(size_bytes)) <= size_bytes + 1024**2


@pytest.mark.parametrize(("cpu", "count"), [("250m", 1), ("1", 1), ("1500m", 2), ("8", 8)])
def test_a_pod_has_a_thread_for_each_core_that_it_may_use(cpu: str, count: int) -> None:
    assert threads(cpu) == count
