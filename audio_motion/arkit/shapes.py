"""The names of ARKit's blendshapes, in the order of Epic's Live Link Face; left and right are the person's own."""

from __future__ import annotations

_EYE = ("EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide")
_PAIRS_OF_THE_MOUTH = ("Smile", "Frown", "Dimple", "Stretch")
_SIDES = ("Left", "Right")

SHAPES = (
    *(f"{name}{side}" for side in _SIDES for name in _EYE),
    *("JawForward", "JawRight", "JawLeft", "JawOpen"),
    *("MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft"),
    *(f"Mouth{name}{side}" for name in _PAIRS_OF_THE_MOUTH for side in _SIDES),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper"),
    *(f"Mouth{name}{side}" for name in ("Press", "LowerDown", "UpperUp") for side in _SIDES),
    *("BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight"),
    *("CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut"),
)
"""52 names; a shape's strength is 0 at rest and 1 at its most."""

ROTATIONS = (
    *("HeadYaw", "HeadPitch", "HeadRoll"),
    *(f"{side}Eye{axis}" for side in _SIDES for axis in ("Yaw", "Pitch", "Roll")),
)
"""What a Live Link file holds behind them: angles of head and eyes."""
