"""Reads checkpoints: from a file of weights to the net that they belong to and its layers.

The names of the arrays show which net it is. Each layer is checked; its name from here on is the one in the net's `layers()`. The file formats
are in `frozen_graph.py` and `torch_state.py`.
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np

import frozen_graph
import spelling
import torch_state
from net import BIAS, CONV, LOCAL, NORM, Layer
from spelling import FOLDED


class CheckpointError(ValueError):
    """The file is not a known net, or is incomplete. The message says what to do."""


def read(path):
    """(net, its layers by name) in `path`: a frozen graph (.pb), a state dict (.pt, .pth), an .npz, or a folder of .npy files."""
    path = Path(path)
    try:
        return identify(path, _arrays(path))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    except CheckpointError:
        raise
    except (frozen_graph.NotAGraph, torch_state.NotAState, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_frozen(name, blob):
    """(net, its layers by name) in a frozen graph's bytes; errors call it `name`."""
    try:
        return identify(name, frozen_graph.constants(blob))
    except frozen_graph.NotAGraph as error:
        raise CheckpointError(f"{name}: {error}") from None


def identify(path, arrays):
    """(net, its layers by name) in the arrays of the checkpoint `path`."""
    for net, way in spelling.KNOWN:
        names = way(arrays)
        if names is not None:
            return net, _assemble(path, net, arrays, names, turned=way is spelling.torch)
    some = ", ".join(sorted(arrays)[:3])
    raise CheckpointError(
        f"{path} holds no network that is known: its {len(arrays)} arrays are called {some} …; known are the names that the FaceNet "
        "project, facenet-pytorch and Keras give to Inception-ResNet-v1, and what `usher train export` writes"
    )


def _arrays(path):
    if path.is_dir():
        files = sorted(path.rglob("*.npy"))  # a name with slashes is a file in folders
        folder = {str(file.relative_to(path).with_suffix("")): np.load(file, allow_pickle=False) for file in files}
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


def digest(net, weights):
    """SHA-256 over all weights: the same for one net in any form."""
    total = hashlib.sha256()
    for form in net.layers():
        for array in weights[form.name]:
            if array is not None and not (array is weights[form.name].gamma and np.all(array == 1)):
                total.update(np.ascontiguousarray(array, "<f4").tobytes())
    return total.hexdigest()


def _assemble(path, net, arrays, names, turned):
    """The layers, from `names`: layer, field -> array's name."""
    weights = {}
    for name, axes, needed in net.layers():
        fields = {}
        for field in Layer._fields:
            array = arrays.get(names(name, field))
            fields[field] = None if array is None else np.asarray(array, np.float32)
        folded = arrays.get(names(name, FOLDED)) if needed is NORM else None
        if folded is not None:
            if any(fields[field] is not None for field in (*NORM, "gamma")):
                raise CheckpointError(f"{path} has a batch norm for {name} and says with {names(name, FOLDED)} that it is folded into the weights")
            fields["bias"], needed = np.asarray(folded, np.float32), BIAS
        for field in ("kernel", *needed):
            if fields[field] is None:
                raise CheckpointError(f"{path} lacks {names(name, field)}; is it a whole checkpoint of {net.TITLE}?")
        if not all(np.isfinite(array).all() for array in fields.values() if array is not None):
            raise CheckpointError(f"{path}: a weight of {name} is not a number")
        kernel = fields["kernel"]
        if turned:  # outputs, inputs, rows, columns
            kernel = fields["kernel"] = kernel.transpose(2, 3, 1, 0) if kernel.ndim == CONV else kernel.T
        if kernel.ndim != axes:
            raise CheckpointError(f"{path}: the kernel of {name} has {kernel.ndim} dimensions, not {axes}")
        shape = (kernel.shape[0], 1, kernel.shape[2]) if axes == LOCAL else kernel.shape[-1:]
        for field in (*needed, "gamma") if needed is NORM else needed:
            if fields[field] is not None and fields[field].shape != shape:
                raise CheckpointError(f"{path}: the {field} of {name} does not fit its kernel")
        if needed is NORM:
            fields["bias"] = None
        weights[name] = Layer(**fields)
    return weights
