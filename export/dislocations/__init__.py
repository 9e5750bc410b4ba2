"""U-Net++ for dislocation lines as TorchScript and ONNX, and as folders of the store."""
