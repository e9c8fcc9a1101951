"""What is for those who run the gateway, and no caller's: it answers on a port of its own."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from voxloop.gateway.keys import READ_METRICS
from voxloop.gateway.pages import Services, require_action

METRICS = "/metrics"
router = APIRouter()


@router.get(METRICS, response_class=Response)
async def read_metrics(request: Request) -> Response:
    """Give the figures in Prometheus' text format; the key needs the action `metrics`."""
    require_action(request, READ_METRICS)
    services: Services = request.app.state.services
    for family in services.routes.tasks():
        route = services.routes.find(family)
        services.figures.set_route(family, is_on=route is not None and route.is_on)
    return Response(services.figures.write(), media_type="text/plain; version=0.0.4; charset=utf-8")
