"""Tests of SFace's build: `models/build/build test`.

The float graph computes what the ONNX file says, on a thin net of random weights; weights in blocks become real numbers; a file of another form
is refused with words; the list of photographs is read as it is meant.
"""

import json
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import graph
import sface
import sface_table
from calibrate import _runner
from onnx_file import OnnxError, chain, dequantised

THIN = 6  # channels throughout


class Maker:
    """An ONNX file of SFace's form: a first layer, a depthwise and a pointwise one, the dense layer; weights quantised in blocks."""

    def __init__(self, seed=3):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.last = [], [], "data"

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, name, *constants, **attributes):
        self.nodes.append(helper.make_node(kind, [self.last, *constants], [name], name, **attributes))
        self.last = name

    def small(self, *shape):
        return (self.random.standard_normal(shape) * 0.3).astype(np.float32)

    def weights(self, name, shape, block):
        flat = [shape[0], int(np.prod(shape[1:]))]
        blocks = [flat[0], -(-flat[1] // block)]
        integers = self.constant(f"{name}_quantized", self.random.integers(-127, 128, flat, np.int8))
        scales = self.constant(f"{name}_scales", self.random.uniform(0.001, 0.003, blocks).astype(np.float32))
        zeros = self.constant(f"{name}_zeros", self.random.integers(-3, 4, blocks, np.int8))
        self.nodes.append(helper.make_node("DequantizeLinear", [integers, scales, zeros], [f"{name}_real"], block_size=block, axis=1))
        shaped = self.constant(f"{name}_shape", np.array(shape, np.int64))
        self.nodes.append(helper.make_node("Reshape", [f"{name}_real", shaped], [f"{name}_shaped"]))
        return f"{name}_shaped"

    def norm(self, name, channels, epsilon=1e-3):
        variance = self.random.uniform(0.5, 2, channels).astype(np.float32)
        fields = [self.small(channels) + 1, self.small(channels), self.small(channels), variance]
        self.node("BatchNormalization", name, *(self.constant(f"{name}_{index}", field) for index, field in enumerate(fields)), epsilon=epsilon)

    def layer(self, name, shape, stride=1, group=1):
        side = shape[-1]
        weights = self.weights(name, shape, block=side * side * shape[1])
        options = {"kernel_shape": [side, side], "pads": [side // 2] * 4, "strides": [stride, stride], "group": group}
        self.node("Conv", name, weights, dilations=[1, 1], **options)
        self.norm(f"{name}_norm", shape[0])
        self.node("PRelu", f"{name}_prelu", self.constant(f"{name}_slopes", self.small(shape[0], 1, 1)))

    def file(self, middle=127.5):
        self.node("Sub", "sub", self.constant("middle", np.array([middle], np.float32)))
        self.node("Mul", "mul", self.constant("scale", np.array([1 / 128], np.float32)))
        self.layer("first", [THIN, 3, 3, 3])
        self.layer("depth", [THIN, 1, 3, 3], stride=2, group=THIN)
        self.layer("point", [2 * THIN, THIN, 1, 1])
        self.norm("before", 2 * THIN, 2e-5)
        self.node("Dropout", "dropout")
        self.node("Flatten", "flat")
        taps = 2 * THIN * 56 * 56
        self.node("Gemm", "dense", self.weights("dense", [sface.DIMENSION, taps], 64), self.constant("bias", self.small(sface.DIMENSION)), transB=1)
        self.norm("last", sface.DIMENSION, 2e-5)
        picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])
        answer = helper.make_tensor_value_info(self.last, TensorProto.FLOAT, [1, sface.DIMENSION])
        made = helper.make_graph(self.nodes, "thin", [picture], [answer], self.constants)
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def run(float_graph, image):
    """What the float graph makes of a picture of bytes."""
    return _runner(float_graph, float_graph.outputs)((image[None].astype(np.float32) - 127.5) / 128)[0][0]


class SfaceTest(unittest.TestCase):
    def setUp(self):
        self.file = Maker().file()
        self.image = np.random.default_rng(5).integers(0, 256, [112, 112, 3], np.uint8)

    def test_the_graph_computes_what_the_file_says(self):
        planes = self.image.transpose(2, 0, 1)[None].astype(np.float32)
        (wanted,) = ReferenceEvaluator(onnx.load_model_from_string(self.file)).run(None, {"data": planes})
        found = run(sface.build(self.file, np.zeros(sface.DIMENSION)), self.image)
        self.assertLess(np.abs(found - wanted[0]).max(), 1e-4 * np.abs(wanted).max())
        self.assertGreater(wanted.std(), 0.1)

    def test_the_mean_is_taken_away(self):
        mean = np.linspace(-2, 2, sface.DIMENSION)
        plain, centred = (run(sface.build(self.file, each), self.image) for each in (np.zeros(sface.DIMENSION), mean))
        self.assertLess(np.abs(plain - mean - centred).max(), 1e-4 * np.abs(plain).max())

    def test_the_same_file_gives_the_same_bytes(self):
        once, again = (graph.write(sface.build(self.file, np.zeros(128)), "t", ["image"], ["embedding"], (0,)) for _ in range(2))
        self.assertEqual(once, again)

    def test_another_scale_of_pixels_is_refused(self):
        with self.assertRaisesRegex(OnnxError, "127.5 was expected"):
            sface.build(Maker().file(middle=0), np.zeros(sface.DIMENSION))

    def test_what_is_no_chain_is_refused(self):
        with self.assertRaisesRegex(OnnxError, "no ONNX model"):
            chain(b"GIF89a and so on")
        model = onnx.load_model_from_string(self.file)
        model.graph.node[-1].input[0] = "mul"
        with self.assertRaisesRegex(OnnxError, "no plain chain"):
            chain(model.SerializeToString())
        model.graph.node[-1].op_type, model.graph.node[-1].input[0] = "Softmax", "dense"
        del model.graph.node[-1].input[1:]
        with self.assertRaisesRegex(OnnxError, "Softmax is no step of SFace"):
            sface.build(model.SerializeToString(), np.zeros(sface.DIMENSION))

    def test_blocks_may_end_early_and_must_cover(self):
        integers = np.arange(10, dtype=np.int8).reshape(2, 5)
        scales, zeros = np.array([[1, 2], [3, 4]], np.float32), np.array([[0, 1], [2, 3]], np.int8)
        found = dequantised(integers, scales, zeros, axis=1, block=3)
        self.assertEqual(found.tolist(), [[0, 1, 2, 4, 6], [9, 12, 15, 20, 24]])
        with self.assertRaisesRegex(OnnxError, "do not cover"):
            dequantised(integers, scales, zeros, axis=1, block=2)


class TableTest(unittest.TestCase):
    def test_a_list_of_pairs_names_photographs(self):
        text = "2\nAda\t1\t3\nBob\t2\t10\nAda\t2\tBob\t2\n"
        self.assertEqual(sface_table.listed(text), [("Ada", 1), ("Ada", 2), ("Ada", 3), ("Bob", 2), ("Bob", 10)])

    def test_a_measured_table_can_be_read_again_and_centres(self):
        faces = np.random.default_rng(7).integers(0, 256, [8, 112, 112, 3], np.uint8)
        file = Maker().file()
        table = sface_table.measured(file, faces)
        self.assertEqual(json.loads(sface_table.written(table)), table)
        rows = sface_table.embed(sface_table.sface_int8(file, table), faces)
        self.assertLess(np.linalg.norm(rows.mean(axis=0)), 0.05 * np.linalg.norm(table["mean"]))


if __name__ == "__main__":
    unittest.main()
