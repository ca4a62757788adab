/* What the kernels are handed: plain pointers and sizes, checked by the operators that call them (operators.c). */
#ifndef KEWCORE_LAYERS_H
#define KEWCORE_LAYERS_H

#include <stddef.h>
#include <stdint.h>

enum { WIDEST = 16 }; /* Floats in the widest vector; channels come in multiples of it. */

/* A convolution with stride 1, a max-pool whose windows touch (1: none), a bias and an activation.
 *
 * x and y are float32: x lies as the four steps between neighbours say, y is [n, pooled_h, pooled_w, c_out]. Both
 * results, before and after the activation, are rounded to fp16. kernel [k, k, c_in, c_out] is what transformed was made
 * of; it is read where values are too large for the transformation. */
typedef struct {
  const float *x, *transformed, *kernel, *bias;
  float *y;
  int64_t n, h, w, c_in, c_out;
  int64_t image_step, row_step, column_step, channel_step;
  int64_t k, pad_top, pad_left, pool, pooled_h, pooled_w;
  float slope;       /* of the activation below 0; 1 is none, 0 is ReLU */
  float input_scale; /* what x, rounded to fp16, is multiplied with and rounded again; 0 is nothing (shallow only) */
} conv_layer;

/* y [n, outputs] = x [n, inputs] times the transpose of weight [outputs, inputs] in fp16, plus bias, in float32. */
typedef struct {
  const float *x, *bias;
  const uint16_t *weight;
  float *y;
  int64_t n, inputs, outputs;
} dense_layer;

/* The kernels of one instruction set. A layer falls into `units` that are independent of each other. */
typedef struct {
  int64_t (*winograd_units)(const conv_layer *);
  size_t (*winograd_scratch_bytes)(const conv_layer *);
  void (*winograd)(const conv_layer *, int64_t unit, void *scratch);
  int64_t (*shallow_units)(const conv_layer *);
  size_t (*shallow_scratch_bytes)(const conv_layer *);
  void (*shallow)(const conv_layer *, int64_t unit, void *scratch);
  int64_t (*dense_units)(const dense_layer *);
  size_t (*dense_scratch_bytes)(const dense_layer *);
  void (*dense)(const dense_layer *, int64_t unit, void *scratch);
} kernel_set;

extern const kernel_set kernels_avx512, kernels_avx2;

#endif
