"""Speed of training `asr` `base` on a GPU: `python -m benchmarks.gpu_training --help`."""
