/* What every convolution ends with: bias, rounding, activation, rounding. Max-pooling goes before it, since all of
 * these keep the order of values. And what it falls back on where its arithmetic would not do: the plain sums. */

/* Energies from here on could overflow between a transformation and its inverse; infinities and NaN would spread. */
#define LARGE 1e30f
/* The energy of a value that is not worth a look whatever lies around it. */
#define OUTLIER 1024.0f

INLINE vf finished(vf sum, vf bias, vf slope) { return v_round_to_half(v_leaky(v_round_to_half(sum + bias), slope)); }

/* One pixel of the result, [c_out], by plain sums: `channels` of its channels from `first` on. */
static TARGET void direct(const conv_layer *c, int64_t image, int64_t row, int64_t column, int64_t first,
                          int64_t channels, float *out) {
  for (int64_t o = first; o < first + channels; o += LANES) {
    vf best = v_all(0);
    for (int64_t p = 0; p < c->pool * c->pool; ++p) {
      int64_t top = row * c->pool + p / c->pool - c->pad_top, left = column * c->pool + p % c->pool - c->pad_left;
      vf sum = v_all(0);
      for (int64_t i = 0; i < c->k; ++i)
        for (int64_t j = 0; j < c->k; ++j) {
          int64_t y = top + i, x = left + j;
          if (y < 0 || y >= c->h || x < 0 || x >= c->w) continue;
          const float *in = c->x + image * c->image_step + y * c->row_step + x * c->column_step;
          const float *kernel = c->kernel + (i * c->k + j) * c->c_in * c->c_out + o;
          for (int64_t d = 0; d < c->c_in; ++d) {
            vf value = v_all(in[d * c->channel_step]);
            if (c->input_scale != 0) value = v_round_to_half(v_round_to_half(value) * v_all(c->input_scale));
            sum = v_fma(value, v_load(kernel + d * c->c_out), sum);
          }
        }
      best = p ? v_max(best, sum) : sum;
    }
    v_store(out + o, finished(best, v_load(c->bias + o), v_all(c->slope)));
  }
}
