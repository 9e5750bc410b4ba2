"""The service: `bentoml serve` in the root of the repository starts it, `make serve` does so on 127.0.0.1:3000.

BentoML runs the process, its workers and its probes. The addresses are an ASGI application of their own, mounted at
the root (`bentos.api`), inside one middleware that every request passes (`bentos.front`): 2 ms a request instead of 6,
and every error, BentoML's own included, has our shape.
"""

from __future__ import annotations

import logging
import os
from threading import Event, Thread

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml is imported: it would report its use

import bentoml
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from bentos import api, settings
from bentos.families import FAMILIES
from bentos.family import AnyFamily
from bentos.front import Front
from bentos.models import Models
from bentos.pool import Pool
from emserve.exceptions import EmserveError, InternalError, ServiceError, StoreError

log = logging.getLogger("emserve.service")
log.setLevel(logging.INFO)
# It warns of every malformed body; whoever sent it is told, and the log has a line.
logging.getLogger("python_multipart").setLevel(logging.ERROR)

# BentoML's own limit only has to be out of the way: its answer would have another shape.
MARGIN_S = 30
WATCH_S = 2.0  # between two looks at networks that run elsewhere


class Readiness:
    """Opens the default model of every family that has one and runs it once, beside the start of the server.

    Where networks run in another process, it waits for that, and follows it from then on.
    """

    def __init__(self, models: Models, max_pixels: int) -> None:
        self._models = models
        self._max_pixels = max_pixels
        self._stopped = Event()
        self.unready: str | None = "the default models are being loaded."

    def start(self) -> None:
        """Begins in a thread of its own, so that the process answers /livez meanwhile."""
        Thread(target=self._follow, name="emserve-readiness", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()

    def _follow(self) -> None:
        try:
            self._say(self._warm_up())
            while self.unready is not None:
                self._stopped.wait(WATCH_S)
                self._say(self._warm_up())
            while (elsewhere := self._models.elsewhere()) and not self._stopped.wait(WATCH_S):
                self._say(next(filter(None, (model.unready() for model in elsewhere)), None))
        except EmserveError as error:
            self._say(str(error))
        except Exception as error:
            self.unready = f"{type(error).__name__} at the first run of a default model."
            log.exception("not ready")

    def _warm_up(self) -> str | None:
        """Why it did not work although it may yet: what runs the networks is not there, or has other models still."""
        try:
            for family in self._families():
                model = family.warm_up(self._models, max_pixels=self._max_pixels)
                log.info("loaded: %s %s, %s %s", model.name, model.version, model.runtime, model.precision)
        except EmserveError as error:
            # Front and Triton are replaced at the same time: for a while an old server may answer with old models.
            may_change = isinstance(error, ServiceError) or os.environ.get("EMSERVE_RUNTIME") == "triton"
            if self._stopped.is_set() or isinstance(error, InternalError) or not may_change:
                raise
            return str(error)
        return None

    def _say(self, unready: str | None) -> None:
        if unready == self.unready:
            return
        self.unready = unready
        if unready is None:
            log.info("ready")
        else:
            log.error("not ready: %s", unready)

    def _families(self) -> list[AnyFamily]:
        served = [family for family in FAMILIES if self._models.of(family.name)]
        if not served:
            raise StoreError(
                f"The store at '{self._models.store.root}' has no model of a family that is served.",
                remedy="Set EMSERVE_STORE to a folder that has one, export one into this, or see EMSERVE_FAMILIES.",
            )
        return [family for family in served if self._models.has_default(family.name)]


def build(limits: settings.Settings) -> bentoml.Service[object]:
    """A BentoML service with these limits."""
    models = Models(limits.families)
    pool = Pool(limits.workers, limits.queue, limits.timeout_s)
    readiness = Readiness(models, limits.max_pixels)
    application = api.create(limits, models, pool)

    # BentoML passes addresses that a FastAPI application does not have on to its own pages; a plain function gets all.
    async def every_address(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, send)

    class Emserve:
        """Published electron-microscopy networks: micrograph in, calibrated answers out."""

        @bentoml.on_startup
        def start(self) -> None:
            readiness.start()

        @bentoml.on_shutdown
        def stop(self) -> None:
            readiness.stop()
            pool.close()

    service: bentoml.Service[object] = bentoml.service(
        name="emserve",
        workers=1,  # one process, so that the limits hold for all requests; more machines take more replicas
        traffic={"timeout": limits.timeout_s + MARGIN_S},
        metrics={"enabled": False},  # see bentos.metrics
        logging={"access": {"enabled": False}},  # the front writes the line, with the request id
        http={"host": "127.0.0.1", "port": 3000},
    )(Emserve)
    bentoml.asgi_app(every_address)(service)
    if limits.cors_origins:  # outside the front, so that a browser may read the front's errors too
        service.add_asgi_middleware(
            CORSMiddleware,
            allow_origins=limits.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    service.add_asgi_middleware(
        Front, settings=limits, paths=frozenset(api.paths_of(application)), unready=lambda: readiness.unready
    )
    return service


EmserveService = build(settings.from_environment())
