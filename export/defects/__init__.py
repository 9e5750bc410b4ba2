"""Mask R-CNNs as TorchScript and ONNX, and as folders of the store."""
