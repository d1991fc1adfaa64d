"""FaceNet's Inception-ResNet-v1, from its layers' weights to a float graph.

Owns the net's structure, with any size of embedding, after the FaceNet project's `inception_resnet_v1.py`.
"""

import numpy as np

from graph import NO_ACTIVATION, RELU, SAME, VALID, Op, Tensor
from net import BIAS, CONV, DENSE, NORM, Form, Net, fold

NAME = "facenet"
TITLE = "FaceNet Inception-ResNet-v1"
IMAGE_SIZE = 160
ALIGNMENT = "box"
LAST = "Bottleneck"

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
    """The form of each layer with weights, in running order."""
    for step in filter(None, STEM):
        yield Form(step[0], CONV, NORM)
    yield from _block_layers("Block35")
    yield from _reduction_layers("Mixed_6a")
    yield from _block_layers("Block17")
    yield from _reduction_layers("Mixed_7a")
    yield from _block_layers("Block8")
    yield from _one_block_layers("Block8", "Block8_6")
    yield Form(LAST, DENSE, NORM)


def _block_layers(kind):
    for number in range(1, BLOCK_COUNTS[kind] + 1):
        yield from _one_block_layers(kind, f"{kind}_{number}")


def _one_block_layers(kind, block):
    for index, branch in enumerate(BRANCHES[kind]):
        for layer in branch:
            yield Form(f"{block}/Branch_{index}/{layer}", CONV, NORM)
    yield Form(f"{block}/Conv2d_1x1", CONV, BIAS)


def _reduction_layers(name):
    for index, branch in enumerate(REDUCTIONS[name]):
        for layer in branch:
            yield Form(f"{name}/Branch_{index}/{layer}", CONV, NORM)


def build(weights):
    """The float graph. Its input is (pixel - 127.5) / 128, RGB, 1 x 160 x 160 x 3; its output 1 x D, not of unit length.

    `weights` maps each layer's name to its `net.Layer`.
    """
    net = Net(TITLE, weights, IMAGE_SIZE)
    x = net.image
    for step in STEM:
        x = net.max_pool(x, "MaxPool_3a_3x3") if step is None else net.conv(x, *step)
    x = _blocks(net, x, "Block35")
    x = _reduction(net, x, "Mixed_6a")
    x = _blocks(net, x, "Block17")
    x = _reduction(net, x, "Mixed_7a")
    x = _blocks(net, x, "Block8")
    x = _block(net, x, "Block8", "Block8_6", scale=1.0, activation=NO_ACTIVATION)
    return net.finish(_embedding(net, x))


def _blocks(net, x, kind):
    for number in range(1, BLOCK_COUNTS[kind] + 1):
        x = _block(net, x, kind, f"{kind}_{number}", BLOCK_SCALES[kind], RELU)
    return x


def _block(net, x, kind, name, scale, activation):
    """x + scale * conv(branches of x, side by side)."""
    branches = []
    for index, branch in enumerate(BRANCHES[kind]):
        y = x
        for layer in branch:
            y = net.conv(y, f"{name}/Branch_{index}/{layer}")
        branches.append(y)
    up = net.conv(net.concatenate(branches, f"{name}/concat"), f"{name}/Conv2d_1x1", activation=NO_ACTIVATION, scale=scale)
    out = Tensor(name, x.shape)
    net.graph.ops.append(Op("ADD", [x, up], [out], {"fusedActivationFunction": activation}))
    return out


def _reduction(net, x, name):
    branches = []
    for index, branch in enumerate(REDUCTIONS[name]):
        y = x
        for layer in branch[:-1]:
            y = net.conv(y, f"{name}/Branch_{index}/{layer}")
        branches.append(net.conv(y, f"{name}/Branch_{index}/{branch[-1]}", stride=2, padding=VALID))
    branches.append(net.max_pool(x, f"{name}/MaxPool"))
    return net.concatenate(branches, name)


def _embedding(net, x):
    mean = Tensor("AvgPool", [1, 1, 1, x.shape[3]])
    axes = Tensor("axes", [2], np.int32, [1, 2])
    net.graph.ops.append(Op("MEAN", [x, axes], [mean], {"keepDims": True}))
    kernel, bias = fold(net.weights[LAST])
    dimension = kernel.shape[-1]
    flat = net.plain_conv(mean, LAST, kernel.reshape(1, 1, -1, dimension), bias, 1, VALID, NO_ACTIVATION)
    out = Tensor("embedding", [1, dimension])
    shape = Tensor("shape", [2], np.int32, [-1, dimension])
    net.graph.ops.append(Op("RESHAPE", [flat, shape], [out], {"newShape": [-1, dimension]}))
    return out
