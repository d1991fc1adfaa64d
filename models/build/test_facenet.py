"""Tests of `build network` with a FaceNet: `models/build/build test`.

Every form of a checkpoint gives the same weights; what is no checkpoint is refused with words; the float graph computes what the
layers say; int8 stays near it. On a thin net of random weights, and on a real one where USHER_FACENET names it.
"""

import io
import os
import pickle
import struct
import tempfile
import unittest
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

import checkpoint
import convert
import entry
import facenet
import faces
import frozen_graph
import net
import torch_state
from calibrate import embed, measure

# The widths of Inception-ResNet-v1's layers: of each layer of a branch; of what goes through the blocks.
WIDTHS = {
    "stem": [32, 32, 64, 80, 192, 256],
    "Block35": [[32], [32, 32], [32, 32, 32]],
    "Mixed_6a": [[384], [192, 192, 256]],
    "Block17": [[128], [128, 128, 128]],
    "Mixed_7a": [[256, 384], [256, 256], [256, 256, 256]],
    "Block8": [[192], [192, 192, 192]],
}
THROUGH = {"Block35": 256, "Block17": 896, "Block8": 1792}
DIMENSION = 20


def random_weights(thin=8, seed=1):
    """A net of the right form with `1 / thin` of the channels, whose activations neither vanish nor explode."""
    random = np.random.default_rng(seed)
    weights = {}

    def sides(name):
        return [int(side) for side in name.rsplit("_", 1)[1].split("x")] if name != "Bottleneck" else []

    def layer(name, inputs, outputs, norm=True):
        shape = [*sides(name), inputs, outputs]
        kernel = (random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]) / 2)).astype(np.float32)
        small = lambda: (random.standard_normal(outputs) * 0.1).astype(np.float32)
        variance = random.uniform(0.5, 2.0, outputs).astype(np.float32)
        one = None if norm else small()
        fields = (small(), None, small(), variance) if norm else (None, None, None, None)
        weights[name] = net.Layer(kernel, one, *fields)

    before = 3
    for step, width in zip(filter(None, facenet.STEM), WIDTHS["stem"]):
        layer(step[0], before, width // thin)
        before = width // thin
    blocks = [(f"Block35_{n}", "Block35") for n in range(1, 6)] + [("Mixed_6a", None)]
    blocks += [(f"Block17_{n}", "Block17") for n in range(1, 11)] + [("Mixed_7a", None)]
    blocks += [(f"Block8_{n}", "Block8") for n in range(1, 7)]
    for name, kind in blocks:
        through = before
        branches = facenet.BRANCHES[kind] if kind else facenet.REDUCTIONS[name]
        for index, (branch, widths) in enumerate(zip(branches, WIDTHS[kind or name])):
            inputs = through
            for part, width in zip(branch, widths):
                layer(f"{name}/Branch_{index}/{part}", inputs, width // thin)
                inputs = width // thin
        together = sum(widths[-1] // thin for widths in WIDTHS[kind or name])
        if kind:
            layer(f"{name}/Conv2d_1x1", together, through, norm=False)
        else:
            before = together + through
    layer("Bottleneck", before, DIMENSION)
    return weights


# How each project names and keeps the layers ---------------------------------------------------------------------------------


def keras_arrays(weights):
    fields = {"kernel": "kernel", "bias": "bias", "beta": "BatchNorm_beta"}
    fields |= {"mean": "BatchNorm_moving_mean", "variance": "BatchNorm_moving_variance"}
    return {
        f"{name.replace('/', '_')}_{fields[field]}": array
        for name, layer in weights.items()
        for field, array in layer._asdict().items()
        if array is not None and field in fields
    }


def tensorflow_arrays(weights):
    fields = {"kernel": "weights", "bias": "biases", "beta": "BatchNorm/beta"}
    fields |= {"mean": "BatchNorm/moving_mean", "variance": "BatchNorm/moving_variance"}
    arrays = {}
    for name, layer in weights.items():
        name = name.replace("Block8_6/", "Block8/")
        for kind, repeat in (("Block35", "Repeat/block35"), ("Block17", "Repeat_1/block17"), ("Block8", "Repeat_2/block8")):
            name = name.replace(f"{kind}_", f"{repeat}_")
        for field, array in layer._asdict().items():
            if array is not None and field in fields:
                arrays[f"InceptionResnetV1/{name}/{fields[field]}"] = array
    return arrays


def folded_arrays(weights):
    """As TensorFlow's `fold_batch_norms` leaves them: it folds convolutions, and not the dense layer."""
    arrays = tensorflow_arrays(weights)
    for kernel in [name for name in arrays if name.endswith("/weights") and "Bottleneck" not in name]:
        root = kernel.removesuffix("/weights")
        if f"{root}/BatchNorm/beta" in arrays:
            beta, mean, variance = (arrays.pop(f"{root}/BatchNorm/{part}") for part in ("beta", "moving_mean", "moving_variance"))
            factor = (1 / np.sqrt(variance + np.float32(0.001))).astype(np.float32)
            arrays[kernel] = arrays[kernel] * factor
            arrays[f"{root}/Conv2D_bn_offset"] = beta - mean * factor
    return arrays


def torch_arrays(weights):
    """facenet-pytorch's names, written down by hand for each kind of place rather than by the reader's rule."""
    arrays = OrderedDict()

    def put(name, kernel, layer, norm):
        kernel_name = f"{name}.conv.weight" if norm == "bn" else f"{name}.weight"
        arrays[kernel_name] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        if norm is None:
            arrays[f"{name}.bias"] = layer.bias
            return
        norm = f"{name}.bn" if norm == "bn" else norm
        arrays[f"{norm}.weight"] = np.ones_like(layer.beta)
        arrays[f"{norm}.bias"], arrays[f"{norm}.running_mean"] = layer.beta, layer.mean
        arrays[f"{norm}.running_var"] = layer.variance
        arrays[f"{norm}.num_batches_tracked"] = np.array(0, np.int64)

    def branch(places, name):
        for place, parts in places:
            for position, part in enumerate(parts):
                index = place.split(".")[-1][-1]
                inside = f".{position}" if len(parts) > 1 else ""
                layer = weights[f"{name}/Branch_{index}/{part}"]
                put(f"{place}{inside}", layer.kernel, layer, "bn")

    for name in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3", "4b_3x3"):
        layer = weights[f"Conv2d_{name}"]
        put(f"conv2d_{name[:2]}", layer.kernel, layer, "bn")
    repeats = [("repeat_1", "Block35", 5), ("repeat_2", "Block17", 10), ("repeat_3", "Block8", 5)]
    blocks = [(f"{repeat}.{n}", kind, f"{kind}_{n + 1}") for repeat, kind, count in repeats for n in range(count)]
    blocks.append(("block8", "Block8", "Block8_6"))
    for place, kind, name in blocks:
        branch([(f"{place}.branch{i}", parts) for i, parts in enumerate(facenet.BRANCHES[kind])], name)
        layer = weights[f"{name}/Conv2d_1x1"]
        put(f"{place}.conv2d", layer.kernel, layer, None)
    for place, name in (("mixed_6a", "Mixed_6a"), ("mixed_7a", "Mixed_7a")):
        branch([(f"{place}.branch{i}", parts) for i, parts in enumerate(facenet.REDUCTIONS[name])], name)
    put("last_linear", weights["Bottleneck"].kernel, weights["Bottleneck"], "last_bn")
    return arrays


# Writers of the files' inner forms ---------------------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def graph_def(arrays):
    """A frozen graph with a `Const` and an `Identity` that reads it for each array, as freeze_graph.py leaves them."""
    out = b""
    for index, (name, array) in enumerate(arrays.items()):
        shape = b"".join(field(2, field(1, side)) for side in array.shape)
        tensor = field(1, 1) + field(2, shape)
        if index % 3 == 1 and array.size < 100:  # the other way of listing values
            tensor += b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in array.ravel())
        else:
            tensor += field(4, array.astype("<f4").tobytes())
        value = field(1, b"value") + field(2, field(8, tensor))
        dtype = field(1, b"dtype") + field(2, field(6, 1))
        out += field(1, field(1, name.encode()) + field(2, b"Const") + field(5, dtype) + field(5, value))
        out += field(1, field(1, name.encode() + b"/read") + field(2, b"Identity") + field(3, name.encode()))
    versions = field(4, field(1, 24))
    return out + versions


class Name:
    """A name of torch's, pickled as such although there is no torch to import it from."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Storage:
    def __init__(self, key, array):
        self.key, self.array = key, array


class Tensor:
    def __init__(self, storage, shape, strides):
        self.storage, self.shape, self.strides = storage, shape, strides


class TorchPickler(pickle._Pickler):
    """Pickles as torch.save does."""

    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        kind = Name("torch", {"f": "FloatStorage", "i": "LongStorage"}[value.array.dtype.kind])
        return ("storage", kind, value.key, "cpu", value.array.size)

    def save_name(self, value):
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    def save_tensor(self, value):
        self.save(Name("torch._utils", "_rebuild_tensor_v2"))
        self.save((value.storage, 0, value.shape, value.strides, False, OrderedDict()))
        self.write(pickle.REDUCE)

    dispatch[Name], dispatch[Tensor] = save_name, save_tensor


def torch_file(arrays, legacy):
    """What torch.save makes of a state dict."""
    storages, state = [], OrderedDict()
    for name, array in arrays.items():
        # Every fourth matrix is stored the other way round, as a transposed view does.
        turned = array.ndim == 2 and len(name) % 4 == 0
        memory = (array.T if turned else array).copy(order="C")
        strides = tuple(stride // memory.itemsize for stride in memory.strides)
        storages.append(Storage(str(len(storages)), memory))
        state[name] = Tensor(storages[-1], array.shape, strides[::-1] if turned else strides)
    stream = io.BytesIO()
    if legacy:
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(head, stream, protocol=2)
    TorchPickler(stream, protocol=2).dump(state)
    if legacy:
        pickle.dump([storage.key for storage in storages], stream, protocol=2)
        for storage in storages:
            stream.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
        return stream.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", stream.getvalue())
        for storage in storages:
            file.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
        file.writestr("archive/version", "3\n")
    return archive.getvalue()


def write_all(weights, folder):
    """The weights in each form; the paths."""
    keras = keras_arrays(weights)
    np.savez(folder / "keras.npz", **keras)
    (folder / "npy").mkdir()
    for name, array in keras.items():
        np.save(folder / "npy" / f"{name}.npy", array)
    (folder / "frozen.pb").write_bytes(graph_def(tensorflow_arrays(weights)))
    (folder / "new.pt").write_bytes(torch_file(torch_arrays(weights), False))
    (folder / "old.pt").write_bytes(torch_file(torch_arrays(weights), True))
    return [folder / name for name in ("keras.npz", "npy", "frozen.pb", "new.pt", "old.pt")]


class Forms(unittest.TestCase):
    def layers(self, path):
        found, weights = checkpoint.read(path)
        self.assertIs(found, facenet)
        return weights

    def check(self, weights):
        with tempfile.TemporaryDirectory() as folder:
            for path in write_all(weights, Path(folder)):
                found = self.layers(path)
                self.assertEqual(checkpoint.digest(facenet, found), checkpoint.digest(facenet, weights), path.name)
                for name, _, _ in facenet.layers():
                    np.testing.assert_array_equal(found[name].kernel, weights[name].kernel, f"{path.name}: {name}")

    def test_every_form_gives_the_same_weights(self):
        self.check(random_weights())

    @unittest.skipUnless(os.environ.get("USHER_FACENET"), "USHER_FACENET names no real checkpoint")
    def test_every_form_of_a_real_net_gives_the_same_weights(self):
        self.check(self.layers(os.environ["USHER_FACENET"]))

    def test_a_gamma_counts(self):
        arrays = torch_arrays(random_weights())
        plain = checkpoint.digest(facenet, self.read_torch(arrays))
        arrays["conv2d_1a.bn.weight"] = arrays["conv2d_1a.bn.weight"] * np.float32(2)
        doubled = self.read_torch(arrays)
        self.assertNotEqual(checkpoint.digest(facenet, doubled), plain)
        kernel, _ = net.fold(doubled["Conv2d_1a_3x3"])
        halves = kernel / 2 * np.sqrt(doubled["Conv2d_1a_3x3"].variance.astype(np.float64) + net.EPSILON)
        np.testing.assert_allclose(halves, doubled["Conv2d_1a_3x3"].kernel, rtol=1e-6)

    def read_torch(self, arrays):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.pt")
            path.write_bytes(torch_file(arrays, False))
            return self.layers(path)


    def test_a_graph_with_its_batch_norms_folded_is_the_same_net(self):
        weights = random_weights()
        arrays = folded_arrays(weights)
        self.assertFalse(any("moving_mean" in name for name in arrays if "Bottleneck" not in name))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "folded.pb")
            path.write_bytes(graph_def(arrays))
            found = self.layers(path)
        for name, layer in weights.items():
            for here, there in zip(net.fold(found[name]), net.fold(layer)):
                np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-6, err_msg=name)


class Refusals(unittest.TestCase):
    def refused(self, name, content):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(content)
            with self.assertRaises(checkpoint.CheckpointError) as caught:
                checkpoint.read(path)
            return str(caught.exception)

    def test_nothing_in_a_pickle_is_run(self):
        evil = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00trueh\x85R."
        self.assertIn("posix.system", self.refused("evil.pt", evil))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("archive/data.pkl", evil)
        self.assertIn("posix.system", self.refused("evil.pt", archive.getvalue()))

    def test_cut_and_foreign_files_have_words(self):
        weights = random_weights(thin=16)
        for name, whole in (
            ("cut.pb", graph_def(tensorflow_arrays(weights))),
            ("cut.pt", torch_file(torch_arrays(weights), True)),
            ("cut.pth", torch_file(torch_arrays(weights), False)),
        ):
            for size in (0, 3, len(whole) // 2, len(whole) - 1):
                self.refused(name, whole[:size])
        archive = io.BytesIO()
        np.savez(archive, **keras_arrays(weights))
        for size in (0, 3, len(archive.getvalue()) // 2, len(archive.getvalue()) - 1):
            self.refused("cut.npz", archive.getvalue()[:size])
        self.assertIn("neither", self.refused("model.h5", b""))
        other = graph_def({"conv/weights": np.zeros([3, 3, 3, 8], np.float32)})
        self.assertIn("no network that is known", self.refused("other.pb", other))
        lacking = tensorflow_arrays(weights)
        del lacking["InceptionResnetV1/Repeat_1/block17_3/Branch_1/Conv2d_0b_1x7/BatchNorm/moving_mean"]
        self.assertIn("block17_3", self.refused("lacking.pb", graph_def(lacking)))
        ragged = tensorflow_arrays(weights)
        ragged["InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/beta"] = np.zeros(3, np.float32)
        self.assertIn("does not fit", self.refused("ragged.pb", graph_def(ragged)))
        ragged["InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/beta"] = np.full(2, np.nan, np.float32)
        self.assertIn("not a number", self.refused("nan.pb", graph_def(ragged)))

    def test_a_graph_that_is_folded_in_part_only_is_refused(self):
        weights = random_weights(thin=16)
        place = "InceptionResnetV1/Conv2d_2a_3x3"
        doubled = folded_arrays(weights)
        doubled[f"{place}/BatchNorm/beta"] = tensorflow_arrays(weights)[f"{place}/BatchNorm/beta"]
        self.assertIn("Conv2d_2a_3x3", self.refused("doubled.pb", graph_def(doubled)))
        lacking = folded_arrays(weights)
        del lacking[f"{place}/Conv2D_bn_offset"]
        self.assertIn("Conv2d_2a_3x3", self.refused("lacking.pb", graph_def(lacking)))
        ragged = folded_arrays(weights)
        ragged[f"{place}/Conv2D_bn_offset"] = np.zeros(3, np.float32)
        self.assertIn("does not fit", self.refused("ragged.pb", graph_def(ragged)))

    def test_any_bytes_are_refused_and_none_crash(self):
        random = np.random.default_rng(3)
        good = graph_def({"a": np.arange(30, dtype=np.float32).reshape(5, 6)})
        for _ in range(300):
            spoilt = bytearray(good)
            for at in random.integers(0, len(spoilt), 3):
                spoilt[at] = random.integers(256)
            try:
                frozen_graph.constants(bytes(spoilt))
            except frozen_graph.NotAGraph:
                pass
        state = torch_file({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, True)
        for _ in range(300):
            spoilt = bytearray(state)
            for at in random.integers(0, len(spoilt), 3):
                spoilt[at] = random.integers(256)
            try:
                torch_state.tensors(bytes(spoilt))
            except torch_state.NotAState:
                pass


def reference(weights, image):
    """The net on one image of (pixel - 127.5) / 128, in double precision, layer by layer, with nothing folded."""

    def conv(x, name, stride=1, same=True, act=True):
        layer = weights[name]
        kernel = layer.kernel.astype(np.float64)
        rows, columns, _, outputs = kernel.shape
        sides = [-(-side // stride) if same else (side - k) // stride + 1 for side, k in zip(x.shape, (rows, columns))]
        if same:
            margins = [max((n - 1) * stride + k - side, 0) for n, k, side in zip(sides, (rows, columns), x.shape)]
            x = np.pad(x, [(m // 2, m - m // 2) for m in margins] + [(0, 0)])
        y = np.zeros([*sides, outputs])
        for r in range(rows):
            for c in range(columns):
                y += x[r : r + sides[0] * stride : stride, c : c + sides[1] * stride : stride][: sides[0], : sides[1]] @ kernel[r, c]
        if layer.variance is None:
            y += layer.bias
        else:
            y = (y - layer.mean) / np.sqrt(layer.variance.astype(np.float64) + 0.001) + layer.beta
        return np.maximum(y, 0) if act else y

    def pool(x):
        sides = [(side - 3) // 2 + 1 for side in x.shape[:2]]
        return np.max([x[r : r + 2 * sides[0] : 2, c : c + 2 * sides[1] : 2][: sides[0], : sides[1]] for r in range(3) for c in range(3)], 0)

    def block(x, kind, name, scale, act=True):
        parts = []
        for index, branch in enumerate(facenet.BRANCHES[kind]):
            y = x
            for part in branch:
                y = conv(y, f"{name}/Branch_{index}/{part}")
            parts.append(y)
        y = x + scale * conv(np.concatenate(parts, -1), f"{name}/Conv2d_1x1", act=False)
        return np.maximum(y, 0) if act else y

    def reduction(x, name):
        parts = []
        for index, branch in enumerate(facenet.REDUCTIONS[name]):
            y = x
            for part in branch[:-1]:
                y = conv(y, f"{name}/Branch_{index}/{part}")
            parts.append(conv(y, f"{name}/Branch_{index}/{branch[-1]}", 2, same=False))
        return np.concatenate([*parts, pool(x)], -1)

    x = conv(conv(image, "Conv2d_1a_3x3", 2, False), "Conv2d_2a_3x3", 1, False)
    x = pool(conv(x, "Conv2d_2b_3x3"))
    x = conv(conv(conv(x, "Conv2d_3b_1x1", 1, False), "Conv2d_4a_3x3", 1, False), "Conv2d_4b_3x3", 2, False)
    for n in range(1, 6):
        x = block(x, "Block35", f"Block35_{n}", 0.17)
    x = reduction(x, "Mixed_6a")
    for n in range(1, 11):
        x = block(x, "Block17", f"Block17_{n}", 0.1)
    x = reduction(x, "Mixed_7a")
    for n in range(1, 6):
        x = block(x, "Block8", f"Block8_{n}", 0.2)
    x = block(x, "Block8", "Block8_6", 1.0, act=False).mean((0, 1))
    last = weights["Bottleneck"]
    return (x @ last.kernel - last.mean) / np.sqrt(last.variance.astype(np.float64) + 0.001) + last.beta


class Graphs(unittest.TestCase):
    def test_the_graph_computes_what_the_layers_say_and_int8_is_near(self):
        weights = random_weights(thin=4)
        smooth = np.random.default_rng(5).integers(0, 256, [12, 8, 8, 3], np.uint8)
        images = smooth.repeat(20, 1).repeat(20, 2)
        plain = convert.convert(facenet, convert.float_graph(facenet, weights), None)
        found = embed(plain, images)
        for image, row in zip(images[:2], found):
            expected = reference(weights, (image.astype(np.float64) - 127.5) / 128)
            np.testing.assert_allclose(row, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        table = measure(lambda: convert.float_graph(facenet, weights), images[:8])
        whole = convert.convert(facenet, convert.float_graph(facenet, weights), table)
        self.assertLess(len(whole), len(plain) / 2)
        unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = (unit(embed(whole, images)) * unit(found)).sum(axis=1)
        self.assertGreater(cosines.min(), 0.99)


class Manifests(unittest.TestCase):
    ENTRY = "[model.facenet]\nx = 1\n[[model.facenet.operating]]\ny = 2\n"

    def test_an_entry_takes_the_place_of_the_old_one(self):
        around = "format = 1\n\n[model.a]\nx = 0\n\n", "\n[model.z]\nz = 0\n"
        old = around[0] + "[model.facenet]\nold = 1\n[model.facenet.input]\nold = 2\n" + around[1]
        new = entry.with_entry(old, "facenet", self.ENTRY)
        self.assertEqual(new, around[0] + self.ENTRY + around[1])
        self.assertEqual(entry.with_entry(new, "facenet", self.ENTRY), new)
        self.assertEqual(entry.with_entry("format = 1\n", "facenet", self.ENTRY), "format = 1\n\n" + self.ENTRY)

    def test_few_faces_are_varied_and_many_are_not(self):
        few = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
        varied = faces.varied(few)
        self.assertEqual(len(varied), 12)
        np.testing.assert_array_equal(varied[:2], few)
        np.testing.assert_array_equal(varied[2:4], few[:, :, ::-1])
        self.assertEqual((faces.room(0), faces.room(faces.MOST_FACES), faces.room(1000)), (1.6, 1.0, 1.0))
        many = np.zeros([faces.MOST_FACES, 4, 4, 3], np.uint8)
        self.assertIs(len(faces.varied(many)), len(many))


if __name__ == "__main__":
    unittest.main()
