"""Operations of a step, and the share of what a device could do in that time (model FLOPs utilisation).

A. Chowdhery et al., "PaLM", JMLR 2023, appendix B: MFU is the operations that the model needs, by the seconds they took
and the device's peak. A multiplication with its addition counts two; backward counts twice forward. Forward is counted
from the shapes of matrix products and convolutions, padding included, by torch's FlopCounterMode. The Fourier
transform, norms and activations count nothing; nor does backward do what the counter says of it for depthwise
convolutions, so it is not asked.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from voxloop.training.engine import Engine

TRAINING_OVER_FORWARD = 3.0

DENSE_BF16 = {
    "NVIDIA A100-SXM4-40GB": 312.0e12,
    "NVIDIA A100-SXM4-80GB": 312.0e12,
    "NVIDIA A100-PCIE-40GB": 312.0e12,
    "NVIDIA A100 80GB PCIe": 312.0e12,
    "NVIDIA H100 80GB HBM3": 989.4e12,
    "NVIDIA H100 PCIe": 756.0e12,
    "NVIDIA H200": 989.4e12,
}
"""Peak FLOP/s of bfloat16 matrix products without sparsity, by the name torch gives the device.

NVIDIA's A100 Tensor Core GPU datasheet; "NVIDIA H100 Tensor Core GPU Architecture", table of the SXM5 and PCIe boards;
H200 datasheet (1,979 with sparsity, the SXM board). A device that is not here has no MFU: nothing is guessed.
"""


def peak_flops(device: torch.device, precision: str) -> float | None:
    """Return the peak FLOP/s of a device, None where it or its peak in this arithmetic is not known."""
    if device.type != "cuda" or precision != "bf16-mixed":
        return None
    return DENSE_BF16.get(torch.cuda.get_device_name(device))


@torch.no_grad()
def count_forward(network: nn.Module, engine: Engine, device: torch.device) -> float:
    """Return the operations of `network`'s forward pass for each second of audio, over an epoch of `engine`'s batches.

    Attention is run as plain matrix products, which are counted on every device. The network is not compiled.
    """
    total = 0
    plan = engine.plan(0).batches
    for indices in plan:
        batch = engine.material.make_batch(indices, 0)
        inputs = [batch.inputs[name].to(device) for name in engine.inputs]
        counter = FlopCounterMode(display=False)
        with counter, sdpa_kernel(SDPBackend.MATH):
            network(*inputs)
        total += counter.get_total_flops()
    return total / float(sum(engine.seconds[indices].sum() for indices in plan))
