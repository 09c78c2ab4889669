"""A canary's share by the number of pods."""

from hypothesis import given
from hypothesis import strategies as st

from infra.serving.tf_serving.shares import ReplicaShare, replica_share, stable_pods_for

shares = st.integers(1, 99)


@given(stable=st.integers(1, 200), percent=shares)
def test_no_other_number_of_pods_comes_nearer(stable: int, percent: int) -> None:
    found = replica_share(stable=stable, share_percent=percent)

    def off(canary: int) -> float:
        return abs(100 * canary / (stable + canary) - percent)

    assert found.stable == stable
    assert found.canary >= 1
    assert off(found.canary) <= min(off(found.canary + 1), off(max(1, found.canary - 1)))


@given(percent=shares)
def test_the_advised_number_of_stable_pods_gives_the_share(percent: int) -> None:
    stable = stable_pods_for(percent)
    assert replica_share(stable=stable, share_percent=percent).is_near
    assert stable == 1 or not replica_share(stable=stable - 1, share_percent=percent).is_near


def test_one_pod_beside_one_is_half() -> None:
    found = replica_share(stable=1, share_percent=10)
    assert found == ReplicaShare(stable=1, canary=1, wanted_percent=10)
    assert found.percent == 50
    assert not found.is_near


def test_ten_per_cent_is_one_pod_beside_nine() -> None:
    assert replica_share(stable=9, share_percent=10).percent == 10
