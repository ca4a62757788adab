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

/* A convolution, or a product where `weight` is [c_out, c_in] (k is 0), of unsigned with signed bytes.
 *
 * The input is x [n, h, w, c_in], or for one channel an image [n, 1, h, w] of float32 that is scaled as in conv_layer and
 * quantised by image_scale and zero_point. The weight of a convolution is [c_out / 16, fours, 16, 4], fours being the
 * kernel's elements by four. y or q is the result, [n, pooled_h, pooled_w, c_out]: y the value after the activation (of a
 * product: before any rounding), q that value quantised by out_scale and out_zero_point. */
typedef struct {
  const uint8_t *x;
  const float *image;
  const int8_t *weight;
  const float *scale, *bias;
  const int32_t *offset;
  float *y;
  uint8_t *q;
  int64_t n, h, w, c_in, c_out;
  int64_t k, pad_top, pad_left, pool, pooled_h, pooled_w;
  int32_t zero_point, out_zero_point;
  float slope, input_scale, image_scale, out_scale;
} byte_layer;

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
  /* Null where bytes cannot be multiplied four at a time. */
  int64_t (*byte_conv_units)(const byte_layer *);
  size_t (*byte_conv_scratch_bytes)(const byte_layer *);
  void (*byte_conv)(const byte_layer *, int64_t unit, void *scratch);
  int64_t (*byte_dense_units)(const byte_layer *);
  size_t (*byte_dense_scratch_bytes)(const byte_layer *);
  void (*byte_dense)(const byte_layer *, int64_t unit, void *scratch);
} kernel_set;

extern const kernel_set kernels_vnni, kernels_avx512, kernels_avx2;

#endif
