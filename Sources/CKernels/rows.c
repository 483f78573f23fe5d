#include "CKernels.h"
#include "row_sums.h"
#include <math.h>

SKT_CLONES void skt_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *restrict gamma,
                               const float *restrict beta, size_t rows, size_t columns, float epsilon) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    moments(&mean[r], &rstd[r], x, columns, epsilon);
    const float centre = mean[r], scale = rstd[r];
    SKT_ELEMENT_WISE
    for (size_t c = 0; c < columns; c++) y[c] = (x[c] - centre) * scale * gamma[c] + beta[c];
  }
}

SKT_INLINE void layer_norm_row_sums(float *g_sum, float *gx_sum, const float *dy, const float *x, const float *gamma,
                                    float centre, float scale, size_t columns) {
  SKT_REASSOCIATE
  float a = 0, b = 0;
  for (size_t c = 0; c < columns; c++) {
    const float g = dy[c] * gamma[c];
    a += g;
    b += g * (x[c] - centre) * scale;
  }
  *g_sum = a;
  *gx_sum = b;
}

SKT_CLONES void skt_layer_norm_backward(float *restrict dx, const float *restrict dy, const float *restrict x,
                                        const float *mean, const float *rstd, const float *restrict gamma, size_t rows,
                                        size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns, dx += columns, dy += columns) {
    const float centre = mean[r], scale = rstd[r];
    float g_sum, gx_sum;
    layer_norm_row_sums(&g_sum, &gx_sum, dy, x, gamma, centre, scale, columns);
    const float g_mean = g_sum / (float)columns, gx_mean = gx_sum / (float)columns;
    for (size_t c = 0; c < columns; c++)
      dx[c] += scale * (dy[c] * gamma[c] - g_mean - (x[c] - centre) * scale * gx_mean);
  }
}

SKT_CLONES void skt_layer_norm_backward_parameters(float *restrict dgamma, float *restrict dbeta,
                                                   const float *restrict dy, const float *restrict x, const float *mean,
                                                   const float *rstd, size_t stride, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += stride, dy += stride) {
    const float centre = mean[r], scale = rstd[r];
    for (size_t c = 0; c < columns; c++) {
      dgamma[c] += dy[c] * ((x[c] - centre) * scale);
      dbeta[c] += dy[c];
    }
  }
}

SKT_CLONES void skt_softmax(float *x, size_t rows, size_t columns, float scale) {
  for (size_t r = 0; r < rows; r++, x += columns) softmax(x, columns, scale);
}

SKT_CLONES void skt_softmax_backward(float *ds, const float *dp, const float *restrict p, size_t rows, size_t columns,
                                     float scale) {
  for (size_t r = 0; r < rows; r++, ds += columns, dp += columns, p += columns) {
    const float mean = dot(dp, p, columns);
    SKT_ELEMENT_WISE
    for (size_t c = 0; c < columns; c++) ds[c] = scale * p[c] * (dp[c] - mean);
  }
}

SKT_CLONES void skt_normalize(float *y, float *norm, const float *x, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    norm[r] = sqrtf(dot(x, x, columns));
    const float inverse = 1.0f / norm[r];
    SKT_ELEMENT_WISE
    for (size_t c = 0; c < columns; c++) y[c] = x[c] * inverse;
  }
}

SKT_CLONES void skt_normalize_backward(float *dx, const float *dy, const float *restrict y, const float *norm,
                                       size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++, dx += columns, dy += columns, y += columns) {
    const float projection = dot(dy, y, columns), inverse = 1.0f / norm[r];
    SKT_ELEMENT_WISE
    for (size_t c = 0; c < columns; c++) dx[c] = (dy[c] - y[c] * projection) * inverse;
  }
}
