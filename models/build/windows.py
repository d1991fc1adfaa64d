"""The first layer reads its windows from the input, where the program that cuts the pictures has laid them out.

Owns this one rewrite of the detector's nets: a 3x3 convolution of an image becomes a 1x1 convolution of its windows.

XNNPACK's int8 kernels take the channels of each tap in groups: of 8 on x86, of 4 with ARM's dot product. Nine taps of 3
channels so cost as much as 72 or 36 values. Laid out beside each other they are 27 and cost 32 or 28, and the first layer
is a third to a half of each net's work. The sums are the same whole numbers.
"""

from graph import VALID, Tensor


def unfold(graph):
    """Makes the first layer take an image whose every position holds the window below it, rows of pixels in reading order."""
    layer, image = graph.ops[0], graph.inputs[0]
    weights = layer.inputs[1]
    channels, side, columns, colours = weights.shape
    plain = layer.options["strideH"] == layer.options["strideW"] == 1 and layer.options["padding"] == VALID
    if layer.kind != "CONV_2D" or not plain or side != columns or colours != 3:
        raise ValueError("the first layer is not a plain convolution of an RGB image with a square kernel")
    values = side * side * colours
    image.shape = [image.shape[0], image.shape[1] - side + 1, image.shape[2] - side + 1, values]
    layer.inputs[1] = Tensor(weights.name, [channels, 1, 1, values], data=weights.data)
