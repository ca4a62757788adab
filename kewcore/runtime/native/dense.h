/* Products with a weight that lies in memory as fp16: half the bytes to read, and for one image reading is all. */

#define OUTPUTS 8      /* of a unit */
#define IMAGES 2       /* at a time, so that a weight is widened once for both */
#define AHEAD 512      /* inputs, that memory has time to answer */
#define BLOCK 2048     /* inputs at a time, which stay in a cache of the first level for all images */

static TARGET int64_t ISA(dense_units)(const dense_layer *c) { return (c->outputs + OUTPUTS - 1) / OUTPUTS; }

static TARGET size_t ISA(dense_scratch_bytes)(const dense_layer *c) {
  return (size_t)(c->n * OUTPUTS * LANES) * sizeof(float);
}

/* Adds the products of a block of inputs to sum [images, OUTPUTS, LANES]. */
INLINE void block_of_products(int images, int outputs, const dense_layer *c, const float *x, const uint16_t *w,
                              int64_t count, float *sum) {
  vf s[IMAGES][OUTPUTS];
  for (int i = 0; i < images; ++i)
    for (int q = 0; q < outputs; ++q) s[i][q] = v_load(sum + (i * OUTPUTS + q) * LANES);
  for (int64_t k = 0; k < count; k += LANES) {
    vf in[IMAGES];
    for (int i = 0; i < images; ++i) in[i] = v_load(x + i * c->inputs + k);
    for (int q = 0; q < outputs; ++q) {
      v_pass_by(w + q * c->inputs + k + AHEAD);
      vf weight = v_half_load(w + q * c->inputs + k);
      for (int i = 0; i < images; ++i) s[i][q] = v_fma(weight, in[i], s[i][q]);
    }
  }
  for (int i = 0; i < images; ++i)
    for (int q = 0; q < outputs; ++q) v_store(sum + (i * OUTPUTS + q) * LANES, s[i][q]);
}

static TARGET void ISA(dense)(const dense_layer *c, int64_t unit, void *scratch) {
  int64_t first = unit * OUTPUTS, outputs = c->outputs - first < OUTPUTS ? c->outputs - first : OUTPUTS;
  int64_t whole = c->inputs / LANES * LANES;
  float *sum = scratch;
  for (int64_t i = 0; i < c->n * OUTPUTS * LANES; ++i) sum[i] = 0;
  for (int64_t k = 0; k < whole; k += BLOCK) {
    int64_t count = whole - k < BLOCK ? whole - k : BLOCK;
    const uint16_t *w = c->weight + first * c->inputs + k;
    for (int64_t i = 0; i < c->n; i += IMAGES) {
      const float *x = c->x + i * c->inputs + k;
      float *to = sum + i * OUTPUTS * LANES;
      if (outputs == OUTPUTS && c->n - i >= IMAGES) block_of_products(IMAGES, OUTPUTS, c, x, w, count, to);
      else if (outputs == OUTPUTS) block_of_products(1, OUTPUTS, c, x, w, count, to);
      else
        for (int64_t j = 0; j < IMAGES && i + j < c->n; ++j)
          for (int64_t q = 0; q < outputs; ++q)
            block_of_products(1, 1, c, x + j * c->inputs, w + q * c->inputs, count, to + (j * OUTPUTS + q) * LANES);
    }
  }
  for (int64_t i = 0; i < c->n; ++i)
    for (int64_t q = 0; q < outputs; ++q) {
      float total = v_sum(v_load(sum + (i * OUTPUTS + q) * LANES));
      for (int64_t k = whole; k < c->inputs; ++k)
        total += c->x[i * c->inputs + k] * _cvtsh_ss(c->weight[(first + q) * c->inputs + k]);
      c->y[i * c->outputs + first + q] = total + c->bias[first + q];
    }
}

#undef OUTPUTS
#undef IMAGES
#undef AHEAD
#undef BLOCK
