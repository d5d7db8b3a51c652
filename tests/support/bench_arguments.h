#pragma once
#include <cstdio>
#include <string>

#include "gigawarp/error.h"
#include "gigawarp/grid.h"
#include "gigawarp/job.h"

/// What the measuring programs take on their command lines.
namespace gigawarp::test {

/// One number, or X,Y,Z. Throws Error{usage}.
inline Size3 parse_size(const std::string& text) {
  long long x = 0, y = 0, z = 0;
  const int read = std::sscanf(text.c_str(), "%lld,%lld,%lld", &x, &y, &z);
  if (read == 1) y = z = x;
  if ((read != 1 && read != 3) || x < 1 || y < 1 || z < 1)
    throw Error(ErrorCode::usage, "The size is one number or X,Y,Z, not \"" + text + "\".", "SIZE");
  return {x, y, z};
}

/// Throws Error{usage}.
inline MetricKind parse_metric(const std::string& name) {
  if (name == "lncc") return MetricKind::lncc;
  if (name == "mi") return MetricKind::mi;
  if (name == "mse") return MetricKind::mse;
  throw Error(ErrorCode::usage, "The metric is lncc, mi or mse, not \"" + name + "\".", "METRIC");
}

}  // namespace gigawarp::test
