#pragma once
#include <cmath>

#include "math/adam.h"
#include "ops/update.h"

namespace gigawarp::cuda {

inline math::AdamStep adam_step(const ops::DirectionArgs& args) {
  math::AdamStep a;
  a.beta1 = args.beta1;
  a.beta2 = args.beta2;
  a.correction1 =
      static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(args.beta1), args.step)));
  a.root_correction2 = static_cast<float>(
      std::sqrt(1.0 / (1.0 - std::pow(static_cast<double>(args.beta2), args.step))));
  a.epsilon = args.epsilon;
  a.incoherence_damping = args.incoherence_damping;
  return a;
}

}  // namespace gigawarp::cuda
