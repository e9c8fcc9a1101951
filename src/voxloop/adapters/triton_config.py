"""`config.pbtxt` of a model, made of the request and answer that its `model.json` declares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Template
from typing import Any

from pydantic import ValidationError

from voxloop.adapters.triton_serving import ServingConfig, describe_serving
from voxloop.errors import InputError
from voxloop.evaluation.report import ModelRecord
from voxloop.tasks import Request, TensorSpec

DATATYPES = {"float32": "TYPE_FP32", "float64": "TYPE_FP64", "int32": "TYPE_INT32", "int64": "TYPE_INT64"}
"""Of Triton, by that of ONNX."""


class Description(ModelRecord):
    """What `model.json` says and whoever asks the model must know."""

    request: Request


def parse_description(content: str | bytes, origin: str) -> Description:
    """Return what the text of a `model.json` says.

    Args:
        content: JSON.
        origin: Where it is from, for a message.

    Raises:
        InputError: A part is missing or malformed.
    """
    try:
        return Description.model_validate_json(content)
    except ValidationError as malformed:
        first = malformed.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(
            f"{origin}: {place} is malformed", rule=first["msg"], remedy="export the model again"
        ) from None


def fill_config(template: str, described: Description, config: ServingConfig, values: Mapping[str, str]) -> str:
    """Return `config.pbtxt`.

    Args:
        template: With a `$` before each name.
        described: Whose tensors it declares; the whole of it becomes the parameter `description`.
        config: How it is served.
        values: `name`, `model_digest` and `onnx_sha256`.

    Raises:
        ConfigError: It is to be served by TensorRT, and a length is not told.
        InputError: A tensor of the request has no batch or a type that Triton does not know.
    """
    request = described.request
    return Template(template).substitute(
        {**values, **describe_serving(config, request)},
        inputs="\n".join(_describe("input", spec) for spec in request.inputs),
        outputs="\n".join(_describe("output", spec) for spec in request.outputs),
        labels=_quote(list(described.labels)),
        description=_quote(described.model_dump(mode="json")),
    )


def _describe(side: str, spec: TensorSpec) -> str:
    if not spec.shape or not isinstance(spec.shape[0], str) or spec.dtype not in DATATYPES:
        raise InputError(
            f"{side} {spec.name} is {spec.dtype} {list(spec.shape)}",
            rule=f"one of {', '.join(DATATYPES)}, the batch for its first dimension",
            remedy="export a model with such a request",
        )
    sizes = ", ".join("-1" if isinstance(size, str) else str(size) for size in spec.shape[1:])
    # Triton knows no tensor without a dimension beside the batch: [batch, 1] on the wire, [batch] in the model.
    dims = f"dims: [ {sizes} ]" if sizes else "dims: [ 1 ] reshape { shape: [ ] }"
    return f"{side} [ {{ name: {json.dumps(spec.name)} data_type: {DATATYPES[spec.dtype]} {dims} }} ]"


def _quote(value: Any) -> str:
    """JSON, quoted as a protobuf text string."""
    return json.dumps(json.dumps(value))
