/* Convolutions and products of bytes, four products to a lane of 32 bits (AVX-512 VNNI), and what stands between two of
 * them: max-pool, scale, bias, rounding to fp16, activation, quantisation of the result.
 *
 * Activations are unsigned, weights signed; `offset` is the zero point times the sum of a channel's weights, so that zero
 * points cost nothing in the sums. Sums are exact, and the graph that a node is made from knows that they fit. */

#define PIXELS 8  /* side by side, times three vectors of channels: 24 of 32 registers hold sums */
#define VECTORS 3
#define BAND_ROWS 8 /* of the convolution */

typedef __m512i vi;

INLINE vi v_products(vi sum, vi activations, vi weights) { return _mm512_dpbusd_epi32(sum, activations, weights); }

INLINE vi v_four_bytes(const uint8_t *p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

INLINE int64_t byte_band(const byte_layer *c) { return BAND_ROWS / c->pool; }

INLINE int64_t byte_columns(const byte_layer *c) { return (c->pooled_w * c->pool + PIXELS - 1) / PIXELS * PIXELS; }

static TARGET int64_t ISA(byte_conv_units)(const byte_layer *c) {
  return c->n * ((c->pooled_h + byte_band(c) - 1) / byte_band(c));
}

/* Bytes of a row of the band; a quadruple of bytes may be read behind its last column. */
INLINE int64_t byte_row(const byte_layer *c) {
  return ((byte_columns(c) + c->k - 1) * c->c_in + 4 + 63) / 64 * 64;
}

static TARGET size_t ISA(byte_conv_scratch_bytes)(const byte_layer *c) {
  int64_t rows = BAND_ROWS + c->k - 1;
  return (size_t)(rows * byte_row(c) * (c->image ? 5 : 1) + 64);
}

/* Rounds, scales and quantises a row of an image. */
static TARGET void ISA(quantize_row)(const byte_layer *c, const float *in, int64_t count, uint8_t *out) {
  for (int64_t i = 0; i < count; i += LANES) {
    __mmask16 mask = count - i < LANES ? (__mmask16)((1u << (count - i)) - 1) : (__mmask16)0xffff;
    vf value = _mm512_maskz_loadu_ps(mask, in + i);
    if (c->input_scale != 0) value = v_round_to_half(v_round_to_half(value) * v_all(c->input_scale));
    _mm512_mask_cvtusepi32_storeu_epi8(out + i, mask, v_quantized(value, c->image_scale, c->zero_point));
  }
}

/* Copies the rows of the input that a unit reads, the zero point around them; returns where the first begins. */
static TARGET uint8_t *ISA(byte_rows)(const byte_layer *c, int64_t image, int64_t first, int64_t count, uint8_t *band) {
  int64_t each = byte_row(c);
  for (int64_t i = 0; i < count; ++i) {
    int64_t y = first + i - c->pad_top;
    uint8_t *row = band + i * each;
    __builtin_memset(row, c->zero_point, (size_t)each);
    if (y < 0 || y >= c->h) continue;
    int64_t columns = (each - 4) / c->c_in - c->pad_left, width = c->w < columns ? c->w : columns;
    if (c->image) ISA(quantize_row)(c, c->image + (image * c->h + y) * c->w, width, row + c->pad_left);
    else __builtin_memcpy(row + c->pad_left * c->c_in, c->x + (image * c->h + y) * c->w * c->c_in, (size_t)(width * c->c_in));
  }
  return band;
}

/* Writes the bytes of four rows column by column; rows are a multiple of 64 long. */
INLINE void interleave(const uint8_t *rows, int64_t each, uint8_t *out) {
  for (int64_t x = 0; x < each; x += 16) {
    __m128i r[4], pairs[4];
    for (int j = 0; j < 4; ++j) r[j] = _mm_loadu_si128((const __m128i *)(rows + j * each + x));
    pairs[0] = _mm_unpacklo_epi8(r[0], r[1]), pairs[1] = _mm_unpacklo_epi8(r[2], r[3]);
    pairs[2] = _mm_unpackhi_epi8(r[0], r[1]), pairs[3] = _mm_unpackhi_epi8(r[2], r[3]);
    __m128i *to = (__m128i *)(out + 4 * x);
    _mm_storeu_si128(to, _mm_unpacklo_epi16(pairs[0], pairs[1]));
    _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(pairs[0], pairs[1]));
    _mm_storeu_si128(to + 2, _mm_unpacklo_epi16(pairs[2], pairs[3]));
    _mm_storeu_si128(to + 3, _mm_unpackhi_epi16(pairs[2], pairs[3]));
  }
}

/* Sums of PIXELS neighbours for `vectors` vectors of channels, out [PIXELS, VECTORS]: 3x3, c_in a multiple of four. */
INLINE void byte_sums_deep(int vectors, const byte_layer *c, const uint8_t *at, const int8_t *w, int64_t step, vi *out) {
  vi sum[PIXELS][VECTORS];
  int64_t each = byte_row(c);
  for (int p = 0; p < PIXELS; ++p)
    for (int q = 0; q < vectors; ++q) sum[p][q] = _mm512_setzero_si512();
  for (int64_t i = 0; i < c->k; ++i)
    for (int64_t j = 0; j < c->k * c->c_in; j += 4, w += 64) {
      vi weight[VECTORS];
      for (int q = 0; q < vectors; ++q) weight[q] = _mm512_loadu_si512(w + q * step);
      for (int p = 0; p < PIXELS; ++p) {
        vi four = v_four_bytes(at + i * each + j + p * c->c_in);
        for (int q = 0; q < vectors; ++q) sum[p][q] = v_products(sum[p][q], four, weight[q]);
      }
    }
  for (int p = 0; p < PIXELS; ++p)
    for (int q = 0; q < vectors; ++q) out[p * VECTORS + q] = sum[p][q];
}

/* The same for 5x5 and one channel: four columns of every row, the fifth column of four rows out of `columns`, where four
 * rows lie interleaved, and the last. */
INLINE void byte_sums_shallow(int vectors, const byte_layer *c, const uint8_t *at, const uint8_t *columns,
                              const int8_t *w, int64_t step, vi *out) {
  vi sum[PIXELS][VECTORS];
  int64_t each = byte_row(c);
  const uint8_t *const from[7] = {at, at + each, at + 2 * each, at + 3 * each, at + 4 * each, columns + 16, at + 4 * each + 4};
  for (int p = 0; p < PIXELS; ++p)
    for (int q = 0; q < vectors; ++q) sum[p][q] = _mm512_setzero_si512();
  for (int i = 0; i < 7; ++i) {
    vi weight[VECTORS];
    for (int q = 0; q < vectors; ++q) weight[q] = _mm512_loadu_si512(w + q * step + 64 * i);
    for (int p = 0; p < PIXELS; ++p) {
      vi four = v_four_bytes(from[i] + (i == 5 ? 4 * p : p));
      for (int q = 0; q < vectors; ++q) sum[p][q] = v_products(sum[p][q], four, weight[q]);
    }
  }
  for (int p = 0; p < PIXELS; ++p)
    for (int q = 0; q < vectors; ++q) out[p * VECTORS + q] = sum[p][q];
}

/* Functions of their own, so that all registers are theirs. */
#define SUMS(vectors)                                                                                                \
  static TARGET __attribute__((noinline)) void ISA(byte_sums_##vectors)(                                             \
      const byte_layer *c, const uint8_t *at, const uint8_t *columns, const int8_t *w, int64_t step, vi *out) {      \
    if (c->image) byte_sums_shallow(vectors, c, at, columns, w, step, out);                                          \
    else byte_sums_deep(vectors, c, at, w, step, out);                                                               \
  }
SUMS(1)
SUMS(2)
SUMS(3)
#undef SUMS

/* Scales, finishes and writes a pixel of the result. */
INLINE void byte_finish(const byte_layer *c, vi sum, int64_t pixel, int64_t o) {
  vi exact = _mm512_sub_epi32(sum, _mm512_loadu_si512(c->offset + o));
  vf scaled = v_in_register(_mm512_cvtepi32_ps(exact) * v_load(c->scale + o));
  vf value = finished(scaled, v_load(c->bias + o), v_all(c->slope));
  if (c->y) v_store(c->y + pixel * c->c_out + o, value);
  else
    _mm_storeu_si128((__m128i *)(c->q + pixel * c->c_out + o),
                     _mm512_cvtusepi32_epi8(v_quantized(value, c->out_scale, c->out_zero_point)));
}

/* A row of the result for `vectors` vectors of channels from o on. */
INLINE void byte_row_of(int pool, int vectors, const byte_layer *c, const uint8_t *rows, const uint8_t *columns, int64_t o,
                        int64_t pixel) {
  int64_t each = byte_row(c), quads = c->image ? 7 : c->k * c->k * c->c_in / 4, step = quads * 64;
  const int8_t *w = c->weight + o / WIDEST * step;
  for (int64_t x = 0; x < c->pooled_w * pool; x += PIXELS) {
    vi best[PIXELS][VECTORS], sum[PIXELS][VECTORS];
    for (int y = 0; y < pool; ++y) {
      const uint8_t *at = rows + y * each + x * c->c_in, *between = columns + 4 * (y * each + x);
      if (vectors == 3) ISA(byte_sums_3)(c, at, between, w, step, &sum[0][0]);
      else if (vectors == 2) ISA(byte_sums_2)(c, at, between, w, step, &sum[0][0]);
      else ISA(byte_sums_1)(c, at, between, w, step, &sum[0][0]);
      for (int p = 0; p < PIXELS; ++p)
        for (int q = 0; q < vectors; ++q)
          best[p / pool][q] = y == 0 && p % pool == 0 ? sum[p][q] : _mm512_max_epi32(best[p / pool][q], sum[p][q]);
    }
    for (int p = 0; p < PIXELS / pool; ++p)
      if (x / pool + p < c->pooled_w)
        for (int q = 0; q < vectors; ++q) byte_finish(c, best[p][q], pixel + x / pool + p, o + q * LANES);
  }
}

INLINE void byte_row_pooled(int pool, const byte_layer *c, const uint8_t *rows, const uint8_t *columns, int64_t pixel) {
  for (int64_t o = 0; o < c->c_out;) {
    int64_t left = (c->c_out - o) / LANES;
    if (left >= 3) byte_row_of(pool, 3, c, rows, columns, o, pixel);
    else if (left == 2) byte_row_of(pool, 2, c, rows, columns, o, pixel);
    else byte_row_of(pool, 1, c, rows, columns, o, pixel);
    o += (left < 3 ? left : 3) * LANES;
  }
}

static TARGET void ISA(byte_conv)(const byte_layer *c, int64_t unit, void *scratch) {
  int64_t band = byte_band(c), bands = (c->pooled_h + band - 1) / band, image = unit / bands, first = unit % bands * band;
  int64_t count = c->pooled_h - first < band ? c->pooled_h - first : band, each = byte_row(c);
  int64_t rows = count * c->pool + c->k - 1;
  uint8_t *at = ISA(byte_rows)(c, image, first * c->pool, rows, scratch), *columns = at + (BAND_ROWS + c->k - 1) * each;
  if (c->image)
    for (int64_t i = 0; i < count * c->pool; ++i) interleave(at + i * each, each, columns + 4 * i * each);
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t *from = at + i * c->pool * each, *interleaved = columns + 4 * i * c->pool * each;
    int64_t pixel = (image * c->pooled_h + first + i) * c->pooled_w;
    if (c->pool == 4) byte_row_pooled(4, c, from, interleaved, pixel);
    else if (c->pool == 2) byte_row_pooled(2, c, from, interleaved, pixel);
    else byte_row_pooled(1, c, from, interleaved, pixel);
  }
}

#undef PIXELS
#undef VECTORS
#undef BAND_ROWS
#define OUTPUTS 4 /* of a unit, times four images: 16 registers of sums */
#define IMAGES 4

static TARGET int64_t ISA(byte_dense_units)(const byte_layer *c) { return (c->c_out + OUTPUTS - 1) / OUTPUTS; }

static TARGET size_t ISA(byte_dense_scratch_bytes)(const byte_layer *c) { return (void)c, (size_t)64; }

INLINE void byte_dense_of(int images, int outputs, const byte_layer *c, int64_t image, int64_t o) {
  vi sum[IMAGES][OUTPUTS];
  for (int i = 0; i < images; ++i)
    for (int q = 0; q < outputs; ++q) sum[i][q] = _mm512_setzero_si512();
  for (int64_t k = 0; k < c->c_in; k += 64) {
    __mmask64 mask = c->c_in - k < 64 ? (1ull << (c->c_in - k)) - 1 : ~0ull;
    vi in[IMAGES];
    for (int i = 0; i < images; ++i) in[i] = _mm512_maskz_loadu_epi8(mask, c->x + (image + i) * c->c_in + k);
    for (int q = 0; q < outputs; ++q) {
      const int8_t *from = c->weight + (o + q) * c->c_in + k;
      v_pass_by(from + 1024);
      vi weight = _mm512_maskz_loadu_epi8(mask, from);
      for (int i = 0; i < images; ++i) sum[i][q] = v_products(sum[i][q], in[i], weight);
    }
  }
  for (int i = 0; i < images; ++i)
    for (int q = 0; q < outputs; ++q) {
      float scaled = (float)(_mm512_reduce_add_epi32(sum[i][q]) - c->offset[o + q]) * c->scale[o + q];
      __asm__("" : "+x"(scaled)); /* rounded before the bias is added, as ONNX Runtime's nodes would */
      c->y[(image + i) * c->c_out + o + q] = scaled + c->bias[o + q];
    }
}

static TARGET void ISA(byte_dense)(const byte_layer *c, int64_t unit, void *scratch) {
  int64_t o = unit * OUTPUTS, outputs = c->c_out - o < OUTPUTS ? c->c_out - o : OUTPUTS;
  (void)scratch;
  for (int64_t i = 0; i < c->n;) {
    int whole = c->n - i >= IMAGES && outputs == OUTPUTS;
    if (whole) byte_dense_of(IMAGES, OUTPUTS, c, i, o);
    else if (outputs == OUTPUTS) byte_dense_of(1, OUTPUTS, c, i, o);
    else
      for (int64_t q = 0; q < outputs; ++q) byte_dense_of(1, 1, c, i, o + q);
    i += whole ? IMAGES : 1;
  }
}

#undef OUTPUTS
#undef IMAGES
