"""A registered model version as the rules see it, and the tags that tie it to its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxloop.verdict import Verdict

MODEL_DIGEST = "voxloop.model_digest"
DATA_DIGEST = "voxloop.data_digest"
EVALUATION_DIGEST = "voxloop.evaluation_digest"
VERDICT = "voxloop.verdict"
VERDICT_DIGEST = "voxloop.verdict_digest"
"""Digest of all that the gate wrote, reasons and model card too."""
CARD_DIGEST = "voxloop.card_digest"
"""Digest of the model card's page, which the approver reads; `none` when it could not be made."""
CARD_LINK = "voxloop.card_link"
"""Where MLflow's UI shows that page."""
NO_CARD = "none"
POLICY = "voxloop.policy"
EVIDENCE = "voxloop.evidence"
"""Digest of all that a tracked run consists of: its identity."""
DATA_VERDICT = "voxloop.data_verdict"
"""What validate, leakage and poison said of the data, taken together."""
GIT_COMMIT = "voxloop.git_commit"
RETRAIN_ID = "voxloop.retrain_id"
"""The retraining whose pipeline made a run or a version; one that was made without a reason has no such tag."""
JUDGED_AGAINST = "voxloop.judged_against"
"""Digest of the champion the model was compared with; `none` when there was none."""
PROMOTED_AT = "voxloop.promoted_at"
"""Set when the version takes over: it stays when the alias has moved on."""
APPROVAL = "approval"
"""Set by a person, in the MLflow UI."""
APPROVED = "approved"

CHAMPION, CHALLENGER, FALLBACK = "champion", "challenger", "fallback"
NO_CHAMPION = "none"


@dataclass(frozen=True)
class ModelVersion:
    """One version of the registered model of a task."""

    task: str
    number: int
    run_id: str
    tags: Mapping[str, str]

    @property
    def model_digest(self) -> str:
        """Digest of the model folder, as it was registered; empty when the version carries none."""
        return self.tags.get(MODEL_DIGEST, "")

    @property
    def is_pass(self) -> bool:
        """Whether the gate let it through."""
        return self.tags.get(VERDICT) == Verdict.PASS

    @property
    def was_champion(self) -> bool:
        """Whether it ever took over."""
        return PROMOTED_AT in self.tags

    @property
    def serving_name(self) -> str:
        """Name of the model on Triton: one name a digest, so that a name never changes its meaning."""
        return serving_name(self.task, self.model_digest)

    def __str__(self) -> str:
        return f"{self.task} version {self.number}"


def serving_name(task: str, model_digest: str) -> str:
    """Return the Triton name of a model."""
    return f"{task}-{model_digest[:12]}"
