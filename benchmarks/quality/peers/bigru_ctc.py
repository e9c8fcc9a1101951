"""Three bidirectional GRUs with CTC, 1.15 M parameters: what a few hours of Mboshi are held against."""

from __future__ import annotations

from benchmarks.quality.peers.recurrent import ask_torch, make_task

FAMILY = "asr"
TASK = make_task()
ask = ask_torch
