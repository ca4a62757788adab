"""What a package may cost whoever opens it; one tensor's memory is bounded in `program`, loops in `evaluation`.

A package comes from anywhere, so each number bounds what a small file can set off. They lie far above what published
networks take, and far below what stops a machine; docs/security.md says what meets them.
"""

MANIFEST_LIMIT_BYTES = 1 << 20
"""Size of Manifest.json; a real one has 600 bytes."""
SPECIFICATION_LIMIT_BYTES = 512 << 20
"""Size of the specification file. Weights lie in files of their own; the specification of a network of 10,000
operations takes some 5 MB."""
PLAIN_SPECIFICATION_BYTES = 8 << 20
"""Up to this size a specification is decoded at once. In larger ones messages are counted first: an empty one takes two
bytes in the file and a hundred in memory."""
MESSAGE_LIMIT = 4_000_000
"""Protobuf messages in a specification; an operation takes 20 to 40."""
OPERATION_LIMIT = 200_000
"""Operations in a specification, those of all functions and blocks together."""
IMAGE_SIDE_LIMIT = 16_384
"""Rows and columns of a described image: what the largest texture of Apple's GPUs has.
Source: Metal Feature Set Tables, maximum 2D texture width and height."""
RANK_LIMIT = 32
"""Axes of a tensor; NumPy before 2 takes no more, Core ML takes 5."""
MEMORY_LIMIT_BYTES = 16 << 30
"""Weights once expanded, and the values that are alive at the same time; each of the two. Counts float32 for fp16."""
WORK_LIMIT = 10**13
"""Multiply-adds, or elements moved, of one prediction outside loops. Minutes on two cores; an image generator's step
takes 4e11, a language model of 7e9 weights that reads 1,000 tokens 7e12."""
