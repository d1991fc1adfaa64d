"""FaceNet's Inception-ResNet-v1, from weights under the names of `checkpoint.py` to a float graph.

Owns the net's structure, with any size of embedding, after the FaceNet project's `inception_resnet_v1.py`.
Knows nothing of files and of int8.
"""

import numpy as np

from graph import NO_ACTIVATION, RELU, SAME, VALID, Graph, Op, Tensor, conv_options, window_count

IMAGE_SIZE = 160
EPSILON = 1e-3  # of all its batch norms

# What a residual block's sum is multiplied with.
BLOCK_SCALES = {"Block35": 0.17, "Block17": 0.10, "Block8": 0.20}
BLOCK_COUNTS = {"Block35": 5, "Block17": 10, "Block8": 5}

_SQUEEZE, _FIRST = "Conv2d_1x1", "Conv2d_0a_1x1"
BRANCHES = {
    "Block35": [[_SQUEEZE], [_FIRST, "Conv2d_0b_3x3"], [_FIRST, "Conv2d_0b_3x3", "Conv2d_0c_3x3"]],
    "Block17": [[_SQUEEZE], [_FIRST, "Conv2d_0b_1x7", "Conv2d_0c_7x1"]],
    "Block8": [[_SQUEEZE], [_FIRST, "Conv2d_0b_1x3", "Conv2d_0c_3x1"]],
}
# The last layer of a branch here strides by two; a last branch of max-pooling is added to each.
REDUCTIONS = {
    "Mixed_6a": [["Conv2d_1a_3x3"], [_FIRST, "Conv2d_0b_3x3", "Conv2d_1a_3x3"]],
    "Mixed_7a": [[_FIRST, "Conv2d_1a_3x3"], [_FIRST, "Conv2d_1a_3x3"], [_FIRST, "Conv2d_0b_3x3", "Conv2d_1a_3x3"]],
}
STEM = [  # name, stride, padding; None pools
    ("Conv2d_1a_3x3", 2, VALID),
    ("Conv2d_2a_3x3", 1, VALID),
    ("Conv2d_2b_3x3", 1, SAME),
    None,
    ("Conv2d_3b_1x1", 1, VALID),
    ("Conv2d_4a_3x3", 1, VALID),
    ("Conv2d_4b_3x3", 2, VALID),
]


def layers():
    """(name, has a batch norm) of each layer with weights, in running order."""
    for step in filter(None, STEM):
        yield step[0], True
    yield from _block_layers("Block35")
    yield from _reduction_layers("Mixed_6a")
    yield from _block_layers("Block17")
    yield from _reduction_layers("Mixed_7a")
    yield from _block_layers("Block8")
    yield from _one_block_layers("Block8", "Block8_6")
    yield "Bottleneck", True


def _block_layers(kind):
    for number in range(1, BLOCK_COUNTS[kind] + 1):
        yield from _one_block_layers(kind, f"{kind}_{number}")


def _one_block_layers(kind, block):
    for index, branch in enumerate(BRANCHES[kind]):
        for layer in branch:
            yield f"{block}/Branch_{index}/{layer}", True
    yield f"{block}/Conv2d_1x1", False


def _reduction_layers(name):
    for index, branch in enumerate(REDUCTIONS[name]):
        for layer in branch:
            yield f"{name}/Branch_{index}/{layer}", True


def build(weights):
    """The float graph. Its input is (pixel - 127.5) / 128, RGB, 1 x 160 x 160 x 3; its output 1 x D, not of unit length.

    `weights` maps each layer's name to its arrays: see `checkpoint.Layer`.
    """
    return _Builder(weights).build()


def fold(layer):
    """(kernel, bias) of a layer with its batch norm folded in, in double precision."""
    kernel = layer.kernel.astype(np.float64)
    if layer.variance is None:
        return kernel, layer.bias.astype(np.float64)
    factor = 1.0 / np.sqrt(layer.variance.astype(np.float64) + EPSILON)
    if layer.gamma is not None:
        factor = factor * layer.gamma
    return kernel * factor, layer.beta - layer.mean * factor


class _Builder:
    def __init__(self, weights):
        self.weights = weights
        self.graph = Graph()

    def build(self):
        x = Tensor("image", [1, IMAGE_SIZE, IMAGE_SIZE, 3])
        self.graph.inputs = [x]
        for step in STEM:
            x = self.max_pool(x, "MaxPool_3a_3x3") if step is None else self.conv(x, *step)
        x = self.blocks(x, "Block35")
        x = self.reduction(x, "Mixed_6a")
        x = self.blocks(x, "Block17")
        x = self.reduction(x, "Mixed_7a")
        x = self.blocks(x, "Block8")
        x = self.block(x, "Block8", "Block8_6", scale=1.0, activation=NO_ACTIVATION)
        self.graph.outputs = [self.embedding(x)]
        return self.graph

    def blocks(self, x, kind):
        for number in range(1, BLOCK_COUNTS[kind] + 1):
            x = self.block(x, kind, f"{kind}_{number}", BLOCK_SCALES[kind], RELU)
        return x

    def block(self, x, kind, name, scale, activation):
        """x + scale * conv(branches of x, side by side)."""
        branches = []
        for index, branch in enumerate(BRANCHES[kind]):
            y = x
            for layer in branch:
                y = self.conv(y, f"{name}/Branch_{index}/{layer}")
            branches.append(y)
        up = self.conv(self.concatenate(branches, f"{name}/concat"), f"{name}/Conv2d_1x1", activation=NO_ACTIVATION, scale=scale)
        out = Tensor(name, x.shape)
        self.graph.ops.append(Op("ADD", [x, up], [out], {"fusedActivationFunction": activation}))
        return out

    def reduction(self, x, name):
        branches = []
        for index, branch in enumerate(REDUCTIONS[name]):
            y = x
            for layer in branch[:-1]:
                y = self.conv(y, f"{name}/Branch_{index}/{layer}")
            branches.append(self.conv(y, f"{name}/Branch_{index}/{branch[-1]}", stride=2, padding=VALID))
        branches.append(self.max_pool(x, f"{name}/MaxPool"))
        return self.concatenate(branches, name)

    def conv(self, x, name, stride=1, padding=SAME, activation=RELU, scale=1.0):
        kernel, bias = fold(self.weights[name])
        return self.plain_conv(x, name, kernel * scale, bias * scale, stride, padding, activation)

    def plain_conv(self, x, name, kernel, bias, stride, padding, activation):
        """`kernel` is rows, columns, inputs, outputs."""
        rows, columns, inputs, channels = kernel.shape
        if inputs != x.shape[3]:
            raise ValueError(f"{name} takes {inputs} channels and gets {x.shape[3]}: this is not Inception-ResNet-v1")
        sides = [window_count(x.shape[1], rows, stride, padding), window_count(x.shape[2], columns, stride, padding)]
        out = Tensor(name, [1, *sides, channels])
        turned = kernel.transpose(3, 0, 1, 2)
        constants = [Tensor(f"{name}/weights", turned.shape, data=turned), Tensor(f"{name}/bias", [channels], data=bias)]
        self.graph.ops.append(Op("CONV_2D", [x, *constants], [out], conv_options(padding, stride, activation)))
        return out

    def max_pool(self, x, name):
        sides = [window_count(side, 3, 2, VALID) for side in x.shape[1:3]]
        out = Tensor(name, [1, *sides, x.shape[3]])
        options = {
            "padding": VALID,
            "strideH": 2,
            "strideW": 2,
            "filterHeight": 3,
            "filterWidth": 3,
            "fusedActivationFunction": NO_ACTIVATION,
        }
        self.graph.ops.append(Op("MAX_POOL_2D", [x], [out], options))
        return out

    def concatenate(self, parts, name):
        out = Tensor(name, [*parts[0].shape[:3], sum(part.shape[3] for part in parts)])
        self.graph.ops.append(Op("CONCATENATION", parts, [out], {"axis": 3, "fusedActivationFunction": NO_ACTIVATION}))
        return out

    def embedding(self, x):
        mean = Tensor("AvgPool", [1, 1, 1, x.shape[3]])
        axes = Tensor("axes", [2], np.int32, [1, 2])
        self.graph.ops.append(Op("MEAN", [x, axes], [mean], {"keepDims": True}))
        kernel, bias = fold(self.weights["Bottleneck"])
        dimension = kernel.shape[-1]
        flat = self.plain_conv(mean, "Bottleneck", kernel.reshape(1, 1, -1, dimension), bias, 1, VALID, NO_ACTIVATION)
        out = Tensor("embedding", [1, dimension])
        shape = Tensor("shape", [2], np.int32, [-1, dimension])
        self.graph.ops.append(Op("RESHAPE", [flat, shape], [out], {"newShape": [-1, dimension]}))
        return out
