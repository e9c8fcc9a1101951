"""The training pipeline: from a corpus to a registered challenger, one task family a run.

1.  ingest          the corpus becomes shards and a manifest
2.  validate        the data report says PASS, FAIL or CANNOT_TELL; only PASS goes on
3.  features        prosody per utterance and speaker, the offline source of the feature store
4.  train           weights from the training split
5.  export          the ONNX graph that will be served
6.  fetch champion  the model in service now
7.  evaluate        both of them on the same test split
8.  gate            the policy says PASS, FAIL or CANNOT_TELL
9.  track           one MLflow run with all of it, whatever the verdict
10. register        only on PASS: a model version, alias `challenger`

    ingest ─► validate ─► PASS? ─┬► features
                                 ├► train ─► export ─┬► evaluate ─► gate ─► track ─► PASS? ─► register
                                 └► fetch champion ──┘
"""

from kfp import dsl

from components.evaluate import evaluate
from components.export import export
from components.features import features
from components.fetch_champion import fetch_champion
from components.gate import gate
from components.ingest import ingest
from components.register import register
from components.track import track
from components.train import train
from components.validate import validate
from pipelines.step import step


@dsl.pipeline(name="training", description="From a corpus to a registered challenger.")
def training(
    task: str,
    config: str,
    corpus: str,
    corpus_path: str,
    corpus_overrides: list[str],
    overrides: list[str],
    policy: str,
    bootstrap: bool,
    because: str,
) -> None:
    """Train, judge and register one challenger.

    Args:
        task: The task family.
        config: Its configuration, `configs/tasks/<task>/<config>.yaml`.
        corpus: What to learn from, `configs/corpora/<corpus>.yaml`.
        corpus_path: Folder of the corpus; empty for one that needs none.
        corpus_overrides: `a.b=c` changes to the corpus configuration.
        overrides: `a.b=c` changes to the task configuration.
        policy: The gate's policy, `configs/gates/<policy>.yaml`.
        bootstrap: Allow a first champion where there is none to compare with.
        because: Why that is right, in words; it stands on the verdict.
    """
    data = step("Ingest the corpus", ingest(corpus=corpus, path=corpus_path, overrides=corpus_overrides)).outputs["out"]
    checked = step("Validate the data", validate(dataset=data, task=task, overrides=[])).outputs
    with dsl.If(checked["Output"] == "PASS", name="data-pass"):
        step("Compute features", features(dataset=data, overrides=[]))
        weights = step("Train", train(dataset=data, task=task, config=config, overrides=overrides)).outputs["out"]
        model = step("Export to ONNX", export(weights=weights, overrides=[])).outputs["out"]
        champion = step("Fetch the champion", fetch_champion(task=task)).outputs["out"]
        evaluation = step(
            "Evaluate both", evaluate(model=model, dataset=data, champion=champion, task=task, overrides=[])
        ).outputs["out"]
        judged = step(
            "Gate",
            gate(evaluation=evaluation, task=task, policy=policy, bootstrap=bootstrap, because=because),
        ).outputs
        run = step(
            "Track in MLflow",
            track(
                weights=weights,
                model=model,
                report=checked["out"],
                evaluation=evaluation,
                verdict=judged["out"],
                task=task,
            ),
        ).outputs["out"]
        with dsl.If(judged["Output"] == "PASS", name="gate-pass"):
            step(
                "Register the challenger",
                register(run=run, model=model, evaluation=evaluation, verdict=judged["out"], task=task),
            )
