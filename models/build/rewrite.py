"""Exact rewrites of a float graph: the same function, in fewer or better operators.

Owns the patterns: PReLU and softmax put back together, images the right way up, the input's offset folded away, and what
XNNPACK computes faster in another form.
"""

import numpy as np

from graph import Op, Tensor, window_count

HALF_LEVEL = 0.5 / 128
"""The nets were trained on (pixel - 127.5) / 128 and are fed (pixel - 128) / 128: half a grey level, for `shift_input`."""

SPATIAL = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")


def fuse_prelu(graph):
    """Puts `PRELU` back where a converter had taken it apart, in either of two ways:

    - `relu(x) + a * -relu(-x)`      (RELU, NEG, RELU, NEG, MUL, ADD)
    - `relu(x) + a * (x - |x|)`      (RELU, ABS, SUB, MUL, ADD), where PReLU's slope is 2a
    """
    for add in [op for op in graph.ops if op.kind == "ADD"]:
        terms = {op.kind: op for op in map(graph.producer, add.inputs) if op is not None}
        if set(terms) != {"RELU", "MUL"}:
            continue
        relu, mul = terms["RELU"], terms["MUL"]
        x = relu.inputs[0]
        slope = next(tensor for tensor in mul.inputs if tensor.data is not None)
        below = graph.producer(next(tensor for tensor in mul.inputs if tensor.data is None))
        if below.kind == "NEG":
            inner = graph.producer(below.inputs[0])
            other, factor = [inner, graph.producer(inner.inputs[0])], 1
            expected = ["RELU", "NEG"]
        else:
            other, factor = [graph.producer(below.inputs[1])], 2
            expected = ["ABS"]
        if [op.kind for op in other] != expected or other[-1].inputs[0] is not x:
            raise ValueError(f"{add.outputs[0].name}: not a PReLU that this script knows; is it another model file?")
        shape = [1] * (len(x.shape) - 2) + [slope.data.size]  # one slope a channel, all positions alike
        alpha = Tensor(add.outputs[0].name + "/alpha", shape, np.float32, slope.data * factor)
        graph.ops[graph.ops.index(add)] = Op("PRELU", [x, alpha], add.outputs)
        graph.remove([relu, mul, below, *other])


def fuse_softmax(graph):
    """Puts `SOFTMAX` back: `exp(x - max x) / sum exp(x - max x)`, as REDUCE_MAX, SUB, EXP, SUM, DIV."""
    for div in [op for op in graph.ops if op.kind == "DIV"]:
        exp, total = map(graph.producer, div.inputs)
        sub = graph.producer(exp.inputs[0])
        peak = graph.producer(sub.inputs[1])
        if [op.kind for op in (exp, total, sub, peak)] != ["EXP", "SUM", "SUB", "REDUCE_MAX"]:
            raise ValueError(f"{div.outputs[0].name}: not a softmax that this script knows; is it another model file?")
        graph.ops[graph.ops.index(div)] = Op("SOFTMAX", [sub.inputs[0]], div.outputs, {"beta": 1.0})
        graph.remove([exp, total, sub, peak])


def softmax_to_logistic(graph):
    """Replaces a softmax over two classes by a sigmoid: softmax(a, b) = (sigmoid(a - b), sigmoid(b - a)).

    The differences go into the weights of the layer before it, so the output keeps its two channels. XNNPACK calls its
    softmax kernel once for each position with a row of two; the sigmoid runs over the whole map at once.
    """
    for op in [op for op in graph.ops if op.kind == "SOFTMAX"]:
        layer = graph.producer(op.inputs[0])
        for constant in layer.inputs[1:3]:
            first, second = constant.data  # axis 0 is the output channel, of weights and of bias
            constant.data = np.stack([first - second, second - first])
        op.kind, op.options = "LOGISTIC", {}


def join_heads(graph):
    """Makes one output of `LOGISTIC(layer)` and another layer that read the same tensor: the sigmoid's argument for the
    second class, then what the other layer gives.

    A kernel of XNNPACK computes 16 channels at once, so a layer of 5 costs what one of 2 does. The program applies
    the sigmoid at the few positions that matter: it is monotonous, so a threshold needs none.
    """
    sigmoid, other = map(graph.producer, graph.outputs)
    layer = graph.producer(sigmoid.inputs[0])
    if sigmoid.kind != "LOGISTIC" or layer.inputs[0] is not other.inputs[0] or layer.options != other.options:
        raise ValueError("the outputs are not a sigmoid and a layer that read the same tensor in the same way")
    for first, second in zip(layer.inputs[1:3], other.inputs[1:3]):
        second.data = np.concatenate([first.data[1:2], second.data])
        second.shape = list(second.data.shape)
    other.outputs[0].shape[-1] += 1
    graph.remove([layer, sigmoid])
    graph.outputs = other.outputs


def widen_prelu(graph, ranges, least_columns=9):
    """Lets the PReLU of a large map see a whole row of it as one position with as many channels as the row has values.

    XNNPACK runs a PReLU with a slope a channel as one call a position. The slopes are repeated along the row; the reshapes
    around it move no byte. For maps of a known width; in one of fewer than `least_columns` the reshapes cost what they save.
    Adds the new tensors to `ranges`.
    """
    for prelu in [op for op in graph.ops if op.kind == "PRELU"]:
        source, target = prelu.inputs[0], prelu.outputs[0]
        if len(source.shape) != 4 or source.shape[2] < least_columns:
            continue
        _, rows, columns, channels = source.shape
        long = [source.shape[0] * rows, columns * channels]
        slopes = prelu.inputs[1]
        flat, bent = Tensor(source.name + "/rows", long), Tensor(target.name + "/rows", long)
        wide = Tensor(slopes.name, long[1:], data=np.tile(slopes.data.reshape(-1), columns))
        ranges[flat.name], ranges[bent.name] = ranges[source.name], ranges[target.name]
        at = graph.ops.index(prelu)
        graph.ops[at : at + 1] = [
            _reshape(source, flat),
            Op("PRELU", [flat, wide], [bent]),
            _reshape(bent, target),
        ]


def _reshape(source, target):
    shape = [-1] + target.shape[1:]
    sizes = Tensor(target.name + "/shape", [len(shape)], np.int32, shape)
    return Op("RESHAPE", [source, sizes], [target], {"newShape": shape})


def transpose_images(graph):
    """Makes a net that was trained on transposed images (columns before rows) take them upright.

    MTCNN's weights come from MATLAB, whose arrays are column-major. Swaps the two spatial axes of every kernel, and the
    order in which the first dense layer reads the flattened map.
    """
    swapped = set()

    def swap(tensor):
        if id(tensor) in swapped or len(tensor.shape) != 4:
            return
        swapped.add(id(tensor))
        batch, columns, rows, channels = tensor.shape
        tensor.shape = [batch, rows, columns, channels]
        if tensor.data is not None:
            tensor.data = np.ascontiguousarray(tensor.data.transpose(0, 2, 1, 3))

    for op in graph.ops:
        for tensor in op.inputs[:2] if op.kind in SPATIAL else op.inputs[:1]:
            swap(tensor)
        if op.kind == "FULLY_CONNECTED" and len(op.inputs[0].shape) == 4:
            _, rows, columns, channels = op.inputs[0].shape
            weights = op.inputs[1]
            maps = weights.data.reshape(-1, columns, rows, channels).transpose(0, 2, 1, 3)
            weights.data = np.ascontiguousarray(maps).reshape(weights.shape)
        for tensor in op.outputs:
            swap(tensor)
        for tall, wide in (("strideH", "strideW"), ("filterHeight", "filterWidth")):
            if tall in op.options:
                op.options[tall], op.options[wide] = op.options[wide], op.options[tall]


def set_image_size(graph, rows, columns):
    """Gives the input its size, and every map after it the size that follows."""
    graph.inputs[0].shape[1:3] = [rows, columns]
    for op in graph.ops:
        source, target = op.inputs[0].shape, op.outputs[0].shape
        if len(source) != 4 or len(target) != 4:
            continue
        if op.kind not in SPATIAL:
            target[1:3] = source[1:3]
            continue
        if op.kind == "MAX_POOL_2D":
            window = op.options["filterHeight"], op.options["filterWidth"]
        else:
            window = op.inputs[1].shape[1:3]
        stride, padding = (op.options["strideH"], op.options["strideW"]), op.options["padding"]
        target[1:3] = [window_count(source[axis + 1], window[axis], stride[axis], padding) for axis in (0, 1)]


def set_batch(graph, batch):
    """Gives every activation the batch size `batch`, and lets RESHAPE work with any."""
    for tensor in graph.activations():
        tensor.shape[0] = batch
    for op in graph.ops:
        if op.kind == "RESHAPE":
            shape = [-1] + op.outputs[0].shape[1:]
            op.inputs[1].data = np.array(shape, np.int32)
            op.options["newShape"] = shape


def shift_input(graph, offset):
    """Lets a net that wants `x` take `x - offset`: adds what `offset` makes of each kernel to the first layer's biases.

    Exact where the layer does not pad; where it pads, the border's zeros now mean `offset`, which is harmless when the
    offset is half a grey level. The sum runs tap by tap, so that no processor adds in another order.
    """
    layer = graph.consumers(graph.inputs[0])[0]
    weights, bias = layer.inputs[1:3]
    taps = weights.data.astype(np.float64).reshape(weights.shape[0], -1)
    total = np.zeros(weights.shape[0])
    for tap in taps.T:
        total = total + tap
    bias.data = (bias.data + total * offset).astype(np.float32)
