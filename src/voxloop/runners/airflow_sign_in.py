"""Airflow's auth manager on this platform: its simple one, behind the door.

`core.auth_manager` of `airflow.cfg` names it, and the API server puts its middlewares round everything it serves. Every
command of Airflow imports it: it loads nothing heavy beside Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.tokens import JWTValidator, get_sig_validation_args
from airflow.configuration import conf
from jwt import InvalidTokenError

from voxloop.runners.airflow_door import Door

if TYPE_CHECKING:
    from starlette.middleware import _MiddlewareFactory


class SignInFirst(SimpleAuthManager):
    """The simple auth manager; no request without a token of this server's comes as far as a route."""

    def get_fastapi_middlewares(self) -> list[tuple[_MiddlewareFactory[Any], dict[str, Any]]]:
        """Return the middlewares, the outermost last."""
        validator = build_validator(self._get_jwt_audience())

        async def is_known(token: str) -> bool:
            try:
                await validator.avalidated_claims(token)
            except InvalidTokenError:
                return False
            return True

        return [*super().get_fastapi_middlewares(), (Door, {"is_known": is_known})]


def build_validator(people: str) -> JWTValidator:
    """Return what knows the tokens of people and of tasks: one key signs both, and whose door it is differs.

    Args:
        people: Whom a person's token is for.
    """
    tasks = conf.get_mandatory_list_value("execution_api", "jwt_audience")
    return JWTValidator(
        audience=[people, *tasks],
        required_claims=frozenset({"aud", "exp", "iat"}),
        **get_sig_validation_args(make_secret_key_if_needed=False),
    )
