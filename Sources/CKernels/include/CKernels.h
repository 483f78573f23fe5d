#pragma once
#include "ThreadPool.h"
#include <stddef.h>
#include <stdint.h>

// The hot element-wise loops, over row-major 32-bit floats. Matrices are dense: row r starts at r * columns.
// Pointers of one call do not overlap unless a comment says that a result may be written in place.
// Every function picks AVX-512, AVX2 or baseline code when the program starts (ifunc), so one binary serves all machines.

#ifdef __cplusplus
extern "C" {
#endif

// element_wise.c

/// y[i] += x[i]
void skt_add(float *y, const float *x, size_t count);
/// sums[c] += sum over r of x[r][c], row r starting at r * stride: columns can be divided among threads
void skt_add_column_sums(float *sums, const float *x, size_t stride, size_t rows, size_t columns);
/// y = x * sigmoid(1.702 x); y may be x
void skt_quick_gelu(float *y, const float *x, size_t count);
/// dx = dy * d/dx (x * sigmoid(1.702 x)); dx may be dy
void skt_quick_gelu_backward(float *dx, const float *dy, const float *x, size_t count);
/// y = x * Phi(x), Phi the normal distribution function; y may be x
void skt_gelu(float *y, const float *x, size_t count);
/// dx = dy * d/dx (x * Phi(x)); dx may be dy
void skt_gelu_backward(float *dx, const float *dy, const float *x, size_t count);
/// m = momentum * m + (g + decay * p); p -= rate * m; 1 if every g is finite
int skt_sgd(float *p, float *m, const float *g, size_t count, float rate, float momentum, float decay);
/// m = momentum * m + g; p -= rate * (g + momentum * m)
void skt_nesterov(float *p, float *m, const float *g, size_t count, float rate, float momentum);
/// change = scale * (former - x); x = former
void skt_take_back(float *x, float *change, const float *former, size_t count, float scale);
/// 1 if every element is finite
int skt_all_finite(const float *x, size_t count);

// narrow.c: 16-bit floats for storage, rounded to nearest, ties to even

/// q = binary16(x); 0 if a finite element became infinite
int skt_to_fp16(uint16_t *q, const float *x, size_t count);
/// x = q, exact
void skt_from_fp16(float *x, const uint16_t *q, size_t count);
/// q = bfloat16(x); 0 if a finite element became infinite
int skt_to_bf16(uint16_t *q, const float *x, size_t count);
/// x = q, exact
void skt_from_bf16(float *x, const uint16_t *q, size_t count);

// triad.c

// heap.c

/// From now on, malloc keeps what is given back to it for the next who asks, up to 32 MB at a time.
void skt_keep_freed_memory(void);

/// a[i] = b[i] + scale * c[i]: measures what the memory gives
void skt_triad(float *a, const float *b, const float *c, float scale, size_t count);

// byte_planes.c: how checkpoints store 32-bit words

/// planes[k * count + i] = byte k of words[i], the lowest being byte 0
void skt_split_planes(uint8_t *planes, const uint32_t *words, size_t count);
/// byte k of words[i] = planes[k * stride + i]
void skt_join_planes(uint32_t *words, const uint8_t *planes, size_t stride, size_t count);
/// differences[i] = zigzag(ordered(words[i]) - ordered(base[i])), modulo 2^32, where ordered maps the bits of floats to
/// integers in the order of the floats, and zigzag maps 0, -1, 1, -2... to 0, 1, 2, 3...
void skt_difference(uint32_t *differences, const uint32_t *words, const uint32_t *base, size_t count);
/// The inverse of skt_difference, in place: words[i] is a difference before and a word after.
void skt_undo_difference(uint32_t *words, const uint32_t *base, size_t count);

// quantize.c: bfloat16 on the wire, with what rounding took away kept for the next time ("error feedback")

/// q = bfloat16(x + residual), to nearest even; residual = x + residual - q
void skt_quantize_bf16(uint16_t *q, float *residual, const float *x, size_t count);
/// q = bfloat16(p - former + residual); residual = p - former + residual - q; p = former + q
void skt_quantize_update_bf16(uint16_t *q, float *residual, float *p, const float *former, size_t count);
/// y[i] += q[i]
void skt_add_bf16(float *y, const uint16_t *q, size_t count);

// bfloat16.c: the same loops where factors of products are bfloat16 numbers, kept as their bits

/// y = x rounded to the nearest, of equally near ones the even
void skt_bf16_round(uint16_t *y, const float *x, size_t count);
/// As skt_add_column_sums
void skt_bf16_add_column_sums(float *sums, const uint16_t *x, size_t stride, size_t rows, size_t columns);
/// As skt_quick_gelu and the three after it, in place too
void skt_bf16_quick_gelu(uint16_t *y, const uint16_t *x, size_t count);
void skt_bf16_quick_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *x, size_t count);
void skt_bf16_gelu(uint16_t *y, const uint16_t *x, size_t count);
void skt_bf16_gelu_backward(uint16_t *dx, const uint16_t *dy, const uint16_t *x, size_t count);
/// As skt_layer_norm, of floats
void skt_bf16_layer_norm(uint16_t *y, float *mean, float *rstd, const float *x, const float *gamma, const float *beta,
                         size_t rows, size_t columns, float epsilon);
/// y[r] = softmax(scale * x[r]); x is overwritten
void skt_bf16_softmax(uint16_t *y, float *x, size_t rows, size_t columns, float scale);
/// As skt_softmax_backward
void skt_bf16_softmax_backward(uint16_t *ds, const float *dp, const uint16_t *p, size_t rows, size_t columns,
                               float scale);

// row_attention.c: one head of attention, for queries that each see their own list of rows. Query i sees the rows
// rows[starts[i]] to rows[starts[i + 1] - 1] of k and v; p, packed as rows is, holds how much of each. Matrices are
// [.., width] windows: rows of q, k and v lie `stride` floats apart, in gradients `d_stride`.

/// context[i] = sum over the seen rows r of p[r] v[r], p = softmax(scale <q[i], k[r]>); keeps p.
void skt_row_attention(float *context, size_t context_stride, float *p, const float *q, size_t q_stride, const float *k,
                       const float *v, size_t stride, const int32_t *rows, const int32_t *starts, size_t queries,
                       size_t width, float scale);
/// dq[i] = gradient of q[i]; adds those of k and v to dk and dv. `scratch` has room for the longest list.
void skt_row_attention_backward(float *dq, size_t dq_stride, float *dk, float *dv, size_t d_stride, float *scratch,
                                const float *dcontext, size_t context_stride, const float *p, const float *q,
                                size_t q_stride, const float *k, const float *v, size_t stride, const int32_t *rows,
                                const int32_t *starts, size_t queries, size_t width, float scale);

// rows.c

/// y[r] = (x[r] - mean) * rstd * gamma + beta; keeps mean[r] and rstd[r] for the backward pass. y may be x.
void skt_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *gamma, const float *beta,
                    size_t rows, size_t columns, float epsilon);
/// dx[r] += gradient of x[r]
void skt_layer_norm_backward(float *dx, const float *dy, const float *x, const float *mean, const float *rstd,
                             const float *gamma, size_t rows, size_t columns);
/// Adds the gradients of gamma and beta; row r of dy and x starts at r * stride, so that columns can be divided among
/// threads.
void skt_layer_norm_backward_parameters(float *dgamma, float *dbeta, const float *dy, const float *x,
                                        const float *mean, const float *rstd, size_t stride, size_t rows,
                                        size_t columns);
/// Row r becomes softmax(scale * x[r]), in place.
void skt_softmax(float *x, size_t rows, size_t columns, float scale);
/// ds[r] = scale * p[r] * (dp[r] - <dp[r], p[r]>); ds may be dp.
void skt_softmax_backward(float *ds, const float *dp, const float *p, size_t rows, size_t columns, float scale);
/// y[r] = x[r] / |x[r]|; keeps the norm of each row. y may be x.
void skt_normalize(float *y, float *norm, const float *x, size_t rows, size_t columns);
/// dx[r] = (dy[r] - y[r] <dy[r], y[r]>) / norm[r]; dx may be dy.
void skt_normalize_backward(float *dx, const float *dy, const float *y, const float *norm, size_t rows, size_t columns);

#ifdef __cplusplus
}
#endif
