"""A PyTorch state dict (`.pt`, `.pth`): its tensors, by name, without PyTorch, and without running anything from the file.

Owns both forms that `torch.save` has written: a zip archive (since 1.6) and the plain pickles before that. A pickle may name
any function of Python's; this reader resolves the four names that a state dict needs and refuses every other.
"""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class NotAState(ValueError):
    """The bytes are not a state dict of PyTorch."""


def tensors(blob):
    """name -> array, for each tensor of the state dict; of a checkpoint with a `state_dict` inside, that one's."""
    try:
        state = _from_zip(blob) if zipfile.is_zipfile(io.BytesIO(blob)) else _from_pickles(blob)
    except NotAState:
        raise
    except (pickle.UnpicklingError, zipfile.BadZipFile, struct.error, AttributeError, EOFError, ImportError, IndexError, KeyError,
            MemoryError, OverflowError, TypeError, UnicodeDecodeError, ValueError) as error:  # fmt: skip
        raise NotAState(f"{error or type(error).__name__}; the file may be cut off, or is no state dict") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise NotAState(f"it holds a {type(state).__name__}, not a state dict: save model.state_dict()")
    return {name: value.array() for name, value in state.items() if isinstance(value, _Tensor)}


class _Storage:
    """A flat array; filled before the tensors are asked for (in the old form it comes last in the file)."""

    def __init__(self, dtype, values=None):
        self.dtype = dtype
        self.values = values


class _Tensor:
    """A view into a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        values = self.storage.values
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides))
        if 0 in self.shape:
            return np.zeros(self.shape, self.storage.dtype)
        if values is None or self.offset < 0 or min(self.strides, default=0) < 0 or last >= len(values):
            raise NotAState("a tensor reaches beyond its storage; the file may be cut off")
        steps = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps, writeable=False).copy()


def _rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, _Storage):
        raise NotAState("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _rebuild_parameter(tensor, *_):
    return tensor


class _StorageType:
    def __init__(self, dtype):
        self.dtype = dtype


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, storage_of):
        super().__init__(stream, encoding="utf-8")
        self.storage_of = storage_of

    def find_class(self, module, name):
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        if (module, name) in allowed:
            return allowed[module, name]
        raise NotAState(f"it names {module}.{name}, which a state dict has no need of; save model.state_dict() alone")

    def persistent_load(self, saved):
        kind, storage_type, key, *_ = saved
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise NotAState(f"it holds a {kind}, not a storage")
        return self.storage_of(str(key), storage_type.dtype)


def _from_zip(blob):
    archive = zipfile.ZipFile(io.BytesIO(blob))
    (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    root = pickled.removesuffix("data.pkl")
    storages = {}

    def storage_of(key, dtype):
        if key not in storages:
            storages[key] = _Storage(dtype, np.frombuffer(archive.read(f"{root}data/{key}"), dtype))
        return storages[key]

    return _Unpickler(io.BytesIO(archive.read(pickled)), storage_of).load()


def _from_pickles(blob):
    """The form before PyTorch 1.6: magic number, version, system, the state, the storages' keys, the storages."""
    stream = io.BytesIO(blob)
    storages = {}

    def storage_of(key, dtype):
        return storages.setdefault(key, _Storage(dtype))

    load = lambda: _Unpickler(stream, storage_of).load()
    if load() != _LEGACY_MAGIC:
        raise NotAState("it does not begin as torch.save writes it")
    load(), load()
    state = load()
    for key in map(str, load()):
        (count,) = struct.unpack("<q", stream.read(8))
        storage = storages[key]
        raw = stream.read(count * storage.dtype.itemsize)
        if count < 0 or len(raw) != count * storage.dtype.itemsize:
            raise NotAState("a storage is shorter than it says; the file is cut off")
        storage.values = np.frombuffer(raw, storage.dtype)
    return state
