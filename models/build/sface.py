"""SFace's MobileFaceNet-like network, from OpenCV Zoo's ONNX file to a float graph.

Owns which steps of the file become which operators: batch norms folded into the layers beside them, images with channels last, and the mean
embedding taken away.

Yaoyao Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE TIP 2021.
"""

import numpy as np

from graph import NO_ACTIVATION, SAME, VALID, Graph, Op, Tensor, conv_options, window_count
from onnx_file import OnnxError, chain

IMAGE_SIZE = 112
DIMENSION = 128

_MIDDLE, _SCALE = 127.5, 1 / 128  # what the file's first two steps do to a pixel


def build(blob, mean):
    """The float graph. Its input is (pixel - 127.5) / 128, RGB, 1 x 112 x 112 x 3; its output 1 x 128, not of unit length.

    `blob` is the ONNX file, `mean` the embedding that is subtracted from every one (128 values).
    """
    builder = _Builder()
    for step in chain(blob):
        builder.add(step)
    return builder.finish(np.array(mean, np.float64))


class _Builder:
    """A layer is held back until the step after it is known: a batch norm goes into it."""

    def __init__(self):
        self.graph = Graph()
        self.x = Tensor("image", [1, IMAGE_SIZE, IMAGE_SIZE, 3])
        self.graph.inputs = [self.x]
        self.layer = None  # of (step, kernel, bias): outputs first
        self.affine = None  # (factor, offset) of a batch norm that only the layer after it can take
        self.count = 0

    def add(self, step):
        known = {
            "Sub": lambda: self.check(step, _MIDDLE),
            "Mul": lambda: self.check(step, _SCALE),
            "Conv": lambda: self.hold(step, step.constants[0], np.zeros(len(step.constants[0]))),
            "Gemm": lambda: self.hold(step, *step.constants[:2]),
            "BatchNormalization": lambda: self.normalise(step),
            "PRelu": lambda: self.prelu(step.constants[0]),
            "Dropout": lambda: None,  # does nothing but in training
            "Flatten": lambda: None,  # a dense layer reads a map as it is
        }
        if step.kind not in known:
            raise OnnxError(f"{step.kind} is no step of SFace; is it another model file?")
        known[step.kind]()

    def check(self, step, wanted):
        if step.constants[0].reshape(-1).tolist() != [wanted]:
            raise OnnxError(f"the pixels go through {step.kind} {step.constants[0]}, and {wanted} was expected; is it another model file?")

    def hold(self, step, kernel, bias):
        self.flush()
        self.layer = (step, kernel, bias)

    def normalise(self, step):
        gamma, beta, mean, variance = step.constants
        factor = gamma / np.sqrt(variance + step.attributes["epsilon"])
        offset = beta - mean * factor
        if self.layer is None:
            self.affine = (factor, offset)
            return
        held, kernel, bias = self.layer
        self.layer = (held, kernel * factor.reshape([-1] + [1] * (kernel.ndim - 1)), bias * factor + offset)

    def prelu(self, slopes):
        self.flush()
        out = Tensor(f"prelu{self.count}", self.x.shape)
        alpha = Tensor(f"{out.name}/alpha", [1, 1, slopes.size], data=slopes)
        self.graph.ops.append(Op("PRELU", [self.x, alpha], [out]))
        self.x = out

    def flush(self):
        """Makes an operator of the layer that was held back."""
        if self.layer is not None:
            (step, kernel, bias), self.layer = self.layer, None
            self.count += 1
            self.x = self.dense(kernel, bias) if step.kind == "Gemm" else self.conv(step.attributes, kernel, bias)

    def conv(self, attributes, kernel, bias):
        if self.affine is not None:
            raise OnnxError("a batch norm stands before a convolution that pads, and cannot go into it")
        side, (stride, _) = kernel.shape[-1], attributes["strides"]
        if attributes["pads"] != [side // 2] * 4:
            raise OnnxError(f"a convolution pads {attributes['pads']}: this is not SFace")
        # With a stride of 2, TensorFlow's SAME pads at the end only, where an even side needs one row; the file pads at both ends.
        # Both give as many windows, but not the same ones. XNNPACK takes a PAD before a convolution into it.
        padding = SAME if stride == 1 else VALID
        x = self.x if stride == 1 else self.pad(side // 2)
        name, turned = f"conv{self.count}", kernel.transpose(0, 2, 3, 1)
        if attributes["group"] == 1:
            return self.graph.convolve(x, name, turned.transpose(1, 2, 3, 0), bias, stride, padding, NO_ACTIVATION)
        if attributes["group"] != x.shape[3]:
            raise OnnxError(f"a convolution has {attributes['group']} groups of {x.shape[3]} channels: this is not SFace")
        deep = turned.transpose(3, 1, 2, 0)
        out = Tensor(name, [1, *(window_count(length, side, stride, padding) for length in x.shape[1:3]), len(kernel)])
        constants = [Tensor(f"{name}/weights", deep.shape, data=deep), Tensor(f"{name}/bias", bias.shape, data=bias)]
        options = {**conv_options(padding, stride), "depthMultiplier": 1}
        self.graph.ops.append(Op("DEPTHWISE_CONV_2D", [x, *constants], [out], options))
        return out

    def pad(self, margin):
        margins = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        out = Tensor(f"{self.x.name}/padded", [side + before + after for side, (before, after) in zip(self.x.shape, margins)])
        self.graph.ops.append(Op("PAD", [self.x, Tensor(f"{out.name}/margins", [4, 2], np.int32, margins)], [out]))
        return out

    def dense(self, kernel, bias):
        """A dense layer that reads the map in the order of rows, columns, channels; the file's has channels, rows, columns."""
        _, rows, columns, channels = self.x.shape
        kernel = kernel.reshape(len(kernel), channels, rows, columns).transpose(0, 2, 3, 1)
        if self.affine is not None:
            factor, offset = self.affine
            for taps in (kernel * offset).reshape(len(kernel), -1).T:  # tap by tap, so that no processor adds in another order
                bias = bias + taps
            kernel, self.affine = kernel * factor, None
        weights = kernel.reshape(len(kernel), -1)
        out = Tensor("embedding", [1, len(weights)])
        constants = [Tensor("dense/weights", weights.shape, data=weights), Tensor("dense/bias", bias.shape, data=bias)]
        options = {"fusedActivationFunction": NO_ACTIVATION, "weightsFormat": 0, "keepNumDims": False}
        self.graph.ops.append(Op("FULLY_CONNECTED", [self.x, *constants], [out], options))
        return out

    def finish(self, mean):
        if self.layer is None or self.layer[0].kind != "Gemm" or len(self.layer[2]) != DIMENSION:
            raise OnnxError(f"the file does not end with a dense layer of {DIMENSION} values: this is not SFace")
        step, kernel, bias = self.layer
        self.layer = (step, kernel, bias - mean)
        self.flush()
        self.graph.outputs = [self.x]
        return self.graph
