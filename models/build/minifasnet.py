"""MiniFASNet, which tells faces from prints and screens, from a state dict to a float graph.

Owns the net's structure: both published forms (V2, and V1SE with squeeze and excitation), with any numbers of channels. Batch norms are folded
into the layers, the last three layers, which have nothing between them, into one.

Minivision, "Silent-Face-Anti-Spoofing", 2020. It is fed BGR pixels of 0 to 255, without any scale; here it takes RGB, (pixel - 128) / 128.
"""

import hashlib
from collections import namedtuple

import numpy as np

from graph import NO_ACTIVATION, RELU, SAME, VALID, Graph, Op, Tensor, conv_options, window_count
from net import Misfit

SIDE = 80
EPSILON = 1e-5  # of all batch norms here: PyTorch's default
CLASSES = 3
SCORES = "scores"
"""The name of the last layer's output: three scores, which a softmax turns into probabilities. The float layer of the int8 net."""

_MIDDLE = 128.0  # pixel = 128 x + 128
_STAGES = (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5"))
"""Each halves the map, then adds to it block by block."""

Kind = namedtuple("Kind", "name title excites")
V2 = Kind("minifasnet-v2", "MiniFASNetV2", False)
V1SE = Kind("minifasnet-v1se", "MiniFASNetV1SE", True)


def identify(arrays):
    """(kind, its arrays by name) of a state dict's arrays; `module.`, which training on several processors leaves, is taken off."""
    arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    if "conv_6_dw.conv.weight" not in arrays or "prob.weight" not in arrays:
        some = ", ".join(sorted(arrays)[:3])
        raise Misfit(f"it holds no MiniFASNet: its {len(arrays)} arrays are called {some} …")
    return V1SE if any(".se_module." in name for name in arrays) else V2, arrays


def digest(arrays):
    """SHA-256 over all weights, in the order of their names; training's counters do not count."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        if not name.endswith("num_batches_tracked"):
            total.update(f"{name} {arrays[name].shape}\n".encode())
            total.update(np.ascontiguousarray(arrays[name], "<f4").tobytes())
    return total.hexdigest()


def build(arrays):
    """The float graph. Its input is (pixel - 128) / 128, RGB, 1 x 80 x 80 x 3; its output 1 x 3, scores before softmax."""
    return _Builder(arrays).graph


class _Builder:
    """Makes operator after operator; `x` is what the last one gives."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.graph = Graph()
        self.x = Tensor("image", [1, SIDE, SIDE, 3])
        self.graph.inputs = [self.x]
        self.first()
        self.block("conv2_dw", stride=1)
        for down, stage in _STAGES:
            self.narrow(down, stride=2)
            for number in range(self.blocks(stage)):
                self.residual(f"{stage}.model.{number}")
        self.block("conv_6_sep", stride=1)
        self.plain("conv_6_dw", stride=1, padding=VALID)
        self.graph.outputs = [self.scores()]

    def array(self, name):
        if name not in self.arrays:
            raise Misfit(f"{name} is missing; is it a whole checkpoint of MiniFASNet?")
        array = self.arrays[name].astype(np.float64)
        if not np.isfinite(array).all():
            raise Misfit(f"a weight of {name} is not a number")
        return array

    def blocks(self, stage):
        found = {name.split(".")[2] for name in self.arrays if name.startswith(f"{stage}.model.")}
        if not found:
            raise Misfit(f"{stage} has no blocks; is it a whole checkpoint of MiniFASNet?")
        return len(found)

    def norm(self, name):
        """(factor, offset) of a batch norm."""
        factor = self.array(f"{name}.weight") / np.sqrt(self.array(f"{name}.running_var") + EPSILON)
        return factor, self.array(f"{name}.bias") - self.array(f"{name}.running_mean") * factor

    def folded(self, kernel, norm):
        """(kernel, bias): outputs, inputs, rows, columns, with the batch norm in it."""
        kernel = self.array(f"{kernel}.weight")
        factor, offset = self.norm(norm)
        if kernel.ndim != 4 or len(kernel) != len(factor):
            raise Misfit(f"{norm} does not fit its kernel: this is not MiniFASNet")
        return kernel * factor.reshape(-1, 1, 1, 1), offset

    def first(self):
        """The first layer, which takes pixels. Outside the picture is black, -1 here, so that it is padded with that."""
        kernel, bias = self.folded("conv1.conv", "conv1.bn")
        if kernel.shape[1:] != (3, 3, 3):
            raise Misfit(f"the first layer has a kernel of {kernel.shape}: this is not MiniFASNet")
        kernel = kernel[:, ::-1]  # BGR to RGB
        for taps in kernel.reshape(len(kernel), -1).T:  # tap by tap, so that no processor adds in another order
            bias = bias + taps * _MIDDLE
        self.x = self.padded(1, outside=-1.0)
        self.convolve("conv1", kernel * _MIDDLE, bias, 2, VALID, NO_ACTIVATION)
        self.prelu("conv1.prelu")

    def block(self, name, stride):
        """A convolution with a PReLU."""
        self.plain(name, stride)
        self.prelu(f"{name}.prelu")

    def plain(self, name, stride, padding=SAME):
        kernel, bias = self.folded(f"{name}.conv", f"{name}.bn")
        if stride != 1:
            # TensorFlow's SAME pads an even side at the end only; the net pads at both ends.
            self.x, padding = self.padded(kernel.shape[-1] // 2), VALID
        self.convolve(name, kernel, bias, stride, padding, NO_ACTIVATION)

    def narrow(self, name, stride):
        """Wide, each channel by itself, narrow again."""
        self.block(f"{name}.conv", stride=1)
        self.block(f"{name}.conv_dw", stride)
        self.plain(f"{name}.project", stride=1)

    def residual(self, name):
        before = self.x
        self.narrow(name, stride=1)
        if f"{name}.se_module.fc1.weight" in self.arrays:
            self.excite(f"{name}.se_module")
        out = Tensor(f"{name}.sum", before.shape)
        self.graph.ops.append(Op("ADD", [before, self.x], [out], {"fusedActivationFunction": NO_ACTIVATION}))
        self.x = out

    def excite(self, name):
        """Each channel times what the means of all channels say of it."""
        x = self.x
        mean = Tensor(f"{name}.mean", [1, 1, 1, x.shape[3]])
        self.graph.ops.append(Op("MEAN", [x, Tensor(f"{name}.axes", [2], np.int32, [1, 2])], [mean], {"keepDims": True}))
        self.x = mean
        for layer, norm, activation in (("fc1", "bn1", RELU), ("fc2", "bn2", NO_ACTIVATION)):
            kernel, bias = self.folded(f"{name}.{layer}", f"{name}.{norm}")
            self.convolve(f"{name}.{layer}", kernel, bias, 1, VALID, activation)
        share = Tensor(f"{name}.share", self.x.shape)
        self.graph.ops.append(Op("LOGISTIC", [self.x], [share]))
        out = Tensor(f"{name}.excited", x.shape)
        self.graph.ops.append(Op("MUL", [x, share], [out], {"fusedActivationFunction": NO_ACTIVATION}))
        self.x = out

    def convolve(self, name, kernel, bias, stride, padding, activation):
        """`kernel` is outputs, inputs, rows, columns; a depthwise one has one input."""
        outputs, inputs, side, _ = kernel.shape
        channels = self.x.shape[3]
        if inputs == channels:
            self.x = self.graph.convolve(self.x, name, kernel.transpose(2, 3, 1, 0), bias, stride, padding, activation)
            return
        if inputs != 1 or outputs != channels:
            raise Misfit(f"{name} takes {inputs} channels and gets {channels}: this is not MiniFASNet")
        deep = kernel.transpose(1, 2, 3, 0)
        out = Tensor(name, [1, *(window_count(length, side, stride, padding) for length in self.x.shape[1:3]), outputs])
        constants = [Tensor(f"{name}/weights", deep.shape, data=deep), Tensor(f"{name}/bias", bias.shape, data=bias)]
        options = {**conv_options(padding, stride, activation), "depthMultiplier": 1}
        self.graph.ops.append(Op("DEPTHWISE_CONV_2D", [self.x, *constants], [out], options))
        self.x = out

    def prelu(self, name):
        slopes = self.array(f"{name}.weight")
        if slopes.size != self.x.shape[3]:
            raise Misfit(f"{name} has {slopes.size} slopes for {self.x.shape[3]} channels: this is not MiniFASNet")
        out = Tensor(name, self.x.shape)
        alpha = Tensor(f"{name}/alpha", [1, 1, slopes.size], data=slopes)
        self.graph.ops.append(Op("PRELU", [self.x, alpha], [out]))
        self.x = out

    def padded(self, margin, outside=0.0):
        """The map with `margin` places of `outside` around it."""
        margins = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        name = f"{self.x.name}/padded"
        out = Tensor(name, [side + before + after for side, (before, after) in zip(self.x.shape, margins)])
        constants = [Tensor(f"{name}/margins", [4, 2], np.int32, margins)]
        if outside:
            constants.append(Tensor(f"{name}/outside", [], data=outside))
        self.graph.ops.append(Op("PADV2" if outside else "PAD", [self.x, *constants], [out]))
        return out

    def scores(self):
        """The dense layer of the embedding, its batch norm and the dense layer of the classes: one dense layer."""
        linear, prob = self.array("linear.weight"), self.array("prob.weight")
        factor, offset = self.norm("bn")
        count = int(np.prod(self.x.shape[1:]))
        if self.x.shape[1:3] != [1, 1] or linear.shape != (len(factor), count) or prob.shape != (CLASSES, len(factor)):
            raise Misfit(f"the last layers are of {linear.shape} and {prob.shape}: this is not MiniFASNet with {CLASSES} classes")
        weights, bias = np.zeros((CLASSES, count)), np.zeros(CLASSES)
        for share, row, scale, constant in zip(prob.T, linear, factor, offset):  # in this order on every processor
            weights = weights + np.multiply.outer(share, row * scale)
            bias = bias + share * constant
        out = Tensor(SCORES, [1, CLASSES])
        constants = [Tensor("scores/weights", weights.shape, data=weights), Tensor("scores/bias", bias.shape, data=bias)]
        options = {"fusedActivationFunction": NO_ACTIVATION, "weightsFormat": 0, "keepNumDims": False}
        self.graph.ops.append(Op("FULLY_CONNECTED", [self.x, *constants], [out], options))
        return out
