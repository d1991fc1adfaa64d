"""The layers that the embedders here are made of, from weights by name to a float graph.

Owns how a layer of weights becomes operators: batch norms folded in, windows gathered, shapes checked.
"""

from collections import namedtuple

import numpy as np

from graph import NO_ACTIVATION, RELU, SAME, VALID, Graph, Op, Tensor, conv_options, window_count

EPSILON = 1e-3  # of all batch norms here, as in the FaceNet project

Layer = namedtuple("Layer", "kernel bias beta gamma mean variance")
"""`kernel` is rows, columns, inputs, outputs; of a dense layer inputs, outputs; of a local one places, taps, outputs. Either `bias`, or a
batch norm's `beta`, `mean`, `variance` and perhaps `gamma`; the others are None. A layer may have both."""

Form = namedtuple("Form", "name axes fields")
"""A layer that a net has: the axes of its kernel, and the fields that it must have besides."""

NORM = ("beta", "mean", "variance")
BIAS = ("bias",)
CONV, LOCAL, DENSE = 4, 3, 2


class Misfit(ValueError):
    """Weights that do not make the net that their names promise."""


def fold(layer):
    """(kernel, bias) of a layer with its batch norm folded in, in double precision."""
    kernel = layer.kernel.astype(np.float64)
    if layer.variance is None:
        return kernel, layer.bias.astype(np.float64)
    factor = 1.0 / np.sqrt(layer.variance.astype(np.float64) + EPSILON)
    if layer.gamma is not None:
        factor = factor * layer.gamma
    return kernel * factor, layer.beta - layer.mean * factor


class Net:
    """A graph in the making. Its input is an RGB image of `side` x `side`; a layer's output is called as the layer is."""

    def __init__(self, title, weights, side):
        self.title = title
        self.weights = weights
        self.graph = Graph()
        self.image = Tensor("image", [1, side, side, 3])
        self.graph.inputs = [self.image]

    def finish(self, embedding):
        self.graph.outputs = [embedding]
        return self.graph

    def conv(self, x, name, stride=1, padding=SAME, activation=RELU, scale=1.0):
        kernel, bias = fold(self.weights[name])
        return self.plain_conv(x, name, kernel * scale, bias * scale, stride, padding, activation)

    def plain_conv(self, x, name, kernel, bias, stride, padding, activation):
        """`kernel` is rows, columns, inputs, outputs."""
        self.expect(name, "channels", kernel.shape[2], x.shape[3])
        return self.graph.convolve(x, name, kernel, bias, stride, padding, activation)

    def local(self, x, name, window, stride):
        """A convolution whose weights differ at each place, with ReLU: one grouped convolution of the windows, a group a place.

        `taps` are in the order of rows, columns, channels. How else it can be done, and at what price: models/README.md.
        """
        kernel, bias = fold(self.weights[name])
        places, taps, outputs = kernel.shape
        rows, columns = (window_count(side, window, stride, VALID) for side in x.shape[1:3])
        self.expect(name, "places", places, rows * columns)
        self.expect(name, "taps", taps, window * window * x.shape[3])
        windows = self.reshape(self.windows(x, name, window, stride), f"{name}/long", [1, 1, places * taps])
        # Outputs of one place beside each other; the kernel, which is less deep than its input, implies the groups.
        deep = kernel.transpose(0, 2, 1).reshape(places * outputs, 1, 1, taps)
        constants = [Tensor(f"{name}/weights", deep.shape, data=deep), Tensor(f"{name}/bias", [len(deep)], data=bias)]
        long = Tensor(name, [1, 1, 1, places * outputs])
        self.graph.ops.append(Op("CONV_2D", [windows, *constants], [long], conv_options(VALID, 1, RELU)))
        return self.reshape(long, f"{name}/map", [rows, columns, outputs])

    def windows(self, x, name, window, stride):
        """Each place's window, pixel by pixel: 1, places * window * window, channels."""
        rows, columns = (np.arange(window_count(side, window, stride, VALID)) * stride for side in x.shape[1:3])
        inside = np.arange(window)
        row = rows[:, None, None, None] + inside[None, None, :, None]
        column = columns[None, :, None, None] + inside[None, None, None, :]
        pixels = (row * x.shape[2] + column).reshape(-1)
        flat = self.reshape(x, f"{name}/pixels", [x.shape[1] * x.shape[2], x.shape[3]])
        out = Tensor(f"{name}/windows", [1, len(pixels), x.shape[3]])
        index = Tensor(f"{name}/index", [len(pixels)], np.int32, pixels)
        self.graph.ops.append(Op("GATHER", [flat, index], [out], {"axis": 1, "batchDims": 0}))
        return out

    def dense(self, x, name, activation, output=None):
        """A dense layer on a map, which it reads in the order of rows, columns, channels."""
        kernel, bias = fold(self.weights[name])
        self.expect(name, "inputs", kernel.shape[0], int(np.prod(x.shape[1:])))
        turned = kernel.T
        constants = [Tensor(f"{name}/weights", turned.shape, data=turned), Tensor(f"{name}/bias", bias.shape, data=bias)]
        out = Tensor(output or name, [1, len(turned)])
        options = {"fusedActivationFunction": activation, "weightsFormat": 0, "keepNumDims": False}
        self.graph.ops.append(Op("FULLY_CONNECTED", [x, *constants], [out], options))
        return out

    def max_pool(self, x, name, padding=VALID):
        """The largest of 3 x 3, every second place. With SAME, a last window reaches over the edge where one is left over."""
        out = Tensor(name, [1, *(window_count(side, 3, 2, padding) for side in x.shape[1:3]), x.shape[3]])
        options = {
            "padding": padding,
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

    def reshape(self, x, name, shape):
        """`shape` is without the batch."""
        out = Tensor(name, [1, *shape])
        sizes = [-1, *shape]
        self.graph.ops.append(Op("RESHAPE", [x, Tensor(f"{name}/shape", [len(sizes)], np.int32, sizes)], [out], {"newShape": sizes}))
        return out

    def expect(self, name, what, weights, given):
        if weights != given:
            raise Misfit(f"{name} takes {weights} {what} and gets {given}: this is not {self.title}")
