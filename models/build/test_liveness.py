"""Tests of the liveness networks' importer: `models/build/build test`.

The float graph computes what MiniFASNet's layers say, on thin nets of random weights, by a plain NumPy reckoning; int8 stays near it; files of another
form are refused with words; crops are cut as they are meant. Also makes the networks of the Rust tests, in tests/data/liveness.
"""

import contextlib
import hashlib
import io
import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np

import liveness
import minifasnet
import surround
import torch_state
from calibrate import _runner, embed
from faces import ROOT
from graph import NO_ACTIVATION, Graph, Op, Tensor, write
from net import Misfit
from quantise import quantise

TOYS = ROOT / "tests" / "data" / "liveness"


class Maker:
    """A state dict of MiniFASNet's form with few channels, random weights, and squeeze and excitation in a block if asked for."""

    def __init__(self, excites, seed=3):
        self.random = np.random.default_rng(seed)
        self.arrays = {}
        self.block("conv1", 6, 3, 3)
        self.block("conv2_dw", 6, 1, 3)
        for channels, wide, narrow, down, stage in ((6, 8, 6, "conv_23", "conv_3"), (6, 8, 10, "conv_34", "conv_4"), (10, 12, 10, "conv_45", "conv_5")):
            self.narrow(down, channels, wide, narrow)
            for number in range(2):
                self.narrow(f"{stage}.model.{number}", narrow, 7, narrow)
            if excites:
                self.excitation(f"{stage}.model.1.se_module", narrow)
        self.block("conv_6_sep", 16, 10, 1)
        self.layer("conv_6_dw", 16, 1, 5)
        self.add("linear.weight", 9, 16)
        self.norm("bn", 9)
        self.add("prob.weight", 3, 9)

    def add(self, name, *shape):
        self.arrays[name] = (self.random.standard_normal(shape) / np.sqrt(max(np.prod(shape[1:]), 1))).astype(np.float32)

    def norm(self, name, channels):
        self.arrays[f"{name}.weight"] = self.random.uniform(0.5, 1.5, channels).astype(np.float32)
        self.arrays[f"{name}.running_var"] = self.random.uniform(0.5, 2, channels).astype(np.float32)
        self.add(f"{name}.bias", channels)
        self.add(f"{name}.running_mean", channels)
        self.arrays[f"{name}.num_batches_tracked"] = np.array(7, np.int64)

    def layer(self, name, outputs, inputs, side):
        self.add(f"{name}.conv.weight", outputs, inputs, side, side)
        self.norm(f"{name}.bn", outputs)

    def block(self, name, outputs, inputs, side):
        self.layer(name, outputs, inputs, side)
        self.arrays[f"{name}.prelu.weight"] = self.random.uniform(0, 0.5, outputs).astype(np.float32)

    def narrow(self, name, inputs, wide, outputs):
        self.block(f"{name}.conv", wide, inputs, 1)
        self.block(f"{name}.conv_dw", wide, 1, 3)
        self.layer(f"{name}.project", outputs, wide, 1)

    def excitation(self, name, channels):
        for layer, norm, outputs, inputs in (("fc1", "bn1", 6, channels), ("fc2", "bn2", channels, 6)):
            self.add(f"{name}.{layer}.weight", outputs, inputs, 1, 1)
            self.norm(f"{name}.{norm}", outputs)


class Plain:
    """MiniFASNet in NumPy, as its publisher's code has it: planes of BGR pixels of 0 to 255, batch norms by themselves."""

    def __init__(self, arrays):
        self.arrays = {name: array.astype(np.float64) for name, array in arrays.items()}

    def __call__(self, image):
        x = image[:, :, ::-1].astype(np.float64).transpose(2, 0, 1)
        x = self.block(self.block(x, "conv1", 2, 1), "conv2_dw", 1, 1)
        for down, stage in minifasnet._STAGES:
            x = self.narrow(x, down, 2)
            for number in range(2):
                name = f"{stage}.model.{number}"
                y = self.narrow(x, name, 1)
                if f"{name}.se_module.fc1.weight" in self.arrays:
                    y = y * self.share(y, f"{name}.se_module")
                x = x + y
        x = self.layer(self.block(x, "conv_6_sep", 1, 0), "conv_6_dw", 1, 0).reshape(-1)
        x = self.norm(self.arrays["linear.weight"] @ x, "bn")
        return self.arrays["prob.weight"] @ x

    def narrow(self, x, name, stride):
        return self.layer(self.block(self.block(x, f"{name}.conv", 1, 0), f"{name}.conv_dw", stride, 1), f"{name}.project", 1, 0)

    def share(self, x, name):
        mean = x.mean(axis=(1, 2), keepdims=True)
        first = np.maximum(self.norm(self.conv(mean, f"{name}.fc1.weight", 1, 0), f"{name}.bn1"), 0)
        return 1 / (1 + np.exp(-self.norm(self.conv(first, f"{name}.fc2.weight", 1, 0), f"{name}.bn2")))

    def block(self, x, name, stride, padding):
        x = self.layer(x, name, stride, padding)
        return np.where(x > 0, x, x * self.arrays[f"{name}.prelu.weight"][:, None, None])

    def layer(self, x, name, stride, padding):
        return self.norm(self.conv(x, f"{name}.conv.weight", stride, padding), f"{name}.bn")

    def norm(self, x, name):
        weight, bias, mean, var = (self.arrays[f"{name}.{field}"] for field in ("weight", "bias", "running_mean", "running_var"))
        shape = [-1] + [1] * (x.ndim - 1)
        return (x - mean.reshape(shape)) / np.sqrt(var + 1e-5).reshape(shape) * weight.reshape(shape) + bias.reshape(shape)

    def conv(self, x, name, stride, padding):
        kernel = self.arrays[name]
        x = np.pad(x, [(0, 0), (padding, padding), (padding, padding)])
        side = kernel.shape[2]
        windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride]
        if kernel.shape[1] == len(x):
            return np.einsum("oikl,ihwkl->ohw", kernel, windows)
        return np.einsum("okl,ohwkl->ohw", kernel[:, 0], windows)


def pictures(count, seed=5):
    """Blurred noise, so that neighbours are alike as in photographs."""
    noise = np.random.default_rng(seed).integers(0, 256, [count, 10, 10, 3]).astype(np.uint8)
    return noise.repeat(8, axis=1).repeat(8, axis=2)


class NetTest(unittest.TestCase):
    def test_the_graph_computes_what_the_layers_say(self):
        for excites in (False, True):
            arrays = Maker(excites).arrays
            kind, found = minifasnet.identify({f"module.{name}": array for name, array in arrays.items()})
            self.assertEqual(kind, minifasnet.V1SE if excites else minifasnet.V2)
            graph = minifasnet.build(found)
            run = _runner(graph, graph.outputs)
            for image in pictures(3):
                (scores,) = run((image[None].astype(np.float32) - 128) / 128)
                wanted = Plain(arrays)(image)
                self.assertLess(np.abs(scores[0] - wanted).max(), 1e-3 * np.abs(wanted).max())

    def test_int8_stays_near_float_and_is_the_same_every_time(self):
        arrays = Maker(excites=True).arrays
        images = pictures(24)
        table = liveness._measured(Path("x"), minifasnet.V1SE, arrays, list(images))
        self.assertEqual(json.loads(liveness.written({"f": {"file": "a", "sha256": "b", "check": [1.0], **table}}))["f"]["ranges"], table["ranges"])
        once, again = (liveness.int8(minifasnet.V1SE, arrays, table) for _ in range(2))
        self.assertEqual(once, again)
        before, after = embed(liveness.plain(arrays), images), embed(once, images)
        self.assertLess(np.abs(before - after).mean(), 0.1 * np.abs(before).mean())
        self.assertGreater(before.std(), 0.1)
        self.assertGreater(np.abs(table["shift"]).max(), 0)
        turned = {**table, "shift": [value + added for value, added in zip(table["shift"], (1, -2, 1))]}
        np.testing.assert_allclose(embed(liveness.int8(minifasnet.V1SE, arrays, turned), images), after + [[1, -2, 1]], atol=1e-3)

    def test_the_digest_is_of_the_weights_alone(self):
        arrays = Maker(excites=False).arrays
        other = {name: array + 1 if name.endswith("tracked") else array for name, array in reversed(arrays.items())}
        self.assertEqual(minifasnet.digest(arrays), minifasnet.digest(other))
        other["prob.weight"] = other["prob.weight"] * 2
        self.assertNotEqual(minifasnet.digest(arrays), minifasnet.digest(other))

    def test_what_is_no_minifasnet_is_refused(self):
        arrays = Maker(excites=False).arrays
        with self.assertRaisesRegex(Misfit, "holds no MiniFASNet: its 1 arrays are called a"):
            minifasnet.identify({"a": np.zeros(1)})
        for name, array, words in (
            ("conv_4.model.0.conv.bn.bias", None, "conv_4.model.0.conv.bn.bias is missing"),
            ("prob.weight", np.zeros((4, 9), np.float32), "3 classes"),
            ("conv1.prelu.weight", np.zeros(5, np.float32), "5 slopes for 6 channels"),
            ("conv_23.conv.conv.weight", np.full((8, 6, 1, 1), np.nan, np.float32), "is not a number"),
            ("conv_23.conv.conv.weight", np.zeros((8, 5, 1, 1), np.float32), "takes 5 channels and gets 6"),
        ):
            broken = {key: value for key, value in {**arrays, name: array}.items() if value is not None}
            with self.assertRaisesRegex(Misfit, words):
                minifasnet.build(broken)


class CropTest(unittest.TestCase):
    def test_a_region_is_made_smaller_and_moved_until_it_fits(self):
        at = lambda x, y, side, scale: surround.region(640, 480, (x, y, x + side, y + side), scale)
        self.assertEqual(at(270, 190, 100, 2.7), (185, 105, 456, 376))
        self.assertEqual(at(220, 140, 200, 4.0), (80, 0, 560, 480))
        self.assertEqual(at(10, 10, 100, 2.7), (0, 0, 271, 271))
        self.assertEqual(at(530, 370, 100, 2.7), (369, 209, 640, 480))

    def test_resizing_is_linear_between_the_nearest_pixels(self):
        ramp = np.zeros((50, 201, 3), np.uint8)
        ramp[:, :, 0] = np.arange(201)
        found = surround.resized(ramp, 80)[0, :, 0].astype(int)
        wanted = (np.arange(80) + 0.5) * 201 / 80 - 0.5
        self.assertLessEqual(np.abs(found - wanted).max(), 0.51)
        self.assertTrue((surround.resized(np.full((3, 7, 3), 9, np.uint8), 80) == 9).all())

    def test_a_name_says_its_crop(self):
        self.assertEqual([liveness.crop_scale(name) for name in ("2.7_80x80_MiniFASNetV2.pth", "4_0_0_80x80_MiniFASNetV1SE.pth")], [2.7, 4.0])
        for name in ("MiniFASNetV2.pth", "org_1_80x60.pth", "0.5_80x80.pth", "90_80x80.pth"):
            with self.assertRaisesRegex(liveness.LivenessError, "name it as published"):
                liveness.crop_scale(name)


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_it(self, arrays, extra=(), **known):
        """(exit code, what was printed, the errors) of a run on a state dict of these arrays, with this table as the known one."""
        file, table = self.folder / "2.7_80x80_toy.pth", self.folder / "known.json"
        file.write_bytes(b"stands for a state dict")
        table.write_text(json.dumps(known))
        out, errors = io.StringIO(), io.StringIO()
        with mock.patch.object(torch_state, "tensors", lambda blob: arrays), mock.patch.object(liveness, "KNOWN", table):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                code = liveness.main([str(file), "--out", str(self.folder / "out"), *extra])
        return code, out.getvalue(), errors.getvalue()

    def test_a_known_file_makes_a_folder_with_a_manifest(self):
        arrays = Maker(excites=False).arrays
        table = liveness._measured(Path("x"), minifasnet.V2, arrays, list(pictures(16)))
        blob = liveness.int8(minifasnet.V2, arrays, table)
        known = {"sha256": hashlib.sha256(blob).hexdigest(), "check": [0.5, 1.5, -2.0], **table}
        code, out, _ = self.run_it(arrays, **{minifasnet.digest(arrays): known})
        self.assertEqual((code, (self.folder / "out" / "minifasnet-v2.tflite").read_bytes()), (0, blob))
        manifest = (self.folder / "out" / "MANIFEST.toml").read_text()
        for line in ("format = 1", 'role = "liveness"', "crop = 2.7", "real = 1", "check = [0.5, 1.5, -2.0]", f'sha256 = "{known["sha256"]}"'):
            self.assertIn(f"\n{line}\n", f"\n{manifest}")
        self.assertIn("passive_models", out)
        code, _, errors = self.run_it(arrays, **{minifasnet.digest(arrays): {**known, "sha256": "another"}})
        self.assertEqual(code, 1)
        self.assertIn("not those that these weights are known to make", errors)
        code, _, _ = self.run_it(arrays, extra=["--float"])
        self.assertEqual((code, (self.folder / "out" / "minifasnet-v2.tflite").read_bytes()), (0, liveness.plain(arrays)))
        self.assertIn('\ntype = "float32"\n', (self.folder / "out" / "MANIFEST.toml").read_text())

    def test_what_is_missing_is_said(self):
        code, _, errors = self.run_it(Maker(excites=False).arrays)
        self.assertEqual(code, 2)
        self.assertIn("give --photos DIR", errors)
        code, _, errors = self.run_it({"a": np.zeros(1)})
        self.assertEqual(code, 2)
        self.assertIn("2.7_80x80_toy.pth: it holds no MiniFASNet", errors)
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            self.assertEqual(liveness.main(["/nowhere/2.7_x.pth", "--out", str(self.folder)]), 2)
        self.assertIn("cannot be read: No such file", errors.getvalue())


PUBLISHED = ROOT.parent / "shared" / "data" / "pad" / "minifasnet"


class PublishedTest(unittest.TestCase):
    @unittest.skipUnless(PUBLISHED.is_dir(), f"{PUBLISHED} is missing")
    def test_the_published_files_make_what_is_known(self):
        files = sorted(map(str, PUBLISHED.glob("*.pth")))
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(liveness.main([*files, "--out", folder]), 0)
            known = {table["sha256"]: table["check"] for table in json.loads(liveness.KNOWN.read_text()).values()}
            for path in Path(folder).glob("*.tflite"):
                check = known.pop(hashlib.sha256(path.read_bytes()).hexdigest())
                found = liveness.check_scores(path.read_bytes(), minifasnet.SIDE)
                np.testing.assert_allclose(found, check, atol=0.1 + 0.1 * np.abs(check).max())
        self.assertEqual(known, {})


def toy(name, crop):
    """(bytes, part of the manifest) of a network of the Rust tests: what is bright is real."""
    graph = Graph()
    image = Tensor("image", [1, 24, 24, 3])
    mean = Tensor("mean", [1, 1, 1, 3])
    scores = Tensor(minifasnet.SCORES, [1, 3])
    weights = [[0, 0, 0], [4, 4, 4], [0, 0, 0]]
    constants = [Tensor("weights", [3, 3], data=weights), Tensor("bias", [3], data=[0, 4, 0])]
    options = {"fusedActivationFunction": NO_ACTIVATION, "weightsFormat": 0, "keepNumDims": False}
    graph.ops.append(Op("MEAN", [image, Tensor("axes", [2], np.int32, [1, 2])], [mean], {"keepDims": True}))
    graph.ops.append(Op("FULLY_CONNECTED", [mean, *constants], [scores], options))
    graph.inputs, graph.outputs = [image], [scores]
    made = quantise(graph, {"mean": [-1.0, 1.0]}, float_layers=(minifasnet.SCORES,))
    blob = write(made, f"usher {name}", ["image"], [minifasnet.SCORES], (0,))
    sha256, check = hashlib.sha256(blob).hexdigest(), liveness.check_scores(blob, 24)
    source = ("models/build/test_liveness.py", "1", f"{name}.tflite", "that of usher")
    return blob, liveness.text(name, "A network of tests: bright is real", 24, "int8", crop, sha256, check, source)


class ToyTest(unittest.TestCase):
    def test_the_networks_of_the_rust_tests_are_these(self):
        files, manifest = {}, "format = 1\n"
        for name, crop in (("toy-far", 4.0), ("toy-near", 2.7)):
            files[f"{name}.tflite"], part = toy(name, crop)
            manifest += "\n" + part
        files["MANIFEST.toml"] = manifest.encode()
        if os.environ.get("UPDATE_TOYS"):
            TOYS.mkdir(exist_ok=True)
            for name, content in files.items():
                (TOYS / name).write_bytes(content)
        for name, content in files.items():
            self.assertEqual((TOYS / name).read_bytes(), content, f"{name}: run UPDATE_TOYS=1 models/build/build test")


if __name__ == "__main__":
    unittest.main()
