/* All kernels for the instruction set that was included before. */
#include "layers.h"

#include "finish.h"
#include "winograd.h"
#include "shallow.h"
#include "dense.h"

const kernel_set ISA(kernels) = {
    .winograd_units = ISA(winograd_units), .winograd_scratch_bytes = ISA(winograd_scratch_bytes),
    .winograd = ISA(winograd),
    .shallow_units = ISA(shallow_units), .shallow_scratch_bytes = ISA(shallow_scratch_bytes),
    .shallow = ISA(shallow),
    .dense_units = ISA(dense_units), .dense_scratch_bytes = ISA(dense_scratch_bytes), .dense = ISA(dense),
};
