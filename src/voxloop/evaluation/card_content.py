"""From an evaluation folder to its model card: the content as `card.json`, the page as `card.html`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from voxloop.config import resolved
from voxloop.errors import IntegrityError
from voxloop.evaluation.card import Card, Importances, SetFigures
from voxloop.evaluation.card_families import figure_family
from voxloop.evaluation.card_figures import (
    COLUMNS,
    figure_leads,
    figure_measures,
    figure_resamples,
    figure_slices,
    figure_speakers,
    slice_rule,
)
from voxloop.evaluation.card_importance import find_importances
from voxloop.evaluation.card_page import Sounds, write_page
from voxloop.evaluation.card_robustness import figure_changed, figure_gaps
from voxloop.evaluation.card_words import PURPOSES, list_caveats
from voxloop.evaluation.card_worst import find_worst, read_worst
from voxloop.evaluation.case import Case, Part, read_case
from voxloop.evaluation.gate import describe_claim, is_sound, judge
from voxloop.evaluation.judgement import Judgement, PolicyRecord
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import TEST_SPLIT
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_tree

CARD_JSON, CARD_PAGE = "card.json", "card.html"


def make_card(
    folder: Path,
    policy: GatePolicy,
    *,
    policy_name: str,
    judgement: Judgement | None = None,
) -> Card:
    """Return the card of an evaluation.

    Args:
        folder: Written by `evaluate`.
        policy: What it was, or would be, held against: its claim and level are those of every interval.
        policy_name: Name the card gives the policy.
        judgement: What the gate said of this evaluation under this policy; None when nobody has judged.

    Raises:
        InputError: A file of the evaluation is missing or malformed.
        IntegrityError: The answers are not those of the report, or the judgement is of another evaluation or policy.
    """
    digest, record = digest_tree(folder), PolicyRecord(name=policy_name, digest=policy.digest())
    if judgement is not None:
        _require_same(judgement, digest, record.digest)
    case = _read(folder, policy, judgement)
    evaluation, sound = case.evaluation, is_sound(judgement.reasons if judgement else judge(case))
    speakers, importances = case.first.challenger.speaker_count(), find_importances(folder, evaluation)
    return Card(
        task=evaluation.task,
        purpose=PURPOSES.get(evaluation.task, ""),
        verdict=judgement.verdict if judgement else None,
        reasons=judgement.reasons if judgement else (),
        because=judgement.bootstrap.because if judgement and judgement.bootstrap else "",
        claim=policy.claim,
        claim_text=judgement.claim_text if judgement else describe_claim(policy.claim, speakers),
        policy=record,
        policy_content=resolved(policy),
        model_digest=evaluation.model_digest,
        evaluation_digest=digest,
        dataset_digest=evaluation.dataset_digest,
        champion=evaluation.champion,
        sets=tuple(_figure_set(case, part, importances, sound=sound) for part in case.parts),
        caveats=tuple(list_caveats(evaluation, policy, sound=sound)),
    )


def write_card(card: Card, folder: Path, sounds: Sounds | None = None) -> None:
    """Write `card.json` and `card.html` into an existing folder; both are made before either is written."""
    held = sounds or {}
    shown = add_sounds(card, held)
    page = write_page(shown, held)
    content = json.dumps(shown.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
    write_file(folder / CARD_JSON, content + "\n")
    write_file(folder / CARD_PAGE, page)


def add_sounds(card: Card, sounds: Sounds) -> Card:
    """Return the card that says which of its worst utterances can be heard."""
    sets = [
        one.model_copy(
            update={
                "worst": tuple(
                    worst.model_copy(update={"has_sound": worst.utterance_id in sounds}) for worst in one.worst
                )
            }
        )
        for one in card.sets
    ]
    return card.model_copy(update={"sets": tuple(sets)})


def add_importances(card: Card, found: Mapping[str, Importances]) -> Card:
    """Return the card with the importances of the inputs, by the name of their set."""
    sets = tuple(one.model_copy(update={"importances": found.get(one.name)}) for one in card.sets)
    return card.model_copy(update={"sets": sets})


def try_card(
    folder: Path, policy: GatePolicy, judgement: Judgement, out: Path, *, dataset: Path | None = None, players: int = 0
) -> str:
    """Write the card of a judged evaluation into an existing folder; return why there is none, or nothing.

    A verdict never hangs on a picture: whatever goes wrong here is told, and no half of a card is left.

    Args:
        folder: Written by `evaluate`.
        policy: What it was held against.
        judgement: What the gate said.
        out: Where to write.
        dataset: What was evaluated, to be heard.
        players: How many of the worst utterances can be heard, at most.
    """
    try:
        card = make_card(folder, policy, policy_name=judgement.policy.name, judgement=judgement)
        write_card(card, out, {} if dataset is None or players < 1 else read_worst(card, dataset, players))
    except Exception as problem:  # noqa: BLE001 - the verdict stands with or without its card
        for name in (CARD_JSON, CARD_PAGE):
            (out / name).unlink(missing_ok=True)
        return f"{type(problem).__name__}: {problem}"
    return ""


def _read(folder: Path, policy: GatePolicy, judgement: Judgement | None) -> Case:
    if judgement is not None:
        return read_case(folder, policy, judgement.task, judgement.bootstrap, judgement.reason_set)
    case = read_case(folder, policy, "", None)
    return replace(case, task=case.evaluation.task)


def _figure_set(case: Case, part: Part, importances: Importances | None, *, sound: bool) -> SetFigures:
    report = part.report
    counted = SetFigures(name=part.name, digest=report.digest, counted=report.counted, counts=report.counts)
    if not sound or not len(part.challenger):
        return counted
    rule = slice_rule(part)
    return counted.model_copy(
        update={
            "leads": tuple(figure_leads(part, case.reason_set)),
            "resampled": figure_resamples(part),
            "measures": tuple(figure_measures(part)),
            "slice_measure": rule.measure,
            "slices": tuple(figure_slices(part, COLUMNS, rule)),
            "by_speaker": figure_speakers(part),
            "gaps": tuple(figure_gaps(part)),
            "robustness": figure_changed(case) if part is case.first else None,
            "importances": importances if part.name == TEST_SPLIT else None,
            "worst": find_worst(part),
            **figure_family(part),
        }
    )


def _require_same(judgement: Judgement, evaluation_digest: str, policy_digest: str) -> None:
    statements = (
        ("evaluation", judgement.evaluation_digest, evaluation_digest),
        ("policy", judgement.policy.digest, policy_digest),
    )
    for what, stated, found in statements:
        if stated != found:
            raise IntegrityError(
                f"the verdict is about {what} {stated[:12]}, given is {found[:12]}",
                rule="a card shows one verdict and what it was given on",
                remedy="give the verdict of this evaluation and the policy as it was then, or judge again",
            )
