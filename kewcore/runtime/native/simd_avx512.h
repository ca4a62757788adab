#include <stdint.h>

/* Sixteen floats at a time: AVX-512 (F, BW, DQ, VL), which every server processor since 2017 has that has any of it. */
#include <immintrin.h>

#ifdef HAS_BYTE_PRODUCTS
#define ISA(name) name##_vnni
#define TARGET __attribute__((target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,fma")))
#else
#define ISA(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,fma")))
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET
#define LANES 16
#define PRODUCT_ROWS 8
#define PRODUCT_VECTORS 3 /* times the rows: 24 of 32 registers hold sums */
#define SHALLOW_TILES 3 /* times eight points: 24 of 32 registers hold sums */

typedef __m512 vf;

INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
INLINE vf v_all(float a) { return _mm512_set1_ps(a); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_half_load(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INLINE vf v_round_to_half(vf a) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
INLINE vf v_leaky(vf a, vf slope) {
  vf zero = _mm512_setzero_ps(); /* ReLU: 0, for -infinity too */
  vf product = _mm512_maskz_mul_ps(_mm512_cmp_ps_mask(slope, zero, _CMP_NEQ_UQ), a, slope);
  return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(a, zero, _CMP_LT_OQ), product);
}
/* Asks for memory that is read once, so that it drives nothing out of the caches. */
INLINE void v_pass_by(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_NTA); }
/* Keeps a value that is used several times from being read from memory each time. */
INLINE vf v_in_register(vf a) {
  __asm__("" : "+v"(a));
  return a;
}
/* Steps of a quantised value, 0 to 255, in 32 bits. */
INLINE __m512i v_quantized(vf a, float scale, int zero_point) {
  vf steps = _mm512_max_ps(_mm512_min_ps(_mm512_div_ps(a, v_all(scale)), v_all(512)), v_all(-512));
  __m512i moved = _mm512_add_epi32(_mm512_cvtps_epi32(steps), _mm512_set1_epi32(zero_point));
  return _mm512_min_epi32(_mm512_max_epi32(moved, _mm512_setzero_si512()), _mm512_set1_epi32(255));
}
INLINE float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
/* Whether every element is smaller than limit; not so for NaN. */
INLINE int v_below(vf a, float limit) {
  return _mm512_cmp_ps_mask(_mm512_abs_ps(a), _mm512_set1_ps(limit), _CMP_LT_OQ) == 0xffff;
}
