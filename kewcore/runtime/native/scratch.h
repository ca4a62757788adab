/* Memory that a thread keeps from one unit to the next. */
#ifndef KEWCORE_SCRATCH_H
#define KEWCORE_SCRATCH_H

#include <stddef.h>

/* At least `size` bytes, on the boundary of a cache line, until this thread asks again or ends; null if there are none. */
void *scratch(size_t size);

#endif
