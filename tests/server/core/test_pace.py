"""What may run on the event loop."""

from local_model_server.pace import Pace

_QUICK = {"cpu_seconds": 0.0001, "wall_seconds": 0.0002}
_SLOW = {"cpu_seconds": 0.02, "wall_seconds": 0.02}
_WAITING = {"cpu_seconds": 0.0001, "wall_seconds": 0.05}


def after(*runs: dict[str, float]) -> Pace:
    pace = Pace()
    for run in runs:
        pace.saw_on_thread(1, **run)
    return pace


def test_a_plan_earns_the_loop_by_a_row_of_quick_runs() -> None:
    assert not after(*[_QUICK] * 7).is_quick(1)
    assert after(*[_QUICK] * 8).is_quick(1)
    assert not after(*[_QUICK] * 8).is_quick(2)


def test_one_slow_run_loses_it_for_long() -> None:
    pace = after(*[_QUICK] * 8, _SLOW, *[_QUICK] * 100)
    assert not pace.is_quick(1)
    assert pace.is_slow(1)


def test_time_that_passes_elsewhere_only_starts_the_row_anew() -> None:
    pace = after(*[_QUICK] * 8, _WAITING)
    assert not pace.is_quick(1)
    assert not pace.is_slow(1)


def test_a_long_run_on_the_loop_sends_the_plan_back_to_threads() -> None:
    pace = after(*[_QUICK] * 8)
    pace.saw_on_loop(1, wall_seconds=0.0005)
    assert pace.is_quick(1)
    pace.saw_on_loop(1, wall_seconds=0.005)
    assert not pace.is_quick(1)
