"""Per-channel equalisation of activations, replayed from the calibration table.

Owns the chains along which a channel's scale can travel, and the moving of it.

One int8 scale serves all channels of a tensor, so a channel that is small beside its neighbours keeps few levels. ReLU,
PReLU, max-pooling and padding with zeros commute with a positive scale a channel: the layer before is divided by it, the layers after are
multiplied, the float function stays the same. The per-channel scales of the weights absorb both.
After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019 (arXiv
1906.04721), with measured ranges of activations instead of the ranges of weights.
"""

import numpy as np

from graph import NO_ACTIVATION, RELU

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
HOMOGENEOUS = ("PRELU", "RELU", "MAX_POOL_2D", "PAD")

# 2^(n/4) for n in 0..3: written out, because a C library may round exp2 as it likes.
_QUARTER_POWERS = (1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)


def equalise(graph, quarters):
    """Divides the channels of each layer named in `quarters` by 2^(q/4), and multiplies what reads them.

    `quarters` maps the name of a layer's output to a list with one whole number `q` a channel.
    """
    chains = {layer.outputs[0].name: (layer, readers) for layer, readers in find_chains(graph)}
    if set(chains) != set(quarters):
        odd = sorted(set(chains) ^ set(quarters))
        raise ValueError(f"the calibration table and the graph disagree about {odd}; were they made for each other?")
    for name, (layer, readers) in chains.items():
        scales = np.array([np.ldexp(_QUARTER_POWERS[q % 4], q // 4) for q in quarters[name]])
        _divide_outputs(layer, scales)
        for reader in readers:
            _multiply_inputs(reader, scales)


def find_chains(graph):
    """(layer, readers): the output of `layer` reaches `readers`, layers all, through homogeneous operators only."""
    for layer in graph.ops:
        if layer.kind not in LAYERS or layer.options.get("fusedActivationFunction", 0) not in (NO_ACTIVATION, RELU):
            continue
        tensor = layer.outputs[0]
        seen = [tensor]
        readers = graph.consumers(tensor)
        while len(readers) == 1 and readers[0].kind in HOMOGENEOUS:
            tensor = readers[0].outputs[0]
            seen.append(tensor)
            readers = graph.consumers(tensor)
        if any(tensor is out for tensor in seen for out in graph.outputs):
            continue
        if readers and all(reader.kind in LAYERS and reader.inputs[0] is tensor for reader in readers):
            yield layer, readers


def _divide_outputs(layer, scales):
    weights, bias = layer.inputs[1:3]
    shape = [1] * len(weights.shape)
    shape[3 if layer.kind == "DEPTHWISE_CONV_2D" else 0] = -1
    weights.data = (weights.data / scales.reshape(shape)).astype(np.float32)
    bias.data = (bias.data / scales).astype(np.float32)


def _multiply_inputs(layer, scales):
    weights = layer.inputs[1]
    channels_last = weights.data.reshape(-1, len(scales))  # of every kernel and of a dense layer after a flattened map
    weights.data = (channels_last * scales).astype(np.float32).reshape(weights.shape)
