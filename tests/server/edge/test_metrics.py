"""The page of metrics, as Prometheus reads it."""

import re
import threading

from prometheus_client.parser import text_string_to_metric_families

from local_model_server.domain import Code, Metrics
from local_model_server.metrics import PrometheusMetrics


# The parser adds _total to the names of counters, as OpenMetrics has them.
def _samples(metrics: PrometheusMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_model_and_status() -> None:
    metrics = PrometheusMetrics()
    counted: Metrics = metrics
    for code in (Code.OK, Code.OK, Code.INVALID_ARGUMENT):
        counted.request(model="heart", api="predict", entrypoint="REST", code=code, seconds=0.001)
    assert ':tensorflow:serving:request_count{model_name="heart",status="OK"} 2' in (
        metrics.page().decode()
    )
    samples = _samples(metrics)
    labels = (("API", "predict"), ("entrypoint", "REST"), ("model_name", "heart"))
    assert samples[(":tensorflow:serving:request_latency_count", labels)] == 3
    assert samples[(":tensorflow:serving:request_latency_sum", labels)] == 3000


def test_a_latency_falls_into_the_right_buckets() -> None:
    metrics = PrometheusMetrics()
    metrics.warmup(model_path="/models/heart/1", code=Code.OK, seconds=15e-6)
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in _samples(metrics).items()
        if name == ":tensorflow:serving:model_warmup_latency_bucket"
    }
    assert (buckets["10"], buckets["18"], buckets["32.4"], buckets["+Inf"]) == (0, 1, 1, 1)
    assert len(buckets) == 34


def test_loads_runs_and_batches_have_tf_servings_names() -> None:
    metrics = PrometheusMetrics()
    metrics.load(model_path="/m/1", code=Code.INTERNAL, seconds=1)
    metrics.graph_run(model="m", api="Predict", seconds=0.002)
    metrics.batch(model="m", size=8, padding=3)
    metrics.queueing(model="m", seconds=0.001)
    metrics.examples(model="m", count=5)
    page = metrics.page().decode()
    assert (
        ':tensorflow:cc:saved_model:load_attempt_count{model_path="/m/1",status="fail"} 1' in page
    )
    assert ":tensorflow:core:graph_runs{} 1\n" in page
    assert ":tensorflow:core:graph_run_time_usecs{} 2000\n" in page
    assert ':tensorflow:serving:request_example_count_total{model="m"} 5' in page
    names = {name for name, _ in _samples(metrics)}
    for name in ("processed_batch_size", "padding_size", "queuing_latency"):
        assert f":tensorflow:serving:batching_session:{name}_count" in names


def test_label_values_are_escaped() -> None:
    metrics = PrometheusMetrics()
    metrics.load(model_path='/m/"x"\\\n', code=Code.OK, seconds=0)
    names = {labels for name, labels in _samples(metrics) if "load_latency" in name}
    assert names == {(("model_path", '/m/"x"\\\n'),)}


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    metrics = PrometheusMetrics()
    for number in range(1500):
        metrics.request(
            model=str(number), api="predict", entrypoint="REST", code=Code.NOT_FOUND, seconds=0
        )
    counts = re.findall(r":request_count{.*} ([0-9]+)", metrics.page().decode())
    assert len(counts) == 1001
    assert sum(map(int, counts)) == 1500


def test_counts_from_many_threads_all_arrive() -> None:
    metrics = PrometheusMetrics()

    def count() -> None:
        for _ in range(2000):
            metrics.graph_run(model="m", api="Predict", seconds=0.001)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ":tensorflow:core:graph_runs{} 8000\n" in metrics.page().decode()
