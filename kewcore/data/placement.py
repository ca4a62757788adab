"""Where an image comes to lie in the model's frame: what is cut out of it, and to what size that is brought."""

from dataclasses import dataclass

from kewcore.recipes import ResizePolicy


@dataclass(frozen=True)
class Placement:
    """What becomes of an image's rows and columns; all in pixels.

    Attributes:
        left: First column that is kept.
        top: First row that is kept.
        crop: Width and height of what is kept.
        inner: Width and height that it is resized to, in the middle of the frame; the rest of the frame is white.
    """

    left: int
    top: int
    crop: tuple[int, int]
    inner: tuple[int, int]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is kept, as Pillow's `crop` takes them."""
        return (self.left, self.top, self.left + self.crop[0], self.top + self.crop[1])


def placed(image_size: tuple[int, int], frame_size: tuple[int, int], policy: ResizePolicy) -> Placement:
    """Places an image in a frame; what the policies mean stands at `kewcore.data.images.read_image`.

    Args:
        image_size: Width and height of the upright image, at least 1.
        frame_size: Width and height of the model's input, at least 1.
        policy: `fit`, `fill` or `centre-crop`.
    """
    (width, height), (frame_width, frame_height) = image_size, frame_size
    if policy == "fit":
        scale = min(frame_width / width, frame_height / height)
        inner = (min(frame_width, max(1, round(width * scale))), min(frame_height, max(1, round(height * scale))))
        return Placement(0, 0, image_size, inner)
    if policy == "centre-crop":
        scale = min(width / frame_width, height / frame_height)
        crop = (max(1, round(frame_width * scale)), max(1, round(frame_height * scale)))
        return Placement((width - crop[0]) // 2, (height - crop[1]) // 2, crop, frame_size)
    return Placement(0, 0, image_size, frame_size)
