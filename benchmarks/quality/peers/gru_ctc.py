"""Two GRUs with CTC, 0.59 M parameters: the plain recogniser that strings of digits are held against."""

from __future__ import annotations

from benchmarks.quality.peers.recurrent import ask_torch, make_task

FAMILY = "asr"
TASK = make_task()
ask = ask_torch
