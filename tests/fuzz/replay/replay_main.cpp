// SPDX-License-Identifier: BSD-3-Clause
//
// A main for fuzz targets where libFuzzer is not used: feeds every file of the given folders to
// the target, then a fixed number of mutated inputs that are the same on every run. It seeks no
// coverage; it keeps what fuzzing once found from coming back, in every build.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr int kMutations = 20'000;
constexpr std::size_t kLargestInput = 4096;

std::vector<Bytes> read_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

std::size_t below(std::mt19937_64& random, std::size_t limit) {
  return static_cast<std::size_t>(random() % limit);
}

// One small change: a byte flipped, replaced, put in or taken out, or the tail of another input.
void mutate(Bytes& input, const std::vector<Bytes>& corpus, std::mt19937_64& random) {
  const auto byte = static_cast<std::uint8_t>(random());
  const std::size_t at = below(random, input.size() + 1);
  const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random() % 5) {
    case 0:
      if (place != input.end()) *place = static_cast<std::uint8_t>(*place ^ (1U << (byte % 8)));
      break;
    case 1:
      if (place != input.end()) *place = byte;
      break;
    case 2:
      input.insert(place, byte);
      break;
    case 3:
      if (place != input.end()) input.erase(place);
      break;
    default: {
      const Bytes& other = corpus[below(random, corpus.size())];
      const std::size_t from = std::min(at, other.size());
      input.erase(place, input.end());
      input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
    }
  }
  input.resize(std::min(input.size(), kLargestInput));
}

void run(const Bytes& input) {
  // A copy of exactly this size on the heap, so that sanitizers see one byte too many.
  const Bytes exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) try {
  std::vector<Bytes> corpus;
  for (int i = 1; i < argc; ++i) {
    for (auto& input : read_folder(argv[i])) corpus.push_back(std::move(input));
  }
  for (const Bytes& input : corpus) run(input);
  const std::size_t files = corpus.size();
  if (corpus.empty()) corpus.emplace_back();

  std::mt19937_64 random(1);
  for (int i = 0; i < kMutations; ++i) {
    Bytes input = corpus[below(random, corpus.size())];
    const std::size_t changes = 1 + below(random, 8);
    for (std::size_t c = 0; c < changes; ++c) mutate(input, corpus, random);
    run(input);
  }
  std::printf("%zu corpus files and %d mutated inputs\n", files, kMutations);
  return EXIT_SUCCESS;
} catch (const std::exception& error) {
  std::fprintf(stderr, "an input could not be replayed: %s\n", error.what());
  return EXIT_FAILURE;
}
