/* Which kernels this processor runs. */
#ifndef KEWCORE_INSTRUCTION_SET_H
#define KEWCORE_INSTRUCTION_SET_H

#include "layers.h"

/* The kernels that KEWCORE_KERNELS names, where the processor has them; the best ones where it names none; null where
 * there are none or it says `none`. */
const kernel_set *chosen_kernels(void);

/* `vnni` (AVX-512 with products of bytes), `avx512`, `avx2` or `none`. */
const char *kewcore_instruction_set(void);

#endif
