"""Max-pooling before a PReLU instead of after it, with int8 convolutions only.

Owns this one rewrite of P-Net's first layers, where a detector spends its time: full resolution, ten channels.

XNNPACK runs a PReLU with a slope a channel as one short call a pixel, so ten channels at full resolution cost a third
of P-Net. After the pool there are a quarter of the pixels. Let M be the maximum of x over a pool's window, m the minimum,
f(x) = max(x, 0) + a * min(x, 0) the PReLU. f is monotonous for a >= 0 and V-shaped for a < 0, so its maximum over the
window is

    a >= 0:  f(M)              = relu(M) - a * relu(-M)
    a <  0:  max(M, Q)         = relu(M) - relu(-M) + relu(Q - M),   Q = a * m = the maximum of a * x

The maxima M and Q come from one convolution whose kernels for Q are the old ones times a; the relus from a 1x1
convolution with ReLU; the sum is linear, so the next layer's weights take it over. P-Net has 6 negative slopes in 10
channels: 16 channels before the pool, which is one tile of XNNPACK's int8 kernels just as 10 were.

Int8 loses nothing here: the 1x1 weights are 1 and -1, and its output has the scale of its input, so all its sums are
whole numbers.
"""

import numpy as np

from graph import RELU, VALID, Op, Tensor, conv_options


def pool_before_prelu(graph, ranges):
    """Rewrites the first `layer, PRELU, MAX_POOL_2D, next layer` of `graph`; adds the new tensors to `ranges`."""
    layer, prelu, pool, following = graph.ops[:4]
    if [op.kind for op in graph.ops[:4]] != ["CONV_2D", "PRELU", "MAX_POOL_2D", "CONV_2D"]:
        raise ValueError("the graph does not start with a convolution, a PReLU, a max-pool and a convolution")
    x, pooled = layer.outputs[0], pool.outputs[0]
    slopes = prelu.inputs[1].data.reshape(-1)
    channels = len(slopes)
    negative = np.flatnonzero(slopes < 0)

    weights, bias = (constant.data for constant in layer.inputs[1:3])
    falling = slopes[negative]
    extrema = _conv(
        layer.inputs[0],
        x.name,
        np.concatenate([weights, weights[negative] * falling[:, None, None, None]]),
        np.concatenate([bias, bias[negative] * falling]),
        x.shape[1:3],
        layer.options,
    )
    pooled_extrema = Tensor(pooled.name + "/extrema", pooled.shape[:3] + [channels + len(negative)])

    # Rows of the 1x1 kernel: relu(M), relu(-M), relu(Q - M).
    eye = np.eye(channels + len(negative), dtype=np.float32)
    maximum, falling_maximum = eye[:channels], eye[channels:]
    rows = np.concatenate([maximum, -maximum, falling_maximum - maximum[negative]])
    parts = _conv(
        pooled_extrema,
        pooled.name + "/parts",
        rows[:, None, None, :],
        np.zeros(len(rows), np.float32),
        pooled.shape[1:3],
        conv_options(VALID, 1, RELU),
    )

    kernel = following.inputs[1].data
    below = np.where(slopes < 0, 1, slopes).astype(np.float32)
    kernel = np.concatenate([kernel, kernel * -below, kernel[..., negative]], axis=3)
    following.inputs[0] = parts.outputs[0]
    following.inputs[1] = Tensor(following.inputs[1].name, kernel.shape, data=kernel)
    graph.ops[:3] = [extrema, Op("MAX_POOL_2D", extrema.outputs, [pooled_extrema], pool.options), parts]

    low, high = ranges[x.name]
    ranges[parts.outputs[0].name] = [0.0, high - low]  # as wide as its input's, so of the same scale


def _conv(source, name, weights, bias, size, options):
    out = Tensor(name, [1, *size, len(weights)])
    constants = [Tensor(name + "/weights", weights.shape, data=weights), Tensor(name + "/bias", bias.shape, data=bias)]
    return Op("CONV_2D", [source, *constants], [out], options)
