"""The small network of `usher train`, from its layers' weights to a float graph.

Owns the net's structure: four convolutions and a dense layer, on 64 x 64 pixels.
"""

from graph import NO_ACTIVATION, VALID
from net import BIAS, CONV, DENSE, NORM, Form, Net

NAME = "small"
TITLE = "Small network of usher train"
IMAGE_SIZE = 64
ALIGNMENT = "box"
ROOT = "Small"
CONVS = ("Conv_1", "Conv_2", "Conv_3", "Conv_4")
LAST = "Bottleneck"


def layers():
    """The form of each layer with weights, in running order."""
    for name in CONVS:
        yield Form(name, CONV, NORM)
    yield Form(LAST, DENSE, BIAS)


def build(weights):
    """The float graph. Its input is (pixel - 127.5) / 128, RGB, 1 x 64 x 64 x 3; its output 1 x D, not of unit length."""
    net = Net(TITLE, weights, IMAGE_SIZE)
    x = net.image
    for name in CONVS:
        x = net.conv(x, name, stride=2, padding=VALID)
    return net.finish(net.dense(x, LAST, NO_ACTIVATION, output="embedding"))
