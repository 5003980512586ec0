// LANES numbers that go through the same steps, each of another sound or band.
//
// LANES is what one vector register of the processor holds. With more, the steps would run out of registers, and
// spilled registers cost several times what the wider loop saves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int64_t LANES = 16;
constexpr int64_t REGISTERS = 32;
#elif defined(__AVX__)
constexpr int64_t LANES = 8;
constexpr int64_t REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int64_t LANES = 4;  // NEON
constexpr int64_t REGISTERS = 32;
#else
constexpr int64_t LANES = 4;  // SSE2, which every 64-bit x86 processor has
constexpr int64_t REGISTERS = 16;
#endif

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

// The first `count` numbers; the others are 0.
inline Lanes load_first(const float* from, int64_t count) {
  if (count >= LANES) return load(from);
  Lanes lanes = {};
  std::memcpy(&lanes, from, count * sizeof(float));
  return lanes;
}

inline void store_first(float* to, const Lanes& lanes, int64_t count) {
  std::memcpy(to, &lanes, std::min(count, LANES) * sizeof(float));
}

// max(x, least) that keeps NaN.
inline Lanes at_least(const Lanes& x, float least) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_max_ps(_mm512_set1_ps(least), reinterpret_cast<__m512>(x)));
#elif defined(__AVX__)
  return reinterpret_cast<Lanes>(_mm256_max_ps(_mm256_set1_ps(least), reinterpret_cast<__m256>(x)));
#else
  Lanes result;
  for (int64_t i = 0; i < LANES; ++i) result[i] = x[i] < least ? least : x[i];
  return result;
#endif
}

// 1 / sqrt(x), to within a few units in the last place. With AVX, an estimate of 14 or 12 bits and one step of Newton's
// method. A square root and a division would take three times as long.
inline Lanes inverse_root(const Lanes& x) {
#if defined(__AVX512F__)
  const Lanes y = reinterpret_cast<Lanes>(_mm512_rsqrt14_ps(reinterpret_cast<__m512>(x)));
  return y * (1.5f - 0.5f * x * y * y);
#elif defined(__AVX__)
  const Lanes y = reinterpret_cast<Lanes>(_mm256_rsqrt_ps(reinterpret_cast<__m256>(x)));
  return y * (1.5f - 0.5f * x * y * y);
#else
  Lanes result;
  for (int64_t i = 0; i < LANES; ++i) result[i] = 1.0f / std::sqrt(x[i]);
  return result;
#endif
}

// Alternates the even (PART 0) or odd (PART 1) blocks of WIDTH numbers of two rows.
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

// Transposes rows and columns: halves of the rows change places, then halves of these.
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
