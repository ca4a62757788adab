/* 5x5 convolutions of few channels, as the first of a network: one-dimensional minimal filtering F(4, 5) along rows, 8
 * products for 4 sums instead of 20, summed over the kernel's rows before the way back.
 *
 * In two dimensions the way back alone would cost more than this: it is taken for every channel of the result, and there
 * are few channels of the input to share it. The points are 0, ±A, ±B, ±C and infinity; see kernel_transforms.py, which
 * makes transformed [c_out / 16, 5 * c_in, 8, 16].
 *
 * A unit is a band of rows of the result and a stretch of columns. The rows of the input that it reads are transformed
 * to t [rows, c_in, 8, STRETCH], a tile being four neighbouring sums, and then multiplied, SHALLOW_TILES tiles and a
 * vector of channels at a time. */

#define POINTS 8
#define KERNEL 5
#define BAND_ROWS 16 /* of the convolution */
#define STRETCH 128
#define STRETCH_TILES (STRETCH / SHALLOW_TILES * SHALLOW_TILES)
#define PHASE (STRETCH + 2 * LANES)

#define A 0.5f
#define B 1.0f
#define C 2.0f
#define A2 (A * A)
#define B2 (B * B)
#define C2 (C * C)

INLINE int64_t shallow_bands(const conv_layer *c) { return (c->pooled_h * c->pool + BAND_ROWS - 1) / BAND_ROWS; }

INLINE int64_t shallow_stretches(const conv_layer *c) {
  return (c->pooled_w * c->pool + 4 * STRETCH_TILES - 1) / (4 * STRETCH_TILES);
}

static TARGET int64_t ISA(shallow_units)(const conv_layer *c) { return c->n * shallow_bands(c) * shallow_stretches(c); }

static TARGET size_t ISA(shallow_scratch_bytes)(const conv_layer *c) {
  return (size_t)((BAND_ROWS + KERNEL - 1) * c->c_in * POINTS * STRETCH + 8 * PHASE) * sizeof(float);
}

/* Copies 4 * PHASE values of a row from column first on, zeros outside the image and where in is null, scaled as the
 * layer says. */
static TARGET void ISA(copy_row)(const conv_layer *c, const float *in, int64_t first, float *out) {
  int64_t from = first < 0 ? -first : 0, to = c->w - first < 4 * PHASE ? c->w - first : 4 * PHASE;
  if (!in) to = from;
  for (int64_t i = 0; i < from; ++i) out[i] = 0;
  for (int64_t i = from; i < to; ++i) out[i] = in[(first + i) * c->column_step];
  for (int64_t i = to > from ? to : from; i < 4 * PHASE; ++i) out[i] = 0;
  if (c->input_scale != 0)
    for (int64_t i = 0; i < 4 * PHASE; i += LANES)
      v_store(out + i, v_round_to_half(v_round_to_half(v_load(out + i)) * v_all(c->input_scale)));
}

/* Transforms a stretch of a row of one channel for tiles that begin at column first; working holds 8 * PHASE values.
 * Returns whether its values are fit for it. */
static TARGET int ISA(transform_row)(const conv_layer *c, const float *in, int64_t first, int64_t tiles, float *out,
                                     float *working) {
  float *phases = working + 4 * PHASE;
  int fit = 1;
  ISA(copy_row)(c, in, first, working);
  for (int64_t i = 0; i < PHASE; ++i)
    for (int j = 0; j < 4; ++j) phases[j * PHASE + i] = working[4 * i + j];
  for (int64_t t = 0; t < tiles; t += LANES) {
    vf d[8];
    for (int j = 0; j < 8; ++j) d[j] = v_load(phases + j % 4 * PHASE + t + j / 4);
    fit &= v_below(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + d[3] * d[3], LARGE);
    vf zero = v_fma(v_all(A2 * B2 + A2 * C2 + B2 * C2), d[2], v_fma(v_all(-(A2 + B2 + C2)), d[4], d[6]));
    vf infinity = v_fma(v_all(A2 * B2 + A2 * C2 + B2 * C2), d[3], v_fma(v_all(-(A2 + B2 + C2)), d[5], d[7]));
    v_store(out + t, v_fma(v_all(-(A2 * B2 * C2)), d[0], zero));
    v_store(out + 7 * STRETCH + t, v_fma(v_all(-(A2 * B2 * C2)), d[1], infinity));
    const float others[3][3] = {{B2 + C2, B2 * C2, A}, {A2 + C2, A2 * C2, B}, {A2 + B2, A2 * B2, C}};
    for (int q = 0; q < 3; ++q) {
      vf sum = v_all(-others[q][0]), product = v_all(others[q][1]);
      vf even = v_fma(product, d[2], v_fma(sum, d[4], d[6]));
      vf odd = v_fma(product, d[1], v_fma(sum, d[3], d[5])) * v_all(others[q][2]);
      v_store(out + (2 * q + 1) * STRETCH + t, even + odd);
      v_store(out + (2 * q + 2) * STRETCH + t, even - odd);
    }
  }
  return fit;
}

/* Four neighbouring sums of one row for each of SHALLOW_TILES tiles, one vector of channels. */
INLINE void rows_of_sums(int64_t lines, const float *t, const float *w, vf sum[SHALLOW_TILES][4]) {
  vf m[SHALLOW_TILES][POINTS];
  for (int i = 0; i < SHALLOW_TILES; ++i)
    for (int p = 0; p < POINTS; ++p) m[i][p] = v_all(0);
  for (int64_t r = 0; r < lines; ++r, w += POINTS * WIDEST, t += POINTS * STRETCH)
    for (int p = 0; p < POINTS; ++p) {
      vf weight = v_in_register(v_load(w + p * WIDEST));
      for (int i = 0; i < SHALLOW_TILES; ++i) m[i][p] = v_fma(weight, v_all(t[p * STRETCH + i]), m[i][p]);
    }
  for (int i = 0; i < SHALLOW_TILES; ++i) {
    vf even_a = m[i][1] + m[i][2], odd_a = m[i][1] - m[i][2], even_b = m[i][3] + m[i][4];
    vf odd_b = m[i][3] - m[i][4], even_c = m[i][5] + m[i][6], odd_c = m[i][5] - m[i][6];
    sum[i][0] = m[i][0] + even_a + (even_b + even_c);
    sum[i][1] = v_fma(v_all(A), odd_a, v_fma(v_all(C), odd_c, odd_b * v_all(B)));
    sum[i][2] = v_fma(v_all(A2), even_a, v_fma(v_all(C2), even_c, even_b * v_all(B2)));
    sum[i][3] = v_fma(v_all(A * A2), odd_a, v_fma(v_all(C * C2), odd_c, v_fma(v_all(B * B2), odd_b, m[i][7])));
  }
}

/* A stretch of a row of the result, `count` values from out on; `pool` rows of sums, pooled to 4 / pool values a tile. */
INLINE void shallow_row(int pool, const conv_layer *c, const float *t, int64_t count, float *out) {
  int64_t lines = KERNEL * c->c_in, side = 4 / pool, tiles = (count + side - 1) / side;
  for (int64_t o = 0; o < c->c_out; o += LANES) {
    const float *w = c->transformed + o / WIDEST * lines * POINTS * WIDEST + o % WIDEST;
    vf bias = v_load(c->bias + o), slope = v_all(c->slope);
    for (int64_t first = 0; first < tiles; first += SHALLOW_TILES) {
      vf best[SHALLOW_TILES][4];
      for (int y = 0; y < pool; ++y) {
        vf sum[SHALLOW_TILES][4];
        rows_of_sums(lines, t + y * c->c_in * POINTS * STRETCH + first, w, sum);
        for (int i = 0; i < SHALLOW_TILES; ++i)
          for (int x = 0; x < 4; ++x)
            best[i][x / pool] = y == 0 && x % pool == 0 ? sum[i][x] : v_max(best[i][x / pool], sum[i][x]);
      }
      for (int i = 0; i < SHALLOW_TILES; ++i)
        for (int x = 0; x < 4 / pool; ++x) {
          int64_t at = (first + i) * side + x;
          if (at < count) v_store(out + at * c->c_out + o, finished(best[i][x], bias, slope));
        }
    }
  }
}

static TARGET void ISA(shallow)(const conv_layer *c, int64_t unit, void *scratch) {
  int64_t bands = shallow_bands(c), stretches = shallow_stretches(c), image = unit / stretches / bands;
  int64_t band = BAND_ROWS / c->pool, row = unit / stretches % bands * band;
  int64_t stretch = STRETCH_TILES * 4 / c->pool, column = unit % stretches * stretch;
  int64_t rows = c->pooled_h - row < band ? c->pooled_h - row : band;
  int64_t columns = c->pooled_w - column < stretch ? c->pooled_w - column : stretch;
  float *t = scratch, *working = t + (BAND_ROWS + KERNEL - 1) * c->c_in * POINTS * STRETCH;
  int fit = 1;
  for (int64_t i = 0; i < rows * c->pool + KERNEL - 1; ++i) {
    int64_t y = row * c->pool + i - c->pad_top;
    for (int64_t d = 0; d < c->c_in; ++d) {
      const float *in = c->x + image * c->image_step + y * c->row_step + d * c->channel_step;
      fit &= ISA(transform_row)(c, y < 0 || y >= c->h ? 0 : in, column * c->pool - c->pad_left,
                                (columns * c->pool + 3) / 4, t + (i * c->c_in + d) * POINTS * STRETCH, working);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    float *out = c->y + ((image * c->pooled_h + row + i) * c->pooled_w + column) * c->c_out;
    const float *from = t + i * c->pool * c->c_in * POINTS * STRETCH;
    if (!fit)
      for (int64_t j = 0; j < columns; ++j) direct(c, image, row + i, column + j, 0, c->c_out, out + j * c->c_out);
    else if (c->pool == 4) shallow_row(4, c, from, columns, out);
    else if (c->pool == 2) shallow_row(2, c, from, columns, out);
    else shallow_row(1, c, from, columns, out);
  }
}

#undef POINTS
#undef KERNEL
#undef BAND_ROWS
#undef STRETCH
#undef STRETCH_TILES
#undef PHASE
#undef A
#undef B
#undef C
#undef A2
#undef B2
#undef C2
