"""`voxloop gateway`: the program."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

WARM_UP = "from voxloop.speech.prosody import compile_once; compile_once()"


def gateway(*, overrides: tuple[str, ...] = ()) -> None:
    """Answer HTTP requests for the models in service, until told to stop.

    Listens on `settings.ports.gateway` of 127.0.0.1. A route of the ledger says which model answers; `voxloop keys
    add` makes a key to ask with. `/healthz` and `/readyz` answer without one.

    Args:
        overrides: Changes to configs/gateway.yaml.

    Raises:
        ConfigError: A value of the configuration is not acceptable.
        PortTakenError: Another process listens there.
    """
    import uvicorn

    from voxloop.errors import PortTakenError
    from voxloop.gateway.app import build_app
    from voxloop.gateway.config import load_gateway_config
    from voxloop.settings import child_environment, get_settings

    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it tells of every broken form; so does the answer
    settings, config = get_settings(), load_gateway_config(overrides)
    app = build_app(settings, config)
    # What measures prosody is compiled once a machine, which takes longer than a worker may.
    warm_up = subprocess.Popen([sys.executable, "-P", "-c", WARM_UP], env=child_environment())
    threading.Thread(target=warm_up.wait, name="warm up", daemon=True).start()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.ports.gateway,
            access_log=False,  # the figures count; a log of requests would hold what is personal
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
            ws="none",
        )
    )
    try:
        server.run()
    except SystemExit:
        raise PortTakenError(
            f"port {settings.ports.gateway} for gateway cannot be listened on",
            rule="one port, one service",
            remedy="stop who listens there, or set VOXLOOP_PORTS__GATEWAY",
        ) from None
    finally:
        warm_up.kill()
