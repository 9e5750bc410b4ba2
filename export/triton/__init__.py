"""What NVIDIA Triton needs beside the weights: a configuration for each model of the store, and what it would refuse.

The store is a Triton model repository as it stands. `config.pbtxt` is for a server on CPUs, `configs/gpu.pbtxt` for one
on GPUs, which is started with `--model-config-name=gpu`. Both are written from the manifest and never by hand.
"""
