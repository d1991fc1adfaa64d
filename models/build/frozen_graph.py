"""A frozen TensorFlow graph (`.pb`): the constants in it, by name, without TensorFlow.

Owns the protobuf wire format and the few fields of GraphDef, NodeDef, AttrValue and TensorProto that constants need
(tensorflow/core/framework/*.proto; https://protobuf.dev/programming-guides/encoding).
"""

import numpy as np

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TYPES = {1: np.dtype("<f4"), 2: np.dtype("<f8"), 19: np.dtype("<f2")}  # DT_FLOAT, DT_DOUBLE, DT_HALF

_LARGEST = 1 << 28  # values of one constant; a gigabyte


class NotAGraph(ValueError):
    """The bytes are not a GraphDef."""


def constants(blob):
    """name -> array, for each `Const` node of the GraphDef that holds real numbers."""
    try:
        return _constants(blob)
    except NotAGraph:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:  # a field of another type than its number's
        raise NotAGraph(f"{error or type(error).__name__}; the file may be damaged, or is no GraphDef") from None


def _constants(blob):
    found = {}
    for field, node in _fields(memoryview(blob)):
        if field != 1:  # GraphDef.node
            continue
        name = kind = tensor = None
        for field, value in _fields(node):
            if field == 1:
                name = bytes(value).decode()
            elif field == 2:
                kind = bytes(value)
            elif field == 5:  # NodeDef.attr, a map: key 1, value 2
                entry = dict(_fields(value))
                if bytes(entry.get(1, b"")) == b"value":
                    tensor = dict(_fields(entry[2])).get(8)  # AttrValue.tensor
        if kind == b"Const" and tensor is not None:
            array = _array(name, tensor)
            if array is not None:
                found[name] = array
    if not found:
        raise NotAGraph("it holds no constants: is it a frozen graph (freeze_graph.py), not a training checkpoint?")
    return found


def _array(name, message):
    """The TensorProto's values; None when they are not real numbers."""
    dtype, shape, content, listed = None, [], None, []
    for field, value in _fields(message):
        if field == 1:
            dtype = _TYPES.get(value)
        elif field == 2:
            dims = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(value) if number == 2]
            shape = [int(dim) for dim in dims]
        elif field == 4:
            content = value
        elif field in (5, 6):  # float_val, double_val; packed or one by one
            listed.append(bytes(value) if isinstance(value, (bytes, memoryview)) else value)
        elif field == 13:
            raise NotAGraph(f"{name} lists half floats one by one, which no FaceNet does")
    if dtype is None:
        return None
    count = int(np.prod(shape, dtype=np.int64))
    if not 0 <= count <= _LARGEST:
        raise NotAGraph(f"{name} is said to have the shape {shape}")
    raw = bytes(content) if content is not None else b"".join(listed)
    values = np.frombuffer(raw, dtype)
    if len(values) == 1 and count > 1:  # one value stands for all
        values = np.repeat(values, count)
    if len(values) != count:
        raise NotAGraph(f"{name} has {len(values)} values for the shape {shape}; the file may be cut off")
    return values.reshape(shape)


def _fields(message):
    """(field number, value) of each field of a message: an int for a varint, else the bytes."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
        else:
            if wire == _BYTES:
                size, at = _varint(message, at)
            elif wire in (_FIXED32, _FIXED64):
                size = 4 if wire == _FIXED32 else 8
            else:
                raise NotAGraph(f"there is no wire type {wire}: this is no protobuf message")
            if at + size > end:
                raise NotAGraph("a field reaches beyond the end; the file may be cut off")
            value, at = message[at : at + size], at + size
        yield field, value


def _varint(message, at):
    result = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise NotAGraph("a number does not end; the file may be cut off, or is no protobuf message")
        byte = message[at]
        result |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return result, at
