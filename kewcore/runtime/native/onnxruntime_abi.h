/* The part of ONNX Runtime's C interface that a library of custom operators needs.
 *
 * The interface is a table of functions that only grows at its end, so a position once given stays. The positions are
 * those of version 17 (ONNX Runtime 1.17) and later.
 * Source: OrtApiBase, OrtApi and OrtCustomOp in onnxruntime_c_api.h; docs/adr/0016. */
#ifndef KEWCORE_ONNXRUNTIME_ABI_H
#define KEWCORE_ONNXRUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { API_VERSION = 17, CUSTOM_OP_VERSION = 16 };
enum { ELEMENT_FLOAT = 1, ELEMENT_UINT8 = 2, ELEMENT_INT8 = 3, ELEMENT_INT32 = 6, ELEMENT_FLOAT16 = 10 };
enum { CODE_FAIL = 1, CODE_INVALID_ARGUMENT = 2 };

typedef struct OrtStatus OrtStatus;
typedef void (*ort_function)(void);

typedef struct {
  const ort_function *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
} OrtApiBase;

enum {
  CREATE_STATUS = 0,
  CREATE_CUSTOM_OP_DOMAIN = 26,
  CUSTOM_OP_DOMAIN_ADD = 27,
  ADD_CUSTOM_OP_DOMAIN = 28,
  GET_TENSOR_MUTABLE_DATA = 51,
  GET_DIMENSIONS_COUNT = 61,
  GET_DIMENSIONS = 62,
  GET_TENSOR_TYPE_AND_SHAPE = 65,
  KERNEL_INFO_GET_ATTRIBUTE_FLOAT = 85,
  KERNEL_INFO_GET_ATTRIBUTE_INT64 = 86,
  KERNEL_CONTEXT_GET_INPUT = 90,
  KERNEL_CONTEXT_GET_OUTPUT = 91,
  RELEASE_TENSOR_TYPE_AND_SHAPE_INFO = 99,
  KERNEL_CONTEXT_PARALLEL_FOR = 274,
};

/* An operator as ONNX Runtime sees it. */
typedef struct CustomOp CustomOp;
struct CustomOp {
  uint32_t version;
  void *(*create_kernel)(const CustomOp *, const ort_function *api, const void *info);
  const char *(*get_name)(const CustomOp *);
  const char *(*get_execution_provider)(const CustomOp *);
  int (*get_input_type)(const CustomOp *, size_t index);
  size_t (*get_input_count)(const CustomOp *);
  int (*get_output_type)(const CustomOp *, size_t index);
  size_t (*get_output_count)(const CustomOp *);
  void (*compute)(void *kernel, void *context);
  void (*destroy_kernel)(void *kernel);
  int (*get_input_characteristic)(const CustomOp *, size_t index);
  int (*get_output_characteristic)(const CustomOp *, size_t index);
  int (*get_input_memory_type)(const CustomOp *, size_t index);
  int (*get_variadic_input_min)(const CustomOp *);
  int (*get_variadic_input_homogeneity)(const CustomOp *);
  int (*get_variadic_output_min)(const CustomOp *);
  int (*get_variadic_output_homogeneity)(const CustomOp *);
  OrtStatus *(*create_kernel_v2)(const CustomOp *, const ort_function *api, const void *info, void **kernel);
  OrtStatus *(*compute_v2)(void *kernel, void *context);
  /* Of later versions; never read at CUSTOM_OP_VERSION. */
  ort_function later[8];
};

#endif
