"""Train a challenger every night and prove it against the champion.

One run of the pipeline `training`, with the arguments of `configs/pipelines/training/<arguments>.yaml`; every other
parameter that is not null replaces the argument of the same name. A night is one reason to train and is trained once:
its id (`retrain-…`) and every attempt stand in the ledger (`voxloop explain ID`). A rejected model is a verdict, not a
failure: the run succeeds and `announce_challenger` is skipped, with the reason in its log. Only what another try can
mend is tried again (exit code 75, or a process killed from outside); steps already finished come back from the job
store.

### Triage notes

* **`run_training` failed.** The last line of its log names the step and the remedy. Exit 2: a parameter or a file is
  wrong, correct it and start the run again. Exit 3: a rule forbids it, such as registering from a dirty tree. Exit 4:
  stored bytes were changed; find out by whom before anything else.
* **`run_training` failed before, and started again says so.** What failed for good is tried again by a person:
  `voxloop retry ID --because '…'`, with the id from the log.
* **`run_training` was skipped.** Code, configuration, arguments and data are those of an earlier night, which its log
  names: the model would be the same.
* **`run_training` is retrying.** MLflow does not answer, or the machine is short of memory. `voxloop status` says
  which; nothing needs to be cleaned up.
* **`announce_challenger` was skipped.** The gate said FAIL or CANNOT_TELL. The reasons are in `verdict.json` in the
  folder that `run_training` handed on, and with the evidence in MLflow. Nobody needs to be woken: the champion stays.
* **The family is frozen.** It was trained and judged as ever, so that nothing is missing when the freeze ends;
  `announce_challenger` says that its challenger waits, for approval and for the end of the freeze.
* **Nothing ran last night.** One run at a time: look for one that is still running, and at the scheduler's health.
* Safe to start again at any time. By hand and with other parameters it is another reason; while a night is under way it
  joins that, under the night's parameters.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from voxloop.runners.failure_notice import tell_on_call
from voxloop.runners.freezes import describe_freeze
from voxloop.runners.nightly_retraining import describe_outcome, run_training

NULLABLE_TEXT, NULLABLE_LIST = ["null", "string"], ["null", "array"]


@dag(
    dag_id="nightly_retraining",
    # Never at once when first seen: without the delta, Airflow makes up for a start missed by up to 2.4 hours.
    schedule=CronTriggerTimetable("0 2 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["training", "emotion"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "execution_timeout": timedelta(hours=12),  # one run at a time: a hung night would block all later ones
    },
    params={
        "arguments": Param("local", type="string", description="which configs/pipelines/training/<name>.yaml"),
        "reason": Param(None, type=NULLABLE_TEXT, description="why this run, in words, for the ledger"),
        "task": Param(None, type=NULLABLE_TEXT, description="the task family"),
        "config": Param(None, type=NULLABLE_TEXT, description="configs/tasks/<task>/<config>.yaml"),
        "corpus": Param(None, type=NULLABLE_TEXT, description="configs/corpora/<corpus>.yaml"),
        "corpus_path": Param(None, type=NULLABLE_TEXT, description="folder of the corpus"),
        "corpus_overrides": Param(None, type=NULLABLE_LIST, description="a.b=c changes to the corpus"),
        "overrides": Param(None, type=NULLABLE_LIST, description="a.b=c changes to the task's configuration"),
        "poison_policy": Param(None, type=NULLABLE_TEXT, description="configs/poison/<poison_policy>.yaml"),
        "policy": Param(None, type=NULLABLE_TEXT, description="configs/gates/<policy>.yaml"),
        "bootstrap": Param(None, type=["null", "boolean"], description="allow a first champion"),
        "because": Param(None, type=NULLABLE_TEXT, description="why a first champion is right"),
    },
)
def nightly_retraining() -> None:
    """Train and judge, then say what a person should look at."""

    @task(task_id="run_training", multiple_outputs=True)
    def train_and_judge() -> dict[str, object]:
        context = get_current_context()
        return run_training(context["params"], context["run_id"])

    @task
    def announce_challenger(outcome: dict[str, object]) -> None:
        if outcome["version"] is None:
            raise AirflowSkipException(describe_outcome(outcome))
        print(describe_outcome(outcome, describe_freeze(str(outcome["task"]))), flush=True)

    announce_challenger(train_and_judge())  # type: ignore[arg-type]


nightly_retraining()
