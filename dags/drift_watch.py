"""Every quarter of an hour: has what production sends drifted, and is that a reason to train again?

`voxloop drift` holds the latest windows of the prediction log against the family's reference and says DRIFT, NO_DRIFT
or CANNOT_TELL of each, and RETRAIN or WAIT of all together (`configs/drift`). `voxloop decide` then holds new labelled
hours, expected gain and price against each other: RETRAIN, WAIT, LABEL_MORE or ALERT. Report, decision and a page of
Evidently for each episode lie in `drift/<family>/` of the state folder. RETRAIN alone starts a run of
`nightly_retraining`, once an episode.

Each task is there once a family, and one family's tasks wait for no other's: a click on `watch`, `decide` or `retrain`
in the grid lists them by the family's name. One that never began has a number there, in the order of the names.

### Triage notes

* **`watch` was skipped.** The family has no reference: `voxloop drift FAMILY --make-reference --since … --until …`
  makes one. Or the run was asked for another family (its parameter `task`).
* **`retrain` was skipped.** The decision is not RETRAIN, and its log says why; or the episode's run is there already.
* **The decision is LABEL_MORE.** Label speech of the kind that has drifted; it is decided again with every watch.
* **The decision is ALERT.** Something that must be known is not, no data are expected to help, or labels tell that
  answers are much worse than at promotion (then without drift too): the log says which.
* **`decide` takes long.** It ingests the corpus to count its labelled hours; a retraining takes that from the store.
  Once an episode it has Evidently draw a page: half a minute.
* **`retrain` started a run.** The report names columns and distances of each window. Look at what has changed: a new
  caller, a codec, a microphone. Where no new data have come, the run is skipped and says so: label some first.
* **A retraining must be better on a set.** `reason_set` of the run it started names the newest evaluation set cut since
  the drift began. If that set has nothing to do with the drift, run `nightly_retraining` by hand without it.
* **Every window is CANNOT_TELL.** The report says why: too few speakers or rows, or speakers in the reference of its
  hour, rows lost, files that cannot be read, a clock that jumps, columns of another version. While it lasts nobody
  watches for drift.
* **`watch` failed, exit 2.** The reference cannot be read, or is of another version or season: make it again.
* **`watch` failed, exit 4.** The ledger is not whole: see the runbook of the ledger.
* Safe to start again at any time: it reads, and writes its report.

More in docs/runbooks/drift_watch.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from voxloop.runners.command import DRAFT
from voxloop.runners.drift_watch import FAMILIES, ask_for_retraining, decide_on_drift, watch_drift
from voxloop.runners.failure_notice import tell_on_call

# Names the tasks of a family in the lists of Airflow's pages, where they would be numbers.
FAMILY = "{{ task.op_kwargs['family'] }}"


@dag(
    dag_id="drift_watch",
    # A window that is over at the full hour is written by then.
    schedule=CronTriggerTimetable("3-48/15 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["monitoring"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "execution_timeout": timedelta(minutes=10),
    },
    params={"task": Param(None, type=["null", "string"], description="one family; null: all of them", **DRAFT)},
)
def drift_watch() -> None:
    """Judge the latest windows, decide what is done, and ask for a retraining where it is worth it: for each family."""

    # A group that is mapped over the families in place of nine tasks: each task costs every parse half a millisecond.
    @task_group(prefix_group_id=False)
    def each_family(family: str) -> None:
        @task(map_index_template=FAMILY)
        def watch(family: str) -> str:
            wanted = get_current_context()["params"]["task"]
            if wanted not in (None, family):
                raise AirflowSkipException(f"asked for {wanted} alone")
            return watch_drift(family)

        @task(map_index_template=FAMILY, execution_timeout=timedelta(hours=3))
        def decide(family: str) -> str:
            return decide_on_drift(family)

        @task(map_index_template=FAMILY)
        def retrain(family: str) -> None:
            ask_for_retraining(family)

        watch(family=family) >> decide(family=family) >> retrain(family=family)

    each_family.expand(family=list(FAMILIES))


drift_watch()
