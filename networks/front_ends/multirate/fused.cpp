// Band envelopes of groups of bands, and their gradient, of LANES bands and sounds at once.
//
// The same steps as in envelopes.py: bins of the spectrum times gains, inverse FFT, interpolation window by window,
// magnitude, low-pass block by block. A few points go through all steps after the FFT in registers. Nothing is kept for
// the backward pass: computing it again is faster than writing and reading it.
//
// The interface is plain C with raw pointers, so that one build works with every release of torch. fused.py calls it.
#include "lanes.h"
#include "lanes_fft.h"

#include <algorithm>
#include <vector>

namespace {

using lanes_fft::POINT;

constexpr int64_t SOUNDS_AT_ONCE = 16;  // their spectra stay in the cache of a core while all groups read them
constexpr int64_t POINTS = POINTS_TOGETHER;  // columns of a slice of a banded matrix (fused_tables.py)
// Points interpolated at a time. Their real and imaginary sums and the operands are held in registers.
constexpr int64_t POINTS_IN_REGISTERS = REGISTERS >= 32 ? 8 : 4;
constexpr float SMALLEST_SQUARE = 1e-16f;  // the square of the published minimum of a magnitude, 1e-8

// A banded matrix in slices of POINTS columns (fused_tables.py).
struct Banded {
  const int64_t* rows;   // (slices, 3): first non-zero row, number of rows, where their weights begin
  const float* weights;  // (rows of all slices, POINTS)
};

}  // namespace

// Bands that are computed together. fused.py declares the same fields in the same order.
struct Group {
  const int64_t *bands, *lows, *widths;  // per band: its index among all bands, first bin, number of bins
  const float* gains;                    // (bands, M, 2), equal for real and imaginary parts, 0 outside the band
  const float* roots;                    // (M, 2): the roots of 1
  Banded low_pass, interpolation;        // (frames, points of some blocks), (points read, points made) per window
  int64_t num_bands;
  int64_t length, num_points;          // M, H
  int64_t size, half_taps;             // of the windows of the interpolation; no taps if H = M
  int64_t count, frames, lead, width;  // blocks of the low-pass; each touches `width` frames, `lead` of them before it
  int64_t blocks_at_once;              // blocks in the matrix of the low-pass

  bool interpolates() const { return half_taps > 0; }
  int64_t before() const { return std::max<int64_t>(half_taps - 1, 0); }  // points read before a window
  int64_t points_of_window() const { return num_points / (length / size); }
  // Number of frames from `lead` before the first to the last that a block touches.
  int64_t num_touched() const { return (count - 1) * frames + width; }
};

namespace {

// Buffers that are reused for all bands and sounds of a group.
struct Scratch {
  std::vector<float> spectrum, room;  // M points each
  std::vector<float> around;          // periodic: with the points before the first and after the last
  std::vector<float> gradient;        // of `around`
  std::vector<float> touched;         // frames
  Scratch(const Group& g, bool with_gradient)
      : spectrum(POINT * g.length),
        room(POINT * g.length),
        around(POINT * (g.before() + g.length + g.half_taps + POINTS)),
        gradient(with_gradient ? around.size() : 0),
        touched(LANES * (g.num_touched() + LANES)) {}
};

// The bands and sounds in the lanes.
struct Members {
  int64_t count = 0, sounds[LANES], bands[LANES];  // indices in the batch and in the group
};

// Calls work(members) for all bands of some sounds.
template <typename Work>
void for_members(const Group& g, int64_t first_sound, int64_t num_sounds, const Work& work) {
  Members members;
  for (int64_t band = 0; band < g.num_bands; ++band)
    for (int64_t sound = first_sound; sound < first_sound + num_sounds; ++sound) {
      members.sounds[members.count] = sound;
      members.bands[members.count++] = band;
      const bool is_last = band + 1 == g.num_bands && sound + 1 == first_sound + num_sounds;
      if (members.count < LANES && !is_last) continue;
      work(members);
      members.count = 0;
    }
}

constexpr int64_t BINS = LANES / 2;  // bins whose real and imaginary parts fill the lanes

// The bins of a member among BINS points: `count` bins of its spectrum from `bin` on, after `skipped` empty points.
struct Own {
  int64_t bin, skipped, count;
  const float* gains;
};

int64_t widest_of(const Group& g, const Members& members) {
  int64_t widest = 0;
  for (int64_t i = 0; i < members.count; ++i) widest = std::max(widest, g.widths[members.bands[i]]);
  return widest;
}

// Calls work(first point, points, own) for at most BINS points of the spectra centred on 0 at a time, where own(i) is
// the i-th member's Own. In a spectrum centred on 0, frequencies from 0 upwards come first and negative ones last.
template <typename Work>
void for_bins(const Group& g, const Members& members, const Work& work) {
  const int64_t widest = widest_of(g, members);
  for (const bool upper : {true, false}) {
    const int64_t most = upper ? widest - widest / 2 : widest / 2;
    for (int64_t start = 0; start < most; start += BINS) {  // counted from the middle of the band
      const int64_t points = std::min(BINS, most - start), point = upper ? start : g.length - start - points;
      work(point, points, [&](int64_t i) {
        const int64_t band = members.bands[i], half = g.widths[band] / 2, middle = g.lows[band] + half;
        const int64_t count = std::clamp<int64_t>((upper ? g.widths[band] - half : half) - start, 0, points);
        const int64_t skipped = upper ? 0 : points - count;
        const float* gains = g.gains + 2 * (band * g.length + point + skipped);
        return Own{upper ? middle + start : middle - start - count, skipped, count, gains};
      });
    }
  }
}

// Writes the members' bins, centred on 0, to room.spectrum.
void take_bins(const Group& g, const Members& members, const float* spectrum, int64_t num_bins, Scratch& room) {
  float* spectrum_of_band = room.spectrum.data();
  const int64_t widest = widest_of(g, members);
  std::fill(spectrum_of_band + POINT * (widest - widest / 2), spectrum_of_band + POINT * (g.length - widest / 2), 0.0f);
  for_bins(g, members, [&](int64_t point, int64_t points, const auto& own_of) {
    Lanes rows[LANES] = {};
    for (int64_t i = 0; i < members.count; ++i) {
      const Own own = own_of(i);
      const float* bins = spectrum + 2 * (members.sounds[i] * num_bins + own.bin);
      if (own.count == BINS) {
        rows[i] = load(bins) * load(own.gains);
        continue;
      }
      float values[LANES] = {};
      for (int64_t j = 0; j < 2 * own.count; ++j) values[2 * own.skipped + j] = bins[j] * own.gains[j];
      rows[i] = load(values);
    }
    transpose(rows);
    for (int64_t j = 0; j < 2 * points; ++j) store(spectrum_of_band + point * POINT + j * LANES, rows[j]);
  });
}

// Adds room.spectrum to the members' bins.
void add_bins(const Group& g, const Members& members, const Scratch& room, float* spectrum, int64_t num_bins) {
  for_bins(g, members, [&](int64_t point, int64_t points, const auto& own_of) {
    Lanes rows[LANES] = {};
    for (int64_t j = 0; j < 2 * points; ++j) rows[j] = load(room.spectrum.data() + point * POINT + j * LANES);
    transpose(rows);
    for (int64_t i = 0; i < members.count; ++i) {
      const Own own = own_of(i);
      float* bins = spectrum + 2 * (members.sounds[i] * num_bins + own.bin);
      if (own.count == BINS) {
        store(bins, load(bins) + rows[i] * load(own.gains));
        continue;
      }
      float values[LANES];
      store(values, rows[i]);
      for (int64_t j = 0; j < 2 * own.count; ++j) bins[j] += values[2 * own.skipped + j] * own.gains[j];
    }
  });
}

// Writes the members' analytic signals, centred on 0, to room.around, which is periodic.
void subbands(const Group& g, const Members& members, const float* spectrum, int64_t num_bins, Scratch& room) {
  take_bins(g, members, spectrum, num_bins, room);
  float* around = room.around.data();
  const int64_t before = g.before() * POINT, all = g.length * POINT;
  lanes_fft::transform<true>(room.spectrum.data(), room.room.data(), around + before, g.length, g.roots);
  std::copy_n(around + all, before, around);
  std::copy_n(around + before, g.half_taps * POINT, around + before + all);
}

// A few points of an envelope: where they are and how they are made.
struct Few {
  const float* weights;  // (taps, POINTS) of the interpolation
  int64_t first, taps;   // points of room.around that the interpolation reads
  const float* sharing;  // (num_frames, POINTS) of the low-pass
  int64_t frame, num_frames;
};

template <typename Work>
void for_few_points(const Group& g, const Work& work) {
  const int64_t few_of_window = g.interpolates() ? g.points_of_window() / POINTS : 1;
  const int64_t few_of_blocks = (g.blocks_at_once * (g.num_points / g.count) + POINTS - 1) / POINTS;
  Few few = {};
  for (int64_t window = 0, in_window = 0, blocks = 0, in_blocks = 0, point = 0; point < g.num_points; point += POINTS) {
    if (g.interpolates()) {
      const int64_t* rows = g.interpolation.rows + 3 * in_window;
      few.first = window * g.size + rows[0];
      few.taps = rows[1];
      few.weights = g.interpolation.weights + POINTS * rows[2];
      if (++in_window == few_of_window) in_window = 0, ++window;
    } else {
      few.first = point;
    }
    const int64_t* rows = g.low_pass.rows + 3 * in_blocks;
    few.frame = blocks * g.blocks_at_once * g.frames + rows[0];
    few.num_frames = rows[1];
    few.sharing = g.low_pass.weights + POINTS * rows[2];
    if (++in_blocks == few_of_blocks) in_blocks = 0, ++blocks;
    work(few);
  }
}

// POINTS_IN_REGISTERS of these points, from the given one on.
inline void interpolate(const Few& few, int64_t first, const float* around, Lanes* reals, Lanes* imaginaries) {
  Lanes real[POINTS_IN_REGISTERS] = {}, imaginary[POINTS_IN_REGISTERS] = {};
  const float* in = around + few.first * POINT;
  const float* weights = few.weights + first;
  for (int64_t tap = 0; tap < few.taps; ++tap) {
    const Lanes a = load(in + tap * POINT), b = load(in + tap * POINT + LANES);
    for (int64_t i = 0; i < POINTS_IN_REGISTERS; ++i) {
      const float weight = weights[tap * POINTS + i];
      real[i] += weight * a;
      imaginary[i] += weight * b;
    }
  }
  for (int64_t i = 0; i < POINTS_IN_REGISTERS; ++i) {
    reals[first + i] = real[i];
    imaginaries[first + i] = imaginary[i];
  }
}

inline void read(const Group& g, const Few& few, const float* around, Lanes (&reals)[POINTS],
                 Lanes (&imaginaries)[POINTS]) {
  if (g.interpolates()) {
    for (int64_t i = 0; i < POINTS; i += POINTS_IN_REGISTERS) interpolate(few, i, around, reals, imaginaries);
    return;
  }
  for (int64_t i = 0; i < POINTS; ++i) {
    reals[i] = load(around + (few.first + i) * POINT);
    imaginaries[i] = load(around + (few.first + i) * POINT + LANES);
  }
}

// Low-passes the members' envelopes to room.touched.
void low_passed(const Group& g, Scratch& room) {
  std::fill(room.touched.begin(), room.touched.end(), 0.0f);
  for_few_points(g, [&](const Few& few) {
    Lanes reals[POINTS], imaginaries[POINTS], envelopes[POINTS];
    read(g, few, room.around.data(), reals, imaginaries);
    for (int64_t i = 0; i < POINTS; ++i) {
      const Lanes square = at_least(reals[i] * reals[i] + imaginaries[i] * imaginaries[i], SMALLEST_SQUARE);
      envelopes[i] = square * inverse_root(square);
    }
    float* to = room.touched.data() + few.frame * LANES;
    for (int64_t frame = 0; frame < few.num_frames; ++frame) {
      Lanes sum = load(to + frame * LANES);
      for (int64_t i = 0; i < POINTS; ++i) sum += few.sharing[frame * POINTS + i] * envelopes[i];
      store(to + frame * LANES, sum);
    }
  });
}

// From room.touched, the gradient of the frames, computes that of the members' signals: room.gradient, `before` points
// in.
void low_passed_gradient(const Group& g, Scratch& room) {
  std::fill(room.gradient.begin(), room.gradient.end(), 0.0f);
  float* gradient = room.gradient.data();
  for_few_points(g, [&](const Few& few) {
    Lanes reals[POINTS], imaginaries[POINTS], grads[POINTS] = {};
    const float* from = room.touched.data() + few.frame * LANES;
    for (int64_t frame = 0; frame < few.num_frames; ++frame) {
      const Lanes grad = load(from + frame * LANES);
      for (int64_t i = 0; i < POINTS; ++i) grads[i] += few.sharing[frame * POINTS + i] * grad;
    }
    read(g, few, room.around.data(), reals, imaginaries);
    for (int64_t i = 0; i < POINTS; ++i) {
      const Lanes square = reals[i] * reals[i] + imaginaries[i] * imaginaries[i];
      const Lanes scale = square > SMALLEST_SQUARE ? grads[i] * inverse_root(square) : Lanes{};  // 0 at the minimum
      reals[i] *= scale;
      imaginaries[i] *= scale;
    }
    float* to = gradient + few.first * POINT;
    if (!g.interpolates()) {
      for (int64_t i = 0; i < POINTS; ++i) {
        store(to + i * POINT, reals[i]);
        store(to + i * POINT + LANES, imaginaries[i]);
      }
      return;
    }
    for (int64_t first = 0; first < POINTS; first += POINTS_IN_REGISTERS)
      for (int64_t tap = 0; tap < few.taps; ++tap) {
        Lanes a = load(to + tap * POINT), b = load(to + tap * POINT + LANES);
        for (int64_t i = first; i < first + POINTS_IN_REGISTERS; ++i) {
          const float weight = few.weights[tap * POINTS + i];
          a += weight * reals[i];
          b += weight * imaginaries[i];
        }
        store(to + tap * POINT, a);
        store(to + tap * POINT + LANES, b);
      }
  });
  const int64_t before = g.before() * POINT, all = g.length * POINT;
  for (int64_t i = 0; i < before; ++i) gradient[all + i] += gradient[i];
  for (int64_t i = 0; i < g.half_taps * POINT; ++i) gradient[before + i] += gradient[before + all + i];
}

// Writes the frames of the group's bands for some sounds, (F, N) each.
void envelopes_of_group(const Group& g, const float* spectrum, int64_t num_bins, int64_t first_sound,
                        int64_t num_sounds, float* result, int64_t num_bands, int64_t num_frames) {
  Scratch room(g, false);
  for_members(g, first_sound, num_sounds, [&](const Members& members) {
    subbands(g, members, spectrum, num_bins, room);
    low_passed(g, room);
    for (int64_t frame = 0; frame < num_frames; frame += LANES) {
      Lanes rows[LANES];
      for (int64_t j = 0; j < LANES; ++j) rows[j] = load(room.touched.data() + (g.lead + frame + j) * LANES);
      transpose(rows);
      for (int64_t i = 0; i < members.count; ++i) {
        const int64_t row = members.sounds[i] * num_bands + g.bands[members.bands[i]];
        store_first(result + row * num_frames + frame, rows[i], num_frames - frame);
      }
    }
  });
}

// Adds the group's part of the gradient of some sounds' spectra.
void gradient_of_group(const Group& g, const float* spectrum, int64_t num_bins, int64_t first_sound, int64_t num_sounds,
                       const float* grads, int64_t num_bands, int64_t num_frames, float* result) {
  Scratch room(g, true);
  for_members(g, first_sound, num_sounds, [&](const Members& members) {
    subbands(g, members, spectrum, num_bins, room);
    std::fill(room.touched.begin(), room.touched.end(), 0.0f);
    for (int64_t frame = 0; frame < num_frames; frame += LANES) {
      Lanes rows[LANES] = {};
      for (int64_t i = 0; i < members.count; ++i) {
        const int64_t row = members.sounds[i] * num_bands + g.bands[members.bands[i]];
        rows[i] = load_first(grads + row * num_frames + frame, num_frames - frame);
      }
      transpose(rows);
      const int64_t left = std::min(LANES, num_frames - frame);
      for (int64_t j = 0; j < left; ++j) store(room.touched.data() + (g.lead + frame + j) * LANES, rows[j]);
    }
    low_passed_gradient(g, room);
    float* gradient = room.gradient.data() + g.before() * POINT;
    lanes_fft::transform<false>(gradient, room.room.data(), room.spectrum.data(), g.length, g.roots);
    add_bins(g, members, room, result, num_bins);
  });
}

// Calls work(first sound, sounds) for a few sounds at a time.
template <typename Work>
void for_sounds(int64_t num_sounds, const Work& work) {
  for (int64_t first = 0; first < num_sounds; first += SOUNDS_AT_ONCE)
    work(first, std::min(SOUNDS_AT_ONCE, num_sounds - first));
}

}  // namespace

extern "C" {

// Envelopes at the frame rate, result (B, F, N), from spectra (B, K) of real and imaginary parts.
void multirate_forward(const Group* groups, int64_t num_groups, const float* spectrum, int64_t num_sounds,
                       int64_t num_bins, float* result, int64_t num_bands, int64_t num_frames) {
  for_sounds(num_sounds, [&](int64_t first, int64_t sounds) {
    for (int64_t i = 0; i < num_groups; ++i)
      envelopes_of_group(groups[i], spectrum, num_bins, first, sounds, result, num_bands, num_frames);
  });
}

// Gradient of the spectra, result (B, K), initially 0, from that of the envelopes, grads (B, F, N).
void multirate_backward(const Group* groups, int64_t num_groups, const float* spectrum, int64_t num_sounds,
                        int64_t num_bins, const float* grads, int64_t num_bands, int64_t num_frames, float* result) {
  for_sounds(num_sounds, [&](int64_t first, int64_t sounds) {
    for (int64_t i = 0; i < num_groups; ++i)
      gradient_of_group(groups[i], spectrum, num_bins, first, sounds, grads, num_bands, num_frames, result);
  });
}

}  // extern "C"
