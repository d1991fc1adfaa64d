"""Static int8 quantisation of a float graph, from known ranges of its activations.

Owns the arithmetic (scales, zero points, rounding) and which operators run on integers.

The scheme is TensorFlow Lite's ("8-bit quantization specification"): int8 activations with one scale a tensor, int8
weights with one symmetric scale an output channel, int32 biases. What XNNPACK has no int8 kernel for stays float, with
QUANTIZE and DEQUANTIZE around it, so that the whole graph stays in one piece of the delegate: an int8 PRELU would split
MobileFaceNet into 34 pieces and make it seven times slower.
"""

import numpy as np

from equalise import LAYERS
from graph import Graph, Op, Tensor

# Operators whose int8 form hands its input's scale on.
SCALE_KEEPING = ("GATHER", "MAX_POOL_2D", "PAD", "PADV2", "RESHAPE")
INTEGER = (*LAYERS, *SCALE_KEEPING, "ADD", "CONCATENATION", "MEAN")

# A channel of weights gets at least this part of the largest channel's range. XNNPACK refuses a layer where
# input scale * weight scale / output scale leaves [2^-32, 2^8); nearly dead channels would.
_SMALLEST_CHANNEL = 2.0**-12

# And a layer whose output hardly ever leaves zero gets a wider range than it needs, for the upper limit.
_LARGEST_RATIO = 255.0

IMAGE_SCALE = 1 / 128
"""An int8 pixel is the byte with its top bit flipped, `pixel - 128`; at this scale it means `(pixel - 128) / 128`."""


class Dead(ValueError):
    """A layer that never gave anything but 0, and so has no scale."""


def quantise(graph, ranges, float_layers=()):
    """The graph with int8 inside, an int8 image as input, and float32 outputs.

    `ranges` maps the name of an activation to its (low, high), in real units; the input needs none, since an image's
    range is known. Layers that write a tensor named in `float_layers` stay float.
    """
    return _Quantiser(graph, ranges, float_layers).run()


class _Quantiser:
    """Walks the graph once. Each activation gets an int8 form, a float form, or both, made when first asked for."""

    def __init__(self, graph, ranges, float_layers):
        self.source = graph
        self.ranges = _shared_by_concatenations(graph, ranges)
        self.float_layers = float_layers
        self.target = Graph()
        self.integers = {}
        self.floats = {}

    def run(self):
        (image,) = self.source.inputs
        self.target.inputs = [self.remember_integer(image, IMAGE_SCALE, 0)]
        for op in self.source.ops:
            if op.kind not in INTEGER or op.outputs[0].name in self.float_layers:
                self.keep_float(op)
            elif op.kind in LAYERS:
                self.convert_layer(op)
            elif op.kind in SCALE_KEEPING:
                source = self.integer(op.inputs[0])
                target = self.remember_integer(op.outputs[0], source.scales, source.zero_point)
                self.emit(op, [source, *(at_scale(tensor, source) for tensor in op.inputs[1:])], target)
            elif op.kind == "CONCATENATION":
                target = self.remember_ranged(op.outputs[0])
                self.emit(op, [self.at_scale_of(target, self.integer(tensor)) for tensor in op.inputs], target)
            else:
                inputs = [tensor if tensor.data is not None else self.integer(tensor) for tensor in op.inputs]
                self.emit(op, inputs, self.remember_ranged(op.outputs[0]))
        self.target.outputs = [self.real(tensor) for tensor in self.source.outputs]
        return self.target

    def convert_layer(self, op):
        source = self.integer(op.inputs[0])
        axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
        weights = quantise_weights(op.inputs[1], axis)
        bias_scales = (weights.scales * source.scales[0]).astype(np.float32)
        bias_steps = np.round(op.inputs[2].data.astype(np.float64) / bias_scales)
        limits = np.iinfo(np.int32)
        bias = Tensor(op.inputs[2].name, op.inputs[2].shape, np.int32, np.clip(bias_steps, limits.min, limits.max))
        least = float(bias_scales.max()) / _LARGEST_RATIO
        self.emit(op, [source, weights, bias.quantised(bias_scales)], self.remember_ranged(op.outputs[0], least))

    def keep_float(self, op):
        inputs = [tensor if tensor.data is not None else self.real(tensor) for tensor in op.inputs]
        output = op.outputs[0]
        self.floats[id(output)] = Tensor(output.name, output.shape)
        self.emit(op, inputs, self.floats[id(output)])

    def at_scale_of(self, target, source):
        """`source` at the scale of `target`: XNNPACK's int8 concatenation only copies."""
        if source.scales[0] == target.scales[0] and source.zero_point == target.zero_point:
            return source
        moved = Tensor(source.name + "/moved", source.shape, np.int8).quantised(target.scales, target.zero_point)
        self.target.ops.append(Op("QUANTIZE", [source], [moved]))
        return moved

    def integer(self, tensor):
        """The int8 form of an activation."""
        if id(tensor) not in self.integers:
            source = self.floats[id(tensor)]
            self.target.ops.append(Op("QUANTIZE", [source], [self.remember_ranged(tensor)]))
        return self.integers[id(tensor)]

    def real(self, tensor):
        """The float form of an activation."""
        if id(tensor) not in self.floats:
            self.floats[id(tensor)] = Tensor(tensor.name + "/float", tensor.shape)
            self.target.ops.append(Op("DEQUANTIZE", [self.integers[id(tensor)]], [self.floats[id(tensor)]]))
        return self.floats[id(tensor)]

    def remember_ranged(self, tensor, least_scale=0.0):
        low, high = self.ranges[tensor.name]
        if low == high:
            raise Dead(
                f"{tensor.name} is 0 throughout, whatever face is seen: the layer has died, and no scale can be found for int8. Train again with "
                "a smaller --rate or with --clip 1, or give other faces with --photos; --float converts the network as it is"
            )
        if high - low < least_scale * 255:
            high = low + least_scale * 255
        return self.remember_integer(tensor, *scale_of(low, high))

    def remember_integer(self, tensor, scale, zero_point):
        self.integers[id(tensor)] = Tensor(tensor.name, tensor.shape, np.int8).quantised(scale, zero_point)
        return self.integers[id(tensor)]

    def emit(self, op, inputs, output):
        self.target.ops.append(Op(op.kind, inputs, [output], op.options))


def _shared_by_concatenations(graph, ranges):
    """The ranges, where a concatenation's parts and its result have one range if only it reads them: nothing is rescaled then."""
    shared = dict(ranges)
    for op in graph.ops:
        if op.kind == "CONCATENATION":
            parts = [shared[tensor.name] for tensor in op.inputs]
            whole = [min(low for low, _ in parts), max(high for _, high in parts)]
            shared[op.outputs[0].name] = whole
            for tensor in op.inputs:
                if len(graph.consumers(tensor)) == 1 and graph.producer(tensor).kind in LAYERS:
                    shared[tensor.name] = whole
    return shared


def at_scale(constant, source):
    """A constant beside an activation: numbers that are compared with it get its scale, indices and shapes stay as they are."""
    if constant.dtype != np.float32:
        return constant
    steps = np.clip(np.round(constant.data / source.scales[0]) + source.zero_point, -128, 127)
    return Tensor(constant.name, constant.shape, np.int8, steps).quantised(source.scales, source.zero_point)


def scale_of(low, high):
    """(scale, zero point) such that -128..127 spans low..high; the range is widened to hold 0, which must be exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, int(np.clip(np.round(-128 - low / scale), -128, 127))


def quantise_weights(tensor, axis):
    """Symmetric int8 weights, -127..127, with one scale for each index along `axis`."""
    others = tuple(other for other in range(len(tensor.shape)) if other != axis)
    peaks = np.abs(tensor.data).max(axis=others)
    scales = (np.maximum(peaks, peaks.max() * _SMALLEST_CHANNEL) / 127).astype(np.float32)
    along = [-1 if side == axis else 1 for side in range(len(tensor.shape))]
    steps = np.clip(np.round(tensor.data / scales.reshape(along)), -127, 127)
    return Tensor(tensor.name, tensor.shape, np.int8, steps).quantised(scales, axis=axis)
