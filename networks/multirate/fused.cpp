// Band envelopes of one group of bands, and their gradient, in a few passes that stay in a core's cache.
//
// The same steps as envelopes.py takes tensor by tensor: bins of the spectrum times gains, inverse FFT, interpolation
// window by window, magnitude, low-pass block by block. Nothing is kept for the gradient: what it needs of the forward
// pass is computed anew, which takes less time than writing and reading it.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace {

using at::Tensor;

constexpr int64_t SOUNDS_AT_ONCE = 8;        // in one call of the FFT, whose start costs as much as some transforms
constexpr int64_t FLOATS_AT_ONCE = 1 << 15;  // envelopes of as many points are worked on together
constexpr int64_t VECTOR = 16;               // floats; short copies are made in whole vectors

struct Group {
  Tensor bands, lows, widths;        // (bands): their places among all, first bins, numbers of bins
  Tensor gains;                      // (bands, M, 2), the same for real and imaginary parts, 0 outside the band
  std::optional<Tensor> matrix;      // (K, outputs) of the interpolation, none where H is M
  std::optional<Tensor> transposed;  // (outputs, K or more)
  Tensor weights;                    // (points of a block, R) of the low-pass: R frames, the first `lead` before its own
  Tensor weights_transposed;         // (R, points of a block)
  int64_t length, num_points;        // M, H
  int64_t size, half_taps;           // of the interpolation's windows
  int64_t count, frames, lead;       // of the low-pass's blocks

  int64_t num_bands() const { return bands.numel(); }
  int64_t num_windows() const { return length / size; }
  int64_t window() const { return size + 2 * half_taps - 1; }
  // Frames from `lead` before the first to the last that a block touches.
  int64_t num_touched() const { return (count - 1) * frames + weights.size(1); }
  int64_t bands_at_once() const { return std::clamp<int64_t>(FLOATS_AT_ONCE / num_points, 1, num_bands()); }
};

// Room that a thread uses again for all its sounds.
struct Scratch {
  Tensor read, values, envelopes, sums, padded, touched;
  explicit Scratch(const Group& g) {
    const auto like = g.weights.options();
    const int64_t n = g.bands_at_once();
    read = at::empty(2 * n * g.num_windows() * (g.transposed ? g.transposed->size(1) : 0) + VECTOR, like);
    values = at::empty({2, n, g.num_points}, like);
    envelopes = at::empty({n, g.num_points}, like);
    sums = at::empty({n * g.count, g.weights.size(1)}, like);
    touched = at::empty(g.num_touched(), like);
    padded = at::zeros(g.length + 2 * g.half_taps + VECTOR, like);
  }
};

// Calls work(bins of the spectrum, of the group's, how many) for the two runs of bins of each band: a band centred on 0
// has its upper half first and its lower half last.
template <typename Work>
void for_runs(const Group& g, const Work& work) {
  for (int64_t band = 0; band < g.num_bands(); ++band) {
    const int64_t low = g.lows.data_ptr<int64_t>()[band], width = g.widths.data_ptr<int64_t>()[band];
    const int64_t half = width / 2, start = band * g.length;
    work(low + half, start, width - half);
    work(low, start + g.length - half, half);
  }
}

// Analytic signals of the bands, centred on 0: (sounds, bands, M) complex.
Tensor subbands(const Group& g, const Tensor& spectrum, int64_t first, int64_t sounds) {
  Tensor taken = at::zeros({sounds, g.num_bands(), g.length}, spectrum.options());
  const float* gains = g.gains.data_ptr<float>();
  for (int64_t s = 0; s < sounds; ++s) {
    const auto* from = reinterpret_cast<const float*>(spectrum.const_data_ptr()) + 2 * (first + s) * spectrum.size(1);
    auto* to = reinterpret_cast<float*>(taken.data_ptr()) + 2 * s * g.num_bands() * g.length;
    for_runs(g, [&](int64_t bin, int64_t place, int64_t n) {
      for (int64_t i = 0; i < 2 * n; ++i) to[2 * place + i] = from[2 * bin + i] * gains[2 * place + i];
    });
  }
  return at::_fft_c2c(taken, {2}, 0, false);
}

// Real and imaginary parts of some bands at H points: values (2, n, H).
void more_points(const Group& g, const float* subband, int64_t n, Scratch& room) {
  const int64_t m = g.length, before = g.half_taps - 1;
  float* values = room.values.data_ptr<float>();
  if (!g.matrix) {
    for (int64_t i = 0; i < n * m; ++i) {
      values[i] = subband[2 * i];
      values[n * m + i] = subband[2 * i + 1];
    }
    return;
  }
  const int64_t windows = g.num_windows(), k = g.window();
  float* read = room.read.data_ptr<float>();
  float* padded = room.padded.data_ptr<float>();
  for (int64_t row = 0; row < 2 * n; ++row) {  // real parts of all bands, then imaginary parts
    const float* z = subband + 2 * (row % n) * m + row / n;
    for (int64_t i = 0; i < m; ++i) padded[before + i] = z[2 * i];
    for (int64_t i = 0; i < before; ++i) padded[i] = padded[m + i];
    for (int64_t i = 0; i < g.half_taps; ++i) padded[before + m + i] = padded[before + i];
    // What a copy writes beyond its window, the copy of the next one replaces.
    for (int64_t w = 0; w < windows; ++w)
      for (int64_t i = 0; i < k; i += VECTOR)
        std::memcpy(read + (row * windows + w) * k + i, padded + w * g.size + i, VECTOR * sizeof(float));
  }
  Tensor out = at::from_blob(values, {2 * n * windows, g.matrix->size(1)}, g.weights.options());
  at::mm_out(out, at::from_blob(read, {2 * n * windows, k}, g.weights.options()), *g.matrix);
}

void forward_bands(const Group& g, const float* subband, int64_t sound, int64_t first, int64_t n, Tensor& result,
                   Scratch& room) {
  more_points(g, subband, n, room);
  const int64_t points = n * g.num_points, blocks = n * g.count, width = g.weights.size(1);
  const float* real = room.values.data_ptr<float>();
  const float* imaginary = real + points;
  float* envelopes = room.envelopes.data_ptr<float>();
  for (int64_t i = 0; i < points; ++i) envelopes[i] = std::sqrt(real[i] * real[i] + imaginary[i] * imaginary[i]);
  Tensor sums = at::from_blob(room.sums.data_ptr<float>(), {blocks, width}, g.weights.options());
  at::mm_out(sums, at::from_blob(envelopes, {blocks, g.weights.size(0)}, g.weights.options()), g.weights);
  const int64_t num_frames = result.size(2);
  float* touched = room.touched.data_ptr<float>();
  for (int64_t band = 0; band < n; ++band) {
    std::fill(touched, touched + g.num_touched(), 0.0f);
    for (int64_t block = 0; block < g.count; ++block) {
      const float* from = room.sums.data_ptr<float>() + (band * g.count + block) * width;
      for (int64_t i = 0; i < width; ++i) touched[block * g.frames + i] += from[i];
    }
    const int64_t place = g.bands.data_ptr<int64_t>()[first + band];
    float* out = result.data_ptr<float>() + (sound * result.size(1) + place) * num_frames;
    std::copy(touched + g.lead, touched + g.lead + num_frames, out);
  }
}

// On return room.values holds the gradient for real and imaginary parts at H points.
void backward_values(const Group& g, const Tensor& grads, int64_t sound, int64_t first, int64_t n, Scratch& room) {
  const int64_t points = n * g.num_points, blocks = n * g.count, width = g.weights.size(1);
  const int64_t num_frames = grads.size(2);
  float* sums = room.sums.data_ptr<float>();
  float* touched = room.touched.data_ptr<float>();
  std::fill(touched, touched + g.num_touched(), 0.0f);
  for (int64_t band = 0; band < n; ++band) {
    const int64_t place = g.bands.data_ptr<int64_t>()[first + band];
    const float* from = grads.data_ptr<float>() + (sound * grads.size(1) + place) * num_frames;
    std::copy(from, from + num_frames, touched + g.lead);
    for (int64_t block = 0; block < g.count; ++block)
      std::copy_n(touched + block * g.frames, width, sums + (band * g.count + block) * width);
  }
  Tensor envelopes = at::from_blob(room.envelopes.data_ptr<float>(), {blocks, g.weights.size(0)}, g.weights.options());
  at::mm_out(envelopes, at::from_blob(sums, {blocks, width}, g.weights.options()), g.weights_transposed);
  float* real = room.values.data_ptr<float>();
  float* imaginary = real + points;
  const float* grad = envelopes.data_ptr<float>();
  for (int64_t i = 0; i < points; ++i) {
    const float square = real[i] * real[i] + imaginary[i] * imaginary[i];
    const float scale = square > 0 ? grad[i] / std::sqrt(square) : 0.0f;  // 0 at 0, as torch has it for abs
    real[i] *= scale;
    imaginary[i] *= scale;
  }
}

// The adjoint of more_points, from room.values to n bands (n, M) complex.
void fewer_points(const Group& g, float* subband, int64_t n, Scratch& room) {
  const int64_t m = g.length, before = g.half_taps - 1;
  float* values = room.values.data_ptr<float>();
  if (!g.matrix) {
    for (int64_t i = 0; i < n * m; ++i) {
      subband[2 * i] = values[i];
      subband[2 * i + 1] = values[n * m + i];
    }
    return;
  }
  const int64_t windows = g.num_windows(), k = g.window(), columns = g.transposed->size(1);
  Tensor out = at::from_blob(room.read.data_ptr<float>(), {2 * n * windows, columns}, g.weights.options());
  at::mm_out(out, at::from_blob(values, {2 * n * windows, g.matrix->size(1)}, g.weights.options()), *g.transposed);
  const float* read = out.data_ptr<float>();
  float* padded = room.padded.data_ptr<float>();
  for (int64_t band = 0; band < n; ++band) {
    for (int part = 0; part < 2; ++part) {
      std::fill(padded, padded + m + 2 * g.half_taps - 1, 0.0f);
      const float* rows = read + (part * n + band) * windows * columns;
      for (int64_t w = 0; w < windows; ++w)
        for (int64_t i = 0; i < k; ++i) padded[w * g.size + i] += rows[w * columns + i];
      for (int64_t i = 0; i < before; ++i) padded[m + i] += padded[i];
      for (int64_t i = 0; i < g.half_taps; ++i) padded[before + i] += padded[before + m + i];
      float* to = subband + 2 * band * m + part;
      for (int64_t i = 0; i < m; ++i) to[2 * i] = padded[before + i];
    }
  }
}

template <typename Work>
void for_sounds(int64_t num_sounds, const Work& work) {
  const int64_t each = std::clamp<int64_t>(num_sounds / at::get_num_threads(), 1, SOUNDS_AT_ONCE);
  at::parallel_for(0, (num_sounds + each - 1) / each, 1, [&](int64_t begin, int64_t end) {
    at::AutoDispatchBelowADInplaceOrView without_autograd;
    for (int64_t batch = begin; batch < end; ++batch) work(batch * each, std::min(each, num_sounds - batch * each));
  });
}

Group group(const Tensor& bands, const Tensor& lows, const Tensor& widths, const Tensor& gains,
            const std::optional<Tensor>& matrix, const std::optional<Tensor>& transposed, const Tensor& weights,
            const Tensor& weights_transposed, at::IntArrayRef numbers) {
  TORCH_CHECK(numbers.size() == 7, "expected 7 numbers of a group, got ", numbers.size());
  return {bands,      lows,       widths,     gains,      matrix,     transposed, weights,    weights_transposed,
          numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]};
}

// Writes the group's envelopes at the frame rate to their places in result (B, F, N).
void forward(const Tensor& spectrum, const Tensor& bands, const Tensor& lows, const Tensor& widths, const Tensor& gains,
             const std::optional<Tensor>& matrix, const std::optional<Tensor>& transposed, const Tensor& weights,
             const Tensor& weights_transposed, at::IntArrayRef numbers, Tensor& result) {
  const Group g = group(bands, lows, widths, gains, matrix, transposed, weights, weights_transposed, numbers);
  for_sounds(spectrum.size(0), [&](int64_t first, int64_t sounds) {
    Scratch room(g);
    const Tensor signals = subbands(g, spectrum, first, sounds);
    const auto* signal = reinterpret_cast<const float*>(signals.const_data_ptr());
    const int64_t at_once = g.bands_at_once();
    for (int64_t s = 0; s < sounds; ++s)
      for (int64_t band = 0; band < g.num_bands(); band += at_once)
        forward_bands(g, signal + 2 * (s * g.num_bands() + band) * g.length, first + s, band,
                      std::min(at_once, g.num_bands() - band), result, room);
  });
}

// Adds the group's gradient to that of the spectrum, (B, K) complex, from that of the frames (B, F, N).
void backward(const Tensor& spectrum, const Tensor& bands, const Tensor& lows, const Tensor& widths,
              const Tensor& gains, const std::optional<Tensor>& matrix, const std::optional<Tensor>& transposed,
              const Tensor& weights, const Tensor& weights_transposed, at::IntArrayRef numbers, const Tensor& grads,
              Tensor& result) {
  const Group g = group(bands, lows, widths, gains, matrix, transposed, weights, weights_transposed, numbers);
  for_sounds(spectrum.size(0), [&](int64_t first, int64_t sounds) {
    Scratch room(g);
    Tensor signals = subbands(g, spectrum, first, sounds);
    auto* signal = reinterpret_cast<float*>(signals.data_ptr());
    const int64_t at_once = g.bands_at_once();
    for (int64_t s = 0; s < sounds; ++s)
      for (int64_t band = 0; band < g.num_bands(); band += at_once) {
        const int64_t n = std::min(at_once, g.num_bands() - band);
        float* of_bands = signal + 2 * (s * g.num_bands() + band) * g.length;
        more_points(g, of_bands, n, room);
        backward_values(g, grads, first + s, band, n, room);
        fewer_points(g, of_bands, n, room);
      }
    const Tensor taken = at::_fft_c2c(signals, {2}, 0, true);
    const float* gains = g.gains.data_ptr<float>();
    for (int64_t s = 0; s < sounds; ++s) {
      const auto* from = reinterpret_cast<const float*>(taken.const_data_ptr()) + 2 * s * g.num_bands() * g.length;
      auto* to = reinterpret_cast<float*>(result.data_ptr()) + 2 * (first + s) * result.size(1);
      for_runs(g, [&](int64_t bin, int64_t place, int64_t n) {
        for (int64_t i = 0; i < 2 * n; ++i) to[2 * bin + i] += from[2 * place + i] * gains[2 * place + i];
      });
    }
  });
}

}  // namespace

#define GROUP                                                                                                    \
  "Tensor bands, Tensor lows, Tensor widths, Tensor gains, Tensor? matrix, Tensor? transposed, Tensor weights, " \
  "Tensor weights_transposed, int[] numbers"

TORCH_LIBRARY(cochlearn_multirate, library) {
  library.def("forward(Tensor spectrum, " GROUP ", Tensor(a!) result) -> ()");
  library.def("backward(Tensor spectrum, " GROUP ", Tensor grads, Tensor(a!) result) -> ()");
}

TORCH_LIBRARY_IMPL(cochlearn_multirate, CPU, library) {
  library.impl("forward", &forward);
  library.impl("backward", &backward);
}
