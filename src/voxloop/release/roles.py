"""Who may do what in MLflow: the roles of accounts, and the account that jobs sign in with."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What an account is for.

    A trainer keeps experiments of its own; an approver says which version may serve; a viewer reads. The service is
    what jobs are: it alone tracks, registers and names, and it approves nothing.
    """

    TRAINER = "trainer"
    APPROVER = "approver"
    VIEWER = "viewer"
    SERVICE = "service"


SERVICE_ACCOUNT = "service"
"""Name of the one account of that role. It is made when MLflow is started; people cannot have it."""
OWNER = "voxloop.owner"
"""Tag of a run or an experiment: the account that made it, written by the server alone."""
