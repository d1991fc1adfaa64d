"""FaceNet checkpoints: every form in which Inception-ResNet-v1 is published, to one set of layers.

Owns the three ways of naming its weights. The names used from here on are those of `facenet.layers()`.
Knows nothing of the files' inner form (`frozen_graph.py`, `torch_state.py`) and of the net.
"""

import hashlib
from collections import namedtuple
from pathlib import Path

import numpy as np

import frozen_graph
import torch_state
from facenet import BLOCK_COUNTS, layers

Layer = namedtuple("Layer", "kernel bias beta gamma mean variance")
"""`kernel` is rows, columns, inputs, outputs (of the last, dense one: inputs, outputs). Either `bias`, or a batch norm's `beta`,
`mean`, `variance` and perhaps `gamma`; the others are None."""


class CheckpointError(ValueError):
    """What was given is not an Inception-ResNet-v1 that can be read; says what to do."""


def read(path):
    """The layers in `path`, by name, of a frozen graph (.pb), a state dict (.pt, .pth), an .npz, or a folder of .npy files."""
    path = Path(path)
    try:
        arrays = _arrays(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except (frozen_graph.NotAGraph, torch_state.NotAState, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from None
    for spelling in (_tensorflow, _torch, _keras):
        names = spelling(arrays)
        if names is not None:
            return _assemble(path, arrays, names, turned=spelling is _torch)
    some = ", ".join(sorted(arrays)[:3])
    raise CheckpointError(
        f"{path} holds no Inception-ResNet-v1: its {len(arrays)} arrays are called {some} …; the FaceNet project's, "
        "facenet-pytorch's and Keras's names are known"
    )


def _arrays(path):
    if path.is_dir():
        folder = {file.stem: np.load(file, allow_pickle=False) for file in sorted(path.glob("*.npy"))}
        if not folder:
            inside = sorted(path.glob("*.pb"))
            hint = f"; did you mean {inside[0]}?" if inside else ""
            raise CheckpointError(f"{path} holds no .npy files{hint}")
        return folder
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    if path.suffix == ".pb":
        return frozen_graph.constants(path.read_bytes())
    if path.suffix in (".pt", ".pth"):
        return torch_state.tensors(path.read_bytes())
    raise CheckpointError(f"{path} is neither .pb, .pt, .pth, .npz nor a folder of .npy files")


def digest(weights):
    """SHA-256 over all weights: the same for one net in any form."""
    total = hashlib.sha256()
    for name, _ in layers():
        for array in weights[name]:
            if array is not None and not (array is weights[name].gamma and np.all(array == 1)):
                total.update(np.ascontiguousarray(array, "<f4").tobytes())
    return total.hexdigest()


def _assemble(path, arrays, names, turned):
    """The layers, from `names`: layer -> {field: array's name}."""
    weights = {}
    for name, has_norm in layers():
        fields = {}
        for field in Layer._fields:
            array = arrays.get(names(name, field))
            fields[field] = None if array is None else np.asarray(array, np.float32)
        needed = ("kernel", "beta", "mean", "variance") if has_norm else ("kernel", "bias")
        for field in needed:
            if fields[field] is None:
                raise CheckpointError(f"{path} lacks {names(name, field)}; is it a whole Inception-ResNet-v1?")
        if not all(np.isfinite(array).all() for array in fields.values() if array is not None):
            raise CheckpointError(f"{path}: a weight of {name} is not a number")
        if turned:  # outputs, inputs, rows, columns
            kernel = fields["kernel"]
            fields["kernel"] = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        expected = 2 if name == "Bottleneck" else 4
        if fields["kernel"].ndim != expected:
            raise CheckpointError(f"{path}: the kernel of {name} has {fields['kernel'].ndim} dimensions, not {expected}")
        for field in ("beta", "gamma", "mean", "variance") if has_norm else ("bias",):
            if fields[field] is not None and fields[field].shape != fields["kernel"].shape[-1:]:
                raise CheckpointError(f"{path}: the {field} of {name} does not fit its kernel")
        if has_norm:
            fields["bias"] = None
        weights[name] = Layer(**fields)
    return weights


def _tensorflow(arrays):
    """TF-slim: InceptionResnetV1/Repeat_1/block17_3/Branch_1/Conv2d_0a_1x1/BatchNorm/moving_mean."""
    first = "Conv2d_1a_3x3/weights"
    roots = [name.removesuffix(first) for name in arrays if name.endswith(first) and "Branch" not in name]
    if len(roots) != 1:
        return None
    fields = {"kernel": "weights", "bias": "biases", "beta": "BatchNorm/beta", "gamma": "BatchNorm/gamma"}
    fields |= {"mean": "BatchNorm/moving_mean", "variance": "BatchNorm/moving_variance"}
    repeats = {"Block35": "Repeat/block35", "Block17": "Repeat_1/block17", "Block8": "Repeat_2/block8"}

    def name_of(layer, field):
        block, _, rest = layer.partition("/")
        kind, _, number = block.partition("_")
        if kind in repeats:
            last = int(number) > BLOCK_COUNTS[kind]
            layer = f"{kind if last else f'{repeats[kind]}_{number}'}/{rest}"
        return f"{roots[0]}{layer}/{fields[field]}"

    return name_of


def _keras(arrays):
    """Keras: Block17_3_Branch_1_Conv2d_0a_1x1_BatchNorm_moving_mean."""
    if "Conv2d_1a_3x3_kernel" not in arrays:
        return None
    fields = {"kernel": "kernel", "bias": "bias", "beta": "BatchNorm_beta", "gamma": "BatchNorm_gamma"}
    fields |= {"mean": "BatchNorm_moving_mean", "variance": "BatchNorm_moving_variance"}
    return lambda layer, field: f"{layer.replace('/', '_')}_{fields[field]}"


def _torch(arrays):
    """facenet-pytorch: repeat_2.2.branch1.0.bn.running_mean."""
    if "conv2d_1a.conv.weight" not in arrays:
        return None
    fields = {"beta": "bias", "gamma": "weight", "mean": "running_mean", "variance": "running_var"}
    repeats = {"Block35": "repeat_1", "Block17": "repeat_2", "Block8": "repeat_3"}
    lone = {  # a branch of one layer is no list
        name.rpartition("/")[0]
        for name, _ in layers()
        if sum(other.startswith(name.rpartition("/")[0] + "/") for other, _ in layers()) == 1
    }
    positions = {}
    for name, _ in layers():
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
        if layer == "Bottleneck":
            return "last_linear.weight" if field == "kernel" else f"last_bn.{fields.get(field, field)}"
        if layer.count("/") == 1:  # the layer after a block's branches: a convolution of its own, with a bias
            return f"{place(layer)}.{'weight' if field == 'kernel' else field}"
        if field == "kernel":
            return f"{place(layer)}.conv.weight"
        return f"{place(layer)}.bn.{fields.get(field, 'none')}"

    return name_of
