/* All kernels for the instruction set that was included before. */
#include "layers.h"

#include "finish.h"
#include "winograd.h"
#include "shallow.h"
#include "dense.h"
#ifdef HAS_BYTE_PRODUCTS
#include "bytes.h"
#endif

const kernel_set ISA(kernels) = {
    .winograd_units = ISA(winograd_units), .winograd_scratch_bytes = ISA(winograd_scratch_bytes),
    .winograd = ISA(winograd),
    .shallow_units = ISA(shallow_units), .shallow_scratch_bytes = ISA(shallow_scratch_bytes),
    .shallow = ISA(shallow),
    .dense_units = ISA(dense_units), .dense_scratch_bytes = ISA(dense_scratch_bytes), .dense = ISA(dense),
#ifdef HAS_BYTE_PRODUCTS
    .byte_conv_units = ISA(byte_conv_units), .byte_conv_scratch_bytes = ISA(byte_conv_scratch_bytes),
    .byte_conv = ISA(byte_conv),
    .byte_dense_units = ISA(byte_dense_units), .byte_dense_scratch_bytes = ISA(byte_dense_scratch_bytes),
    .byte_dense = ISA(byte_dense),
#endif
};
