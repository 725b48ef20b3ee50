// SPDX-License-Identifier: BSD-3-Clause
//
// Address space for pools and tables. The one place under tcp/ that asks the system for memory, and
// only while an endpoint is being built.
#include "tcp/base/pool.h"

namespace millrace {

ReservedPages::ReservedPages(std::size_t bytes) : bytes_(bytes) {
  if (bytes_ == 0) return;
  void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  // Large pages where the system gives them: a table of millions of entries is all random access.
  if (bytes_ >= (std::size_t{64} << 20)) (void)madvise(p, bytes_, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(p);
}

ReservedPages::~ReservedPages() {
  if (data_ != nullptr) (void)munmap(data_, bytes_);
}

}  // namespace millrace
