"""The names of the arrays in a checkpoint: three projects' names for Inception-ResNet-v1, and `usher train export`'s for its own nets.

Owns the ways of naming; each looks for its own among the arrays' names, and gives (layer, field) -> name, or None.
"""

import deepface
import facenet
import small
from facenet import BLOCK_COUNTS, LAST, layers

_FIELDS = {
    "kernel": "weights",
    "bias": "biases",
    "beta": "BatchNorm/beta",
    "gamma": "BatchNorm/gamma",
    "mean": "BatchNorm/moving_mean",
    "variance": "BatchNorm/moving_variance",
}
"""TF-slim's names of a layer's arrays, by the fields of `net.Layer`."""

FOLDED = "folded"
"""The bias of a layer whose batch norm is folded into its kernel; asked for as if it were a field of `net.Layer`."""


def tensorflow(arrays):
    """TF-slim: InceptionResnetV1/Repeat_1/block17_3/Branch_1/Conv2d_0a_1x1/BatchNorm/moving_mean.

    TensorFlow's graph transform `fold_batch_norms` leaves `Conv2D_bn_offset` instead of a convolution's batch norm.
    """
    first = "Conv2d_1a_3x3/weights"
    roots = [name.removesuffix(first) for name in arrays if name.endswith(first) and "Branch" not in name]
    if len(roots) != 1:
        return None
    repeats = {"Block35": "Repeat/block35", "Block17": "Repeat_1/block17", "Block8": "Repeat_2/block8"}

    def name_of(layer, field):
        block, _, rest = layer.partition("/")
        kind, _, number = block.partition("_")
        if kind in repeats:
            last = int(number) > BLOCK_COUNTS[kind]
            layer = f"{kind if last else f'{repeats[kind]}_{number}'}/{rest}"
        return f"{roots[0]}{layer}/{'Conv2D_bn_offset' if field == FOLDED else _FIELDS[field]}"

    return name_of


def keras(arrays):
    """Keras: Block17_3_Branch_1_Conv2d_0a_1x1_BatchNorm_moving_mean."""
    if "Conv2d_1a_3x3_kernel" not in arrays:
        return None
    fields = {"kernel": "kernel", "bias": "bias", "beta": "BatchNorm_beta", "gamma": "BatchNorm_gamma"}
    fields |= {"mean": "BatchNorm_moving_mean", "variance": "BatchNorm_moving_variance"}
    return lambda layer, field: f"{layer.replace('/', '_')}_{fields.get(field, field)}"


def torch(arrays):
    """facenet-pytorch: repeat_2.2.branch1.0.bn.running_mean."""
    if "conv2d_1a.conv.weight" not in arrays:
        return None
    fields = {"beta": "bias", "gamma": "weight", "mean": "running_mean", "variance": "running_var"}
    repeats = {"Block35": "repeat_1", "Block17": "repeat_2", "Block8": "repeat_3"}
    lone = {  # a branch of one layer is no list
        name.rpartition("/")[0]
        for name, _, _ in layers()
        if sum(other.startswith(name.rpartition("/")[0] + "/") for other, _, _ in layers()) == 1
    }
    positions = {}
    for name, _, _ in layers():
        positions[name] = sum(other.rpartition("/")[0] == name.rpartition("/")[0] for other in positions)

    def place(layer):
        if "/" not in layer:  # Conv2d_1a_3x3
            return "_".join(layer.lower().split("_")[:2])
        block, *branch, last = layer.split("/")
        kind, _, number = block.partition("_")
        if kind in repeats:
            block = f"{repeats[kind]}.{int(number) - 1}" if int(number) <= BLOCK_COUNTS[kind] else "block8"
        if not branch:
            return f"{block.lower()}.conv2d"
        inside = "" if layer.rpartition("/")[0] in lone else f".{positions[layer]}"
        return f"{block.lower()}.branch{branch[0][-1]}{inside}"

    def name_of(layer, field):
        if layer == LAST:
            return "last_linear.weight" if field == "kernel" else f"last_bn.{fields.get(field, field)}"
        if layer.count("/") == 1:  # the layer after a block's branches: a convolution of its own, with a bias
            return f"{place(layer)}.{'weight' if field == 'kernel' else field}"
        if field == "kernel":
            return f"{place(layer)}.conv.weight"
        return f"{place(layer)}.bn.{fields.get(field, 'none')}"

    return name_of


def _own(net):
    """`usher train export`, for the nets that nobody else publishes: ROOT/LAYER/weights."""

    def spelling(arrays):
        if not any(name.startswith(f"{net.ROOT}/") for name in arrays):
            return None
        return lambda layer, field: f"{net.ROOT}/{layer}/{_FIELDS.get(field, field)}"

    return spelling


KNOWN = (
    (facenet, tensorflow),
    (facenet, torch),
    (facenet, keras),
    (small, _own(small)),
    (deepface, _own(deepface)),
)
"""Each net with a way of naming its layers."""
