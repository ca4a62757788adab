#include "scratch.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct {
  size_t size;
  void *memory;
} block;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_key;

static void release(void *held) {
  free(((block *)held)->memory);
  free(held);
}

static void make_key(void) { has_key = pthread_key_create(&key, release) == 0; }

void *scratch(size_t size) {
  pthread_once(&once, make_key);
  if (!has_key) return 0;
  block *held = pthread_getspecific(key);
  if (!held) {
    held = calloc(1, sizeof *held);
    if (!held || pthread_setspecific(key, held)) {
      free(held);
      return 0;
    }
  }
  if (held->size < size) {
    free(held->memory);
    held->size = 0;
    if (posix_memalign(&held->memory, 64, size)) return held->memory = 0;
    held->size = size;
  }
  return held->memory;
}
