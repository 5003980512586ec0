// FFTs of LANES sequences at once, not normalised. Any length; fast for products of 2, 3, 4 and 5.
//
// Stockham's algorithm (Cochran et al. 1967, Proc. IEEE 55:1664): one pass per factor, from one array to another, after
// which the order is right. A sequence is an array of points, each LANES real and LANES imaginary parts.
#pragma once

#include "lanes.h"

namespace lanes_fft {

constexpr int64_t POINT = 2 * LANES;  // floats

struct Complex {
  Lanes real, imaginary;
};

inline Complex operator+(const Complex& a, const Complex& b) { return {a.real + b.real, a.imaginary + b.imaginary}; }
inline Complex operator-(const Complex& a, const Complex& b) { return {a.real - b.real, a.imaginary - b.imaginary}; }
inline Complex operator*(float a, const Complex& b) { return {a * b.real, a * b.imaginary}; }

// Multiplies by i for the inverse transform, by -i for the forward one.
template <bool INVERSE>
inline Complex turn(const Complex& a) {
  if constexpr (INVERSE) return {-a.imaginary, a.real};
  return {a.imaginary, -a.real};
}

template <bool INVERSE>
inline void butterfly(Complex (&x)[2]) {
  const Complex a = x[0];
  x[0] = a + x[1];
  x[1] = a - x[1];
}

template <bool INVERSE>
inline void butterfly(Complex (&x)[3]) {
  constexpr float SINE = 0.866025403784438647f;  // of 60 degrees
  const Complex sum = x[1] + x[2], side = turn<INVERSE>(SINE * (x[1] - x[2])), middle = x[0] - 0.5f * sum;
  x[0] = x[0] + sum;
  x[1] = middle + side;
  x[2] = middle - side;
}

template <bool INVERSE>
inline void butterfly(Complex (&x)[4]) {
  const Complex even = x[0] + x[2], odd = x[1] + x[3], even_side = x[0] - x[2];
  const Complex odd_side = turn<INVERSE>(x[1] - x[3]);
  x[0] = even + odd;
  x[1] = even_side + odd_side;
  x[2] = even - odd;
  x[3] = even_side - odd_side;
}

template <bool INVERSE>
inline void butterfly(Complex (&x)[5]) {
  constexpr float COS_1 = 0.309016994374947424f, COS_2 = -0.809016994374947424f;  // of 72 and 144 degrees
  constexpr float SIN_1 = 0.951056516295153572f, SIN_2 = 0.587785252292473129f;
  const Complex sum_1 = x[1] + x[4], sum_2 = x[2] + x[3], gap_1 = x[1] - x[4], gap_2 = x[2] - x[3];
  const Complex middle_1 = x[0] + COS_1 * sum_1 + COS_2 * sum_2, side_1 = turn<INVERSE>(SIN_1 * gap_1 + SIN_2 * gap_2);
  const Complex middle_2 = x[0] + COS_2 * sum_1 + COS_1 * sum_2, side_2 = turn<INVERSE>(SIN_2 * gap_1 - SIN_1 * gap_2);
  x[0] = x[0] + sum_1 + sum_2;
  x[1] = middle_1 + side_1;
  x[2] = middle_2 + side_2;
  x[3] = middle_2 - side_2;
  x[4] = middle_1 - side_1;
}

// One pass: from `parts` interleaved transforms of RADIX * rest points to RADIX * parts transforms of `rest` points.
template <int RADIX, bool INVERSE>
void pass(const float* in, float* out, int64_t rest, int64_t parts, const float* roots) {
  for (int64_t p = 0; p < rest; ++p) {
    float cosines[RADIX], sines[RADIX];
    for (int64_t i = 1; i < RADIX; ++i) {
      cosines[i] = roots[2 * p * i * parts];
      sines[i] = INVERSE ? roots[2 * p * i * parts + 1] : -roots[2 * p * i * parts + 1];
    }
    for (int64_t q = 0; q < parts; ++q) {
      Complex x[RADIX];
      for (int64_t i = 0; i < RADIX; ++i) {
        const float* from = in + POINT * (q + parts * (p + i * rest));
        x[i] = {load(from), load(from + LANES)};
      }
      butterfly<INVERSE>(x);
      for (int64_t i = 0; i < RADIX; ++i) {
        Complex y = x[i];
        if (i > 0)
          y = {x[i].real * cosines[i] - x[i].imaginary * sines[i], x[i].real * sines[i] + x[i].imaginary * cosines[i]};
        float* to = out + POINT * (q + parts * (RADIX * p + i));
        store(to, y.real);
        store(to + LANES, y.imaginary);
      }
    }
  }
}

// The same pass for any prime factor, by the definition: radix^2 products.
template <bool INVERSE>
void pass_of_any(int64_t radix, const float* in, float* out, int64_t rest, int64_t parts, const float* roots) {
  for (int64_t p = 0; p < rest; ++p)
    for (int64_t q = 0; q < parts; ++q)
      for (int64_t i = 0; i < radix; ++i) {
        Complex sum = {};
        for (int64_t j = 0; j < radix; ++j) {
          // exp(2 pi i (i j / radix + p i / (radix rest))), of the butterfly and of the twiddle factor
          const int64_t turn_of = i * (j * rest + p) % (radix * rest) * parts;
          const float cosine = roots[2 * turn_of], sine = INVERSE ? roots[2 * turn_of + 1] : -roots[2 * turn_of + 1];
          const float* from = in + POINT * (q + parts * (p + j * rest));
          const Complex x = {load(from), load(from + LANES)};
          sum = sum + Complex{x.real * cosine - x.imaginary * sine, x.real * sine + x.imaginary * cosine};
        }
        float* to = out + POINT * (q + parts * (radix * p + i));
        store(to, sum.real);
        store(to + LANES, sum.imaginary);
      }
}

inline int64_t next_factor(int64_t number) {
  for (const int64_t factor : {4, 5, 3, 2})
    if (number % factor == 0) return factor;
  int64_t factor = 7;
  while (factor * factor <= number && number % factor) factor += 2;
  return number % factor ? number : factor;
}

// Transforms `in` to `out`. Overwrites `in` and `room`, which has the same size.
// roots (length, 2): cosines and sines of 2 pi k / length.
template <bool INVERSE>
void transform(float* in, float* room, float* out, int64_t length, const float* roots) {
  if (length == 1) std::copy_n(in, POINT, out);
  for (int64_t rest = length, parts = 1; rest > 1;) {
    const int64_t factor = next_factor(rest);
    rest /= factor;
    float* to = rest == 1 ? out : room;
    if (factor == 4) pass<4, INVERSE>(in, to, rest, parts, roots);
    if (factor == 5) pass<5, INVERSE>(in, to, rest, parts, roots);
    if (factor == 3) pass<3, INVERSE>(in, to, rest, parts, roots);
    if (factor == 2) pass<2, INVERSE>(in, to, rest, parts, roots);
    if (factor > 5) pass_of_any<INVERSE>(factor, in, to, rest, parts, roots);
    room = in;
    in = to;
    parts *= factor;
  }
}

}  // namespace lanes_fft
