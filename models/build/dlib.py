"""dlib's face recognition ResNet, from TensorFlow.js weights to a float graph.

Owns the net's structure: 29 convolutions, embedding of 128 values, after dlib's `dnn_face_recognition_ex.cpp`.
The package stores the weights in 8 bits; here they become real numbers.
"""

import json

import numpy as np

from graph import NO_ACTIVATION, RELU, SAME, VALID, Graph, Op, Tensor, conv_options, window_count

IMAGE_SIZE = 150
DIMENSION = 128

# What dlib's input layer takes off red, green and blue before it divides by 256; face-api, whose weights these are,
# divides by 255 (`FaceRecognitionNet.ts`), and so does this script.
MEAN_RGB = np.array([122.782, 117.001, 104.298])
DIVISOR = 255.0

BLOCKS = (
    "conv32_1 conv32_2 conv32_3 conv64_down conv64_1 conv64_2 conv64_3 conv128_down conv128_1 conv128_2 "
    "conv256_down conv256_1 conv256_2 conv256_down_out"
).split()


def build(manifest, blob):
    """The float graph. Its input is (pixel - 128) / 128, RGB, 1 x 150 x 150 x 3; its output 1 x 128, not of unit length.

    `manifest` is the text of face-api's weights manifest, `blob` the bytes of the weights.
    """
    return _Builder(read_weights(manifest, blob)).build()


def read_weights(manifest, blob):
    """Name -> float64 array. A weight is float32, or uint8 with `value = byte * scale + min` (TensorFlow.js)."""
    weights, offset = {}, 0
    for entry in json.loads(manifest)[0]["weights"]:
        count = int(np.prod(entry["shape"]))
        packed = entry.get("quantization")
        raw = np.frombuffer(blob, np.uint8 if packed else np.dtype("<f4"), count, offset)
        offset += raw.nbytes
        values = raw.astype(np.float64)
        if packed:
            values = values * packed["scale"] + packed["min"]
        weights[entry["name"]] = values.reshape(entry["shape"])
    if offset != len(blob):
        raise ValueError(f"the weights manifest describes {offset} bytes and the file has {len(blob)}")
    return weights


class _Builder:
    def __init__(self, weights):
        self.weights = weights
        self.graph = Graph()

    def build(self):
        image = Tensor("image", [1, IMAGE_SIZE, IMAGE_SIZE, 3])
        self.graph.inputs = [image]
        x = self.stem(image)
        for name in BLOCKS:
            x = self.downsampling_block(x, name) if "down" in name else self.residual_block(x, name)
        self.graph.outputs = [self.embedding(x)]
        return self.graph

    def stem(self, image):
        kernel, bias = self.scaled_kernel("conv32_down")
        # (pixel - mean) / 255 = x * 128 / 255 + (128 - mean) / 255 for x = (pixel - 128) / 128. The layer does not pad,
        # so this is exact. The sum runs tap by tap, so that no processor adds in another order.
        offset = (128 - MEAN_RGB) / DIVISOR
        for row in kernel:
            for tap in row:
                for colour in range(3):
                    bias = bias + tap[colour] * offset[colour]
        x = self.graph.convolve(image, "conv32_down", kernel * (128 / DIVISOR), bias, stride=2, padding=VALID, activation=RELU)
        return self.max_pool(x, "pool", window=3)

    def residual_block(self, x, name):
        return self.add(self.two_convs(x, name, stride=1), x, name)

    def downsampling_block(self, x, name):
        """Halves the map; the shortcut is averaged, and padded with zero channels where the block makes more."""
        deep = self.two_convs(x, name, stride=2)
        shortcut = self.average(x, name + "/avg")
        if shortcut.shape[1] != deep.shape[1]:
            deep = self.pad(deep, [[0, 0], [0, 1], [0, 1], [0, 0]], name + "/padhw")
        if shortcut.shape[3] != deep.shape[3]:
            missing = deep.shape[3] - shortcut.shape[3]
            shortcut = self.pad(shortcut, [[0, 0], [0, 0], [0, 0], [0, missing]], name + "/padc")
        return self.add(deep, shortcut, name)

    def two_convs(self, x, name, stride):
        # The first layer of a downsampling block does not pad; all others keep the map's size.
        padding = SAME if stride == 1 else VALID
        x = self.graph.convolve(x, name + "/conv1", *self.scaled_kernel(name + "/conv1"), stride, padding, RELU)
        return self.graph.convolve(x, name + "/conv2", *self.scaled_kernel(name + "/conv2"), 1, SAME, NO_ACTIVATION)

    def scaled_kernel(self, name):
        """(kernel, bias), with dlib's affine layer (a batch norm, frozen) folded in."""
        scale = self.weights[name + "/scale/weights"]
        bias = self.weights[name + "/conv/bias"] * scale + self.weights[name + "/scale/biases"]
        return self.weights[name + "/conv/filters"] * scale, bias

    def max_pool(self, x, name, window):
        sides = [window_count(side, window, 2, VALID) for side in x.shape[1:3]]
        out = Tensor(name, [1, *sides, x.shape[3]])
        options = {
            "padding": VALID,
            "strideH": 2,
            "strideW": 2,
            "filterHeight": window,
            "filterWidth": window,
            "fusedActivationFunction": NO_ACTIVATION,
        }
        self.graph.ops.append(Op("MAX_POOL_2D", [x], [out], options))
        return out

    def average(self, x, name):
        """The mean over 2 x 2, as a depthwise convolution: XNNPACK is not given int8 average pools."""
        channels = x.shape[3]
        out = Tensor(name, [1, *(window_count(side, 2, 2, VALID) for side in x.shape[1:3]), channels])
        weights = Tensor(name + "/weights", [1, 2, 2, channels], data=np.full([1, 2, 2, channels], 0.25))
        bias = Tensor(name + "/bias", [channels], data=np.zeros(channels))
        options = {**conv_options(VALID, 2), "depthMultiplier": 1}
        self.graph.ops.append(Op("DEPTHWISE_CONV_2D", [x, weights, bias], [out], options))
        return out

    def pad(self, x, margins, name):
        out = Tensor(name, [side + before + after for side, (before, after) in zip(x.shape, margins)])
        self.graph.ops.append(Op("PAD", [x, Tensor(name + "/margins", [4, 2], np.int32, margins)], [out]))
        return out

    def add(self, deep, shortcut, name):
        out = Tensor(name, deep.shape)
        self.graph.ops.append(Op("ADD", [deep, shortcut], [out], {"fusedActivationFunction": RELU}))
        return out

    def embedding(self, x):
        mean = Tensor("gap", [1, 1, 1, x.shape[3]])
        axes = Tensor("axes", [2], np.int32, [1, 2])
        self.graph.ops.append(Op("MEAN", [x, axes], [mean], {"keepDims": True}))
        kernel = self.weights["fc"][None, None]
        flat = self.graph.convolve(mean, "fc", kernel, np.zeros(DIMENSION), stride=1, padding=VALID, activation=NO_ACTIVATION)
        out = Tensor("embedding", [1, DIMENSION])
        shape = Tensor("shape", [2], np.int32, [-1, DIMENSION])
        self.graph.ops.append(Op("RESHAPE", [flat, shape], [out], {"newShape": [-1, DIMENSION]}))
        return out
