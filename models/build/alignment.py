"""How the faces for a net are cut out: the three kinds of alignment, as arguments of `usher align` and as lines of the manifest."""

import tomllib
from pathlib import Path

MANIFEST = Path(__file__).resolve().parent.parent / "MANIFEST.toml"
KINDS = ("box", "five-point", "frontal")


def default_margin(side):
    """A fifth of the picture, as FaceNet's 32 of 160 pixels."""
    return round(side / 5)


class Alignment:
    """`kind` is one of KINDS; `margin` is in pixels of the picture, both sides together, and counts for a box only."""

    def __init__(self, kind, side, margin):
        self.kind, self.side, self.margin = kind, side, margin

    def arguments(self):
        """Of `usher align`."""
        kind = ["--margin", self.margin, "--margin-of", "output"] if self.kind == "box" else ["--alignment", self.kind]
        return ["--image-size", str(self.side), *map(str, kind)]

    def lines(self):
        """Of the manifest."""
        if self.kind == "box":
            return f'kind = "box"\nmargin = {self.margin}\n'
        points = ", ".join(f"[{x:.4f}, {y:.4f}]" for x, y in self.template())
        return f'kind = "{self.kind}"\ntemplate = [{points}]\n'

    def template(self):
        """Where the landmarks come to lie: the template of `usher align`, arcface-112, which is MobileFaceNet's, at this size."""
        model = tomllib.loads(MANIFEST.read_text())["model"]["mobilefacenet"]
        scale = self.side / model["input"]["width"]
        return [[(value + 0.5) * scale - 0.5 for value in point] for point in model["alignment"]["template"]]
