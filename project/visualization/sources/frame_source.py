"""The interface of all sources of frames."""

from typing import Protocol

from project.label_set import LabelSet
from project.visualization.frame import Frame


class FrameSource(Protocol):
    """A source of frames.

    Attributes:
        scenes: tokens of the frames of each scene, in order of time where that is known.
        labels: names and colours of the labels.
    """

    scenes: dict[str, list[str]]
    labels: LabelSet

    def frame(self, scene: str, index: int) -> Frame:
        """A frame of a scene, by its place there."""
