"""The training pipeline: from a corpus to a registered challenger, one task family a run.

1.  ingest          the corpus becomes shards and a manifest
2.  fetch champion  the model in service now, and what its data looked like
3.  validate        are the rows sound, and like those accepted last?
4.  leakage         is anything the model is tested on among what it learns from?
5.  poison          do labels look flipped, or recordings foreign?
6.  accept          the three together: PASS, FAIL or CANNOT_TELL; only PASS goes on
7.  features        prosody, words and history: for families that take them, and for the feature store
8.  train           weights from the training split
9.  export          the ONNX graph that will be served
10. evaluate        challenger and champion on the same test split
11. gate            the policy says PASS, FAIL or CANNOT_TELL
12. track           one MLflow run with all of it, whatever the verdict
13. register        only on PASS: a model version, alias `challenger`

    fetch champion ─┐
    ingest ─┬► validate ─┐
            ├► leakage ──┼► accept ─► PASS? ─► features ─► train ─► export ─► evaluate ─► gate ─► track ─► PASS? ─►
            └► poison ───┘                                                                            register
"""

from kfp import dsl

from components.accept import accept
from components.evaluate import evaluate
from components.export import export
from components.features import features
from components.fetch_champion import fetch_champion
from components.gate import gate
from components.ingest import ingest
from components.leakage import leakage
from components.poison import poison
from components.register import register
from components.track import track
from components.train import train
from components.validate import validate
from pipelines.step import step

TRAIN_RETRIES = 5
"""Of a training whose machine was taken away: each goes on from the newest checkpoint."""


@dsl.pipeline(name="training", description="From a corpus to a registered challenger.")
def training(  # noqa: PLR0917 - its arguments are given by name
    task: str,
    config: str,
    corpus: str,
    corpus_path: str,
    corpus_overrides: list[str],
    overrides: list[str],
    poison_policy: str,
    policy: str,
    bootstrap: bool,
    because: str,
    reason_set: str = "",
    players: int = 0,
    recorded_before: str = "",
    retrain_id: str = "",
) -> None:
    """Train, judge and register one challenger.

    Args:
        task: The task family.
        config: Its configuration, `configs/tasks/<task>/<config>.yaml`.
        corpus: What to learn from, `configs/corpora/<corpus>.yaml`.
        corpus_path: Folder of the corpus; empty for one that needs none.
        corpus_overrides: `a.b=c` changes to the corpus configuration.
        overrides: `a.b=c` changes to the task configuration.
        poison_policy: What the data are audited by, `configs/poison/<poison_policy>.yaml`; empty for the task's own.
        policy: The gate's policy, `configs/gates/<policy>.yaml`; empty for the task's own.
        bootstrap: Allow a first champion where there is none to compare with.
        because: Why that is right, in words; it stands on the verdict.
        reason_set: The frozen evaluation set that gave the reason: on it the challenger must be better, and no worse on
            all others. Empty where none did.
        players: How many of the worst utterances the model card lets its readers hear, at most. A voice is personal
            data, and the card goes to MLflow: none, unless it is asked for.
        recorded_before: As of when, given for a night: the end of its data interval. Empty for all there is.
        retrain_id: The retraining the run is made for, given by `voxloop retrain`; empty without one.
    """
    data = step(
        "Ingest the corpus",
        ingest(corpus=corpus, path=corpus_path, recorded_before=recorded_before, overrides=corpus_overrides),
    ).outputs["out"]
    champion = step("Fetch the champion", fetch_champion(task=task)).outputs["out"]
    sound = step("Validate the data", validate(dataset=data, previous=champion, task=task, overrides=[])).outputs
    apart = step("Look for leaks", leakage(dataset=data, task=task, overrides=[])).outputs
    clean = step("Look for poison", poison(dataset=data, task=task, policy=poison_policy, overrides=[])).outputs
    accepted = step(
        "Accept the data",
        accept(
            dataset=data,
            report=sound["out"],
            leakage=apart["out"],
            poison=clean["out"],
            champion=champion,
            task=task,
            poison_policy=poison_policy,
        ),
    ).outputs
    with dsl.If(accepted["Output"] == "PASS", name="data-pass"):
        measured = step("Compute features", features(dataset=data, overrides=[])).outputs["out"]
        trained = step(
            "Train",
            train(dataset=data, features=measured, task=task, config=config, overrides=overrides),
            retries=TRAIN_RETRIES,
        )
        weights = trained.outputs["out"]
        model = step("Export to ONNX", export(weights=weights, overrides=[])).outputs["out"]
        evaluation = step(
            "Evaluate both",
            evaluate(model=model, dataset=data, champion=champion, features=measured, task=task, overrides=[]),
        ).outputs["out"]
        judged = step(
            "Gate",
            gate(
                evaluation=evaluation,
                dataset=data,
                task=task,
                policy=policy,
                bootstrap=bootstrap,
                because=because,
                reason_set=reason_set,
                players=players,
            ),
        ).outputs
        run = step(
            "Track in MLflow",
            track(
                weights=weights,
                model=model,
                acceptance=accepted["out"],
                evaluation=evaluation,
                verdict=judged["out"],
                task=task,
                retrain_id=retrain_id,
            ),
        ).outputs["out"]
        with dsl.If(judged["Output"] == "PASS", name="gate-pass"):
            step(
                "Register the challenger",
                register(run=run, model=model, evaluation=evaluation, verdict=judged["out"], task=task),
            )
