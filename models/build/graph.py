"""A TFLite graph as plain Python objects: read from a flatbuffer, write to one.

Owns the file format: tensors, operators, operator versions, the signature, dynamic axes.

The schema is TensorFlow Lite's `schema.fbs`, as generated Python code inside the `ai-edge-litert` wheel.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
NO_ACTIVATION, RELU = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
SIGNATURE = "serving_default"

_NUMPY_TYPES = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT8: np.dtype(np.int8),
}
_TFLITE_TYPES = {numpy_type: tflite_type for tflite_type, numpy_type in _NUMPY_TYPES.items()}
_OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}

# Which options table belongs to an operator; an operator that is not here has none.
_OPTIONS = {
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "QUANTIZE": "QuantizeOptions",
    "RESHAPE": "ReshapeOptions",
}

# The version in which an operator learned int8 (TensorFlow Lite, `register.cc`); the float form of each is version 1.
_INT8_VERSIONS = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4,
    "GATHER": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "PAD": 2,
    "PADV2": 2,
}


class Tensor:
    """One array: a constant when `data` is set, else something an operator writes.

    `scales`, `zero_point` and `axis` (the axis the scales run along) are set when the tensor is quantised.
    Tensors are compared by identity: two with the same name and shape are still two.
    """

    def __init__(self, name, shape, dtype=np.float32, data=None):
        self.name = name
        self.shape = [int(side) for side in shape]
        self.dtype = np.dtype(dtype)
        self.data = None if data is None else np.ascontiguousarray(data, self.dtype).reshape(self.shape)
        self.scales = None
        self.zero_point = 0
        self.axis = 0

    def quantised(self, scales, zero_point=0, axis=0):
        """Says what the integers mean: real = scale * (integer - zero_point). Gives the tensor back."""
        self.scales = np.atleast_1d(np.asarray(scales, np.float32))
        self.zero_point = int(zero_point)
        self.axis = axis
        return self


class Op:
    """One operator: `kind` is the name in the schema's `BuiltinOperator`, `options` the fields of its options table."""

    def __init__(self, kind, inputs, outputs, options=None):
        self.kind = kind
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.options = dict(options or {})


class Graph:
    """One subgraph; `ops` are in an order in which they can run."""

    def __init__(self):
        self.ops = []
        self.inputs = []
        self.outputs = []

    def producer(self, tensor):
        """The operator that writes `tensor`, or None for an input or a constant."""
        return next((op for op in self.ops if any(out is tensor for out in op.outputs)), None)

    def consumers(self, tensor):
        """The operators that read `tensor`."""
        return [op for op in self.ops if any(read is tensor for read in op.inputs)]

    def activations(self):
        """The inputs, then what each operator writes, in running order."""
        return self.inputs + [out for op in self.ops for out in op.outputs]

    def convolve(self, x, name, kernel, bias, stride, padding, activation):
        """What a convolution of `x` gives. `kernel` is rows, columns, inputs, outputs, as TensorFlow keeps it."""
        rows, columns, _, channels = kernel.shape
        sides = [window_count(x.shape[1], rows, stride, padding), window_count(x.shape[2], columns, stride, padding)]
        out = Tensor(name, [1, *sides, channels])
        turned = kernel.transpose(3, 0, 1, 2)
        constants = [Tensor(f"{name}/weights", turned.shape, data=turned), Tensor(f"{name}/bias", [channels], data=bias)]
        self.ops.append(Op("CONV_2D", [x, *constants], [out], conv_options(padding, stride, activation)))
        return out

    def remove(self, dead):
        """Takes the operators `dead` out; what they wrote must have no reader left."""
        self.ops = [op for op in self.ops if not any(op is gone for gone in dead)]


def conv_options(padding, stride, activation=NO_ACTIVATION):
    """The options of a square-stride, undilated CONV_2D."""
    return {
        "padding": padding,
        "strideH": stride,
        "strideW": stride,
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        "fusedActivationFunction": activation,
    }


def window_count(size, window, stride, padding):
    """How many windows fit along an axis of `size` (TensorFlow's rule for SAME and VALID)."""
    covered = size if padding == SAME else size - window + 1
    return -(-covered // stride)


def read(blob):
    """The first subgraph of the TFLite model in `blob` (bytes)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(blob, 0))
    subgraph = model.subgraphs[0]
    tensors = []
    for raw in subgraph.tensors:
        dtype = _NUMPY_TYPES[raw.type]
        shape = [] if raw.shape is None else list(raw.shape)
        bits = model.buffers[raw.buffer].data
        data = None if bits is None or len(bits) == 0 else np.frombuffer(bytes(bytearray(bits)), dtype)
        tensors.append(Tensor(raw.name.decode(), shape, dtype, data))
    pick = lambda indices: [tensors[index] if index >= 0 else None for index in indices]
    graph = Graph()
    graph.inputs, graph.outputs = pick(subgraph.inputs), pick(subgraph.outputs)
    for raw in subgraph.operators:
        code = model.operatorCodes[raw.opcodeIndex]
        # Old files hold the code in the deprecated byte, new ones in the wide field; the larger is the right one.
        kind = _OPERATOR_NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        options = {} if raw.builtinOptions is None else vars(raw.builtinOptions)
        graph.ops.append(Op(kind, pick(raw.inputs), pick(raw.outputs), options))
    return graph


def write(graph, description, input_names, output_names, dynamic_axes):
    """The graph as the bytes of a TFLite file.

    The names are those of the signature `serving_default`. Every activation gets a shape signature with -1 on
    `dynamic_axes`, so that a runtime may resize the input there.
    """
    model = schema.ModelT()
    model.version = 3
    model.description = description.encode()
    model.buffers = [schema.BufferT()]  # buffer 0 is the empty one, by convention
    model.operatorCodes = []
    subgraph = schema.SubGraphT()
    subgraph.name = b"main"
    subgraph.tensors, subgraph.operators = [], []
    model.subgraphs = [subgraph]
    activations = {id(tensor) for tensor in graph.activations()}
    indices, codes = {}, {}

    def index_of(tensor):
        if tensor is None:
            return -1
        if id(tensor) not in indices:
            indices[id(tensor)] = len(subgraph.tensors)
            subgraph.tensors.append(encode(tensor))
        return indices[id(tensor)]

    def encode(tensor):
        raw = schema.TensorT()
        raw.name = tensor.name.encode()
        raw.type = _TFLITE_TYPES[tensor.dtype]
        raw.shape = tensor.shape
        if id(tensor) in activations:
            raw.shapeSignature = [-1 if axis in dynamic_axes else side for axis, side in enumerate(tensor.shape)]
        raw.quantization = schema.QuantizationParametersT()
        if tensor.scales is not None:
            raw.quantization.scale = tensor.scales
            raw.quantization.zeroPoint = np.full(len(tensor.scales), tensor.zero_point, np.int64)
            raw.quantization.quantizedDimension = tensor.axis
        if tensor.data is not None:
            buffer = schema.BufferT()
            little_endian = tensor.data.astype(tensor.dtype.newbyteorder("<"))
            buffer.data = np.frombuffer(little_endian.tobytes(), np.uint8)
            raw.buffer = len(model.buffers)
            model.buffers.append(buffer)
        return raw

    def code_of(op):
        int8 = any(tensor is not None and tensor.dtype == np.int8 for tensor in op.inputs + op.outputs)
        version = _INT8_VERSIONS.get(op.kind, 1) if int8 else 1
        if (op.kind, version) not in codes:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, op.kind)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = version
            codes[op.kind, version] = len(model.operatorCodes)
            model.operatorCodes.append(code)
        return codes[op.kind, version]

    for tensor in graph.inputs:
        index_of(tensor)
    for op in graph.ops:
        raw = schema.OperatorT()
        raw.opcodeIndex = code_of(op)
        raw.inputs = [index_of(tensor) for tensor in op.inputs]
        raw.outputs = [index_of(tensor) for tensor in op.outputs]
        table = _OPTIONS.get(op.kind)
        if table:
            raw.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            raw.builtinOptions = getattr(schema, table + "T")()
            for field, value in op.options.items():
                setattr(raw.builtinOptions, field, value)
        subgraph.operators.append(raw)
    subgraph.inputs = [index_of(tensor) for tensor in graph.inputs]
    subgraph.outputs = [index_of(tensor) for tensor in graph.outputs]

    def name_all(names, tensors):
        maps = []
        for name, tensor in zip(names, tensors, strict=True):
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name.encode(), index_of(tensor)
            maps.append(entry)
        return maps

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
    signature.inputs = name_all(input_names, graph.inputs)
    signature.outputs = name_all(output_names, graph.outputs)
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
