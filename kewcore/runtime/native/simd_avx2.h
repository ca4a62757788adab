#include <stdint.h>

/* Eight floats at a time: AVX2 with FMA and F16C (Haswell, Zen, and later). */
#include <immintrin.h>

#define ISA(name) name##_avx2
#define TARGET __attribute__((target("avx2,f16c,fma")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define LANES 8
#define PRODUCT_ROWS 4
#define PRODUCT_VECTORS 3 /* times the rows: 12 of 16 registers hold sums */
#define SHALLOW_TILES 1 /* times eight points: 8 of 16 registers hold sums */

typedef __m256 vf;

INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
INLINE vf v_all(float a) { return _mm256_set1_ps(a); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_half_load(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INLINE vf v_round_to_half(vf a) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vf v_leaky(vf a, vf slope) {
  vf zero = _mm256_setzero_ps(), product = _mm256_mul_ps(a, slope);
  product = _mm256_andnot_ps(_mm256_cmp_ps(slope, zero, _CMP_EQ_OQ), product); /* ReLU: 0, for -infinity too */
  return _mm256_blendv_ps(a, product, _mm256_cmp_ps(a, zero, _CMP_LT_OQ));
}
/* Asks for memory that is read once, so that it drives nothing out of the caches. */
INLINE void v_pass_by(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_NTA); }
/* Keeps a value that is used several times from being read from memory each time. */
INLINE vf v_in_register(vf a) {
  __asm__("" : "+x"(a));
  return a;
}
INLINE float v_sum(vf a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
/* Whether every element is smaller than limit; not so for NaN. */
INLINE int v_below(vf a, float limit) {
  vf size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
  return _mm256_movemask_ps(_mm256_cmp_ps(size, _mm256_set1_ps(limit), _CMP_LT_OQ)) == 0xff;
}
