// LANES numbers that go through the same steps: of as many sounds and bands.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

constexpr int64_t LANES = 16;
typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

// The first `count` numbers, 0 for the others.
inline Lanes load_first(const float* from, int64_t count) {
  if (count >= LANES) return load(from);
  Lanes lanes = {};
  std::memcpy(&lanes, from, count * sizeof(float));
  return lanes;
}

inline void store_first(float* to, const Lanes& lanes, int64_t count) {
  std::memcpy(to, &lanes, std::min(count, LANES) * sizeof(float));
}

// 1 / sqrt(x), a large number where x is 0.
inline Lanes inverse_root(const Lanes& x) {
  constexpr float LEAST = 1.2e-38f;
#ifdef __AVX512F__
  // An estimate to 14 bits and a step of Newton's: a root and a quotient take three times as long.
  const __m512 least = _mm512_set1_ps(LEAST), above = _mm512_max_ps(least, reinterpret_cast<__m512>(x));
  const Lanes y = reinterpret_cast<Lanes>(_mm512_rsqrt14_ps(above)), half = 0.5f * reinterpret_cast<Lanes>(above);
  return y * (1.5f - half * y * y);
#else
  Lanes result;
  for (int64_t i = 0; i < LANES; ++i) result[i] = 1.0f / std::sqrt(x[i] > LEAST || x[i] != x[i] ? x[i] : LEAST);
  return result;
#endif
}

// Of two rows, blocks of WIDTH numbers: the even ones (PART 0) or the odd ones (PART 1) of both, in turn.
template <int WIDTH, int PART>
inline Lanes blocks_in_turn(const Lanes& a, const Lanes& b) {
#ifdef __clang__
  Lanes result;
  for (int i = 0; i < LANES; ++i) result[i] = i & WIDTH ? b[i + (PART - 1) * WIDTH] : a[i + PART * WIDTH];
  return result;
#else
  typedef int32_t Places __attribute__((vector_size(sizeof(Lanes))));
  Places places;
  for (int i = 0; i < LANES; ++i) places[i] = i & WIDTH ? LANES + i + (PART - 1) * WIDTH : i + PART * WIDTH;
  return __builtin_shuffle(a, b, places);
#endif
}

// Row i, column j -> row j, column i: halves of the rows change places, then halves of these.
template <int WIDTH = LANES / 2>
inline void transpose(Lanes (&rows)[LANES]) {
  for (int i = 0; i < LANES; ++i) {
    if (i & WIDTH) continue;
    const Lanes a = rows[i], b = rows[i + WIDTH];
    rows[i] = blocks_in_turn<WIDTH, 0>(a, b);
    rows[i + WIDTH] = blocks_in_turn<WIDTH, 1>(a, b);
  }
  if constexpr (WIDTH > 1) transpose<WIDTH / 2>(rows);
}
