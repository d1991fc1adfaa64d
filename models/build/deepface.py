"""The aligned network of DeepFace, from its layers' weights to a float graph.

Owns the net's structure after Taigman et al. 2014, figure 2, as `usher train` has it: two convolutions, three layers with weights of
their own at each place, and F7, which is the descriptor. The softmax F8 knows the people of the training and is left out.
"""

from graph import RELU, SAME, VALID
from net import BIAS, CONV, DENSE, LOCAL, Form, Net

NAME = "deepface"
TITLE = "DeepFace's aligned network"
IMAGE_SIZE = 152
ALIGNMENT = "frontal"
ROOT = "DeepFace"
LOCALS = (("L4", 9, 1), ("L5", 7, 2), ("L6", 5, 1))  # name, window, stride
LAST = "F7"


def layers():
    """The form of each layer with weights, in running order."""
    yield Form("C1", CONV, BIAS)
    yield Form("C3", CONV, BIAS)
    for name, _, _ in LOCALS:
        yield Form(name, LOCAL, BIAS)
    yield Form(LAST, DENSE, BIAS)


def build(weights):
    """The float graph. Its input is (pixel - 127.5) / 128, RGB, 1 x 152 x 152 x 3; its output 1 x D, none below zero, not of unit length."""
    net = Net(TITLE, weights, IMAGE_SIZE)
    x = net.conv(net.image, "C1", padding=VALID)
    x = net.max_pool(x, "M2", padding=SAME)  # 142 to 71: the last window reaches over the edge
    x = net.conv(x, "C3", padding=VALID)
    for name, window, stride in LOCALS:
        x = net.local(x, name, window, stride)
    return net.finish(net.dense(x, LAST, RELU, output="embedding"))
