"""What labels of a family tell of production now: quarantine, prediction log and ledger in, facts of a decision out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from voxloop.config import find_config

if TYPE_CHECKING:
    from voxloop.monitoring.decision import Facts
    from voxloop.monitoring.label_policy import LabelPolicy
    from voxloop.monitoring.measured_loss import MeasuredLoss
    from voxloop.monitoring.promotion_evidence import AtPromotion
    from voxloop.settings import Settings


@dataclass(frozen=True)
class ProductionLoss:
    """What labels tell.

    Args:
        since: When the champion's reign began; None where there is no champion, or no label.
        measured: What was measured; None where nothing could be.
        text: What is known, or why nothing is; empty where no label waits.
    """

    since: datetime | None = None
    measured: MeasuredLoss | None = None
    text: str = ""

    def complete(self, facts: Facts) -> Facts:
        """Return facts with what is known of the loss."""
        if self.measured is None:
            return replace(facts, about_loss=self.text)
        return replace(
            facts,
            measured_loss=self.measured.loss.low if self.measured.loss else None,
            about_loss=self.text,
            are_labels_suspicious=bool(self.measured.suspicions),
        )

    def as_report(self) -> dict[str, Any]:
        """Return it for `decision.json`."""
        return {"about": self.text, "measured": asdict(self.measured) if self.measured else None}


def find_production_loss(task: str, policy: LabelPolicy, settings: Settings, at: datetime) -> ProductionLoss:
    """Return what the labels of the policy's span tell of the champion.

    Args:
        task: Family.
        policy: Which labels are measured by.
        settings: Where feedback, prediction log and ledger are.
        at: End of the span, aware.

    Raises:
        IntegrityError: The ledger is not whole.
        ServiceUnavailableError: It does not answer.
    """
    from voxloop.ledger.book import open_ledger
    from voxloop.monitoring.feedback import read_quarantine
    from voxloop.monitoring.promotion_evidence import find_at_promotion

    since = at - timedelta(days=policy.days)
    if next(read_quarantine(settings.feedback, task, since=since, until=at), None) is None:
        return ProductionLoss()
    at_promotion = find_at_promotion(open_ledger(settings).read(), task)
    if isinstance(at_promotion, str):
        return ProductionLoss(text=at_promotion)
    measured = _measure(task, policy, settings, at_promotion, since, at)
    if isinstance(measured, str):
        return ProductionLoss(at_promotion.since, text=measured)
    return ProductionLoss(at_promotion.since, measured, str(measured))


def _measure(
    task: str, policy: LabelPolicy, settings: Settings, at_promotion: AtPromotion, since: datetime, at: datetime
) -> MeasuredLoss | str:
    from voxloop.data.poison_config import PoisonConfig, load_policy
    from voxloop.monitoring.labelled_answers import choose_writer, read_labelled
    from voxloop.monitoring.measured_loss import measure_loss

    write = choose_writer(task, at_promotion.spelling)
    if isinstance(write, str):
        return write
    poison = load_policy(find_config("poison", task), ())
    if not isinstance(poison, PoisonConfig):
        return f"configs/poison/{task}.yaml holds nobody against others, and keys are held against each other"
    labelled = read_labelled(
        settings.feedback, settings.predictions, task, at_promotion.model, write, since=since, until=at
    )
    return measure_loss(labelled, at_promotion, task, policy, poison)
