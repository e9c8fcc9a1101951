"""`voxloop gateway`: the program."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

WARM_UP = "from voxloop.speech.prosody import compile_once; compile_once()"


def gateway(*, overrides: tuple[str, ...] = ()) -> None:
    """Answer HTTP requests for the models in service, until told to stop.

    Listens on `settings.ports.gateway` of 127.0.0.1, and for who runs it, with `/metrics`, on `ports.gateway_admin`. A
    route of the ledger says which model answers; `voxloop keys add` makes a key to ask with. `/healthz` and `/readyz`
    answer without one.

    Args:
        overrides: Changes to configs/gateway.yaml.

    Raises:
        ConfigError: A value of the configuration is not acceptable, or this machine has no such address.
        IntegrityError: The keys are malformed, or others may use them.
        PortTakenError: Another process listens there; nothing was started.
    """
    from voxloop.adapters.open_telemetry import exporting_spans
    from voxloop.errors import ConfigError
    from voxloop.gateway.app import build_app
    from voxloop.gateway.config import load_gateway_config
    from voxloop.gateway.listening import open_listener, serve
    from voxloop.gateway.service_key import keep_service_key
    from voxloop.settings import child_environment, get_settings, now

    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it tells of every broken form; so does the answer
    settings, config = get_settings(), load_gateway_config(overrides)
    if (port := settings.ports.gateway) == settings.ports.gateway_admin:
        raise ConfigError(
            f"ports.gateway and ports.gateway_admin are both {port}",
            rule="one port, one service",
            remedy="set VOXLOOP_PORTS__GATEWAY_ADMIN to another",
        )
    with (  # before anything is started
        open_listener(settings.host, settings.ports.gateway, "gateway") as public,
        open_listener(settings.host, settings.ports.gateway_admin, "gateway_admin") as admin,
    ):
        keep_service_key(settings, now())
        built = build_app(settings, config)
        # What measures prosody is compiled once a machine, which takes longer than a worker may.
        warm_up = subprocess.Popen([sys.executable, "-P", "-c", WARM_UP], env=child_environment())
        threading.Thread(target=warm_up.wait, name="warm up", daemon=True).start()
        try:
            with exporting_spans(config.traces.endpoint, service="voxloop-gateway", share=config.traces.share):
                serve({public: built.public, admin: built.admin}, built.live)
        finally:
            warm_up.kill()
