"""The sentences of a model card: what a model is for, and what its figures do not say."""

from __future__ import annotations

from collections.abc import Iterator

from voxloop.evaluation.policy import Claim, GatePolicy
from voxloop.evaluation.report import Evaluation

PURPOSES = {
    "asr": "Writes down the words of one utterance. Made for speech like that of its data; it does not tell who spoke, "
    "and what it writes is to be read by a person before anything hangs on it.",
    "emotion": "Says which of its labels one utterance sounds like, and how sure it is. The labels are what listeners "
    "or actors called the utterance, not what the speaker felt. Not for judging persons.",
    "personality": "Estimates the Big Five of a speaker from how they speak and what they say, as questionnaires or "
    "listeners scored them. A mean over utterances says more than one. Not for deciding about persons.",
}
NOT_SOUND = (
    "The evidence is not sound (the reasons say why), so nothing was computed from it but what the report counts."
)
CONDITIONS = (
    "Changed conditions are made from recordings, not found in the world: noise is added to speech that was not raised "
    "against it, and what was not thought of is not among them."
)
ECE_IS_ROUGH = (
    "The calibration error is biased upwards in small samples and has kinks: its interval is rough, and no rule should "
    "hang on it alone."
)
RESAMPLES = (
    "The histogram of speakers drawn again is a picture of how the lead varies. Its percentiles are no interval: with "
    "few speakers they lie too near (docs/statistics.md). Decided is by the intervals beside it alone."
)
BY_SPEAKER = "Figures by single speaker are shown and never gated: one voice holds too little to tell by."
WORST = (
    "The worst utterances were chosen because they are the worst: they say what goes wrong, not how often. A reference "
    "may be what is wrong."
)
THESE_SPEAKERS = "All of it is about the speakers of these sets; it says nothing about others."
ONE_CLAIM = (
    "Each interval holds by itself at its level; of many read together some miss. The policy's rule about slices "
    "corrects for that (Holm), this page does not."
)


def list_caveats(evaluation: Evaluation, policy: GatePolicy, *, sound: bool) -> Iterator[str]:
    """Yield what a reader must know beside the figures, in the order it is shown."""
    if not sound:
        yield NOT_SOUND
        return
    if policy.claim is Claim.THESE_SPEAKERS:
        yield THESE_SPEAKERS
    yield from (ONE_CLAIM, RESAMPLES, BY_SPEAKER)
    if evaluation.task == "emotion":
        yield ECE_IS_ROUGH
    yield CONDITIONS
    yield WORST
    if evaluation.champion is None:
        yield "There is no champion: nothing is compared."
    elif evaluation.champion.incomparable:
        yield f"The champion was not scored: {evaluation.champion.incomparable}."
