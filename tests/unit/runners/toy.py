"""A pipeline with the branches of `training` and nothing to wait for, run through kfp.local for real."""

from pathlib import Path

from kfp import dsl
from kfp.compiler import Compiler
from kfp.dsl import Artifact, Input, Output


@dsl.component(base_image="toy", install_kfp_package=False)
def ingest(out: Output[Artifact]) -> None:
    from pathlib import Path

    Path(out.path).mkdir()
    Path(out.path, "rows.txt").write_text("12")


@dsl.component(base_image="toy", install_kfp_package=False)
def validate(dataset: Input[Artifact], out: Output[Artifact], says: str) -> str:
    from pathlib import Path

    Path(out.path).mkdir()
    Path(out.path, "report.json").write_text(Path(dataset.path, "rows.txt").read_text())
    return says


@dsl.component(base_image="toy", install_kfp_package=False)
def accept(report: Input[Artifact], out: Output[Artifact], says: str) -> str:
    from pathlib import Path

    Path(out.path).mkdir()
    return says


@dsl.component(base_image="toy", install_kfp_package=False)
def gate(dataset: Input[Artifact], out: Output[Artifact], says: str) -> str:
    import json
    import os
    import time
    from pathlib import Path

    from voxloop import errors

    Path(out.path).mkdir()
    Path(out.path, "verdict.json").write_text(json.dumps({"model_digest": "d1"}))
    if says == "EXIT":
        os._exit(9)
    if says == "HANG":
        Path(out.path, "pid").write_text(str(os.getpid()))
        time.sleep(60)
    if says.endswith("Error"):
        raise getattr(errors, says, ValueError)("the value is bad")
    return says


@dsl.component(base_image="toy", install_kfp_package=False)
def register(dataset: Input[Artifact], out: Output[Artifact]) -> None:
    from pathlib import Path

    Path(out.path).mkdir()
    Path(out.path, "version.json").write_text('{"version": 3}')


@dsl.pipeline(name="toy")
def toy(data: str, model: str) -> None:
    dataset = ingest().set_caching_options(False).outputs["out"]
    checked = validate(dataset=dataset, says=data).set_caching_options(False).outputs
    accepted = accept(report=checked["out"], says=checked["Output"]).set_caching_options(False).outputs
    with dsl.If(accepted["Output"] == "PASS"):
        judged = gate(dataset=dataset, says=model).set_caching_options(False).outputs
        with dsl.If(judged["Output"] == "PASS"):
            register(dataset=dataset).set_caching_options(False)


def compile_toy(path: Path) -> Path:
    Compiler().compile(toy, str(path))
    return path
