"""PredictionService: what runs answers, by the traffic split, for as long as it runs.

A split takes its time until every router knows it, as it does on the real service; whoever is sent
to a deployment that has ended, or is there when it ends, gets an error.
"""

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.api import httpbody_pb2  # type: ignore[import-untyped]
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from tests.vertex.server.api_error import ApiError
from tests.vertex.server.world import World


@dataclass(kw_only=True)
class Router:
    """Sends each request to a deployment; `locked` looks at the world for a moment."""

    world: World
    locked: Callable[[], Any]
    propagation_seconds: float = 0.0
    work_seconds: float = 0.002
    asked: Counter[str] = field(default_factory=Counter)
    turn: "itertools.count[int]" = field(default_factory=itertools.count)

    def answer(self, endpoint_name: str, body: Any) -> Any:
        with self.locked():
            name = self.world.canonical(endpoint_name)
            self.world.require_endpoint(name)
            chosen = self.choose(name)
            version = self.version(name, chosen)
        time.sleep(self.work_seconds)
        with self.locked():
            # It has to be there until the answer is.
            self.version(name, chosen)
            self.asked[version] += 1
        count = len(body.get("instances", ())) or 1
        return {"predictions": [{"version": int(version)}] * count}

    def choose(self, name: str) -> str:
        seen = time.monotonic() - random.uniform(0, self.propagation_seconds)  # noqa: S311
        history = self.world.splits.get(name, [])
        split = next((split for at, split in reversed(history) if at <= seen), {})
        if not split:
            raise ApiError(
                grpc.StatusCode.FAILED_PRECONDITION, f"Endpoint {name} takes no traffic."
            )
        place = next(self.turn) * 37 % 100
        for deployed_id, share in sorted(split.items()):
            if place < share:
                return deployed_id
            place -= share
        raise AssertionError(split)

    def is_settled(self, endpoint_name: str) -> bool:
        """Tell whether every router knows the newest split."""
        with self.locked():
            history = self.world.splits.get(self.world.canonical(endpoint_name), [])
            return bool(history) and history[-1][0] <= time.monotonic() - self.propagation_seconds

    def splits(self, endpoint_name: str) -> list[dict[str, int]]:
        """List all splits that there were, the oldest first."""
        with self.locked():
            history = self.world.splits.get(self.world.canonical(endpoint_name), [])
            return [split for _, split in history]

    def version(self, name: str, deployed_id: str) -> str:
        for entry in self.world.endpoints[name].deployed_models:
            if entry.id == deployed_id:
                model = self.world.models[entry.model]
                return str(model.versions[entry.model_version_id].labels["servestack-version"])
        raise ApiError(grpc.StatusCode.UNAVAILABLE, f"Deployment {deployed_id} has ended.")


def raw_predict(router: Router, request: Any) -> Any:
    answer = router.answer(request.endpoint, json.loads(request.http_body.data))
    return httpbody_pb2.HttpBody(data=json.dumps(answer).encode(), content_type="application/json")


def predict(router: Router, request: Any) -> Any:
    plain = v1.PredictRequest.pb(request).instances
    body = {"instances": [json_format.MessageToDict(entry) for entry in plain]}
    answer = router.answer(request.endpoint, body)
    response = v1.PredictResponse()
    for entry in answer["predictions"]:
        v1.PredictResponse.pb(response).predictions.add().struct_value.update(entry)
    return response
