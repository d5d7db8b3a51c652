#include "shard/step_parts.h"

namespace gigawarp::shard {
namespace {

using Kind = ops::StepPart::Kind;

/// LNCC finds all it needs around a voxel, and MSE what it needs where two volumes meet.
bool needs_measure(const ops::ChannelArgs& channel) {
  return std::holds_alternative<ops::MiArgs>(channel.metric) ||
         (std::holds_alternative<ops::MseArgs>(channel.metric) && !channel.meeting);
}

}  // namespace

std::vector<ops::StepPart> step_parts(const ops::StepArgs& args) {
  std::vector<ops::StepPart> parts;
  for (std::size_t first = 0, end = 0; first < args.channels.size(); first = end) {
    // Channels that meet take the same scratch one after another; others go together.
    const bool meets = args.channels[first].meeting.has_value();
    bool measures = false;
    for (end = first; end < args.channels.size(); ++end) {
      const ops::ChannelArgs& channel = args.channels[end];
      if (end > first && (meets || channel.meeting)) break;
      measures = measures || needs_measure(channel);
    }
    if (meets) parts.push_back({Kind::meet, first, end});
    if (measures) parts.push_back({Kind::measure, first, end});
    parts.push_back({Kind::differentiate, first, end});
  }
  parts.push_back({.kind = Kind::direct});
  for (int part = 1; part <= args.parts; ++part)
    parts.push_back({.kind = Kind::compose, .part = part});
  if (args.minimum > 0) {
    parts.push_back({.kind = Kind::find_folds});
    parts.push_back({.kind = Kind::relax_folds});
  }
  return parts;
}

}  // namespace gigawarp::shard
