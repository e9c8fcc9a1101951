"""Train a challenger every night and prove it against the champion.

One run of the pipeline `training`, with the arguments of `configs/pipelines/training/<arguments>.yaml`; `task` and what
stands in `changes` replace those of the same name. A night is one reason to train and is trained once: its id
(`retrain-…`) and every attempt stand in the ledger (`voxloop explain ID`). It learns from what was recorded before the
end of its data interval, so a backfill (`airflow backfill create`) trains what the night would have trained. A rejected
model is a verdict, not a failure: the run succeeds and `announce_challenger` is skipped, with the reason in its log.
Only what another try can mend is tried again (exit code 75, or a process killed from outside); steps already finished
come back from the job store.

### Triage notes

* **`run_training` failed.** The last line of its log names the step and the remedy. Exit 2: a parameter, a name in
  `changes` or a file is wrong, correct it and start the run again. Exit 3: a rule forbids it, such as registering from
  a dirty tree. Exit 4: stored bytes were changed; find out by whom before anything else.
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

from voxloop.runners.command import DRAFT
from voxloop.runners.failure_notice import tell_on_call
from voxloop.runners.freezes import describe_freeze
from voxloop.runners.nightly_retraining import describe_outcome, run_training

# One parameter for eleven arguments: Airflow checks the schema of every one at each parse, and copies all of them four
# times a task. Names and values are checked by `voxloop retrain`, before it claims anything.
CHANGES = """Arguments that are to differ from the file's, as JSON; null: none. For example

```json
{"config": "small", "corpus_overrides": ["world.home.speakers=60"], "bootstrap": true, "because": "the first one"}
```

* `config`: `configs/tasks/<task>/<config>.yaml`
* `corpus`: `configs/corpora/<corpus>.yaml`
* `corpus_path`: folder of the corpus
* `corpus_overrides`: list of `a.b=c`, changes to the corpus
* `overrides`: list of `a.b=c`, changes to the task's configuration
* `poison_policy`: `configs/poison/<poison_policy>.yaml`
* `policy`: `configs/gates/<policy>.yaml`
* `bootstrap`: true allows a first champion
* `because`: why a first champion is right
* `reason_set`: the frozen evaluation set that gave the reason: on it the challenger must be better
* `players`: how many of the worst utterances the model card lets its readers hear
* `recorded_before`: as of when, such as `2026-01-05T02:00:00Z`; a night has the end of its data interval
"""


@dag(
    dag_id="nightly_retraining",
    # Never at once when first seen: without the delta, Airflow makes up for a start missed by up to 2.4 hours.
    # Without `interval`, a run's data interval begins and ends at the moment it is scheduled for (02:00 of its date),
    # which is its logical date and `run_after` too; a backfill asks this timetable, and gets the same.
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
        "arguments": Param("local", type="string", description="which configs/pipelines/training/<name>.yaml", **DRAFT),
        "task": Param(None, type=["null", "string"], description="the task family; null: the file's", **DRAFT),
        "reason": Param(None, type=["null", "string"], description="why this run, in words, for the ledger", **DRAFT),
        "changes": Param(None, type=["null", "object"], description_md=CHANGES, **DRAFT),
    },
)
def nightly_retraining() -> None:
    """Train and judge, then say what a person should look at."""

    @task(task_id="run_training", multiple_outputs=True)
    def train_and_judge() -> dict[str, object]:
        context = get_current_context()
        run = context["dag_run"]
        return run_training(context["params"], context["run_id"], run.data_interval_end, run.triggering_user_name)

    @task
    def announce_challenger(outcome: dict[str, object]) -> None:
        if outcome["version"] is None:
            raise AirflowSkipException(describe_outcome(outcome))
        print(describe_outcome(outcome, describe_freeze(str(outcome["task"]))), flush=True)

    announce_challenger(train_and_judge())  # type: ignore[arg-type]


nightly_retraining()
