"""ONNX files: a chain of layers with their constants as real numbers.

Owns the file format: which node follows which, and weights that are kept as integers with a scale for each block.
"""

from collections import namedtuple

import numpy as np
import onnx
from onnx import numpy_helper

Step = namedtuple("Step", "kind constants attributes")
"""One node of the chain: its operator, its constant inputs in order (float64, or as they are if not real), its attributes by name."""


class OnnxError(ValueError):
    """The file is no ONNX model, or not a plain chain of layers."""


def chain(blob):
    """The steps from the input of the ONNX model in `blob` (bytes) to its output, in running order.

    `DequantizeLinear` and `Reshape` of constants are computed here: weights that are quantised in blocks become real numbers.
    """
    try:
        graph = onnx.load_model_from_string(blob).graph
    except Exception as error:  # the library has several, and no base for them
        raise OnnxError(f"this is no ONNX model ({error})") from None
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    current = next(each.name for each in graph.input if each.name not in constants)
    steps = []
    for node in graph.node:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(attributes["value"])
        elif all(name in constants for name in node.input):
            constants[node.output[0]] = _constant(node, [constants[name] for name in node.input], attributes)
        elif node.input[0] == current and all(name in constants for name in node.input[1:]):
            steps.append(Step(node.op_type, [_real(constants[name]) for name in node.input[1:]], attributes))
            current = node.output[0]
        else:
            raise OnnxError(f"{node.name} reads {list(node.input)}, and {current} is what the step before it gives: this is no plain chain")
    if current != graph.output[0].name:
        raise OnnxError(f"the chain ends at {current}, and the output is {graph.output[0].name}")
    return steps


def _constant(node, inputs, attributes):
    if node.op_type == "Reshape":
        return inputs[0].reshape(inputs[1])
    if node.op_type == "DequantizeLinear":
        return dequantised(*inputs, attributes.get("axis", 1), attributes.get("block_size", 0))
    raise OnnxError(f"{node.name} computes a constant by {node.op_type}, which this script does not know")


def dequantised(integers, scales, zero_points, axis, block):
    """(integer - zero point) * scale, with one scale for each `block` integers along `axis`: ONNX's DequantizeLinear, in double precision."""
    if block < 1 or integers.shape[axis] > scales.shape[axis] * block:
        raise OnnxError(f"{scales.shape} scales in blocks of {block} do not cover {integers.shape} weights")
    spread = lambda values: np.repeat(values.astype(np.float64), block, axis).take(range(integers.shape[axis]), axis)
    return (integers - spread(zero_points)) * spread(scales)


def _real(values):
    return values.astype(np.float64) if values.dtype.kind == "f" else values
