"""What Prometheus reads at `/metrics`. Every label is bounded: known paths, models of the store, codes of our errors.

BentoML's own metrics are switched off: their label `endpoint` is the raw path of the request, so that anybody could
fill the memory by asking for addresses that do not exist. The service is one process, and its own registry is what is
shown: BentoML's folder for metrics of several processes is shared by all services of one user, and each empties it.
"""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.responses import Response

from emserve.results import Result

disable_created_metrics()  # a time stamp beside every counter, which nothing here reads

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

REQUESTS = Counter("emserve_requests", "Requests by path and HTTP status", ["path", "status"])
REQUEST_SECONDS = Histogram(
    "emserve_request_seconds", "From the request's head to its answer", ["path"], buckets=SECONDS
)
ERRORS = Counter("emserve_errors", "Requests that were answered with an error, by its code", ["path", "code"])
QUEUE_WAITING = Gauge("emserve_queue_waiting", "Pictures that wait for a thread", multiprocess_mode="livesum")
QUEUE_RUNNING = Gauge("emserve_queue_running", "Pictures that are worked on", multiprocess_mode="livesum")
STAGE_SECONDS = Histogram(
    "emserve_stage_seconds",
    "Where the time of a picture went: read, preprocess, network, postprocess",
    ["family", "model", "stage"],
    buckets=SECONDS,
)
PIXELS = Counter("emserve_pixels", "Pixels of the pictures that were analysed", ["family", "model"])
FINDINGS = Counter("emserve_findings", "Columns, defects or lines that were found", ["family", "model"])


def count(result: Result) -> None:
    """Counts one answer of a family."""
    labels = (result.model.family, result.model.name)
    for stage, milliseconds in result.timings_ms:
        STAGE_SECONDS.labels(*labels, stage).observe(milliseconds / 1000)
    PIXELS.labels(*labels).inc(result.micrograph.width_px * result.micrograph.height_px)
    FINDINGS.labels(*labels).inc(len(result.findings))


def exposition() -> Response:
    """All metrics as text."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
