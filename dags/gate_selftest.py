"""Every night: prove that the gates can say no.

`voxloop selftest` trains a small model of each family on the speaker world, corrupts it in every way that
`configs/selftest/<task>.yaml` names, and holds the corrupt ones against the shipped gate policies by the code that
judges real candidates. Each must be refused for the reason written beside it; a better model and an equal one must
pass. Then one fault of each family goes the way of the nightly retraining, through the whole pipeline, on a platform
that is thrown away. The last line of the log is the kill rate of every fault, as JSON. Nothing of it enters the
platform's ledger, MLflow or Triton.

### Triage notes

* **`prove` failed, exit 1, `the fault was not caught`.** The gate would let that fault into production. Approve nothing
  until it is green: the runbook says how to find the rule that has stopped working.
* **`prove` failed, exit 1, `the control did not pass`.** The gate is stuck shut: good models are turned away.
* **`prove` failed, exit 3.** The checkout has uncommitted changes: from such a tree nothing is registered, so nothing
  could be turned away. Commit them, or run it with `through_pipeline` false.
* **`prove` failed, exit 2.** A policy or `configs/selftest` was changed and no longer fits: the last line says what.
* **`prove` is retrying.** It was killed from outside, mostly for memory; it leaves nothing behind that matters.
* Safe to start again at any time, also with another seed: the parameter `seed` repeats a night that was red.

More in docs/runbooks/gate_selftest.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from voxloop.runners.command import DRAFT, run_command
from voxloop.runners.failure_notice import tell_on_call


@dag(
    dag_id="gate_selftest",
    # Before the nightly run at two: whoever reads its verdict in the morning knows whether the gate could say no.
    schedule=CronTriggerTimetable("30 0 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["gates"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 1,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=85),  # out of the way when the nightly run begins
    },
    params={
        "task": Param(None, type=["null", "string"], description="one family; null: all of them", **DRAFT),
        "seed": Param(
            None, type=["null", "integer"], description="of world, training and faults; null: the date's", **DRAFT
        ),
        "through_pipeline": Param(
            True, type="boolean", description="send one fault a family through the pipeline", **DRAFT
        ),
    },
)
def gate_selftest() -> None:
    """Try the gates of every family with models known to be bad."""

    @task
    def prove() -> str:
        context = get_current_context()
        params = context["params"]
        family = ["--task", str(params["task"])] if params["task"] is not None else []
        # Another world every night, and the same one when a night is repeated.
        seed = params["seed"] if params["seed"] is not None else context["dag_run"].run_after.strftime("%Y%m%d")
        through = ["--through-pipeline"] if params["through_pipeline"] else []
        return run_command(["selftest", *family, "--seed", str(seed), *through, "--json"])

    prove()


gate_selftest()
