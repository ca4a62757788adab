/* 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 sums instead of 144.
 *
 * Source: A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. The points are 0, ±A, ±B and
 * infinity; kernel_transforms.py transforms the kernels and says why these.
 *
 * x is NHWC (channel_step 1). A unit is a run of tiles of 4x4 sums and a part of the result's channels. The tiles are
 * transformed to v [36, tiles, c_in], multiplied with the transformed kernel [c_out / 16, 36, c_in, 16] to m [36, tiles,
 * part], and transformed back. Units of one part follow each other, so that its kernel, v and m stay in a cache of the
 * second level; that the tiles are transformed once for every part costs less than reading the kernel from further away. */

#define POINTS 36
#define KERNEL_BYTES (704 << 10)  /* of a part's kernel */
#define WORKING_BYTES (320 << 10) /* of v and m */

#define A 0.70710678f
#define B 1.41421356f
#define A2 0.5f
#define B2 2.0f
#define A3 (A * A2)
#define B3 (B * B2)

static int64_t ISA(winograd_tiles)(const conv_layer *c, int64_t *across) {
  *across = (c->pooled_w * c->pool + 3) / 4;
  return c->n * ((c->pooled_h * c->pool + 3) / 4) * *across;
}

/* Channels of a part, all but the last: as even as vectors allow. */
INLINE int64_t part_of(const conv_layer *c) {
  int64_t fitting = KERNEL_BYTES / (POINTS * 4 * WIDEST * c->c_in) * WIDEST, most = fitting < WIDEST ? WIDEST : fitting;
  int64_t parts = (c->c_out + most - 1) / most;
  return ((c->c_out + parts - 1) / parts + WIDEST - 1) / WIDEST * WIDEST;
}

INLINE int64_t tiles_a_unit(const conv_layer *c) {
  int64_t fitting = WORKING_BYTES / (POINTS * 4 * (c->c_in + part_of(c))) / PRODUCT_ROWS * PRODUCT_ROWS;
  return fitting < PRODUCT_ROWS ? PRODUCT_ROWS : fitting > 64 ? 64 : fitting;
}

static TARGET int64_t ISA(winograd_units)(const conv_layer *c) {
  int64_t across, tiles = ISA(winograd_tiles)(c, &across), each = tiles_a_unit(c), part = part_of(c);
  return (tiles + each - 1) / each * ((c->c_out + part - 1) / part);
}

static TARGET size_t ISA(winograd_scratch_bytes)(const conv_layer *c) {
  return (size_t)(POINTS * tiles_a_unit(c) * (c->c_in + part_of(c)) + c->c_in) * sizeof(float);
}

/* One side of the transformation of six values. */
INLINE void transform(const vf d[6], vf out[6]) {
  vf even_a = v_fma(v_all(-B2), d[2], d[4]), odd_a = v_fma(v_all(-B2), d[1], d[3]) * v_all(A);
  vf even_b = v_fma(v_all(-A2), d[2], d[4]), odd_b = v_fma(v_all(-A2), d[1], d[3]) * v_all(B);
  out[0] = v_fma(v_all(A2 * B2), d[0], v_fma(v_all(-(A2 + B2)), d[2], d[4]));
  out[1] = even_a + odd_a;
  out[2] = even_a - odd_a;
  out[3] = even_b + odd_b;
  out[4] = even_b - odd_b;
  out[5] = v_fma(v_all(A2 * B2), d[1], v_fma(v_all(-(A2 + B2)), d[3], d[5]));
}

/* One side of the way back, from six products to four sums. */
INLINE void restore(const vf m[6], vf out[4]) {
  vf even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
  out[0] = m[0] + even_a + even_b;
  out[1] = v_fma(v_all(A), odd_a, v_all(B) * odd_b);
  out[2] = v_fma(v_all(A2), even_a, v_all(B2) * even_b);
  out[3] = v_fma(v_all(A3), odd_a, v_fma(v_all(B3), odd_b, m[5]));
}

/* Transforms a tile [6, 6, c_in] to v; returns whether its values are fit for it: all of a size that cannot overflow, and
 * none that, being large, holds more than an eighth of the tile's energy. The error of the way there and back is a share of
 * the largest value, and would be seen in sums that this value has no part in. */
INLINE int transform_tile(const conv_layer *c, const float *const at[36], float *v, int64_t stride) {
  vf energy = v_all(0), largest = v_all(0);
  for (int64_t o = 0; o < c->c_in; o += LANES) {
    vf half[6][6];
    for (int j = 0; j < 6; ++j) {
      vf d[6], t[6];
      for (int i = 0; i < 6; ++i) {
        d[i] = v_load(at[6 * i + j] + o);
        energy = v_fma(d[i], d[i], energy);
        largest = v_max(d[i] * d[i], largest);
      }
      transform(d, t);
      for (int i = 0; i < 6; ++i) half[i][j] = t[i];
    }
    for (int i = 0; i < 6; ++i) {
      vf t[6];
      transform(half[i], t);
      for (int j = 0; j < 6; ++j) v_store(v + (6 * i + j) * stride + o, t[j]);
    }
  }
  if (!v_below(energy, LARGE)) return 0;
  return v_below(largest, OUTLIER) || v_below(largest, v_sum(energy) / 8);
}

/* m [PRODUCT_ROWS, part] = v [PRODUCT_ROWS, c_in] times the columns whose vectors begin at u. */
INLINE void product(int vectors, int64_t c_in, int64_t part, const float *v, const float *const *u, float *m) {
  vf sum[PRODUCT_ROWS][PRODUCT_VECTORS];
  for (int r = 0; r < PRODUCT_ROWS; ++r)
    for (int q = 0; q < vectors; ++q) sum[r][q] = v_all(0);
  for (int64_t d = 0; d < c_in; ++d) {
    vf w[PRODUCT_VECTORS];
    for (int q = 0; q < vectors; ++q) w[q] = v_load(u[q] + d * WIDEST);
    for (int r = 0; r < PRODUCT_ROWS; ++r) {
      vf x = v_all(v[r * c_in + d]);
      for (int q = 0; q < vectors; ++q) sum[r][q] = v_fma(x, w[q], sum[r][q]);
    }
  }
  for (int r = 0; r < PRODUCT_ROWS; ++r)
    for (int q = 0; q < vectors; ++q) v_store(m + r * part + q * LANES, sum[r][q]);
}

/* Products of all tiles at one point with `channels` channels of the kernel, from `first` on. */
static TARGET void ISA(products)(const conv_layer *c, int64_t point, int64_t tiles, int64_t first, int64_t channels,
                                 int64_t part, const float *v, float *m) {
  for (int64_t o = 0; o < channels; o += PRODUCT_VECTORS * LANES) {
    int64_t left = (channels - o) / LANES, vectors = left < PRODUCT_VECTORS ? left : PRODUCT_VECTORS;
    const float *u[PRODUCT_VECTORS];
    for (int64_t q = 0; q < vectors; ++q) {
      int64_t channel = first + o + q * LANES;
      u[q] = c->transformed + (channel / WIDEST * POINTS + point) * c->c_in * WIDEST + channel % WIDEST;
    }
    for (int64_t t = 0; t < tiles; t += PRODUCT_ROWS) {
      const float *from = v + t * c->c_in;
      float *to = m + t * part + o;
      if (vectors == 3) product(3, c->c_in, part, from, u, to);
      else if (vectors == 2) product(2, c->c_in, part, from, u, to);
      else product(1, c->c_in, part, from, u, to);
    }
  }
}

/* Transforms the products of a tile back, pools, finishes and writes what lies inside the result: `channels` channels
 * from `first` on, m beginning with them. */
INLINE void restore_tile(const conv_layer *c, const float *m, int64_t stride, int64_t image, int64_t row,
                         int64_t column, int64_t first, int64_t channels) {
  int64_t pool = c->pool, side = 4 / pool;
  for (int64_t o = 0; o < channels; o += LANES) {
    vf half[4][6], sum[4][4];
    for (int j = 0; j < 6; ++j) {
      vf d[6], t[4];
      for (int i = 0; i < 6; ++i) d[i] = v_load(m + (6 * i + j) * stride + o);
      restore(d, t);
      for (int i = 0; i < 4; ++i) half[i][j] = t[i];
    }
    for (int i = 0; i < 4; ++i) restore(half[i], sum[i]);
    vf bias = v_load(c->bias + first + o), slope = v_all(c->slope);
    for (int64_t i = 0; i < side && row * side + i < c->pooled_h; ++i)
      for (int64_t j = 0; j < side && column * side + j < c->pooled_w; ++j) {
        vf best = sum[i * pool][j * pool];
        for (int64_t p = 1; p < pool * pool; ++p) best = v_max(best, sum[i * pool + p / pool][j * pool + p % pool]);
        int64_t pixel = (image * c->pooled_h + row * side + i) * c->pooled_w + column * side + j;
        v_store(c->y + pixel * c->c_out + first + o, finished(best, bias, slope));
      }
  }
}

static TARGET void ISA(winograd)(const conv_layer *c, int64_t unit, void *scratch) {
  int64_t across, tiles = ISA(winograd_tiles)(c, &across), each = tiles_a_unit(c), part = part_of(c);
  int64_t runs = (tiles + each - 1) / each, down = tiles / c->n / across, side = 4 / c->pool;
  int64_t start = unit % runs * each, count = tiles - start < each ? tiles - start : each;
  int64_t first = unit / runs * part, channels = c->c_out - first < part ? c->c_out - first : part;
  float *v = scratch, *m = v + POINTS * each * c->c_in, *zeros = m + POINTS * each * part;
  uint64_t unfit = 0;
  for (int64_t d = 0; d < c->c_in; ++d) zeros[d] = 0;
  for (int64_t t = 0; t < each; ++t) {
    int64_t tile = start + t, image = tile / across / down;
    int64_t top = tile / across % down * 4 - c->pad_top, left = tile % across * 4 - c->pad_left;
    const float *at[36];
    for (int i = 0; i < 36; ++i) {
      int64_t y = top + i / 6, x = left + i % 6;
      int inside = t < count && y >= 0 && y < c->h && x >= 0 && x < c->w;
      at[i] = inside ? c->x + image * c->image_step + y * c->row_step + x * c->column_step : zeros;
    }
    if (!transform_tile(c, at, v + t * c->c_in, each * c->c_in)) unfit |= 1ull << t;
  }
  for (int64_t p = 0; p < POINTS; ++p)
    ISA(products)(c, p, (count + PRODUCT_ROWS - 1) / PRODUCT_ROWS * PRODUCT_ROWS, first, channels, part,
                  v + p * each * c->c_in, m + p * each * part);
  for (int64_t t = 0; t < count; ++t) {
    int64_t tile = start + t, image = tile / across / down, row = tile / across % down, column = tile % across;
    if (!(unfit >> t & 1)) {
      restore_tile(c, m + t * part, each * part, image, row, column, first, channels);
      continue;
    }
    for (int64_t i = row * side; i < (row + 1) * side && i < c->pooled_h; ++i)
      for (int64_t j = column * side; j < (column + 1) * side && j < c->pooled_w; ++j)
        direct(c, image, i, j, first, channels, c->y + ((image * c->pooled_h + i) * c->pooled_w + j) * c->c_out);
  }
}

#undef POINTS
#undef KERNEL_BYTES
#undef WORKING_BYTES
#undef A
#undef B
#undef A2
#undef B2
#undef A3
#undef B3
