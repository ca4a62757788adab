#if defined(__x86_64__)
#define HAS_BYTE_PRODUCTS
#include "simd_avx512.h"

#include "kernels.h"
#endif
