#include "instruction_set.h"

#include <stdlib.h>
#include <string.h>

const char *kewcore_instruction_set(void) {
#if defined(__x86_64__)
  const char *asked = getenv("KEWCORE_KERNELS");
  int any = !asked || !*asked;
  __builtin_cpu_init();
  int narrow = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  int wide = narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (wide && __builtin_cpu_supports("avx512vnni") && (any || !strcmp(asked, "vnni"))) return "vnni";
  if (wide && (any || !strcmp(asked, "avx512"))) return "avx512";
  if (narrow && (any || !strcmp(asked, "avx2"))) return "avx2";
#endif
  return "none";
}

const kernel_set *chosen_kernels(void) {
#if defined(__x86_64__)
  const char *name = kewcore_instruction_set();
  if (!strcmp(name, "vnni")) return &kernels_vnni;
  if (!strcmp(name, "avx512")) return &kernels_avx512;
  if (!strcmp(name, "avx2")) return &kernels_avx2;
#endif
  return 0;
}
