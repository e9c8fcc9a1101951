"""Judge an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config
from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.evaluation.case import Known
    from voxloop.evaluation.judgement import Judgement


def gate(
    evaluation: Path | None = None,
    out: Path | None = None,
    *,
    task: str = "emotion",
    policy: str = "",
    bootstrap: bool = False,
    because: str = "",
    reason_set: str = "",
    dataset: Path | None = None,
    players: int = 0,
    replay: bool = False,
    overrides: Overrides = (),
) -> str:
    """Hold an evaluation against a gate policy and say PASS, FAIL or CANNOT_TELL, with the reasons.

    Writes `verdict.json`, `verdict.txt` (the one word) and the model card a person reads, `card.html`, which is in
    `card.json` as well. What is missing, empty, thin or altered is CANNOT_TELL, and so is an evaluation that asked
    anything else than configs/evaluation/TASK.yaml does, or one without a frozen set that the ledger knows. What was
    said, and an approver's word for a first champion, are entries of the ledger (`voxloop ledger show`).

    Args:
        evaluation: Folder written by evaluate.
        out: Folder to write; it must be empty or not there.
        task: Family the evaluation must be of.
        policy: Name of a file in configs/gates; empty for the one with the task's name.
        bootstrap: Appoint the first champion ever: judge by the policy's floor alone. Needs --because; refused once the
            ledger knows of a champion, whatever the evaluation says.
        because: Why this model may be the first champion; kept in the verdict.
        reason_set: Evaluation set that gave the reason for this retraining: on it the challenger must be better;
            empty where none did.
        dataset: Folder written by ingest, the one the evaluation names: with --players the card's worst utterances can
            be heard.
        players: How many of them, at most. A voice is personal data, and the card goes to MLflow: none, unless you ask.
        replay: Judge no evaluation but every model version that was promoted so far, again, and say which of them this
            policy would have stopped. Nothing is written; --policy may then be any file that ends in .yaml.
        overrides: Changes to the policy; the verdict names them.

    Returns:
        The verdict; of a replay how many it would have stopped.

    Raises:
        ConfigError: There is no such policy, or it is malformed.
        InputError: The folder does not exist, or a bootstrap has no reason.
        IntegrityError: The ledger is not as it was left.
        ServiceUnavailableError: The ledger does not answer: nothing is said that is not written down.
    """
    from voxloop.tasks import require_task

    require_task(task)
    policy = policy or task
    if replay:
        from voxloop.jobs.gate_replay import replay_promotions

        return replay_promotions(task, policy, overrides)
    if evaluation is None or out is None:
        raise InputError(
            f"gate was given no {'evaluation' if evaluation is None else 'folder to write'}",
            rule="it judges an evaluation and writes a verdict, unless it replays",
            remedy="voxloop gate EVALUATION OUT, or voxloop gate --replay --policy FILE",
        )
    if bootstrap and not because.strip():
        raise InputError(
            "--bootstrap without --because",
            rule="appointing the first champion is an approver's act, and the reason is kept",
            remedy="add --because 'why this model may be the first'",
        )
    if players and dataset is None:
        raise InputError(
            f"--players {players} without --dataset",
            rule="who is heard is read from there",
            remedy="name both, or neither",
        )
    if not evaluation.is_dir():
        raise InputError(f"{evaluation} is no folder", rule="gate reads what evaluate wrote", remedy="evaluate first")
    from voxloop.evaluation.card_content import try_card
    from voxloop.evaluation.gate import judge_evaluation, write_judgement
    from voxloop.evaluation.judgement import Bootstrap
    from voxloop.evaluation.policy import GatePolicy
    from voxloop.evaluation.scoring import ScoringConfig
    from voxloop.store.atomic import build_folder

    rules = load_config(GatePolicy, find_config("gates", policy), overrides)
    asked = load_config(ScoringConfig, find_config("evaluation", task))
    word = Bootstrap(because=because.strip()) if bootstrap else None
    name = " ".join((policy, *(f"--set {change}" for change in overrides)))
    judgement = judge_evaluation(
        evaluation,
        rules,
        policy_name=name,
        task=task,
        bootstrap=word,
        reason_set=reason_set or None,
        known=read_known(task),
        asked=asked,
    )
    with build_folder(out) as folder:
        write_judgement(judgement, folder)
        problem = try_card(evaluation, rules, judgement, folder, dataset=dataset, players=players)
        _write_down(judgement)
    for line in (*judgement.lines(), *([f"  there is no model card: {problem}"] if problem else [])):
        print(line, flush=True)
    return str(judgement.verdict)


def read_known(task: str) -> Known:
    """Return what the ledger knows of a family, whatever became of the files beside it.

    Raises:
        IntegrityError: It is not whole.
        ServiceUnavailableError: It does not answer.
    """
    from voxloop.evaluation.case import Known
    from voxloop.ledger.acts import list_counted_sets
    from voxloop.ledger.book import open_ledger
    from voxloop.release.past_claims import has_had_champion
    from voxloop.settings import get_settings

    entries = open_ledger(get_settings()).read()
    return Known(sets=list_counted_sets(entries, task), champion_ever=has_had_champion(entries, task))


def _write_down(judgement: Judgement) -> None:
    from voxloop.jobs.principal import find_principal
    from voxloop.ledger.acts import record_bootstrap, record_judgement
    from voxloop.ledger.book import open_ledger
    from voxloop.settings import get_settings, now
    from voxloop.verdict import Verdict

    ledger, task, model = open_ledger(get_settings()), judgement.task, judgement.model_digest
    if judgement.bootstrap and judgement.verdict is Verdict.PASS and model:
        by, user = find_principal()
        record_bootstrap(
            ledger, task=task, model=model, because=judgement.bootstrap.because, by=by, user=user, at=now()
        )
    record_judgement(
        ledger,
        task=task,
        model=model or judgement.evaluation_digest,
        verdict=judgement.verdict,
        evidence=judgement.as_evidence(),
        at=now(),
    )
