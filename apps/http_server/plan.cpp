// SPDX-License-Identifier: BSD-3-Clause
//
// Routes by comparison: there are six of them.
#include "apps/http_server/plan.h"

namespace millrace::http {
namespace {

// The number behind `prefix`, if the path is that and digits.
bool number_after(std::string_view path, std::string_view prefix, std::uint64_t& number) {
  return path.starts_with(prefix) && parse_digits(path.substr(prefix.size()), number);
}

// Kind, number and status of a path; false if there is nothing.
bool route(std::string_view path, Plan& plan) {
  std::uint64_t n = 0;
  if (path == "/") {
    plan.kind = Kind::page;
  } else if (path == "/echo") {
    plan.kind = Kind::echo;
  } else if (number_after(path, "/bytes/", n) && n <= kMostBytes) {
    plan.kind = Kind::pattern;
    plan.number = n;
  } else if (number_after(path, "/chunked/", n) && n <= kMostBytes) {
    plan.kind = Kind::chunked;
    plan.number = n;
  } else if (number_after(path, "/status/", n) && n >= 200 && n <= 599) {
    plan.kind = Kind::status;
    plan.status = static_cast<std::uint16_t>(n);
  } else if (number_after(path, "/delay/", n) && n <= kMostDelayMs) {
    plan.kind = Kind::delay;
    plan.number = n;
  } else {
    return false;
  }
  return true;
}

Plan with_status(Plan plan, std::uint16_t status) {
  plan.kind = Kind::status;
  plan.number = 0;
  plan.status = status;
  return plan;
}

Plan plan_echo(Plan plan, const Request& request) {
  if (request.method != Method::post) {
    plan = with_status(plan, 405);
    plan.allow_post = true;
    return plan;
  }
  // RFC 9110 §15.5.12: a body without a length cannot be echoed to anyone.
  if (!request.has_length && !request.chunked) return with_status(plan, 411);
  if (request.content_length > kMostBytes) return with_status(plan, 413);
  plan.number = request.content_length;
  plan.chunked_body = request.chunked;
  plan.continues = request.expects_continue && request.has_body();
  return plan;
}

}  // namespace

Plan error_plan(std::uint16_t status) {
  Plan plan;
  plan.status = status;
  plan.close = true;
  plan.linger = true;
  return plan;
}

Plan plan_for(const Request& request) {
  if (request.error_status != 0) return error_plan(request.error_status);
  Plan plan;
  const bool found = route(request.path, plan);
  plan.head_only = request.method == Method::head;
  plan.http_1_0 = request.http_1_0;
  plan.close = !request.keep_alive;
  if (!found) {
    plan = with_status(plan, 404);
  } else if (plan.kind == Kind::echo) {
    plan = plan_echo(plan, request);
  } else if (request.method != Method::get && request.method != Method::head) {
    plan = with_status(plan, 405);
  }
  // A chunked answer to HTTP/1.0 is not chunked, and ends with the connection.
  if (plan.kind == Kind::chunked && plan.http_1_0) plan.close = true;
  // Whoever sends a body that nobody reads is told to stop.
  if (plan.kind != Kind::echo && request.has_body()) plan.close = plan.linger = true;
  return plan;
}

}  // namespace millrace::http
