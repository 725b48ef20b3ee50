// SPDX-License-Identifier: BSD-3-Clause
//
// The list of a command's options.
#include "apps/config/options.h"

#include "tcp/base/check.h"

namespace millrace {

Option& OptionSet::add(std::string name, std::string value_name, std::string help,
                       Option::Kind kind) {
  MR_CHECK(find(name) == nullptr);
  options_.push_back({std::move(name), /*letter=*/"", std::move(value_name), std::move(help),
                      heading_, kind,
                      /*positional=*/false, /*pairs=*/false, /*has_spaces=*/false, nullptr});
  return options_.back();
}

void OptionSet::toggle(std::string name, std::string help, bool& target, std::string letter) {
  Option& o = add(std::move(name), "", std::move(help), Option::Kind::toggle);
  o.letter = std::move(letter);
  o.set = [&target](std::string_view word, bool) -> Status {
    auto on = parse_switch(word);
    if (!on) return on.error();
    target = on.value();
    return Ok{};
  };
}

const Option* OptionSet::find(std::string_view name) const {
  for (const Option& option : options_) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::vector<std::string> OptionSet::names() const {
  std::vector<std::string> names;
  for (const Option& option : options_) {
    if (!option.positional) names.push_back(option.name);
  }
  return names;
}

Result<std::string> parse_text(std::string_view word) { return std::string(word); }

}  // namespace millrace
