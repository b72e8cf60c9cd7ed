"""Runs neural networks on an engine that fits the machine.

``docs/decisions`` states the accuracy that each engine must reach.

backends          the protocols Engine and Backend, and the selection of a backend: ``choose()``
network           the input of a backend;  pixels  its preprocessing;  ranges  its activation ranges, for int8
torch_runtime     the reference implementation for the parity tests (parity)
onnx_runtime, openvino_runtime   a CPU, from a file (onnx_graph)
onnx_int8         a CPU with 8-bit integers, if the parity test passes
cuda              a GPU through torch: CUDA graphs of a few batch sizes (cuda_graph_runner, batch_buckets), BatchNorms
                  folded (folding)
batches           joins the calls of several streams
summed_area, cuda_summed_area    resample a frame for face detection, on the device of the detector's networks
tensorrt          a GPU through TensorRT: built in minutes, then used if the parity test passes (engine_upgrade)
cache             compiled artefacts on disk
foreign           packages that import torchvision: facenet, timm
"""
