"""Networks for atom columns as TorchScript and ONNX, and as folders of the store."""
