"""Tests of `build network` with what `usher train export` writes: `models/build/build test`.

The float graphs of the small network and of DeepFace's compute what the layers say, int8 stays near them, and what is not whole is
refused with words. On thin nets of random weights.
"""

import tempfile
import unittest
from pathlib import Path

import numpy as np

import checkpoint
import convert
import deepface
import net
import quantise
import small
from alignment import KINDS, Alignment
from calibrate import embed, measure

# Rows and columns of the places of DeepFace's local layers.
PLACES = {"L4": 55, "L5": 25, "L6": 21}


def arrays(of, seed=1):
    """What `usher train export` would write of a thin net, and layers that are not exported."""
    random = np.random.default_rng(seed)
    kernels = {}
    if of is small:
        widths = [3, 6, 8, 10, 12]
        for name, inputs, outputs in zip(small.CONVS, widths, widths[1:]):
            kernels[name] = (3, 3, inputs, outputs)
        kernels["Bottleneck"] = (3 * 3 * 12, 20)
        kernels["Logits"] = (20, 7)
    else:
        kernels = {"C1": (11, 11, 3, 4), "C3": (9, 9, 4, 3)}
        for (name, window, _), inputs, outputs in zip(deepface.LOCALS, (3, 2, 3), (2, 3, 2)):
            kernels[name] = (PLACES[name] ** 2, window * window * inputs, outputs)
        kernels["F7"] = (21 * 21 * 2, 40)
        kernels["F8"] = (40, 7)
    made = {}
    for layer, shape in kernels.items():
        inputs = shape[1] if layer in PLACES else np.prod(shape[:-1])
        kernel = random.standard_normal(shape) / np.sqrt(inputs / 2)
        made[f"{of.ROOT}/{layer}/weights"] = kernel.astype(np.float32)
        shift = lambda *shape: (random.standard_normal(shape) * 0.1).astype(np.float32)
        if layer.startswith("Conv"):
            norm = f"{of.ROOT}/{layer}/BatchNorm"
            made[f"{norm}/beta"], made[f"{norm}/moving_mean"] = shift(shape[-1]), shift(shape[-1])
            made[f"{norm}/moving_variance"] = random.uniform(0.5, 2.0, shape[-1]).astype(np.float32)
        else:
            places = (shape[0], 1) if layer in PLACES else ()
            made[f"{of.ROOT}/{layer}/biases"] = shift(*places, shape[-1])
    return made


def reference(of, made, image):
    """The net on one image of (pixel - 127.5) / 128, in double precision, window by window, with nothing folded."""
    made = {name.removeprefix(f"{of.ROOT}/"): array.astype(np.float64) for name, array in made.items()}
    relu = lambda x: np.maximum(x, 0)

    def windows(x, size, stride):
        rows, columns = ((side - size) // stride + 1 for side in x.shape[:2])
        places = [(row * stride, column * stride) for row in range(rows) for column in range(columns)]
        return rows, columns, [x[row : row + size, column : column + size] for row, column in places]

    def conv(x, layer, stride):
        kernel = made[f"{layer}/weights"]
        rows, columns, seen = windows(x, kernel.shape[0], stride)
        flat = np.stack([window.ravel() for window in seen]) @ kernel.reshape(-1, kernel.shape[-1])
        return flat.reshape(rows, columns, -1)

    def local(x, layer, size, stride):
        rows, columns, seen = windows(x, size, stride)
        each = [window.ravel() @ kernel for window, kernel in zip(seen, made[f"{layer}/weights"], strict=True)]
        return relu(np.stack(each) + made[f"{layer}/biases"][:, 0]).reshape(rows, columns, -1)

    def pool_over(x):
        beyond = np.pad(x, [(0, 1), (0, 1), (0, 0)], constant_values=-np.inf)
        rows, columns, seen = windows(beyond, 3, 2)
        return np.stack([window.max((0, 1)) for window in seen]).reshape(rows, columns, -1)

    x = image
    if of is small:
        for layer in small.CONVS:
            norm = {field: made[f"{layer}/BatchNorm/{field}"] for field in ("beta", "moving_mean", "moving_variance")}
            x = conv(x, layer, 2)
            x = relu((x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 0.001) + norm["beta"])
        return x.ravel() @ made["Bottleneck/weights"] + made["Bottleneck/biases"]
    x = relu(conv(x, "C1", 1) + made["C1/biases"])
    x = relu(conv(pool_over(x), "C3", 1) + made["C3/biases"])
    for layer, size, stride in (("L4", 9, 1), ("L5", 7, 2), ("L6", 5, 1)):
        x = local(x, layer, size, stride)
    return relu(x.ravel() @ made["F7/weights"] + made["F7/biases"])


def read(made):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mine.npz")
        np.savez(path, **made)
        return checkpoint.read(path)


class Forms(unittest.TestCase):
    def test_a_folder_is_as_good_as_an_archive(self):
        made = arrays(small)
        with tempfile.TemporaryDirectory() as folder:
            for name, array in made.items():
                path = Path(folder, f"{name}.npy")
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, array)
            found, weights = checkpoint.read(folder)
        self.assertIs(found, small)
        self.assertEqual(checkpoint.digest(small, weights), checkpoint.digest(small, read(made)[1]))

    def test_what_is_learned_again_is_another_net_and_what_is_not_exported_is_none(self):
        made = arrays(small)
        plain = checkpoint.digest(*read(made))
        made["Small/Logits/weights"] = made["Small/Logits/weights"] + 1
        self.assertEqual(checkpoint.digest(*read(made)), plain)
        made["Small/Bottleneck/biases"] = made["Small/Bottleneck/biases"] + 1
        self.assertNotEqual(checkpoint.digest(*read(made)), plain)


class Trained(unittest.TestCase):
    def check(self, of, blocks):
        """`blocks` is how many patches of one colour a picture has, each way."""
        made = arrays(of)
        found, weights = read(made)
        self.assertIs(found, of)
        random = np.random.default_rng(5)
        images = random.integers(0, 256, [12, blocks, blocks, 3], np.uint8)
        images = images.repeat(of.IMAGE_SIZE // blocks, 1).repeat(of.IMAGE_SIZE // blocks, 2)
        plain = convert.convert(of, convert.float_graph(of, weights), None)
        seen = embed(plain, images)
        expected = np.stack([reference(of, made, (image.astype(np.float64) - 127.5) / 128) for image in images])
        np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        table = measure(lambda: convert.float_graph(of, weights), images[:8])
        whole = convert.convert(of, convert.float_graph(of, weights), table)
        self.assertLess(len(whole), len(plain) / 2)
        unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = (unit(embed(whole, images)) * unit(expected)).sum(axis=1)
        print(f"{of.NAME}: cosine of int8 to the layers in double precision: least {cosines.min():.4f}, mean {cosines.mean():.4f}")
        self.assertGreater(cosines.min(), 0.99)

    def test_the_small_network_is_what_its_layers_say(self):
        self.check(small, 8)

    def test_deepface_is_what_its_layers_say(self):
        self.check(deepface, 19)

    def test_a_layer_that_is_missing_is_named(self):
        for of, name in ((small, "Small/Conv_3/BatchNorm/beta"), (deepface, "DeepFace/L5/biases")):
            made = arrays(of)
            del made[name]
            with self.assertRaisesRegex(checkpoint.CheckpointError, name):
                read(made)

    def test_a_layer_that_has_died_is_named(self):
        made = arrays(deepface)
        made["DeepFace/L5/biases"] = made["DeepFace/L5/biases"] - 1000
        _, weights = read(made)
        faces = np.random.default_rng(5).integers(0, 256, [2, 152, 152, 3], np.uint8)
        table = measure(lambda: convert.float_graph(deepface, weights), faces)
        with self.assertRaisesRegex(quantise.Dead, "L5.* is 0 throughout.*smaller --rate"):
            convert.convert(deepface, convert.float_graph(deepface, weights), table)

    def test_shapes_that_do_not_fit_are_named(self):
        made = arrays(deepface)
        made["DeepFace/L6/biases"] = made["DeepFace/L6/biases"][:, 0]
        with self.assertRaisesRegex(checkpoint.CheckpointError, "bias of L6"):
            read(made)
        for name, what in (("DeepFace/L4", "places"), ("DeepFace/F7", "inputs")):
            made = arrays(deepface)
            made[f"{name}/weights"] = made[f"{name}/weights"][1:]
            if what == "places":
                made[f"{name}/biases"] = made[f"{name}/biases"][1:]
            found, weights = read(made)
            with self.assertRaisesRegex(net.Misfit, what):
                found.build(weights)


class Alignments(unittest.TestCase):
    def test_each_kind_says_the_same_to_usher_and_to_the_manifest(self):
        self.assertEqual(Alignment("box", 160, 32).arguments(), "--image-size 160 --margin 32 --margin-of output".split())
        self.assertEqual(Alignment("box", 160, 32).lines(), 'kind = "box"\nmargin = 32\n')
        for kind in KINDS[1:]:
            self.assertEqual(Alignment(kind, 112, 0).arguments(), f"--image-size 112 --alignment {kind}".split())
            self.assertIn("[[38.2946, 51.6963], [73.5318, 51.5014]", Alignment(kind, 112, 0).lines())
        # From edge to edge, as template.rs scales it.
        self.assertAlmostEqual(Alignment("frontal", 224, 0).template()[0][0], 2 * 38.2946 + 0.5, 4)


if __name__ == "__main__":
    unittest.main()
