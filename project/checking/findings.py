"""Findings in sentences, and what to do about them."""

from dataclasses import asdict, dataclass

REMEDIES = {
    'poses': 'Too little stands still, or too little is seen: judge by --no-refine-poses, or leave the scene out.',
    'ground': 'Make the labels with corrected poses (data_converter.py does so unless --no-refine-poses is given).',
    'layers': 'Ground of several times lies in layers: correct the poses, or leave this keyframe out.',
    'box': 'Check the track in this keyframe: its box jumps, or belongs to another object; draw or remove it.',
    'box time': 'Shift the time stamps of the boxes, or of the lidar, by this much, and make the labels again.',
    'sweep time': 'Check the time stamps and poses of these sweeps in sample_data and ego_pose; leave out the sweep.',
    'camera time': 'Check the time stamp and ego pose of this camera: images will not lie on the labels.',
    'tilt': 'Check the rotation of lidar to ego (calibrated_sensor): roll and pitch.',
    'yaw': 'Check the rotation of lidar to ego (calibrated_sensor): yaw. Or the poses drift to that side.',
    'pitch': 'Check the rotation of lidar to ego (calibrated_sensor): pitch. Or the poses climb wrongly.',
    'distance': 'Check the time stamps of the sweeps, and the scale of the odometry.',
}
"""What to do about each kind of finding."""


@dataclass(frozen=True)
class Finding:
    """A finding.

    Attributes:
        kind: one of the :data:`REMEDIES`.
        sentence: what was found, with its numbers.
        keyframe: number of the keyframe in its scene; None if the finding is about the whole scene.
    """

    kind: str
    sentence: str
    keyframe: int | None = None

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.kind]

    def as_json(self) -> dict:
        """The finding as JSON can hold it."""
        return {**asdict(self), 'remedy': self.remedy}
