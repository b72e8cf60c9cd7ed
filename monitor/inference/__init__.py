"""Runs networks on the engine that suits the machine.

See ``docs/decisions`` for what each engine may claim.

backends          the protocols Engine and Backend, and which backend suits this machine: ``choose()``
network           what an engine is made from;  pixels  its preprocessing;  ranges  of its activations, for int8
torch_runtime     the reference, and what the others are held against (parity)
onnx_runtime, openvino_runtime   a CPU, from a file (onnx_graph)
onnx_int8         a CPU with 8-bit integers, if it agrees
cuda              a GPU through torch: CUDA graphs of a few batch sizes (cuda_graph_runner, batch_buckets), BatchNorms
                  folded (folding)
batches           the calls of several streams, joined
summed_area, cuda_summed_area    a frame resampled for face detection, where its networks run
tensorrt          a GPU through TensorRT: minutes to build, then used if it agrees (engine_upgrade)
cache             what was built, on disk
foreign           packages that import torchvision: facenet, timm
"""
