/* ONNX Runtime's custom operators in the domain `kewcore`, version 1: `WinogradConv`, `ShallowConv`, `HalfGemm`, and of
 * bytes `ByteConv`, `ByteImageConv`, each with a form `…ToFloat`, and `ByteGemm`.
 *
 * lowering/native_nodes.py writes nodes of them. What a node asks for is checked here once more: the kernels read and
 * write without looking. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "instruction_set.h"
#include "onnxruntime_abi.h"
#include "scratch.h"

#define EXPORT __attribute__((visibility("default")))
#define TRY(expression)                \
  do {                                 \
    OrtStatus *status_ = (expression); \
    if (status_) return status_;       \
  } while (0)

#define LARGEST_DIMENSION ((int64_t)1 << 40)
#define LARGEST_SCALE 1e30f

static const ort_function *api;
static const kernel_set *kernels;

typedef struct {
  float *data;
  int64_t rank, sizes[4];
} tensor;

/* What a node says of its convolution. */
typedef struct {
  int64_t pads[4], pool, channels_first; /* pads: top, left, bottom, right */
  float slope, input_scale;
} conv_settings;

typedef struct {
  const void *layer;
  int64_t units;
  size_t scratch_bytes;
  void (*compute)(const void *layer, int64_t unit, void *scratch);
  atomic_int out_of_memory;
} work;

static OrtStatus *refusal(int code, const char *message) {
  return ((OrtStatus * (*)(int, const char *)) api[CREATE_STATUS])(code, message);
}

static OrtStatus *sizes_of(const void *value, tensor *out) {
  void *shape;
  size_t rank;
  TRY(((OrtStatus * (*)(const void *, void **)) api[GET_TENSOR_TYPE_AND_SHAPE])(value, &shape));
  OrtStatus *status = ((OrtStatus * (*)(const void *, size_t *)) api[GET_DIMENSIONS_COUNT])(shape, &rank);
  if (!status && rank > 4) status = refusal(CODE_INVALID_ARGUMENT, "kewcore: more than four axes");
  if (!status) status = ((OrtStatus * (*)(const void *, int64_t *, size_t)) api[GET_DIMENSIONS])(shape, out->sizes, rank);
  ((void (*)(void *))api[RELEASE_TENSOR_TYPE_AND_SHAPE_INFO])(shape);
  TRY(status);
  out->rank = (int64_t)rank;
  for (size_t i = 0; i < rank; ++i)
    if (out->sizes[i] < 0 || out->sizes[i] > LARGEST_DIMENSION)
      return refusal(CODE_INVALID_ARGUMENT, "kewcore: an axis of too many elements");
  return 0;
}

static OrtStatus *input(void *context, size_t index, int64_t rank, tensor *out) {
  const void *value;
  TRY(((OrtStatus * (*)(const void *, size_t, const void **)) api[KERNEL_CONTEXT_GET_INPUT])(context, index, &value));
  TRY(sizes_of(value, out));
  if (out->rank != rank) return refusal(CODE_INVALID_ARGUMENT, "kewcore: an input has the wrong number of axes");
  return ((OrtStatus * (*)(const void *, void **)) api[GET_TENSOR_MUTABLE_DATA])(value, (void **)&out->data);
}

static OrtStatus *output(void *context, size_t rank, const int64_t *sizes, float **data) {
  void *value;
  TRY(((OrtStatus * (*)(void *, size_t, const int64_t *, size_t, void **)) api[KERNEL_CONTEXT_GET_OUTPUT])(
      context, 0, sizes, rank, &value));
  return ((OrtStatus * (*)(void *, void **)) api[GET_TENSOR_MUTABLE_DATA])(value, (void **)data);
}

static void compute_unit(void *shared, size_t unit) {
  work *w = shared;
  void *memory = scratch(w->scratch_bytes);
  if (memory) w->compute(w->layer, (int64_t)unit, memory);
  else atomic_store(&w->out_of_memory, 1);
}

static OrtStatus *compute_all(void *context, work *w) {
  atomic_init(&w->out_of_memory, 0);
  TRY(((OrtStatus * (*)(const void *, void (*)(void *, size_t), size_t, size_t, void *)) api[KERNEL_CONTEXT_PARALLEL_FOR])(
      context, compute_unit, (size_t)w->units, 0, w));
  return atomic_load(&w->out_of_memory) ? refusal(CODE_FAIL, "kewcore: no memory for a layer's values") : 0;
}

static OrtStatus *integer_attribute(const void *info, const char *name, int64_t *out) {
  return ((OrtStatus * (*)(const void *, const char *, int64_t *)) api[KERNEL_INFO_GET_ATTRIBUTE_INT64])(info, name, out);
}

static OrtStatus *float_attribute(const void *info, const char *name, float *out) {
  return ((OrtStatus * (*)(const void *, const char *, float *)) api[KERNEL_INFO_GET_ATTRIBUTE_FLOAT])(info, name, out);
}

/* Reads and checks what every convolution has: pads (top, left, bottom, right) and pool. */
static OrtStatus *window_attributes(const void *info, int64_t pads[4], int64_t *pool) {
  static const char *const names[] = {"pad_top", "pad_left", "pad_bottom", "pad_right"};
  for (int i = 0; i < 4; ++i) {
    TRY(integer_attribute(info, names[i], &pads[i]));
    if (pads[i] < 0 || pads[i] > 4) return refusal(CODE_INVALID_ARGUMENT, "kewcore: padding of 0 to 4");
  }
  TRY(integer_attribute(info, "pool", pool));
  if (*pool != 1 && *pool != 2 && *pool != 4) return refusal(CODE_INVALID_ARGUMENT, "kewcore: pools of 1, 2 or 4");
  return 0;
}

/* Keeps a node's settings for as long as the node lives. */
static OrtStatus *keep(const void *settings, size_t size, void **kernel) {
  *kernel = malloc(size);
  if (!*kernel) return refusal(CODE_FAIL, "kewcore: no memory for a kernel");
  memcpy(*kernel, settings, size);
  return 0;
}

static OrtStatus *create_conv(const CustomOp *op, const ort_function *unused, const void *info, void **kernel) {
  conv_settings read;
  (void)op, (void)unused;
  TRY(window_attributes(info, read.pads, &read.pool));
  TRY(integer_attribute(info, "channels_first", &read.channels_first));
  TRY(float_attribute(info, "slope", &read.slope));
  TRY(float_attribute(info, "input_scale", &read.input_scale));
  return keep(&read, sizeof read, kernel);
}

/* Fills in a layer from the node's inputs: x, transformed [points * c_in * c_out], kernel [k, k, c_in, c_out] and bias
 * [c_out]. */
static OrtStatus *read_conv(const conv_settings *s, void *context, int64_t k, int64_t points, conv_layer *c) {
  tensor x, transformed, kernel, bias;
  TRY(input(context, 0, 4, &x));
  TRY(input(context, 1, 1, &transformed));
  TRY(input(context, 2, 4, &kernel));
  TRY(input(context, 3, 1, &bias));
  *c = (conv_layer){.x = x.data, .transformed = transformed.data, .kernel = kernel.data, .bias = bias.data};
  c->n = x.sizes[0];
  c->c_in = x.sizes[s->channels_first ? 1 : 3];
  c->h = x.sizes[s->channels_first ? 2 : 1];
  c->w = x.sizes[s->channels_first ? 3 : 2];
  c->image_step = c->c_in * c->h * c->w;
  c->channel_step = s->channels_first ? c->h * c->w : 1;
  c->column_step = s->channels_first ? 1 : c->c_in;
  c->row_step = c->w * c->column_step;
  c->k = k;
  c->c_out = kernel.sizes[3];
  c->pad_top = s->pads[0];
  c->pad_left = s->pads[1];
  c->pool = s->pool;
  c->pooled_h = (c->h + s->pads[0] + s->pads[2] - c->k + 1) / c->pool;
  c->pooled_w = (c->w + s->pads[1] + s->pads[3] - c->k + 1) / c->pool;
  c->slope = s->slope;
  if (!c->n || !c->h || !c->w || !c->c_in || !c->c_out)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: an axis of no elements");
  c->input_scale = s->input_scale;
  if (kernel.sizes[0] != k || kernel.sizes[1] != k || kernel.sizes[2] != c->c_in || bias.sizes[0] != c->c_out ||
      c->c_out % WIDEST || transformed.sizes[0] != points * c->c_in * c->c_out)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: the kernel's parts do not fit each other or the input");
  if (c->h + s->pads[0] + s->pads[2] < c->k || c->w + s->pads[1] + s->pads[3] < c->k || !c->pooled_h || !c->pooled_w)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: the input is smaller than the kernel and the pool");
  const int64_t sizes[4] = {c->n, c->pooled_h, c->pooled_w, c->c_out};
  return output(context, 4, sizes, &c->y);
}

static OrtStatus *winograd(void *settings, void *context) {
  conv_layer c;
  TRY(read_conv(settings, context, 3, 36, &c));
  if (c.c_in % WIDEST || c.channel_step != 1 || c.input_scale != 0)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: WinogradConv takes NHWC, unscaled, with a multiple of 16 channels");
  work w = {&c, kernels->winograd_units(&c), kernels->winograd_scratch_bytes(&c), (void *)kernels->winograd, 0};
  return compute_all(context, &w);
}

static OrtStatus *shallow(void *settings, void *context) {
  conv_layer c;
  TRY(read_conv(settings, context, 5, 40, &c));
  work w = {&c, kernels->shallow_units(&c), kernels->shallow_scratch_bytes(&c), (void *)kernels->shallow, 0};
  return compute_all(context, &w);
}

static OrtStatus *create_dense(const CustomOp *op, const ort_function *unused, const void *info, void **kernel) {
  (void)op, (void)unused, (void)info;
  return keep("", 1, kernel);
}

static OrtStatus *dense(void *settings, void *context) {
  tensor x, weight, bias;
  (void)settings;
  TRY(input(context, 0, 2, &x));
  TRY(input(context, 1, 2, &weight));
  TRY(input(context, 2, 1, &bias));
  if (x.sizes[1] != weight.sizes[1] || bias.sizes[0] != weight.sizes[0])
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: input, weight and bias of HalfGemm do not fit each other");
  dense_layer c = {x.data, bias.data, (const uint16_t *)weight.data, 0, x.sizes[0], x.sizes[1], weight.sizes[0]};
  const int64_t sizes[2] = {c.n, c.outputs};
  TRY(output(context, 2, sizes, &c.y));
  if (!c.n || !c.outputs) return 0;
  work w = {&c, kernels->dense_units(&c), kernels->dense_scratch_bytes(&c), (void *)kernels->dense, 0};
  return compute_all(context, &w);
}

/* What a node says of its convolution of bytes. */
typedef struct {
  int64_t pads[4], pool, k, zero_point, out_zero_point;
  float slope, input_scale, image_scale, out_scale;
} byte_settings;

static int is_scale(float value) { return value > 0 && value < LARGEST_SCALE; }

static OrtStatus *create_byte_conv(const CustomOp *op, const ort_function *unused, const void *info, void **kernel) {
  byte_settings read;
  (void)op, (void)unused;
  if (!kernels->byte_conv) return refusal(CODE_FAIL, "kewcore: this processor has no products of bytes");
  TRY(window_attributes(info, read.pads, &read.pool));
  TRY(integer_attribute(info, "kernel", &read.k));
  TRY(integer_attribute(info, "zero_point", &read.zero_point));
  TRY(integer_attribute(info, "out_zero_point", &read.out_zero_point));
  TRY(float_attribute(info, "slope", &read.slope));
  TRY(float_attribute(info, "input_scale", &read.input_scale));
  TRY(float_attribute(info, "image_scale", &read.image_scale));
  TRY(float_attribute(info, "out_scale", &read.out_scale));
  if (read.zero_point < 0 || read.zero_point > 255 || read.out_zero_point < 0 || read.out_zero_point > 255)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: zero points of 0 to 255");
  if (!is_scale(read.image_scale) || !is_scale(read.out_scale))
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: scales above 0");
  return keep(&read, sizeof read, kernel);
}

/* Reads weight, scale [c_out], bias [c_out] and offset [c_out], inputs 1 to 4. */
static OrtStatus *read_channels(void *context, int64_t weight_rank, tensor *weight, byte_layer *c) {
  tensor scale, bias, offset;
  TRY(input(context, 1, weight_rank, weight));
  TRY(input(context, 2, 1, &scale));
  TRY(input(context, 3, 1, &bias));
  TRY(input(context, 4, 1, &offset));
  c->weight = (const int8_t *)weight->data;
  c->scale = scale.data;
  c->bias = bias.data;
  c->offset = (const int32_t *)offset.data;
  c->c_out = scale.sizes[0];
  if (bias.sizes[0] != c->c_out || offset.sizes[0] != c->c_out)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: scale, bias and offset differ in length");
  return 0;
}

static OrtStatus *byte_conv(const byte_settings *s, void *context, int is_image, int to_float) {
  tensor x, weight;
  byte_layer c = {.k = s->k, .pad_top = s->pads[0], .pad_left = s->pads[1], .pool = s->pool, .slope = s->slope,
                  .input_scale = s->input_scale, .image_scale = s->image_scale, .out_scale = s->out_scale,
                  .zero_point = (int32_t)s->zero_point, .out_zero_point = (int32_t)s->out_zero_point};
  TRY(input(context, 0, 4, &x));
  TRY(read_channels(context, 4, &weight, &c));
  c.n = x.sizes[0];
  c.h = x.sizes[is_image ? 2 : 1];
  c.w = x.sizes[is_image ? 3 : 2];
  c.c_in = x.sizes[is_image ? 1 : 3];
  if (is_image) c.image = x.data;
  else c.x = (const uint8_t *)x.data;
  if (!c.n || !c.h || !c.w || !c.c_in || !c.c_out)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: an axis of no elements");
  int64_t fours = is_image ? 7 : c.k * c.k * c.c_in / 4;
  if (is_image ? c.c_in != 1 || c.k != 5 : c.c_in % 4 || c.k != 3)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: 3x3 with a multiple of four channels, or 5x5 with one");
  if (c.c_out % WIDEST || weight.sizes[0] != c.c_out / WIDEST || weight.sizes[1] != fours ||
      weight.sizes[2] != WIDEST || weight.sizes[3] != 4)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: the kernel does not fit the input or the scales");
  if (c.h + s->pads[0] + s->pads[2] < c.k + c.pool - 1 || c.w + s->pads[1] + s->pads[3] < c.k + c.pool - 1)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: the input is smaller than the kernel and the pool");
  c.pooled_h = (c.h + s->pads[0] + s->pads[2] - c.k + 1) / c.pool;
  c.pooled_w = (c.w + s->pads[1] + s->pads[3] - c.k + 1) / c.pool;
  const int64_t sizes[4] = {c.n, c.pooled_h, c.pooled_w, c.c_out};
  float *result;
  TRY(output(context, 4, sizes, &result));
  if (to_float) c.y = result;
  else c.q = (uint8_t *)result;
  work w = {&c, kernels->byte_conv_units(&c), kernels->byte_conv_scratch_bytes(&c), (void *)kernels->byte_conv, 0};
  return compute_all(context, &w);
}

static OrtStatus *bytes_to_bytes(void *s, void *context) { return byte_conv(s, context, 0, 0); }
static OrtStatus *bytes_to_float(void *s, void *context) { return byte_conv(s, context, 0, 1); }
static OrtStatus *image_to_bytes(void *s, void *context) { return byte_conv(s, context, 1, 0); }
static OrtStatus *image_to_float(void *s, void *context) { return byte_conv(s, context, 1, 1); }

static OrtStatus *create_byte_dense(const CustomOp *op, const ort_function *unused, const void *info, void **kernel) {
  if (!kernels->byte_dense) return refusal(CODE_FAIL, "kewcore: this processor has no products of bytes");
  return create_dense(op, unused, info, kernel);
}

static OrtStatus *byte_dense(void *settings, void *context) {
  tensor x, weight;
  byte_layer c = {0};
  (void)settings;
  TRY(input(context, 0, 2, &x));
  TRY(read_channels(context, 2, &weight, &c));
  c.x = (const uint8_t *)x.data;
  c.n = x.sizes[0];
  c.c_in = x.sizes[1];
  if (weight.sizes[0] != c.c_out || weight.sizes[1] != c.c_in)
    return refusal(CODE_INVALID_ARGUMENT, "kewcore: input, weight and scales of ByteGemm do not fit each other");
  const int64_t sizes[2] = {c.n, c.c_out};
  TRY(output(context, 2, sizes, &c.y));
  if (!c.n || !c.c_out) return 0;
  work w = {&c, kernels->byte_dense_units(&c), kernels->byte_dense_scratch_bytes(&c), (void *)kernels->byte_dense, 0};
  return compute_all(context, &w);
}

static const char *winograd_name(const CustomOp *op) { return (void)op, "WinogradConv"; }
static const char *shallow_name(const CustomOp *op) { return (void)op, "ShallowConv"; }
static const char *dense_name(const CustomOp *op) { return (void)op, "HalfGemm"; }
static const char *bytes_to_bytes_name(const CustomOp *op) { return (void)op, "ByteConv"; }
static const char *bytes_to_float_name(const CustomOp *op) { return (void)op, "ByteConvToFloat"; }
static const char *image_to_bytes_name(const CustomOp *op) { return (void)op, "ByteImageConv"; }
static const char *image_to_float_name(const CustomOp *op) { return (void)op, "ByteImageConvToFloat"; }
static const char *byte_dense_name(const CustomOp *op) { return (void)op, "ByteGemm"; }
static const char *any_provider(const CustomOp *op) { return (void)op, (const char *)0; }
static size_t one(const CustomOp *op) { return (void)op, (size_t)1; }
static size_t three(const CustomOp *op) { return (void)op, (size_t)3; }
static size_t four(const CustomOp *op) { return (void)op, (size_t)4; }
static size_t five(const CustomOp *op) { return (void)op, (size_t)5; }
static int is_float(const CustomOp *op, size_t index) { return (void)op, (void)index, ELEMENT_FLOAT; }
static int weight_is_half(const CustomOp *op, size_t i) { return (void)op, i == 1 ? ELEMENT_FLOAT16 : ELEMENT_FLOAT; }
static int is_bytes(const CustomOp *op, size_t index) { return (void)op, (void)index, ELEMENT_UINT8; }
static int byte_types(const CustomOp *op, size_t i) {
  static const int types[] = {ELEMENT_UINT8, ELEMENT_INT8, ELEMENT_FLOAT, ELEMENT_FLOAT, ELEMENT_INT32};
  return (void)op, types[i];
}
static int image_types(const CustomOp *op, size_t i) { return i ? byte_types(op, i) : ELEMENT_FLOAT; }
static int required(const CustomOp *op, size_t index) { return (void)op, (void)index, 0; }
static int in_default_memory(const CustomOp *op, size_t index) { return (void)op, (void)index, 0; }
static int at_least_none(const CustomOp *op) { return (void)op, 0; }

#define OPERATOR(name_, count_, type_, result_, create_, compute_)                                                         \
  {                                                                                                               \
    .version = CUSTOM_OP_VERSION, .get_name = name_, .get_execution_provider = any_provider,                      \
    .get_input_type = type_, .get_input_count = count_, .get_output_type = result_, .get_output_count = one,      \
    .destroy_kernel = free, .get_input_characteristic = required, .get_output_characteristic = required,          \
    .get_input_memory_type = in_default_memory, .get_variadic_input_min = at_least_none,                          \
    .get_variadic_input_homogeneity = at_least_none, .get_variadic_output_min = at_least_none,                    \
    .get_variadic_output_homogeneity = at_least_none, .create_kernel_v2 = create_, .compute_v2 = compute_,        \
  }

static const CustomOp operators[] = {
    OPERATOR(winograd_name, four, is_float, is_float, create_conv, winograd),
    OPERATOR(shallow_name, four, is_float, is_float, create_conv, shallow),
    OPERATOR(dense_name, three, weight_is_half, is_float, create_dense, dense),
    OPERATOR(bytes_to_bytes_name, five, byte_types, is_bytes, create_byte_conv, bytes_to_bytes),
    OPERATOR(bytes_to_float_name, five, byte_types, is_float, create_byte_conv, bytes_to_float),
    OPERATOR(image_to_bytes_name, five, image_types, is_bytes, create_byte_conv, image_to_bytes),
    OPERATOR(image_to_float_name, five, image_types, is_float, create_byte_conv, image_to_float),
    OPERATOR(byte_dense_name, five, byte_types, is_float, create_byte_dense, byte_dense),
};

/* Makes what all sessions share. Leaves the domain null where ONNX Runtime is older than 1.17; it then says itself that
 * it does not know the operators. */
static OrtStatus *make_domain(const OrtApiBase *base, void **domain) {
  void *made;
  api = base->get_api(API_VERSION);
  if (!api) return 0;
  kernels = chosen_kernels();
  if (!kernels) return refusal(CODE_FAIL, "kewcore: no kernels for this processor");
  TRY(((OrtStatus * (*)(const char *, void **)) api[CREATE_CUSTOM_OP_DOMAIN])("kewcore", &made));
  for (size_t i = 0; i < sizeof operators / sizeof *operators; ++i)
    TRY(((OrtStatus * (*)(void *, const CustomOp *)) api[CUSTOM_OP_DOMAIN_ADD])(made, &operators[i]));
  *domain = made;
  return 0;
}

/* Called by ONNX Runtime for every session that asks for this library. */
EXPORT OrtStatus *RegisterCustomOps(void *options, const OrtApiBase *base);

OrtStatus *RegisterCustomOps(void *options, const OrtApiBase *base) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static void *domain;
  OrtStatus *status = 0;
  pthread_mutex_lock(&lock);
  if (!domain) status = make_domain(base, &domain);
  pthread_mutex_unlock(&lock);
  if (status || !domain) return status;
  return ((OrtStatus * (*)(void *, void *)) api[ADD_CUSTOM_OP_DOMAIN])(options, domain);
}

EXPORT const char *kewcore_kernels(void);

const char *kewcore_kernels(void) { return kewcore_instruction_set(); }
