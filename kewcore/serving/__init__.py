"""Answering other programs: images and pixels in, probabilities out, frame by frame. docs/serve.md has the protocol."""

from kewcore.serving.frames import Frame, read_frame, write_frame
from kewcore.serving.listening import end_with_reader
from kewcore.serving.pictures import RawPicture, raw_picture
from kewcore.serving.session import PROTOCOL_VERSION, Facts, report_failure, serve

__all__ = [
    "PROTOCOL_VERSION",
    "Facts",
    "Frame",
    "RawPicture",
    "end_with_reader",
    "raw_picture",
    "read_frame",
    "report_failure",
    "serve",
    "write_frame",
]
